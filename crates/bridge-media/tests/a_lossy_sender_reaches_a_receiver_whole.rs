//! From the wire to a receiver: what is lost, repeated, padded or probed on the way in leaves no mark.

#![allow(clippy::unwrap_used, reason = "functions of this test")]

mod common;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bridge_media::{
    EndpointReception, LayerIndex, Received, RewritableSource, SourceProjection, SsrcRewriting,
    SsrcRewritingConfig,
};
use bridge_rtp::{RtpHeader, SequenceUnwrapper};
use bridge_units::Timestamp;
use common::endpoint::{CAMERA, RTX, Rtp, SSRCS, VP8, reception};
use common::vp8::Vp8Sender;

/// From the sender to the bridge and back.
const ROUND_TRIP: Duration = Duration::from_millis(60);

/// A sender of three encodings on a link that loses packets.
struct Sender {
    encodings: [Vp8Sender; 3],
    /// Padding takes numbers of media.
    padding: [u16; 3],
    sent: BTreeMap<(u32, u16), Rtp>,
    link: VecDeque<(Timestamp, Vec<u8>)>,
    rtx_number: u16,
    random: u32,
}

impl Sender {
    fn new() -> Self {
        Self {
            encodings: [0, 1, 2].map(|n| Vp8Sender::of_encoding(n, SSRCS[usize::from(n)], 3)),
            padding: [0; 3],
            sent: BTreeMap::new(),
            link: VecDeque::new(),
            rtx_number: 0,
            random: 1,
        }
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.random = self.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.random >> 16) % 100 < percent
    }

    /// Sends a frame of each encoding, with padding and probes in between.
    fn tick(&mut self) {
        for n in 0..3 {
            let packets = self.encodings[n].frame();
            let now = packets[0].received;
            for packet in packets {
                let mut rtp = Rtp::of(&packet);
                rtp.sequence_number = rtp.sequence_number.wrapping_add(self.padding[n]);
                if self.chance(10) {
                    rtp.padding = 20;
                }
                self.send(now, rtp.clone());
                if self.chance(10) {
                    self.padding[n] += 1;
                    let number = rtp.sequence_number.wrapping_add(1);
                    let padding = Rtp::new(VP8, rtp.ssrc, number, &[]).padded(200);
                    self.send(now, Rtp { timestamp: rtp.timestamp, ..padding });
                }
                if self.chance(3) {
                    self.put(now, &Rtp::new(RTX, rtp.ssrc + 100, 0, &[]).padded(255));
                }
            }
        }
    }

    fn send(&mut self, now: Timestamp, rtp: Rtp) {
        self.put(now, &rtp);
        self.sent.insert((rtp.ssrc, rtp.sequence_number), rtp);
    }

    /// Loses one packet in twenty, and delays or repeats others.
    fn put(&mut self, now: Timestamp, rtp: &Rtp) {
        if self.chance(5) {
            return;
        }
        let delay = if self.chance(5) { 25 } else { 10 };
        self.link.push_back((now + Duration::from_millis(delay), rtp.bytes()));
    }

    fn answer(&mut self, now: Timestamp, ssrc: u32, number: u16) {
        let Some(lost) = self.sent.get(&(ssrc, number)).cloned() else { return };
        self.rtx_number = self.rtx_number.wrapping_add(1);
        // Some come twice.
        for _ in 0..=u8::from(self.chance(20)) {
            let again = lost.sent_again(self.rtx_number);
            self.put(now + ROUND_TRIP, &again);
        }
    }

    /// What arrives until `now`, in order of arrival.
    fn arrived(&mut self, now: Timestamp) -> Vec<(Timestamp, Vec<u8>)> {
        self.link.make_contiguous().sort_by_key(|(at, _)| *at);
        let due = self.link.partition_point(|(at, _)| *at <= now);
        self.link.drain(..due).collect()
    }
}

/// What the receiver got.
#[derive(Default)]
struct Screen {
    unwrapper: SequenceUnwrapper,
    numbers: BTreeSet<i64>,
}

struct Bridge {
    reception: EndpointReception,
    projection: SourceProjection,
    rewriting: SsrcRewriting,
    screen: Screen,
    nacks: Vec<(u32, u16)>,
}

impl Bridge {
    fn new() -> Self {
        let config = SsrcRewritingConfig { audio_limit: 1, video_limit: 1, mid_demux: false };
        let mut rewriting = SsrcRewriting::new(config);
        rewriting.set_video_sources(&[RewritableSource { id: CAMERA, ssrc: SSRCS[0] }], || 70);
        let mut projection = SourceProjection::new(SSRCS[0]);
        projection.set_target(LayerIndex::new(1, 0, 2));
        let (reception, screen) = (reception(), Screen::default());
        Self { reception, projection, rewriting, screen, nacks: Vec::new() }
    }

    fn handle(&mut self, now: Timestamp, mut bytes: Vec<u8>) {
        let header = RtpHeader::parse(&bytes).unwrap();
        if let Ok(Received::Video(video)) = self.reception.handle_rtp(now, &mut bytes, &header)
            && let Ok(projected) = self.projection.accept(&video.packet).outcome
        {
            let sent = self.rewriting.rewrite_video(CAMERA, &video.packet, &projected).unwrap();
            assert_eq!(sent.rewrite.ssrc, 70);
            let index = self.screen.unwrapper.update(sent.rewrite.sequence_number);
            assert!(self.screen.numbers.insert(index), "a number came twice");
        }
    }

    fn poll(&mut self, now: Timestamp) {
        let nacks = &mut self.nacks;
        self.reception.poll_nack(now, Some(ROUND_TRIP), |ssrc, numbers| {
            nacks.extend(numbers.map(|number| (ssrc, number)));
        });
    }
}

#[test]
fn a_lossy_sender_reaches_a_receiver_whole() {
    let (mut sender, mut bridge) = (Sender::new(), Bridge::new());
    let begin = sender.encodings[0].time;
    for tick in 0..900_u32 {
        let now = begin + common::frame_time() * tick;
        if tick < 600 {
            sender.tick();
        }
        for (at, bytes) in sender.arrived(now) {
            bridge.handle(at, bytes);
        }
        bridge.poll(now);
        for (ssrc, number) in std::mem::take(&mut bridge.nacks) {
            sender.answer(now, ssrc, number);
        }
    }
    let counters = *bridge.reception.counters();
    assert!(counters.recovered > 100 && counters.duplicates > 10, "{counters:?}");
    assert!(counters.padding_only > 100 && counters.probes > 30, "{counters:?}");
    let numbers = &bridge.screen.numbers;
    let (first, last) = (*numbers.first().unwrap(), *numbers.last().unwrap());
    assert_eq!(numbers.len(), 1_800, "three packets of 600 frames");
    // Padding that was lost and came again leaves its number unused.
    let unused = last + 1 - first - 1_800;
    assert!(unused < 40, "{unused}");
    assert_eq!(bridge.reception.poll_keyframe_wish(), None);
}
