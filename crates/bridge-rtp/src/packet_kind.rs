use crate::header::MIN_RTP_HEADER_LEN;

/// The shortest RTCP or SRTCP packet: common header and sender SSRC, which SRTCP leaves in clear.
pub const MIN_SRTCP_LEN: usize = 8;

/// What a datagram is, told from its first two bytes and its length (RFC 7983, RFC 5761 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PacketKind {
    /// First byte 0 to 3.
    Stun,
    /// First byte 20 to 63.
    Dtls,
    /// First byte 128 to 191 and not RTCP, at least 12 bytes.
    Rtp,
    /// First byte 128 to 191, second byte 192 to 223, at least 8 bytes.
    Rtcp,
    /// Empty, too short, ZRTP, TURN channel data, QUIC or unassigned: dropped without noise.
    Other,
}

impl PacketKind {
    /// The kind of `datagram`. Looks at no more than two bytes and the length.
    pub fn classify(datagram: &[u8]) -> Self {
        match *datagram {
            [0..=3, ..] => Self::Stun,
            [20..=63, ..] => Self::Dtls,
            [128..=191, 192..=223, ..] if datagram.len() >= MIN_SRTCP_LEN => Self::Rtcp,
            [128..=191, 192..=223, ..] => Self::Other,
            [128..=191, ..] if datagram.len() >= MIN_RTP_HEADER_LEN => Self::Rtp,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datagram(first: u8, second: u8, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        bytes[0] = first;
        if len > 1 {
            bytes[1] = second;
        }
        bytes
    }

    #[test]
    fn first_byte_tells_the_protocol() {
        for first in 0..=255_u8 {
            let expected = match first {
                0..=3 => PacketKind::Stun,
                20..=63 => PacketKind::Dtls,
                128..=191 => PacketKind::Rtp,
                _ => PacketKind::Other,
            };
            assert_eq!(PacketKind::classify(&datagram(first, 96, 20)), expected, "{first}");
        }
        assert_eq!(PacketKind::classify(&[]), PacketKind::Other);
    }

    #[test]
    fn second_byte_separates_rtcp() {
        for second in 0..=255_u8 {
            let expected =
                if (192..=223).contains(&second) { PacketKind::Rtcp } else { PacketKind::Rtp };
            assert_eq!(PacketKind::classify(&datagram(0x80, second, 12)), expected, "{second}");
        }
    }

    #[test]
    fn short_media_is_nothing() {
        for (second, len, expected) in [
            (96, 12, PacketKind::Rtp),
            (96, 11, PacketKind::Other),
            (200, 8, PacketKind::Rtcp),
            (200, 7, PacketKind::Other),
            (0, 1, PacketKind::Other),
        ] {
            assert_eq!(PacketKind::classify(&datagram(0x80, second, len)), expected);
        }
        assert_eq!(PacketKind::classify(&[22]), PacketKind::Dtls);
        assert_eq!(PacketKind::classify(&[0]), PacketKind::Stun);
    }
}
