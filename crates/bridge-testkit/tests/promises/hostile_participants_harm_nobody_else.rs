//! Whatever one participant sends, it is bounded and counted, and the others see and hear one another
//! as if nothing happened.

use bridge_metrics::ShardCounters;
use bridge_rtp::RtcpWriter;
use bridge_rtp::rtcp::{FirEntry, ReportBlock, TransportFeedbackBuilder};
use bridge_signaling::bridge_channel::{
    BridgeChannelMessage, ReceiverVideoConstraints, VideoConstraints,
};
use bridge_testkit::simulation::{
    LayerSettings, Layering, OutgoingRtp, Participant, SimulatedCodec, SimulatedConference,
    VideoSettings,
};
use bridge_units::{Bitrate, Timestamp};
use std::time::Duration;

/// What is done in one of many rounds, and what counts it.
struct Attack {
    name: &'static str,
    round: fn(&mut Call, u16),
    /// What was counted in one second, and what must be reached.
    counted: (fn(&ShardCounters) -> u64, u64),
}

const ATTACKS: [Attack; 14] = [
    Attack {
        name: "truncated payload descriptors",
        round: truncated_descriptors,
        counted: (|c| c.dropped_reception, 200),
    },
    Attack {
        name: "payload descriptors that lie",
        round: lying_descriptors,
        // Besides what the three of them send.
        counted: (|c| c.rtp_in, 450),
    },
    Attack {
        name: "absurd dependency descriptors",
        round: absurd_dependencies,
        counted: (|c| c.dropped_reception, 100),
    },
    Attack {
        name: "retransmissions of unknown SSRCs",
        round: foreign_retransmissions,
        counted: (|c| c.dropped_unknown_ssrc, 300),
    },
    Attack {
        name: "retransmissions of nothing",
        round: empty_retransmissions,
        counted: (|c| c.dropped_reception, 100),
    },
    Attack {
        name: "media on others' SSRCs",
        round: foreign_media,
        counted: (|c| c.dropped_unknown_ssrc, 300),
    },
    Attack {
        name: "encodings that were not announced",
        round: unannounced_encodings,
        counted: (|c| c.dropped_unknown_ssrc, 300),
    },
    Attack {
        name: "unannounced audio",
        round: unannounced_audio,
        counted: (|c| c.dropped_reception, 200),
    },
    Attack { name: "numbers and timestamps that jump", round: jumps, counted: (|c| c.rtp_in, 200) },
    Attack { name: "replays", round: replays, counted: (|c| c.dropped_replayed, 400) },
    Attack {
        name: "feedback for packets never sent",
        round: invented_feedback,
        counted: (|c| c.rtcp_in, 100),
    },
    Attack {
        name: "a flood of NACKs",
        round: nack_flood,
        counted: (|c| c.nack_repeats + c.nacks_over_budget + c.nack_misses, 1_000),
    },
    Attack {
        name: "a flood of key-frame requests",
        round: keyframe_flood,
        counted: (|c| c.keyframe_requests_in, 500),
    },
    Attack {
        name: "RTCP that is no RTCP",
        round: malformed_rtcp,
        counted: (|c| c.dropped_rtcp_malformed, 40),
    },
];

#[test]
fn hostile_participants_harm_nobody_else() {
    let mut call = Call::new();
    for attack in &ATTACKS {
        let before = call.conference.counters();
        let begin = call.conference.now();
        for round in 0..ROUNDS {
            (attack.round)(&mut call, round);
            call.conference.run_for(ROUND);
        }
        let after = call.conference.counters();
        let (count, expected) = attack.counted;
        let counted = count(&after) - count(&before);
        assert!(counted >= expected, "{}: {counted} counted", attack.name);
        let repeated = after.retransmissions_out - before.retransmissions_out;
        assert!(repeated <= MAX_REPEATED, "{}: {repeated} sent again", attack.name);
        assert_eq!(after.panics, 0, "{}", attack.name);
        assert_eq!(after.entries, before.entries, "{}: nothing is kept", attack.name);
        call.check_the_others(attack.name, begin);
    }
    let asked = call.conference.client(SENDER).videos()[0].counters();
    // At the beginning, and what one receiver may ask in ten seconds.
    assert!(asked.key_frame_requests <= 8, "{asked:?}");
    assert_eq!(asked.nacked, 0, "NACKs end at the bridge");
    // The hostile one is a participant like others again.
    call.conference.run_for(Duration::from_secs(4));
    let own = call.conference.client(RECEIVER).receiver(&call.hostile.name).unwrap();
    let since = call.conference.now() - Duration::from_secs(1);
    assert!(own.playback().frame_rate(since, call.conference.now()) > 25.0);
}

