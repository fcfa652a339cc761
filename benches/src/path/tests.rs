use super::traffic::VIDEO_BYTES;
use super::*;
use bridge_rtp::RtpHeader;
use std::collections::HashSet;

const SMALL: PathSettings = PathSettings { receivers: 3, transport_cc: true, has_video: true };

#[test]
fn everything_that_is_sent_is_forwarded() {
    for transport_cc in [false, true] {
        let settings = PathSettings { transport_cc, ..SMALL };
        let mut path = PacketPath::warm(settings).unwrap();
        let passed = path.run(PERIOD, &mut NoMeter).unwrap();
        assert_eq!(passed.packets_in, 25 * 8 + 40);
        ensure_delivered(passed, settings.receivers).unwrap();
    }
}

/// What is measured are packets that real receivers can open, each once.
#[test]
fn receivers_can_open_what_they_get() {
    let mut path = PacketPath::warm(SMALL).unwrap();
    path.wire.media = Some(Vec::new());
    path.run(PERIOD, &mut NoMeter).unwrap();
    let mut opened = HashSet::new();
    for (participant, mut bytes) in path.wire.media.take().unwrap() {
        if bytes[1] & 0x7f >= 64 && bytes[1] & 0x7f < 96 {
            continue;
        }
        let header = RtpHeader::parse(&bytes).unwrap();
        let srtp = path.participants[participant].srtp().unwrap();
        let len = srtp.receiver.open_rtp(&mut bytes, header.header_len()).unwrap();
        if header.ssrc == VIDEO_SSRC {
            assert!((VIDEO_BYTES - 16..=VIDEO_BYTES + 16).contains(&len), "{len}");
        }
        assert!(opened.insert((participant, header.ssrc, header.sequence_number)));
    }
    assert!(opened.len() >= 3 * 230, "{}", opened.len());
}

#[test]
fn equal_packets_leave_in_runs() {
    let settings = PathSettings { transport_cc: false, ..SMALL };
    let mut path = PacketPath::warm(settings).unwrap();
    let passed = path.run(PERIOD, &mut NoMeter).unwrap();
    // 25 frames and 40 packets of sound, to each of three, and some reports.
    assert!(passed.runs <= 3 * (25 + 40) + 20, "{passed:?}");
}
