//! The Data Channel Establishment Protocol (RFC 8832), as far as one ordered and reliable channel
//! needs it.

/// DATA_CHANNEL_ACK, the whole message (RFC 8832, section 5.2).
pub(super) const ACK: u8 = 0x02;

/// Whether `message` is a well-formed DATA_CHANNEL_OPEN (RFC 8832, section 5.1). What it asks for is
/// ignored, as in JVB (`DataChannelProtocolMessageParser`).
pub(super) fn is_open(message: &[u8]) -> bool {
    let Some((head, rest)) = message.split_first_chunk::<HEADER_LEN>() else { return false };
    let length = |at: usize| usize::from(u16::from_be_bytes([head[at], head[at + 1]]));
    head[0] == OPEN && rest.len() == length(8) + length(10)
}

/// A DATA_CHANNEL_OPEN for an ordered, reliable channel. `None` if a name is longer than its length
/// field can say.
pub(super) fn open(label: &str, protocol: &str) -> Option<Vec<u8>> {
    let length = |text: &str| u16::try_from(text.len()).map(u16::to_be_bytes).ok();
    let (label_length, protocol_length) = (length(label)?, length(protocol)?);
    let reliable = [OPEN, 0, 0, 0, 0, 0, 0, 0];
    let head = [&reliable[..], &label_length, &protocol_length].concat();
    Some([&head, label.as_bytes(), protocol.as_bytes()].concat())
}

const OPEN: u8 = 0x03;
const HEADER_LEN: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_open_messages_count() {
        let mut open = vec![0x03, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 4];
        open.extend_from_slice(b"labelhttp");
        assert!(is_open(&open));
        for (name, message) in [
            ("empty", &[][..]),
            ("ack", &[ACK][..]),
            ("truncated", &open[..open.len() - 1]),
            ("header only", &open[..12]),
            ("another type", &[&[4], &open[1..]].concat()[..]),
            ("too long", &[&open[..], b"x"].concat()[..]),
        ] {
            assert!(!is_open(message), "{name}");
        }
    }

    #[test]
    fn what_is_opened_is_well_formed() {
        let message = open("label", "http").unwrap();
        assert_eq!(message, b"\x03\0\0\0\0\0\0\0\0\x05\0\x04labelhttp");
        assert!(is_open(&message));
        assert_eq!(open(&"x".repeat(1 << 16), ""), None);
    }
}
