//! Whatever arrives in whatever order: no number twice, none out of order, and none missing but for
//! packets that were lost before the bridge or came too late to be left out unseen.

#![allow(clippy::unwrap_used, reason = "functions of this test")]

mod common;

use std::collections::BTreeMap;

use bridge_media::LayerIndex;
use bridge_rtp::SequenceUnwrapper;
use common::dependency::{DependencySender, Mode};
use common::vp8::Vp8Sender;
use common::vp9::{Scalability, Vp9Sender};
use common::{Bridge, Packet, Received};
use proptest::prelude::*;

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Vp8,
    Vp9Simulcast,
    Vp9(Scalability),
    Av1Simulcast,
    Av1(Mode),
}

trait Sender {
    fn request_keyframe(&mut self);
    fn picture(&mut self) -> Vec<Packet>;
}

impl Sender for Vp8Sender {
    fn request_keyframe(&mut self) {
        self.request_keyframe();
    }
    fn picture(&mut self) -> Vec<Packet> {
        self.frame()
    }
}

impl Sender for Vp9Sender {
    fn request_keyframe(&mut self) {
        self.request_keyframe();
    }
    fn picture(&mut self) -> Vec<Packet> {
        self.picture()
    }
}

impl Sender for DependencySender {
    fn request_keyframe(&mut self) {
        self.request_keyframe();
    }
    fn picture(&mut self) -> Vec<Packet> {
        self.picture()
    }
}

impl Kind {
    fn senders(self, packets_per_frame: usize) -> Vec<Box<dyn Sender>> {
        let ids = (0_u8..3).map(|n| (n, 1_000 * (u32::from(n) + 1)));
        match self {
            Self::Vp8 => ids
                .map(|(n, ssrc)| {
                    Box::new(Vp8Sender::of_encoding(n, ssrc, packets_per_frame)) as Box<dyn Sender>
                })
                .collect(),
            Self::Vp9Simulcast => ids
                .map(|(n, ssrc)| {
                    Box::new(Vp9Sender::of_encoding(n, ssrc, packets_per_frame)) as Box<dyn Sender>
                })
                .collect(),
            Self::Av1Simulcast => ids
                .map(|(n, ssrc)| {
                    Box::new(DependencySender::of_encoding(n, ssrc, packets_per_frame))
                        as Box<dyn Sender>
                })
                .collect(),
            Self::Vp9(scalability) => {
                vec![Box::new(Vp9Sender::new(3, scalability, packets_per_frame))]
            }
            Self::Av1(mode) => vec![Box::new(DependencySender::new(3, mode, packets_per_frame))],
        }
    }

    fn target(self, n: u8) -> LayerIndex {
        match self {
            Self::Vp8 | Self::Vp9Simulcast => LayerIndex::new(n / 3, 0, n % 3),
            Self::Vp9(_) => LayerIndex::new(0, n / 3, n % 3),
            Self::Av1Simulcast => LayerIndex::with_decode_target(n / 3, n % 3),
            Self::Av1(_) => LayerIndex::with_decode_target(0, n),
        }
    }

    /// VP9 may start in the middle of a key frame and then keeps numbers for its beginning.
    fn may_reserve(self) -> i64 {
        if matches!(self, Self::Vp9(_) | Self::Vp9Simulcast) { 16 } else { 0 }
    }
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Vp8),
        Just(Kind::Vp9Simulcast),
        Just(Kind::Vp9(Scalability::Svc)),
        Just(Kind::Vp9(Scalability::KSvc)),
        Just(Kind::Av1Simulcast),
        Just(Kind::Av1(Mode::Svc)),
        Just(Kind::Av1(Mode::Key)),
        Just(Kind::Av1(Mode::Simulcast)),
    ]
}

/// What happens to the senders' packets and to the receiver's wishes.
#[derive(Clone, Debug)]
struct Script {
    kind: Kind,
    packets_per_frame: usize,
    /// For each frame: a new target, and whether a key frame is sent.
    frames: Vec<(Option<i8>, bool)>,
    /// Per packet, repeating: lost below 20; the rest of the value delays it.
    fates: Vec<u8>,
    reorder: u16,
}

fn scripts(reorder: impl Strategy<Value = u16>) -> impl Strategy<Value = Script> {
    let target = prop_oneof![6 => Just(None), 1 => (-1_i8..9).prop_map(Some)];
    let frame = (target, prop::bool::weighted(0.1));
    (
        kinds(),
        1_usize..5,
        prop::collection::vec(frame, 5..150),
        prop::collection::vec(any::<u8>(), 1..97),
        reorder,
    )
        .prop_map(|(kind, packets_per_frame, frames, fates, reorder)| Script {
            kind,
            packets_per_frame,
            frames,
            fates,
            reorder,
        })
}

/// Packets with the time of their arrival, and targets with the time of their setting.
struct Play {
    arrivals: Vec<(usize, Packet)>,
    targets: Vec<(usize, LayerIndex)>,
    lost: Vec<Packet>,
}

