//! Whatever sources come and go, a receiver sees no number of an SSRC twice and none far behind.

#![allow(clippy::unwrap_used, reason = "functions of this test")]

use std::collections::{BTreeMap, BTreeSet};

use bridge_media::{
    FrameDescription, PayloadRewrite, RewritableSource, Rewrite, RewrittenPacket, SsrcRewriting,
    SsrcRewritingConfig, VideoPacket,
};
use bridge_rtp::codec::Vp8Descriptor;
use bridge_rtp::{RtpHeader, SequenceUnwrapper, timestamp_delta};
use bridge_units::{MediaType, SourceId, Timestamp};
use proptest::prelude::*;

const SOURCES: u32 = 6;

#[derive(Clone, Debug)]
enum Event {
    /// The next packet of a source, some of which may be left out.
    Send {
        source: u32,
        video: bool,
        skip: u16,
        keyframe: bool,
    },
    /// One that was left out.
    Late {
        source: u32,
        video: bool,
    },
    Show(Vec<u32>),
    Leave(u32),
    Restart {
        source: u32,
        number: u16,
    },
}

fn events() -> impl Strategy<Value = Event> {
    let skip = prop_oneof![8 => Just(0_u16), 3 => 1_u16..6, 1 => 0_u16..60_000];
    let sent = (0..SOURCES, any::<bool>(), skip, prop::bool::weighted(0.3));
    prop_oneof![
        30 => sent.prop_map(|(source, video, skip, keyframe)| {
            Event::Send { source, video, skip, keyframe }
        }),
        4 => (0..SOURCES, any::<bool>()).prop_map(|(source, video)| Event::Late { source, video }),
        3 => prop::collection::vec(0..SOURCES, 0..5).prop_map(Event::Show),
        1 => (0..SOURCES).prop_map(Event::Leave),
        1 => (0..SOURCES, any::<u16>()).prop_map(|(source, number)| Event::Restart { source, number }),
    ]
}

/// A source's numbers as its projection, or its reception, gives them out.
#[derive(Clone, Debug, Default)]
struct Sender {
    next: i64,
    left_out: Vec<i64>,
}

/// What a receiver sees of one SSRC.
#[derive(Default)]
struct Seen {
    unwrapper: SequenceUnwrapper,
    numbers: BTreeSet<i64>,
    newest_timestamp: Option<u32>,
}

struct World {
    rewriting: SsrcRewriting,
    senders: BTreeMap<(bool, u32), Sender>,
    seen: BTreeMap<u32, Seen>,
    next_ssrc: u32,
}

