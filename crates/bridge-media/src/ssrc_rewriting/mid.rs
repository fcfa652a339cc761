use std::fmt;
use std::str;

use bridge_units::MediaType;

/// The longest MID: a letter and the digits of 32 bits.
pub const MAX_MID_LEN: usize = 11;

/// The media identification of a slot: `a0`, `v17` (RFC 9143).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mid {
    bytes: [u8; MAX_MID_LEN],
    len: u8,
}

impl Mid {
    /// Of the slot with this number among those of its media type.
    pub fn new(media: MediaType, number: u32) -> Self {
        let mut bytes = [0; MAX_MID_LEN];
        let mut start = bytes.len();
        let mut rest = number;
        let mut put = |byte| {
            start -= 1;
            if let Some(place) = bytes.get_mut(start) {
                *place = byte;
            }
        };
        loop {
            put(DIGITS[(rest % 10) as usize]);
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        put(match media {
            MediaType::Audio => b'a',
            MediaType::Video => b'v',
        });
        bytes.rotate_left(start);
        // A letter and at most ten digits.
        let len = (MAX_MID_LEN - start).to_le_bytes()[0];
        Self { bytes, len }
    }

    /// What the header extension carries.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// As it is signalled.
    pub fn as_str(&self) -> &str {
        str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl fmt::Debug for Mid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Mid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

const DIGITS: &[u8; 10] = b"0123456789";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mids_are_a_letter_and_a_number() {
        for (media, number, expected) in [
            (MediaType::Audio, 0, "a0"),
            (MediaType::Video, 49, "v49"),
            (MediaType::Video, 100, "v100"),
            (MediaType::Audio, u32::MAX, "a4294967295"),
        ] {
            let mid = Mid::new(media, number);
            assert_eq!((mid.as_str(), mid.as_bytes()), (expected, expected.as_bytes()));
        }
    }
}
