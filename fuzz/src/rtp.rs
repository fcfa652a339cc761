//! An RTP packet from the network: its header, its extensions, and its copy with other extensions.

use bridge_rtp::{
    AddedExtension, AudioLevel, ExtensionIdSet, PacketKind, RtpHeader, RtpPacketMut, RtpView,
    transport_cc_sequence, write_packet,
};

use crate::bytes::Bytes;

/// The ids to keep and the packet.
pub fn run(data: &[u8]) {
    let (control, packet) = data.split_at(data.len().min(CONTROL_LEN));
    let _kind = PacketKind::classify(packet);
    let Ok(header) = RtpHeader::parse(packet) else { return };
    read(packet, header);
    strip(&mut Bytes::new(control), packet, &header);
    overwrite(packet);
}

/// Plain, padded and extended packets.
pub fn seeds() -> Vec<Vec<u8>> {
    let fixed = [0x80, 100, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
    let mut one_byte = fixed.to_vec();
    one_byte[0] = 0x92;
    one_byte.extend([0, 0, 0, 9, 0, 0, 0, 8]);
    one_byte.extend([0xbe, 0xde, 0, 2, 0x10, 0x85, 0x51, 0x12, 0x34, 0, 0, 0]);
    one_byte.extend([1, 2, 3]);
    let mut two_byte = fixed.to_vec();
    two_byte[0] = 0xb0;
    two_byte.extend([0x10, 0, 0, 2, 1, 1, 0x7f, 20, 3, 1, 2, 3]);
    two_byte.extend([7, 7, 0, 2]);
    [fixed.to_vec(), one_byte, two_byte]
        .into_iter()
        .map(|packet| [vec![0x5a; CONTROL_LEN], packet].concat())
        .collect()
}

fn read(packet: &[u8], header: RtpHeader) {
    let view = RtpView::new(header, packet);
    let payload = view.payload().len() + header.padding_len(packet);
    assert!(header.header_len() + payload <= packet.len());
    assert_eq!(header.csrcs(packet).count(), usize::from(header.csrc_count));
    for element in view.extensions() {
        let data = element.data(packet);
        assert!(data.is_some_and(|data| data.len() == usize::from(element.len)));
        assert!(header.find_extension(packet, element.id).is_some());
        let data = data.unwrap_or_default();
        let _values = (AudioLevel::parse(data), transport_cc_sequence(data));
    }
}

fn strip(control: &mut Bytes<'_>, packet: &[u8], header: &RtpHeader) {
    let mut keep = ExtensionIdSet::EMPTY;
    let mask = control.u16();
    (0..16).filter(|id| mask >> id & 1 != 0).for_each(|id| keep.insert(id));
    let added = [
        AddedExtension { id: control.u8(), data: &[1, 2, 3] },
        AddedExtension { id: control.u8(), data: &packet[..usize::from(control.u8() % 12)] },
    ];
    let added = &added[..usize::from(control.u8() % 3)];
    let mut out = vec![0; packet.len() + 600];
    let Ok((written, len)) = write_packet(packet, header, &keep, added, &mut out) else {
        let is_wrong_id = added.iter().any(|extension| extension.id == 0);
        assert!(is_wrong_id, "what was parsed can be written: {packet:02x?} {added:?}");
        return;
    };
    let out = &out[..len];
    assert_eq!(RtpHeader::parse(out), Ok(written));
    assert_eq!(written.payload(out), header.payload(packet));
    for element in written.extensions(out) {
        let is_added = added.iter().any(|extension| extension.id == element.id);
        assert!(keep.contains(element.id) || is_added);
    }
}

fn overwrite(packet: &[u8]) {
    let mut copy = packet.to_vec();
    let Ok(mut packet) = RtpPacketMut::parse(&mut copy) else { return };
    packet.set_marker(true);
    packet.set_payload_type(99);
    packet.set_sequence_number(0xabcd);
    packet.set_timestamp(0x1234_5678);
    packet.set_ssrc(0x8765_4321);
    let header = *packet.header();
    let without_padding = packet.as_view().payload().to_vec();
    assert_eq!(RtpHeader::parse(&copy), Ok(header));
    let Ok(mut packet) = RtpPacketMut::parse(&mut copy) else { return };
    let len = packet.remove_padding();
    let header = *packet.header();
    assert_eq!(header.payload(&copy[..len]), without_padding);
}

const CONTROL_LEN: usize = 8;
