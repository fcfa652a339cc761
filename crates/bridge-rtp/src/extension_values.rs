use bridge_units::Timestamp;

/// Bytes of a transport-wide sequence number element. Version 2 of the extension appends two bytes
/// of feedback request, which are ignored.
pub const TRANSPORT_CC_LEN: usize = 2;

/// How loud a packet's sound is (RFC 6464).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioLevel {
    /// In dB below full scale: 0 is the loudest, 127 is silence.
    pub level: u8,
    /// The sender's voice activity detection says speech.
    pub voice_activity: bool,
}

impl AudioLevel {
    /// The level that means silence.
    pub const SILENCE: u8 = 127;

    /// From the data of an element; `None` if it is empty.
    pub fn parse(data: &[u8]) -> Option<Self> {
        let byte = *data.first()?;
        Some(Self { level: byte & LEVEL_MASK, voice_activity: byte & VOICE_BIT != 0 })
    }

    /// The byte that is written.
    pub const fn to_byte(self) -> u8 {
        (self.level & LEVEL_MASK) | if self.voice_activity { VOICE_BIT } else { 0 }
    }

    /// Whether the sender calls this silence.
    pub const fn is_silence(self) -> bool {
        self.level == Self::SILENCE
    }
}

/// The transport-wide sequence number in the data of an element; `None` if it is too short.
pub fn transport_cc_sequence(data: &[u8]) -> Option<u16> {
    data.first_chunk::<TRANSPORT_CC_LEN>().copied().map(u16::from_be_bytes)
}

/// The data of an abs-send-time element: 24 bits of 6.18 fixed point seconds, wrapping every 64 s.
pub fn abs_send_time(now: Timestamp) -> [u8; 3] {
    let ticks = (u128::from(now.as_nanos()) << ABS_SEND_TIME_FRACTION_BITS) / NANOS_PER_SECOND;
    let [.., high, middle, low] = ticks.to_be_bytes();
    [high, middle, low]
}

const LEVEL_MASK: u8 = 0x7f;
const VOICE_BIT: u8 = 0x80;
const ABS_SEND_TIME_FRACTION_BITS: u32 = 18;
const NANOS_PER_SECOND: u128 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audio_level_has_level_and_voice() {
        for byte in 0..=255_u8 {
            let level = AudioLevel::parse(&[byte]).unwrap();
            assert_eq!((level.level, level.voice_activity), (byte & 0x7f, byte >= 0x80));
            assert_eq!(level.to_byte(), byte);
            assert_eq!(level.is_silence(), byte & 0x7f == 127);
        }
        assert_eq!(AudioLevel::parse(&[]), None);
    }

    #[test]
    fn transport_cc_is_two_bytes() {
        assert_eq!(transport_cc_sequence(&[0x12, 0x34]), Some(0x1234));
        assert_eq!(transport_cc_sequence(&[0x12, 0x34, 0xff, 0xff]), Some(0x1234));
        assert_eq!(transport_cc_sequence(&[0x12]), None);
    }

    #[test]
    fn abs_send_time_is_six_eighteen_fixed_point() {
        for (millis, expected) in [
            (0, [0, 0, 0]),
            (1_000, [0x04, 0, 0]),
            (500, [0x02, 0, 0]),
            (63_000, [0xfc, 0, 0]),
            (64_000, [0, 0, 0]),
            (65_250, [0x05, 0, 0]),
        ] {
            assert_eq!(abs_send_time(Timestamp::from_millis(millis)), expected, "{millis} ms");
        }
    }
}
