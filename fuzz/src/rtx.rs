//! Retransmissions, in and out.

use bridge_rtp::{RTX_OSN_LEN, RtpHeader, RtxStream, rtx_decapsulate, rtx_encapsulate};

/// A packet, which is taken for a retransmission, and retransmitted.
pub fn run(data: &[u8]) {
    let Ok(header) = RtpHeader::parse(data) else { return };
    let mut copy = data.to_vec();
    if let Ok((original, bytes)) = rtx_decapsulate(&mut copy, &header, 100, 7) {
        assert_eq!(RtpHeader::parse(bytes), Ok(original));
        assert_eq!(bytes.len() + RTX_OSN_LEN, data.len());
    }
    let stream = RtxStream { payload_type: 97, ssrc: 9, sequence_number: 5 };
    let mut out = vec![0; data.len() + RTX_OSN_LEN];
    let len = rtx_encapsulate(data, &header, stream, &mut out);
    assert_eq!(len, Ok(out.len()));
    let Ok(rtx) = RtpHeader::parse(&out) else { unreachable!("what is sent can be read") };
    if header.has_padding && rtx.payload(&out).len() < RTX_OSN_LEN {
        return;
    }
    let original = rtx_decapsulate(&mut out, &rtx, header.payload_type, header.ssrc);
    assert!(original.is_ok_and(|(again, bytes)| again == header && bytes == data));
}

/// A retransmission and a probe.
pub fn seeds() -> Vec<Vec<u8>> {
    let fixed = [0x80, 97, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
    let padded = [0xa0, 97, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4];
    vec![[&fixed[..], &[0x12, 0x34, 9, 9, 9]].concat(), fixed.to_vec(), padded.to_vec()]
}
