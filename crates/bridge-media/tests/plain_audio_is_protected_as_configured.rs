//! With PROTECT_ALL, plain audio becomes RED with one or two earlier packets, as far as they are
//! known, spoken and near enough.

use bridge_media::{AudioPacket, RedConfig, RedDistance, RedPacket, RedPolicy, RedStream};

const OPUS: u8 = 111;

const ALWAYS: RedConfig =
    RedConfig { policy: RedPolicy::ProtectAll, distance: RedDistance::Two, vad_only: false };
const SPEECH_ONLY: RedConfig = RedConfig { vad_only: true, ..ALWAYS };
const ONE: RedConfig = RedConfig { distance: RedDistance::One, ..ALWAYS };

#[derive(Clone, Copy)]
struct Packet {
    number: u16,
    timestamp: u32,
    speaks: bool,
}

/// Packet `number` of a stream whose numbers and timestamps wrap at packet 3.
fn packet(number: u16) -> Packet {
    let timestamp = (u32::MAX - 2 * 960).wrapping_add(u32::from(number) * 960);
    Packet { number, timestamp, speaks: true }
}

/// Protects a packet; answers the numbers of all blocks of the result, after checking them.
fn protect(stream: &mut RedStream, config: &RedConfig, packet: Packet) -> Vec<u8> {
    let payload = [u8::try_from(packet.number).expect("tests count to 7"), 0x77];
    let audio = AudioPacket {
        sequence_number: 65_533_u16.wrapping_add(packet.number),
        timestamp: packet.timestamp,
        payload_type: OPUS,
        voice_activity: packet.speaks,
        payload: &payload,
    };
    let mut out = [0; 100];
    let len = stream.protect(&audio, config, &mut out).expect("there is room");
    let red = RedPacket::parse(&out[..len]).expect("it was written");
    assert_eq!((red.primary().payload_type, red.primary().data), (OPUS, &payload[..]));
    let mut numbers = Vec::new();
    for (distance, block) in (1..=red.redundant_count()).rev().zip(red.redundant()) {
        assert_eq!((block.payload_type, block.data.len()), (OPUS, 2));
        assert_eq!(usize::from(block.data[0]), usize::from(packet.number) - distance);
        numbers.push(block.data[0]);
    }
    numbers.push(red.primary().data[0]);
    numbers
}

#[test]
fn the_two_packets_before_are_added() {
    let mut stream = RedStream::new();
    let out = [0, 1, 2, 3, 4].map(|n| protect(&mut stream, &SPEECH_ONLY, packet(n)));
    assert_eq!(out[..3], [vec![0], vec![0, 1], vec![0, 1, 2]]);
    assert_eq!(out[3..], [vec![1, 2, 3], vec![2, 3, 4]]);
}

#[test]
fn one_packet_before_is_added() {
    let mut stream = RedStream::new();
    let out = [0, 1, 2].map(|n| protect(&mut stream, &ONE, packet(n)));
    assert_eq!(out, [vec![0], vec![0, 1], vec![1, 2]]);
}

#[test]
fn what_was_lost_on_the_way_in_is_not_added() {
    let mut stream = RedStream::new();
    let out = [0, 1, 2, 3, 5, 6, 7].map(|n| protect(&mut stream, &ALWAYS, packet(n)));
    assert_eq!(out[4..], [vec![5], vec![5, 6], vec![5, 6, 7]]);
}

#[test]
fn only_speech_is_added_if_so_configured() {
    let quiet = |n| Packet { speaks: false, ..packet(n) };
    let protect_all = |config: &RedConfig, packets: [Packet; 3]| {
        let mut stream = RedStream::new();
        packets.map(|packet| protect(&mut stream, config, packet))[2].clone()
    };
    for (packets, expected) in [
        ([packet(0), packet(1), packet(2)], vec![0, 1, 2]),
        // The one next to the packet goes along with a spoken one before it.
        ([packet(0), quiet(1), packet(2)], vec![0, 1, 2]),
        ([quiet(0), packet(1), packet(2)], vec![1, 2]),
        ([quiet(0), quiet(1), packet(2)], vec![2]),
        ([packet(0), packet(1), quiet(2)], vec![0, 1, 2]),
    ] {
        assert_eq!(protect_all(&SPEECH_ONLY, packets), expected);
        assert_eq!(protect_all(&ALWAYS, packets), [0, 1, 2]);
    }
    let one = RedConfig { vad_only: true, ..ONE };
    assert_eq!(protect_all(&one, [packet(0), quiet(1), packet(2)]), [2]);
    assert_eq!(protect_all(&one, [quiet(0), packet(1), packet(2)]), [1, 2]);
}

#[test]
fn what_is_more_than_16383_ticks_before_is_omitted() {
    let spaced = |ticks: u32, n: u16| {
        let timestamp = 50_u32.wrapping_sub(ticks).wrapping_add(u32::from(n) * ticks);
        Packet { timestamp, ..packet(n) }
    };
    for (ticks, expected) in [(8_191, vec![0, 1, 2]), (8_192, vec![1, 2]), (16_383, vec![1, 2])] {
        let mut stream = RedStream::new();
        let out = [0, 1, 2].map(|n| protect(&mut stream, &ALWAYS, spaced(ticks, n)));
        assert_eq!(out[2], expected, "{ticks}");
    }
    let mut stream = RedStream::new();
    let out = [0, 1, 2].map(|n| protect(&mut stream, &ALWAYS, spaced(16_384, n)));
    assert_eq!(out, [[0], [1], [2]]);
}

#[test]
fn packets_out_of_order_are_added_where_they_belong() {
    let mut stream = RedStream::new();
    let out = [0, 2, 1, 3].map(|n| protect(&mut stream, &ALWAYS, packet(n)));
    assert_eq!(out, [vec![0], vec![2], vec![0, 1], vec![1, 2, 3]]);
    let out = [7, 3, 8].map(|n| protect(&mut stream, &ALWAYS, packet(n)));
    assert_eq!(out[2], [7, 8]);
}

#[test]
fn redundancy_gives_way_to_what_has_to_fit() {
    let audio = |n: u16, payload: &'static [u8]| AudioPacket {
        sequence_number: n,
        timestamp: u32::from(n) * 960,
        payload_type: OPUS,
        voice_activity: true,
        payload,
    };
    let mut stream = RedStream::new();
    let mut out = [0; 300];
    stream.protect(&audio(0, &[1; 100]), &ALWAYS, &mut out);
    stream.protect(&audio(1, &[2; 100]), &ALWAYS, &mut out);
    let blocks = |len: Option<usize>, out: &[u8]| {
        len.map(|len| RedPacket::parse(&out[..len]).unwrap().redundant_count())
    };
    for (room, expected) in [(309, Some(2)), (308, Some(1)), (204, Some(0)), (100, None)] {
        let mut out = vec![0; room];
        let len = stream.protect(&audio(2, &[3; 100]), &ALWAYS, &mut out);
        assert_eq!(blocks(len, &out), expected, "{room}");
    }
    // What is longer than a block can be is not redundancy.
    let mut out = [0; 3_000];
    stream.protect(&audio(3, &[4; 1_024]), &ALWAYS, &mut out);
    let len = stream.protect(&audio(4, &[5; 100]), &ALWAYS, &mut out);
    assert_eq!(blocks(len, &out), Some(0));
}
