//! Redundant audio of one sender: taken apart, and made.

use bridge_media::{
    AudioPacket, RedBlock, RedConfig, RedDistance, RedPacket, RedPolicy, RedStream, write_red,
};

use crate::bytes::{Bytes, records};

/// Packets, each with the step of its number and what becomes of it.
pub fn run(data: &[u8]) {
    let mut input = Bytes::new(data);
    let (mut strip, mut protect) = (RedStream::new(), RedStream::new());
    let (mut sequence_number, mut timestamp) = (input.u16(), input.u32());
    while !input.is_empty() {
        let control = input.u8();
        sequence_number = sequence_number.wrapping_add(u16::from(control & 7)).wrapping_sub(2);
        timestamp = timestamp.wrapping_add(u32::from(control >> 3) * 480);
        let packet = AudioPacket {
            sequence_number,
            timestamp,
            payload_type: 111,
            voice_activity: control & 1 != 0,
            payload: input.chunk(),
        };
        read(packet.payload);
        if control & 0x40 != 0 {
            strip.accept_plain(sequence_number);
        } else {
            take_apart(&mut strip, &packet);
        }
        make(&mut protect, &packet, control);
    }
}

/// As browsers send, and damaged.
pub fn seeds() -> Vec<Vec<u8>> {
    let two = [0xef, 0x1e, 0, 2, 0xef, 0x0f, 0, 3, 111, 1, 1, 2, 2, 2, 3, 3];
    let one = [0xef, 0x0f, 0, 2, 111, 1, 1, 2, 2];
    let mut input = vec![0, 5, 0, 0, 1, 0];
    for payload in [&two[..], &one, &[111, 9, 9], &two[..11]] {
        input.push(0x13);
        input.extend(records([payload]));
    }
    vec![input]
}

fn read(payload: &[u8]) {
    let Ok(red) = RedPacket::parse(payload) else { return };
    let blocks: Vec<RedBlock<'_>> = red.redundant().collect();
    assert_eq!(blocks.len(), red.redundant_count());
    let mut out = vec![0; payload.len()];
    let len = write_red(&blocks, red.primary(), &mut out);
    assert_eq!(len, Some(payload.len()), "what was read can be written");
    assert_eq!(out, payload);
}

fn take_apart(stream: &mut RedStream, packet: &AudioPacket<'_>) {
    let mut emitted = Vec::new();
    let result = stream.strip(packet, |plain| emitted.push(plain));
    assert!(emitted.len() <= 3 && (result.is_ok() || emitted.is_empty()));
    for plain in emitted.iter().filter(|plain| plain.is_recovered) {
        assert!((1..=2).contains(&packet.sequence_number.wrapping_sub(plain.sequence_number)));
    }
}

fn make(stream: &mut RedStream, packet: &AudioPacket<'_>, control: u8) {
    let config = RedConfig {
        policy: RedPolicy::ProtectAll,
        distance: if control & 0x20 != 0 { RedDistance::One } else { RedDistance::Two },
        vad_only: control & 0x10 != 0,
    };
    let mut out = [0; 1_500];
    let Some(len) = stream.protect(packet, &config, &mut out) else { return };
    if packet.payload.is_empty() {
        return;
    }
    let red = RedPacket::parse(&out[..len]);
    assert!(red.is_ok_and(|red| red.primary().data == packet.payload));
}
