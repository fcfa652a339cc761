//! RTP packets, written byte by byte (RFC 3550, RFC 8285).

/// A packet that a simulated client sends, before its number on the transport is known.
#[derive(Clone, Debug, Default)]
pub struct OutgoingRtp {
    /// Its SSRC.
    pub ssrc: u32,
    /// Its payload type.
    pub payload_type: u8,
    /// Its number.
    pub sequence_number: u16,
    /// Its timestamp.
    pub timestamp: u32,
    /// The marker bit.
    pub marker: bool,
    /// Header extensions without the transport-wide number: `(id, data)`.
    pub extensions: Vec<(u8, Vec<u8>)>,
    /// Behind the header.
    pub payload: Vec<u8>,
}

impl OutgoingRtp {
    /// The bytes, with a transport-wide number.
    pub(crate) fn to_bytes(&self, transport_number: u16) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + self.payload.len());
        out.push(0x90);
        out.push(u8::from(self.marker) << 7 | self.payload_type);
        out.extend_from_slice(&self.sequence_number.to_be_bytes());
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        out.extend_from_slice(&self.ssrc.to_be_bytes());
        let number = transport_number.to_be_bytes();
        let elements = self.extensions.iter().map(|(id, data)| (*id, data.as_slice()));
        let elements: Vec<(u8, &[u8])> =
            elements.chain([(TRANSPORT_CC_ID, number.as_slice())]).collect();
        let one_byte = elements.iter().all(|(_, data)| (1..=16).contains(&data.len()));
        out.extend_from_slice(if one_byte { &[0xbe, 0xde] } else { &[0x10, 0x00] });
        let mut block = Vec::new();
        for (id, data) in elements {
            let len = u8::try_from(data.len()).unwrap_or(u8::MAX);
            if one_byte {
                block.push(id << 4 | (len - 1));
            } else {
                block.extend_from_slice(&[id, len]);
            }
            block.extend_from_slice(data);
        }
        block.resize(block.len().next_multiple_of(4), 0);
        out.extend_from_slice(&u16::try_from(block.len() / 4).unwrap_or(0).to_be_bytes());
        out.extend_from_slice(&block);
        out.extend_from_slice(&self.payload);
        out
    }

    /// The same as a retransmission (RFC 4588).
    pub(crate) fn as_retransmission(&self, ssrc: u32, payload_type: u8, number: u16) -> Self {
        let mut payload = self.sequence_number.to_be_bytes().to_vec();
        payload.extend_from_slice(&self.payload);
        Self { ssrc, payload_type, sequence_number: number, payload, ..self.clone() }
    }
}

/// Ids of the header extensions that all simulated clients negotiate.
pub(crate) const AUDIO_LEVEL_ID: u8 = 1;
pub(crate) const TRANSPORT_CC_ID: u8 = 5;
pub(crate) const MID_ID: u8 = 10;
pub(crate) const DEPENDENCY_DESCRIPTOR_ID: u8 = 11;

#[cfg(test)]
mod tests {
    use super::*;
    use bridge_rtp::RtpView;

    #[test]
    fn packets_are_read_as_they_were_written() {
        for descriptor in [vec![1, 2, 3], vec![9; 40]] {
            let packet = OutgoingRtp {
                ssrc: 0x0102_0304,
                payload_type: 41,
                sequence_number: 65_535,
                timestamp: 7,
                marker: true,
                extensions: vec![(DEPENDENCY_DESCRIPTOR_ID, descriptor.clone())],
                payload: vec![1, 2, 3],
            };
            let bytes = packet.to_bytes(513);
            let view = RtpView::parse(&bytes).unwrap();
            assert_eq!(view.extension(DEPENDENCY_DESCRIPTOR_ID), Some(descriptor.as_slice()));
            assert_eq!(view.extension(TRANSPORT_CC_ID), Some(&[2_u8, 1][..]));
            assert_eq!((view.payload(), view.header().marker), (&[1_u8, 2, 3][..], true));
            assert_eq!((view.header().ssrc, view.header().payload_type), (0x0102_0304, 41));
        }
    }
}
