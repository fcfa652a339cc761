/// The description of a fatal alert that a datagram carries in the clear, as peers send it when
/// a handshake fails before there are keys (RFC 6347, 4.1; RFC 8446, 6).
pub(crate) fn plaintext_fatal_alert(datagram: &[u8]) -> Option<u8> {
    match datagram {
        [ALERT, VERSION_MAJOR, _, 0, 0, _, _, _, _, _, _, 0, 2, FATAL, description, ..] => {
            Some(*description)
        }
        _ => None,
    }
}

const ALERT: u8 = 21;
/// DTLS versions are written as ones' complements.
const VERSION_MAJOR: u8 = 0xFE;
const FATAL: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_fatal_alerts_of_epoch_zero_are_seen() {
        let handshake_failure = [21, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 2, 40];
        assert_eq!(plaintext_fatal_alert(&handshake_failure), Some(40));
        assert_eq!(plaintext_fatal_alert(&handshake_failure[..14]), None);
        for (at, value) in [(0, 22), (4, 1), (12, 3), (13, 1)] {
            let mut other = handshake_failure;
            other[at] = value;
            assert_eq!(plaintext_fatal_alert(&other), None, "byte {at}");
        }
    }
}
