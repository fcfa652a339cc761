//! A receiver among 200 sources costs little, and no memory once its buffers have grown.

mod common;

use bridge_media::{
    AllocationConfig, AllocationSettings, CandidateSource, LastN, LayerIndex, VideoType,
};
use bridge_units::Bitrate;
use common::allocation::{RATES_A, Receiver, Sent, UNLIMITED, height, layer, stage, tiles};

#[global_allocator]
static ALLOCATOR: bridge_allocations::Counting = bridge_allocations::Counting;

fn cameras(count: usize) -> Vec<Sent> {
    (0..count).map(|n| Sent::camera(&format!("endpoint{n}"), RATES_A)).collect()
}

/// 20 of many, with a stage, five selected sources and 20 heights of their own.
fn settings() -> AllocationSettings {
    let mut settings = AllocationSettings {
        last_n: LastN::new(20),
        selected_sources: (0..5).map(|n| format!("endpoint{}-v0", 150 + n)).collect(),
        ..stage(&[("endpoint7", height(720))])
    };
    let names = (0..20).map(|n| (format!("endpoint{}-v0", 9 * n), height(360)));
    settings.constraints.extend(names);
    settings
}

#[test]
fn runs_use_no_new_memory() {
    let sources = cameras(200);
    let candidates: Vec<_> = sources.iter().map(Sent::candidate).collect();
    let mut receiver = Receiver::new(settings());
    for kbps in [10_000, 500] {
        receiver.allocator.handle_estimate(Bitrate::from_kbps(kbps));
        receiver.allocator.allocate(receiver.now, &candidates);
    }
    let before = bridge_allocations::count();
    for n in 0..200 {
        receiver.allocator.handle_estimate(Bitrate::from_kbps(n * 50));
        receiver.allocator.allocate(receiver.now, &candidates);
    }
    assert_eq!(bridge_allocations::count() - before, 0);
    assert!(receiver.allocator.allocation().forwarded_sources().count() > 10);
}

#[test]
fn the_rounds_depend_on_layers_and_not_on_sources() {
    for count in [10, 50, 200, 1_000] {
        let sources = cameras(count);
        let no_limits = AllocationConfig { ssrc_limit: LastN::UNLIMITED, ..Default::default() };
        let mut receiver = Receiver::with_config(no_limits, tiles(360));
        let allocation = receiver.with_estimate(&sources, u64::MAX / 4);
        // Four layers of cameras come into question, and a round finds that nothing is left to do.
        assert_eq!(allocation.passes, 5, "{count}");
    }
}

/// The most layers a sender can invent, each dearer than the one before.
#[test]
fn invented_layers_have_a_bound() {
    let layers = (0..8_u8).flat_map(|encoding| (0..64).map(move |target| (encoding, target)));
    let layers = (1_u64..).zip(layers).map(|(n, (encoding, target))| {
        let index = LayerIndex::with_decode_target(encoding, target);
        layer(index, 1080, Some(30.0), n * 1_000)
    });
    let sent = Sent::new("a", VideoType::Desktop, layers.collect());
    let sources = [sent, Sent::camera("b", RATES_A)];
    for settings in [tiles(1080), stage(&[("a", UNLIMITED)])] {
        let mut receiver = Receiver::new(settings);
        let allocation = receiver.with_estimate(&sources, 100_000_000);
        assert!(allocation.passes <= 513, "{}", allocation.passes);
        assert!(!allocation.has_non_ideal_layer());
    }
}

/// `cargo test --release -- --ignored --nocapture`: the time of a run.
#[test]
#[ignore = "measures time"]
#[expect(clippy::disallowed_methods, reason = "a measurement")]
fn a_run_among_200_sources_takes_microseconds() {
    let sources = cameras(200);
    let candidates: Vec<CandidateSource<'_>> = sources.iter().map(Sent::candidate).collect();
    let mut receiver = Receiver::new(settings());
    let runs = 2_000;
    let start = std::time::Instant::now();
    for n in 0..runs {
        receiver.allocator.handle_estimate(Bitrate::from_kbps(u64::from(n) * 10));
        receiver.allocator.allocate(receiver.now, &candidates);
    }
    let each = start.elapsed() / runs;
    println!("{each:?} a run");
    assert!(each.as_micros() < 1_000);
}
