use bridge_rtp::codec::{DependencyRewrite, rewrite_vp8, rewrite_vp9};
use bridge_rtp::{RtpHeader, RtpPacketMut};

/// What a receiver's copy of a packet says instead. Everything behind the payload descriptor stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// The SSRC of the source's first encoding.
    pub ssrc: u32,
    /// The receiver's number.
    pub sequence_number: u16,
    /// The receiver's timestamp.
    pub timestamp: u32,
    /// The M bit; it is only ever added.
    pub marker: bool,
    /// What changes in the payload or in an extension.
    pub payload: PayloadRewrite,
}

/// The codec's part of a [`Rewrite`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadRewrite {
    /// The payload stays as it is.
    None,
    /// The VP8 payload descriptor, as far as it has these fields.
    Vp8 {
        /// 15 bits.
        picture_id: u16,
        /// Frames of temporal layer 0.
        tl0_picture_index: u8,
    },
    /// The VP9 payload descriptor, as far as it has these fields.
    Vp9 {
        /// 15 bits.
        picture_id: u16,
        /// Pictures of temporal layer 0.
        tl0_picture_index: u8,
    },
    /// The dependency descriptor extension, which may change its length.
    Dependency(DependencyRewrite),
    /// The dependency descriptor extension is to be forwarded as it is.
    DependencyAsIs,
}

impl Rewrite {
    /// The header values that the receiver's copy gets, for a caller that writes the header anew.
    pub fn header(&self, header: &RtpHeader) -> RtpHeader {
        let mut header = *header;
        header.ssrc = self.ssrc;
        header.sequence_number = self.sequence_number;
        header.timestamp = self.timestamp;
        header.marker = self.marker;
        header
    }

    /// Rewrites header and payload descriptor in a copy of the packet. A dependency descriptor is
    /// left to the caller, since it can change the length of the header.
    pub fn apply(&self, packet: &mut RtpPacketMut<'_>) {
        packet.set_ssrc(self.ssrc);
        packet.set_sequence_number(self.sequence_number);
        packet.set_timestamp(self.timestamp);
        packet.set_marker(self.marker);
        self.apply_to_payload(packet.payload_with_padding_mut());
    }

    /// Rewrites the payload descriptor in a copy of the payload. It was read before, so it is there.
    pub fn apply_to_payload(&self, payload: &mut [u8]) {
        // A descriptor that cannot be rewritten is not the one that was parsed; it stays.
        let _unchanged = match self.payload {
            PayloadRewrite::Vp8 { picture_id, tl0_picture_index } => {
                rewrite_vp8(payload, picture_id, tl0_picture_index)
            }
            PayloadRewrite::Vp9 { picture_id, tl0_picture_index } => {
                rewrite_vp9(payload, picture_id, tl0_picture_index)
            }
            PayloadRewrite::None
            | PayloadRewrite::Dependency(_)
            | PayloadRewrite::DependencyAsIs => None,
        };
    }
}