/// Two who talk, and one who does harm.
struct Call {
    conference: SimulatedConference,
    sender: VideoSettings,
    hostile: VideoSettings,
}

impl Call {
    fn new() -> Self {
        let mut conference = SimulatedConference::new(1, 2).unwrap();
        let people = [1, 2, 3].map(|number| Participant::new(number).with_video(camera));
        let joined = conference.join(&people).unwrap();
        for &client in &joined {
            conference.client_mut(client).audio_mut().set_level(Some(30));
            conference.say(client, &at_most(360));
        }
        conference.run_for(Duration::from_secs(2));
        let [sender, _, hostile] = people.map(|mut person| person.videos.remove(0));
        Self { conference, sender, hostile }
    }

    /// A packet of its own first encoding, between those of its script.
    fn own(&mut self, codec: SimulatedCodec, payload: Vec<u8>, descriptor: Option<Vec<u8>>) {
        let ssrc = self.hostile.first_ssrc;
        let camera = self.conference.client_mut(HOSTILE).video_mut(0).unwrap();
        let sequence_number = camera.take_number(ssrc).unwrap();
        let extensions = descriptor.map(|descriptor| (DEPENDENCY_DESCRIPTOR, descriptor));
        self.packet(OutgoingRtp {
            ssrc,
            payload_type: codec.payload_type(),
            sequence_number,
            timestamp: u32::from(sequence_number) * 3_000,
            extensions: extensions.into_iter().collect(),
            payload,
            ..OutgoingRtp::default()
        });
    }

    fn media(&mut self, ssrc: u32, payload_type: u8, number: u16, payload: Vec<u8>) {
        self.packet(OutgoingRtp {
            ssrc,
            payload_type,
            sequence_number: number,
            timestamp: u32::from(number) * 3_000,
            payload,
            ..OutgoingRtp::default()
        });
    }

    fn packet(&mut self, packet: OutgoingRtp) {
        self.conference.inject_rtp(HOSTILE, &packet);
    }