fn play(script: &Script, loss: u8) -> Play {
    let mut senders = script.kind.senders(script.packets_per_frame);
    let mut play = Play { arrivals: Vec::new(), targets: Vec::new(), lost: Vec::new() };
    let mut fates = script.fates.iter().cycle();
    let mut clock = 0_usize;
    for (target, keyframe) in &script.frames {
        if let Some(target) = target {
            let index =
                u8::try_from(*target).map_or(LayerIndex::SUSPENDED, |n| script.kind.target(n));
            play.targets.push((clock, index));
        }
        for sender in &mut senders {
            if *keyframe {
                sender.request_keyframe();
            }
            for packet in sender.picture() {
                clock += 1;
                let fate = *fates.next().unwrap();
                if fate < loss {
                    play.lost.push(packet);
                } else {
                    let delay = usize::from(fate) * usize::from(script.reorder) / 64;
                    play.arrivals.push((clock + delay, packet));
                }
            }
        }
    }
    play.arrivals.sort_by_key(|(at, _)| *at);
    play
}

/// All that the receiver got, in order of its numbers, with the packets it came from.
fn run(play: &Play) -> (BTreeMap<i64, (Packet, Received)>, usize) {
    let mut bridge = Bridge::new(1_000, LayerIndex::new(0, 0, 2));
    let mut targets = play.targets.iter().peekable();
    let mut numbers = SequenceUnwrapper::new();
    let mut received = BTreeMap::new();
    let mut refused = 0;
    for (at, packet) in &play.arrivals {
        while let Some((_, target)) = targets.next_if(|(from, _)| from <= at) {
            bridge.projection.set_target(*target);
        }
        let Some(out) = bridge.send(packet) else {
            refused += 1;
            continue;
        };
        let number = numbers.update(out.sequence_number);
        let before = received.insert(number, (packet.clone(), out));
        assert!(before.is_none(), "{number} was sent twice: {before:?} {packet:?}");
    }
    (received, refused)
}

/// The numbers missing between neighbours that the receiver got.
fn check_order(received: &BTreeMap<i64, (Packet, Received)>) -> Vec<(i64, Packet, Packet)> {
    let mut gaps = Vec::new();
    for ((a, (packet_a, out_a)), (b, (packet_b, out_b))) in
        received.iter().zip(received.iter().skip(1))
    {
        let ticks = out_b.timestamp.wrapping_sub(out_a.timestamp).cast_signed();
        assert!(ticks >= 0, "time went back: {packet_a:?} {packet_b:?}");
        let same_frame = packet_a.ssrc == packet_b.ssrc && packet_a.timestamp == packet_b.timestamp;
        assert_eq!(same_frame, ticks == 0, "{packet_a:?} {packet_b:?}");
        if out_a.picture_id.is_some() {
            let same_id = out_a.picture_id == out_b.picture_id;
            assert_eq!(same_frame, same_id, "{packet_a:?} {packet_b:?} {out_a:?} {out_b:?}");
        }
        if packet_a.ssrc == packet_b.ssrc {
            let step = packet_b.sequence_number.wrapping_sub(packet_a.sequence_number);
            assert!(step.cast_signed() > 0, "out of order: {packet_a:?} {packet_b:?}");
        }
        if b - a > 1 {
            gaps.push((b - a - 1, packet_a.clone(), packet_b.clone()));
        }
    }
    gaps
}

fn lost_between(play: &Play, a: &Packet, b: &Packet) -> i64 {
    let within = |lost: &&Packet| {
        lost.ssrc == a.ssrc
            && lost.sequence_number.wrapping_sub(a.sequence_number).cast_signed() > 0
            && b.sequence_number.wrapping_sub(lost.sequence_number).cast_signed() > 0
    };
    i64::try_from(play.lost.iter().filter(within).count()).unwrap()
}

/// What may be missing without loss: one number after a frame that was left unfinished, and those
/// kept for the beginning of a key frame that was joined in its middle.
fn unnoticed(kind: Kind, a: &Packet, b: &Packet) -> i64 {
    let reserve = if b.label.starts_frame { 0 } else { kind.may_reserve() };
    i64::from(!a.label.ends_frame) + reserve
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 96,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn without_loss_only_an_unfinished_frame_leaves_a_number_out(script in scripts(Just(0))) {
        let play = play(&script, 0);
        let (received, _) = run(&play);
        for (missing, a, b) in check_order(&received) {
            prop_assert!(missing <= unnoticed(script.kind, &a, &b), "{missing} {a:?} {b:?}");
        }
    }

    #[test]
    fn with_loss_no_more_is_missing_than_was_lost(script in scripts(Just(0))) {
        let play = play(&script, 20);
        let (received, _) = run(&play);
        for (missing, a, b) in check_order(&received) {
            let lost = if a.ssrc == b.ssrc { lost_between(&play, &a, &b) } else { 0 };
            let explained = lost.max(unnoticed(script.kind, &a, &b));
            prop_assert!(missing <= explained, "{missing} {lost} {a:?} {b:?}");
        }
    }

    #[test]
    fn with_loss_and_reordering_numbers_stay_unique_and_in_order(script in scripts(1_u16..60)) {
        let play = play(&script, 20);
        let (received, refused) = run(&play);
        let missing: i64 = check_order(&received).iter().map(|(missing, ..)| missing).sum();
        let reserve = usize::try_from(script.kind.may_reserve()).unwrap();
        let explained = play.lost.len() + refused + play.targets.len() * (reserve + 1);
        prop_assert!(usize::try_from(missing).unwrap() <= explained);
    }
}
