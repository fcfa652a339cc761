//! Which endpoint's stream an SSRC is: the generator chooses them all, so they carry it.

/// One stream of one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StreamId {
    /// The endpoint's number, from 0.
    pub(crate) endpoint: u32,
    /// What it carries.
    pub(crate) kind: StreamKind,
}

/// What a stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum StreamKind {
    /// Sound.
    Audio,
    /// Pictures: encoding 0 is the smallest.
    Video(u8),
    /// Retransmissions of that encoding.
    Rtx(u8),
}

impl StreamId {
    pub(crate) const fn ssrc(self) -> u32 {
        let kind = match self.kind {
            StreamKind::Audio => 0,
            StreamKind::Video(encoding) => 1 + encoding as u32,
            StreamKind::Rtx(encoding) => 1 + MAX_ENCODINGS as u32 + encoding as u32,
        };
        BASE + self.endpoint * SSRCS_PER_ENDPOINT + kind
    }

    /// `None` for an SSRC that no endpoint has.
    pub(crate) fn of_ssrc(ssrc: u32) -> Option<Self> {
        let number = ssrc.checked_sub(BASE)?;
        let endpoint = number / SSRCS_PER_ENDPOINT;
        let kind = (number % SSRCS_PER_ENDPOINT) as u8;
        let kind = match kind {
            0 => StreamKind::Audio,
            1..=MAX_ENCODINGS => StreamKind::Video(kind - 1),
            _ if kind <= 2 * MAX_ENCODINGS => StreamKind::Rtx(kind - 1 - MAX_ENCODINGS),
            _ => return None,
        };
        (endpoint < MAX_ENDPOINT).then_some(Self { endpoint, kind })
    }
}

/// Simulcast encodings of a source.
pub(crate) const MAX_ENCODINGS: u8 = 3;
const SSRCS_PER_ENDPOINT: u32 = 8;
/// Away from small numbers, which bridges take for their own (JVB: 1 is the "unknown sender").
const BASE: u32 = 0x1000_0000;
/// More than ports exist, and far from the end of the numbers.
const MAX_ENDPOINT: u32 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssrcs_lead_back_to_their_stream() {
        let kinds = [
            StreamKind::Audio,
            StreamKind::Video(0),
            StreamKind::Video(2),
            StreamKind::Rtx(0),
            StreamKind::Rtx(2),
        ];
        for endpoint in [0, 1, 999] {
            for kind in kinds {
                let id = StreamId { endpoint, kind };
                assert_eq!(StreamId::of_ssrc(id.ssrc()), Some(id));
            }
        }
        for ssrc in [0, 1, BASE - 1, BASE + 7, u32::MAX] {
            assert_eq!(StreamId::of_ssrc(ssrc), None);
        }
    }
}
