//! A receiver sees many video sources on few SSRCs: each begins with a key frame where the last ended.

#![allow(clippy::unwrap_used, reason = "functions of this test")]

mod common;

use std::collections::BTreeMap;

use bridge_media::{
    LayerIndex, OriginalPacket, RewritableSource, RewritingRefusal, RewrittenPacket, SsrcRewriting,
    SsrcRewritingConfig, VideoPacket,
};
use bridge_rtp::codec::DependencyDescriptor;
use bridge_units::{MediaType, SourceId};
use common::dependency::{DependencySender, TEMPLATES_PER_LAYER};
use common::vp8::Vp8Sender;
use common::vp9::Vp9Sender;
use common::{Bridge, Packet, Received, receive};

const A: SourceId = SourceId(1);
const B: SourceId = SourceId(2);
const C: SourceId = SourceId(3);

fn ssrc_of(source: SourceId) -> u32 {
    1_000 * source.0
}

/// A receiver behind the projections of three sources.
struct Receiver {
    rewriting: SsrcRewriting,
    bridges: BTreeMap<SourceId, Bridge>,
    next_ssrc: u32,
}

impl Receiver {
    fn new(limit: usize) -> Self {
        let config =
            SsrcRewritingConfig { audio_limit: limit, video_limit: limit, mid_demux: true };
        let target = LayerIndex::with_decode_target(0, 2);
        let bridges = [A, B, C].map(|id| (id, Bridge::new(ssrc_of(id), target)));
        Self {
            rewriting: SsrcRewriting::new(config),
            bridges: bridges.into_iter().collect(),
            next_ssrc: 9_000,
        }
    }

    /// Tells what the receiver may see; answers the sources that are announced.
    fn show(&mut self, sources: &[SourceId]) -> Vec<SourceId> {
        let sources: Vec<_> =
            sources.iter().map(|id| RewritableSource { id: *id, ssrc: ssrc_of(*id) }).collect();
        let next = &mut self.next_ssrc;
        self.rewriting.set_video_sources(&sources, || {
            *next += 1;
            *next
        });
        let announced = self.rewriting.poll_mapped();
        assert_eq!(self.rewriting.poll_mapped(), None);
        announced.map_or_else(Vec::new, |(media, mapped)| {
            assert_eq!(media, MediaType::Video);
            mapped.iter().map(|mapped| mapped.source).collect()
        })
    }

    fn rewrite(
        &mut self,
        source: SourceId,
        packet: &Packet,
    ) -> Result<(VideoPacket, RewrittenPacket), RewritingRefusal> {
        let bridge = self.bridges.get_mut(&source).unwrap();
        let parsed = bridge.parse(packet);
        let projected = bridge.projection.accept(&parsed).outcome.unwrap();
        let sent = self.rewriting.rewrite_video(source, &parsed, &projected)?;
        let again = self.rewriting.rewrite_again(source, &parsed, &projected);
        assert_eq!(again, Some(sent), "sent again as it was");
        let original = OriginalPacket {
            source,
            ssrc: ssrc_of(source),
            sequence_number: projected.sequence_number,
        };
        let number = sent.rewrite.sequence_number;
        assert_eq!(self.rewriting.original_of(sent.rewrite.ssrc, number), Some(original));
        Ok((parsed, sent))
    }

    fn see(&mut self, source: SourceId, packet: &Packet) -> Result<Received, RewritingRefusal> {
        let (parsed, sent) = self.rewrite(source, packet)?;
        Ok(receive(packet, &parsed, sent.rewrite))
    }

    fn see_all(&mut self, source: SourceId, packets: &[Packet]) -> Vec<Received> {
        packets.iter().map(|packet| self.see(source, packet).unwrap()).collect()
    }
}

/// Checks that `next` directly follows, a frame later.
#[track_caller]
fn assert_follows(next: &Received, last: &Received) {
    assert_eq!(next.ssrc, last.ssrc);
    assert_eq!(next.sequence_number, last.sequence_number.wrapping_add(1));
    assert_eq!(next.timestamp, last.timestamp.wrapping_add(3_000));
}