impl World {
    fn new() -> Self {
        let config = SsrcRewritingConfig { audio_limit: 3, video_limit: 3, mid_demux: true };
        Self {
            rewriting: SsrcRewriting::new(config),
            senders: BTreeMap::new(),
            seen: BTreeMap::new(),
            next_ssrc: 100_000,
        }
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Send { source, video, skip, keyframe } => {
                let sender = self.sender(*source, *video);
                let index = sender.next + i64::from(*skip);
                // What is too late never gets so far.
                sender.left_out.retain(|late| *late > index - 1_000);
                if *skip < 6 {
                    sender.left_out.extend(sender.next..index);
                }
                sender.next = index + 1;
                self.send(*source, *video, index, *keyframe);
            }
            Event::Late { source, video } => {
                let sender = self.sender(*source, *video);
                if let Some(index) = sender.left_out.pop() {
                    self.send(*source, *video, index, false);
                }
            }
            Event::Show(sources) => {
                let sources: Vec<_> = sources
                    .iter()
                    .map(|n| RewritableSource { id: SourceId(*n), ssrc: 1_000 + n })
                    .collect();
                let next = &mut self.next_ssrc;
                self.rewriting.set_video_sources(&sources, || {
                    *next += 1;
                    *next
                });
            }
            Event::Leave(source) => self.rewriting.remove_source(SourceId(*source)),
            Event::Restart { source, number } => {
                for video in [false, true] {
                    let next = i64::from(*number) + 65_536;
                    *self.sender(*source, video) = Sender { next, left_out: Vec::new() };
                }
                self.rewriting.restart_source(SourceId(*source));
            }
        }
    }

    fn sender(&mut self, source: u32, video: bool) -> &mut Sender {
        self.senders.entry((video, source)).or_default()
    }

    fn send(&mut self, source: u32, video: bool, index: i64, keyframe: bool) {
        let sequence_number = index.rem_euclid(65_536) as u16;
        let timestamp = (index * 960).rem_euclid(1 << 32) as u32;
        let outcome = if video {
            let (packet, projected) = picture(source, sequence_number, timestamp, keyframe);
            let outcome = self.rewriting.rewrite_video(SourceId(source), &packet, &projected);
            if let Ok(sent) = &outcome {
                let again = self.rewriting.rewrite_again(SourceId(source), &packet, &projected);
                assert_eq!(again.as_ref(), Some(sent));
                let number = sent.rewrite.sequence_number;
                let original = self.rewriting.original_of(sent.rewrite.ssrc, number).unwrap();
                assert_eq!(original.source, SourceId(source));
                assert_eq!(original.sequence_number, sequence_number);
            }
            outcome
        } else {
            let header = sound(source, sequence_number, timestamp);
            let next = &mut self.next_ssrc;
            self.rewriting.rewrite_audio(Some(SourceId(source)), &header, || {
                *next += 1;
                *next
            })
        };
        if let Ok(sent) = outcome {
            self.check(&sent);
        }
        for media in [MediaType::Audio, MediaType::Video] {
            assert!(self.rewriting.mapped(media).len() <= 3, "no more than the limit");
        }
    }

    fn check(&mut self, sent: &RewrittenPacket) {
        let Rewrite { ssrc, sequence_number, timestamp, .. } = sent.rewrite;
        let seen = self.seen.entry(ssrc).or_default();
        let highest = seen.unwrapper.highest();
        let index = seen.unwrapper.update(sequence_number);
        assert!(seen.numbers.insert(index), "{sequence_number} of {ssrc} is sent twice");
        if let Some(highest) = highest {
            assert!(index > highest - 1_000, "{index} is far behind {highest}");
            if index > highest
                && let Some(newest) = seen.newest_timestamp
            {
                assert!(timestamp_delta(timestamp, newest) > 0, "time goes on");
            }
        }
        if highest.is_none_or(|highest| index > highest) {
            seen.newest_timestamp = Some(timestamp);
        }
    }
}

fn sound(source: u32, sequence_number: u16, timestamp: u32) -> RtpHeader {
    let mut bytes = vec![0x80, 111];
    bytes.extend(sequence_number.to_be_bytes());
    bytes.extend(timestamp.to_be_bytes());
    bytes.extend((500 + source).to_be_bytes());
    RtpHeader::parse(&bytes).unwrap()
}

fn picture(
    source: u32,
    sequence_number: u16,
    timestamp: u32,
    keyframe: bool,
) -> (VideoPacket, Rewrite) {
    let payload = [0x90, 0xe0, 0x80, 1, 7, 0, u8::from(!keyframe), 0, 0, 0x9d, 1, 0x2a, 0, 1, 0, 1];
    let ssrc = 1_000 + source;
    let packet = VideoPacket {
        encoding: 0,
        ssrc,
        sequence_number,
        timestamp,
        marker: true,
        payload_type: 100,
        received: Timestamp::ZERO,
        capture: None,
        frame: FrameDescription::Vp8(Vp8Descriptor::parse(&payload).unwrap()),
    };
    let payload = PayloadRewrite::Vp8 { picture_id: 1, tl0_picture_index: 7 };
    let rewrite = Rewrite { ssrc, sequence_number, timestamp, marker: true, payload };
    (packet, rewrite)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn rewritten_numbers_never_repeat(events in prop::collection::vec(events(), 0..300)) {
        let mut world = World::new();
        events.iter().for_each(|event| world.apply(event));
    }
}