    fn rtcp(&mut self, write: impl FnOnce(&mut RtcpWriter<'_>)) {
        let mut buffer = [0; 1_200];
        let mut writer = RtcpWriter::new(&mut buffer);
        write(&mut writer);
        let bytes = writer.as_bytes().to_vec();
        self.conference.inject_rtcp(HOSTILE, &bytes);
    }

    /// The sender is seen and heard at the receiver without a flaw.
    fn check_the_others(&self, attack: &str, begin: Timestamp) {
        let now = self.conference.now();
        let violations = self.conference.violations(RECEIVER);
        let hostile: Vec<u32> = (0..20).map(|i| self.hostile.first_ssrc + i).collect();
        let others: Vec<_> =
            violations.list().iter().filter(|v| !hostile.contains(&v.ssrc)).collect();
        assert!(others.is_empty(), "{attack}: {others:?}");
        let client = self.conference.client(RECEIVER);
        let video = client.receiver(&self.sender.name).unwrap();
        assert_eq!(video.playback().longest_freeze(begin, now), Duration::ZERO, "{attack}");
        let rate = video.playback().frame_rate(begin, now);
        assert!(rate > 25.0, "{attack}: {rate} pictures a second");
        assert_eq!(video.playback().height_at(now), Some(360), "{attack}");
        let audio = self.conference.client(SENDER).audio().ssrc();
        let (_, heard) = client.audio_receivers().find(|(ssrc, _)| *ssrc == audio).unwrap();
        assert_eq!((heard.lost(), heard.contradictions()), (0, 0), "{attack}");
        assert!(heard.longest_gap() < Duration::from_millis(60), "{attack}");
    }
}

fn truncated_descriptors(call: &mut Call, _: u16) {
    for (codec, payload) in [
        (SimulatedCodec::Vp8, vec![0x90]),
        (SimulatedCodec::Vp8, vec![0x90, 0xf0, 0x80]),
        (SimulatedCodec::Vp9, vec![0xff]),
        (SimulatedCodec::Vp9, vec![0xb2, 0x80, 1, 0, 0xf8, 1]),
        (SimulatedCodec::Vp9, vec![0xfe, 0x80, 1, 0, 0xff, 0xff, 0xff]),
    ] {
        call.own(codec, payload, None);
    }
}

/// Descriptors that can be read, of layers that there are not.
fn lying_descriptors(call: &mut Call, round: u16) {
    let vp8 = vec![0x90, 0xe0, 0x80 | round as u8, round as u8, 255, 0xff, 0x9d, 1, 0x2a];
    let vp9_of_8_layers = vec![0xae, 0x80, round as u8, 0xef, 7, 0xf8, 0xff, 0, 0, 1, 2, 3, 4, 5];
    let h264_that_ends_in_the_middle = vec![0x78, 0xff, 0xff, 0x67, 0x42];
    let media = [
        (SimulatedCodec::Vp8, vp8),
        (SimulatedCodec::Vp9, vp9_of_8_layers),
        (SimulatedCodec::H264, h264_that_ends_in_the_middle),
        (SimulatedCodec::H264, vec![0x7c, 0xc5, 0xff]),
        (SimulatedCodec::Av1, vec![0xff, 0xff, 0xff]),
    ];
    for (codec, payload) in media {
        call.own(codec, payload, None);
    }
}

fn absurd_dependencies(call: &mut Call, round: u16) {
    // A structure of all ones: 64 templates, 32 targets, references without end; one of zeros; a
    // template that no structure has; active targets that there are not.
    let rows = [
        [&[0xff, 0xff, 0xff, 0xff][..], &[0xff; 60]].concat(),
        [&[0x80, 0, round as u8, 0x80][..], &[0; 20]].concat(),
        vec![0xbf, round as u8, 7],
        vec![0x80, round as u8, 8, 0x40, 0xff, 0xff],
        vec![0x80],
    ];
    for descriptor in rows {
        call.own(SimulatedCodec::Av1, vec![0x10; 40], Some(descriptor));
    }
}

fn foreign_retransmissions(call: &mut Call, round: u16) {
    let rtx = SimulatedCodec::Vp8.rtx_payload_type();
    let of_the_sender = call.sender.ssrcs()[0].1;
    for ssrc in [of_the_sender, 0xdead_0000 + u32::from(round), 0, u32::MAX] {
        for n in 0..2 {
            call.media(ssrc, rtx, number(round, n), vec![0, 1, 0x90, 0, 0]);
        }
    }
}

fn empty_retransmissions(call: &mut Call, round: u16) {
    let rtx = SimulatedCodec::Vp8.rtx_payload_type();
    let own = call.hostile.ssrcs()[0].1;
    for (n, payload) in [vec![], vec![1], vec![0xff, 0xff]].into_iter().enumerate() {
        call.media(own, rtx, number(round, n), payload);
    }
}

fn foreign_media(call: &mut Call, round: u16) {
    let audio = call.conference.client(SENDER).audio().ssrc();
    let video = call.sender.ssrcs();
    for (ssrc, payload_type) in [(audio, 111), (video[0].0, 100), (video[1].0, 100), (1, 100)] {
        for n in 0..2 {
            call.media(ssrc, payload_type, number(round, n), vec![0x90; 40]);
        }
    }
}

fn unannounced_encodings(call: &mut Call, round: u16) {
    for n in 0..8 {
        let ssrc = call.hostile.first_ssrc + 50 + u32::from(round % 7) * 8 + n;
        call.media(ssrc, 100, number(round, n as usize), vec![0x90, 0, 0]);
    }
}

fn unannounced_audio(call: &mut Call, round: u16) {
    for n in 0..6 {
        let ssrc = 0x7000_0000 + u32::from(round) * 8 + n;
        call.media(ssrc, 111, number(round, n as usize), vec![0x78; 40]);
    }
}

/// Seldom enough that a picture is sent between two, and not so far that it would be a step back.
fn jumps(call: &mut Call, round: u16) {
    if round.is_multiple_of(2) {
        let camera = call.conference.client_mut(HOSTILE).video_mut(0).unwrap();
        camera.jump(12_000 + round, u32::from(round).wrapping_mul(0x0900_0000));
    }
}

fn replays(call: &mut Call, _: u16) {
    call.conference.replay_last_rtp(HOSTILE, 10);
}

fn invented_feedback(call: &mut Call, round: u16) {
    let now = call.conference.now();
    let media = call.sender.first_ssrc;
    let base = round.wrapping_mul(1_000);
    let mut all_at_once = TransportFeedbackBuilder::new(1, media, round as u8, base, now);
    for n in 0..200 {
        let _full = all_at_once.add_received(base.wrapping_add(n), now);
    }
    call.rtcp(|writer| writer.transport_feedback(&all_at_once).unwrap());
    let block = |ssrc| ReportBlock {
        ssrc,
        fraction_lost: 255,
        cumulative_lost: 1 << 20,
        last_sender_report: 0x1234_5678,
        delay_since_last_sender_report: 1,
        ..ReportBlock::default()
    };
    call.rtcp(|writer| writer.receiver_report(1, &[block(media), block(7)]).unwrap());
}

/// For what came a moment ago, and for what never did.
fn nack_flood(call: &mut Call, round: u16) {
    let video = call.conference.client(HOSTILE).receiver(&call.sender.name).unwrap();
    let (ssrc, newest) = (video.ssrc(), video.newest_number());
    for first in [0, 0, 0, round.wrapping_mul(613)].map(|behind| newest.wrapping_sub(behind)) {
        call.rtcp(|writer| {
            let _full = writer.nack(1, ssrc, (0..200).rev().map(|i| first.wrapping_sub(i)));
        });
    }
}

fn keyframe_flood(call: &mut Call, round: u16) {
    let ssrc = call.sender.first_ssrc;
    for n in 0..5 {
        call.rtcp(|writer| {
            writer.picture_loss_indication(1, ssrc).unwrap();
            let entry = FirEntry { ssrc, sequence_number: round as u8 ^ n };
            writer.full_intra_request(1, &[entry]).unwrap();
        });
    }
}

fn malformed_rtcp(call: &mut Call, round: u16) {
    let lies_about_its_length = [0x81, 205, 0xff, 0xff, 0, 0, 0, 1, round as u8, 0, 0, 0];
    call.conference.inject_rtcp(HOSTILE, &lies_about_its_length);
}

fn number(round: u16, n: usize) -> u16 {
    round.wrapping_mul(8).wrapping_add(n as u16)
}

/// One spatial layer less and less of everything than usual, so that a simulation takes less, too.
fn camera(name: &str, ssrc: u32) -> VideoSettings {
    let layer = |height, kbps| LayerSettings { height, bitrate: Bitrate::from_kbps(kbps) };
    let camera = VideoSettings::camera(name, ssrc, SimulatedCodec::Vp8, Layering::Simulcast);
    VideoSettings { layers: vec![layer(180, 80), layer(360, 200)], ..camera }
}

fn at_most(height: i32) -> BridgeChannelMessage {
    BridgeChannelMessage::ReceiverVideoConstraints(ReceiverVideoConstraints {
        last_n: Some(-1),
        default_constraints: Some(VideoConstraints::from_max_height(height)),
        ..ReceiverVideoConstraints::default()
    })
}

const SENDER: usize = 0;
const RECEIVER: usize = 1;
const HOSTILE: usize = 2;
const ROUNDS: u16 = 50;
/// In a second, to the three of them: a repair has a share of the link and comes once a round trip.
const MAX_REPEATED: u64 = 2_000;
const ROUND: Duration = Duration::from_millis(20);
const DEPENDENCY_DESCRIPTOR: u8 = 11;