#[test]
fn what_may_be_seen_is_announced_when_it_gets_a_slot() {
    let mut receiver = Receiver::new(2);
    assert_eq!(receiver.show(&[A]), [A]);
    assert_eq!(receiver.show(&[B, A]), [B], "only what changed");
    let mapped = receiver.rewriting.mapped(MediaType::Video);
    let told: Vec<_> = mapped.iter().map(|slot| (slot.source, slot.ssrc, slot.rtx)).collect();
    assert_eq!(told, [(A, 9_001, 9_002), (B, 9_003, 9_004)]);
    assert_eq!(mapped[1].mid.unwrap().as_str(), "v1");
    // What is still wanted is kept, whoever was used for longest.
    assert_eq!(receiver.show(&[A, C]), [C]);
    let mapped = receiver.rewriting.mapped(MediaType::Video);
    assert_eq!(
        (mapped[1].source, mapped[1].ssrc, mapped[1].mid.unwrap().as_str()),
        (C, 9_003, "v1")
    );
    assert_eq!(receiver.show(&[A, B, C]), [B], "no more than there are slots");
}

#[test]
fn nothing_is_sent_without_slot_or_key_frame() {
    let mut receiver = Receiver::new(1);
    let mut a = Vp8Sender::of_encoding(0, ssrc_of(A), 2);
    let first = a.frame();
    assert_eq!(receiver.see(A, &first[0]), Err(RewritingRefusal::NotMapped));
    receiver.show(&[A]);
    // Its projection has begun, but this receiver has not seen it.
    assert_eq!(receiver.see(A, &first[1]), Err(RewritingRefusal::AwaitsKeyframe));
    for packet in a.frame() {
        assert_eq!(receiver.see(A, &packet), Err(RewritingRefusal::AwaitsKeyframe));
    }
    a.request_keyframe();
    let seen = receiver.see_all(A, &a.frame());
    assert_eq!(seen.len(), 2);
    assert_eq!(receiver.rewriting.counters().awaiting_keyframe, 3);
}

#[test]
fn vp8_goes_on_over_a_change_of_sources() {
    let mut receiver = Receiver::new(1);
    receiver.show(&[A]);
    let mut a = Vp8Sender::of_encoding(0, ssrc_of(A), 2);
    let of_a = receiver.see_all(A, &a.frames(30));
    common::assert_contiguous(&of_a);
    assert_eq!(receiver.show(&[B]), [B]);
    let mut b = Vp8Sender::of_encoding(0, ssrc_of(B), 2);
    (b.sequence_number, b.timestamp, b.tl0) = (777, 99, 200);
    let of_b = receiver.see_all(B, &b.frames(30));
    assert_follows(&of_b[0], of_a.last().unwrap());
    common::assert_contiguous(&of_b);
    let last_tl0 = of_a.iter().rev().find_map(|packet| packet.tl0).unwrap();
    assert_eq!(of_b[0].tl0, Some(last_tl0.wrapping_add(1)), "a layer-0 frame of its own");
    // Back again: at its own distance.
    receiver.show(&[A]);
    a.request_keyframe();
    let again = receiver.see_all(A, &a.frames(4));
    assert_follows(&again[0], of_b.last().unwrap());
    let last_tl0 = of_b.iter().rev().find_map(|packet| packet.tl0).unwrap();
    assert_eq!(again[0].tl0, Some(last_tl0.wrapping_add(1)));
    // Without a slot nothing is sent, and numbers of another time are not answered.
    assert_eq!(receiver.see(B, &b.frame()[0]), Err(RewritingRefusal::NotMapped));
    let old = of_b.last().unwrap();
    assert_eq!(receiver.rewriting.original_of(old.ssrc, old.sequence_number), None);
}

#[test]
fn vp9_goes_on_over_a_change_of_sources() {
    let mut receiver = Receiver::new(1);
    receiver.show(&[A]);
    let sender = |id| Vp9Sender::of_encoding(0, ssrc_of(id), 2);
    let of_a = receiver.see_all(A, &sender(A).pictures(9));
    receiver.show(&[B]);
    let of_b = receiver.see_all(B, &sender(B).pictures(9));
    assert_follows(&of_b[0], of_a.last().unwrap());
    let last = of_a.iter().rev().find_map(|packet| packet.tl0).unwrap();
    assert_eq!(of_b[0].tl0, Some(last.wrapping_add(1)));
}

