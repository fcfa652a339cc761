//! Once a stream runs, its packets are recognised, projected, rewritten and kept without allocation.

mod common;

use bridge_media::{
    LayerIndex, MissingPackets, RewritableSource, SourceHistory, SsrcRewriting, SsrcRewritingConfig,
};
use bridge_units::SourceId;
use common::vp8::Vp8Sender;
use common::{Bridge, at_ms};

#[global_allocator]
static ALLOCATOR: bridge_allocations::Counting = bridge_allocations::Counting;

const SOURCE: SourceId = SourceId(1);

#[test]
fn packets_pass_without_allocation() {
    let mut senders = [0_u8, 1].map(|n| Vp8Sender::of_encoding(n, 1_000 + u32::from(n), 2));
    let mut bridge = Bridge::new(1_000, LayerIndex::new(1, 0, 1));
    let mut history = SourceHistory::new();
    let mut missing = MissingPackets::new();
    let packets: Vec<_> = (0..1_200)
        .flat_map(|_| senders.each_mut().map(|sender| sender.frame()))
        .flatten()
        .map(|packet| (bridge.parse(&packet), packet))
        .collect();
    let mut rewriting =
        SsrcRewriting::new(SsrcRewritingConfig { audio_limit: 0, video_limit: 1, mid_demux: true });
    rewriting.set_video_sources(&[RewritableSource { id: SOURCE, ssrc: 1_000 }], || 1);
    let (mut forwarded, mut before) = (0, 0);
    for (n, (parsed, packet)) in packets.iter().enumerate() {
        if n == packets.len() / 2 {
            before = bridge_allocations::count();
        }
        let is_lost = n % 50 == 7;
        if parsed.encoding == 1 && !is_lost {
            missing.handle_packet(parsed.received, parsed.sequence_number);
            history.insert(parsed.received, parsed.sequence_number, &packet.payload, *parsed.key());
        }
        if missing.poll_timeout().is_some_and(|due| parsed.received >= due) {
            assert!(missing.poll_nack(parsed.received, None).count() < 20);
        }
        if is_lost {
            continue;
        }
        if let Ok(projected) = bridge.projection.accept(parsed).outcome {
            forwarded += 1;
            let sent = rewriting.rewrite_video(SOURCE, parsed, &projected).unwrap().rewrite;
            assert!(rewriting.original_of(sent.ssrc, sent.sequence_number).is_some());
            assert!(rewriting.rewrite_again(SOURCE, parsed, &projected).is_some());
            let (number, _) = bridge.projection.progress().unwrap();
            assert!(bridge.projection.source_of(number).is_some());
            assert!(bridge.projection.rewrite_again(parsed).is_some());
        }
    }
    assert_eq!(bridge_allocations::count() - before, 0);
    assert!(forwarded > 1_000);
    assert!(history.get(at_ms(0), 0).is_none());
}

/// What the test keeps in the history for a packet.
trait Key {
    fn key(&self) -> &u32;
}

impl Key for bridge_media::VideoPacket {
    fn key(&self) -> &u32 {
        &self.timestamp
    }
}