#[test]
fn av1_goes_on_over_a_change_of_sources() {
    let mut receiver = Receiver::new(1);
    receiver.show(&[A]);
    let mut a = DependencySender::of_encoding(0, ssrc_of(A), 2);
    a.frame_number = 65_530;
    let of_a = receiver.see_all(A, &a.pictures(10));
    receiver.show(&[B]);
    let mut b = DependencySender::of_encoding(0, ssrc_of(B), 2);
    (b.frame_number, b.template_offset) = (40_000, 60);
    let of_b = receiver.see_all(B, &b.pictures(10));
    assert_follows(&of_b[0], of_a.last().unwrap());
    let first = |received: &Received| {
        let data = received.dependency_descriptor.as_deref().unwrap();
        DependencyDescriptor::parse(data, None).unwrap()
    };
    let (of_a, of_b) = (first(&of_a[0]), first(&of_b[0]));
    assert_eq!(of_b.frame_number, of_a.frame_number.wrapping_add(10));
    let (old, new) = (of_a.structure.unwrap(), of_b.structure.unwrap());
    assert_eq!(new.template_id_offset, old.template_id_offset + TEMPLATES_PER_LAYER);
    // A key frame of the first again, with the structure that it always had.
    receiver.show(&[A]);
    a.request_keyframe();
    let again = first(&receiver.see_all(A, &a.pictures(1))[0]);
    assert_eq!(again.frame_number, of_b.frame_number.wrapping_add(10));
    let newest = again.structure.unwrap();
    assert_eq!(newest.template_id_offset, new.template_id_offset + TEMPLATES_PER_LAYER);
}

#[test]
fn a_codec_that_comes_back_goes_on() {
    let mut receiver = Receiver::new(1);
    receiver.show(&[A]);
    let mut av1 = DependencySender::of_encoding(0, ssrc_of(A), 1);
    let before = receiver.see_all(A, &av1.pictures(5));
    receiver.show(&[B]);
    let vp8 = Vp8Sender::of_encoding(0, ssrc_of(B), 1).frames(5);
    let between = receiver.see_all(B, &vp8);
    assert_follows(&between[0], before.last().unwrap());
    receiver.show(&[C]);
    av1 = DependencySender::of_encoding(0, ssrc_of(C), 1);
    av1.frame_number = 9_000;
    let after = receiver.see_all(C, &av1.pictures(5));
    assert_follows(&after[0], between.last().unwrap());
    let number = |received: &Received| {
        let data = received.dependency_descriptor.as_deref().unwrap();
        u16::from_be_bytes([data[1], data[2]])
    };
    assert_eq!(number(&after[0]), number(&before[4]).wrapping_add(1));
}

#[test]
fn a_new_projection_goes_on_on_the_same_ssrc() {
    let mut receiver = Receiver::new(1);
    receiver.show(&[A]);
    let mut a = Vp8Sender::of_encoding(0, ssrc_of(A), 2);
    let before = receiver.see_all(A, &a.frames(10));
    let anew = Bridge::new(ssrc_of(A), LayerIndex::new(0, 0, 2));
    receiver.bridges.insert(A, anew);
    receiver.rewriting.restart_source(A);
    a.request_keyframe();
    let after = receiver.see_all(A, &a.frames(10));
    assert_follows(&after[0], before.last().unwrap());
}

#[test]
fn what_the_receiver_says_is_mapped_back() {
    let mut receiver = Receiver::new(2);
    receiver.show(&[A, B]);
    let of_b = RewritableSource { id: B, ssrc: ssrc_of(B) };
    assert_eq!(receiver.rewriting.source_of(9_003), Some(of_b));
    assert_eq!(receiver.rewriting.source_of(9_004), Some(of_b), "its retransmissions");
    for unmapped in [ssrc_of(B), 9_005, 0] {
        assert_eq!(receiver.rewriting.source_of(unmapped), None);
        assert_eq!(receiver.rewriting.original_of(unmapped, 1), None);
    }
    assert_eq!(receiver.rewriting.original_of(9_003, 1), None, "nothing was sent yet");
    let report = |receiver: &Receiver| {
        receiver.rewriting.rewrite_sender_report(MediaType::Video, B, ssrc_of(B), 7)
    };
    assert_eq!(report(&receiver), None);
    let packet = &Vp8Sender::of_encoding(0, ssrc_of(B), 1).frame()[0];
    let (_, sent) = receiver.rewrite(B, packet).unwrap();
    assert_eq!((sent.rtx, sent.mid.unwrap().as_str()), (9_004, "v1"));
    assert_eq!(report(&receiver), Some((9_003, 7)));
    let ahead = sent.rewrite.sequence_number.wrapping_add(1);
    assert_eq!(receiver.rewriting.original_of(9_003, ahead), None);
}
