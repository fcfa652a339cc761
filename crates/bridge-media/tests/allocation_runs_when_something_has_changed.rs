//! When allocation runs, with which budget, and what it says has changed.

mod common;

use std::time::Duration;

use bridge_media::{
    AllocationConfig, AllocationSettings, AllocationTrigger, LastN, LayerIndex, VideoType,
};
use bridge_units::{Bitrate, Timestamp};
use common::allocation::{RATES_A, RATES_B, Receiver, Sent, UNLIMITED, height, stage, tiles};

/// A receiver that has just run.
fn settled(sources: &[Sent], kbps: u64) -> Receiver {
    let mut receiver = Receiver::new(tiles(360));
    receiver.with_estimate(sources, kbps * 1_000);
    assert!(!is_due(&receiver));
    receiver
}

fn is_due(receiver: &Receiver) -> bool {
    receiver.allocator.poll_timeout() <= receiver.now
}

fn cameras() -> [Sent; 2] {
    [Sent::camera("a", RATES_A), Sent::camera("b", RATES_B)]
}

#[test]
fn small_changes_of_the_estimate_cause_no_run() {
    for (kbps, expected) in
        [(1000, false), (1150, false), (1151, true), (850, false), (849, true), (0, true)]
    {
        let mut receiver = settled(&cameras(), 1000);
        receiver.allocator.handle_estimate(Bitrate::from_kbps(kbps));
        assert_eq!(is_due(&receiver), expected, "{kbps}");
        if expected {
            receiver.allocate(&cameras());
            assert_eq!(receiver.allocator.last_trigger(), Some(AllocationTrigger::Estimate));
        }
    }
}

#[test]
fn small_changes_add_up() {
    let mut receiver = settled(&cameras(), 1000);
    receiver.allocator.handle_estimate(Bitrate::from_kbps(1100));
    assert!(!is_due(&receiver));
    receiver.allocator.handle_estimate(Bitrate::from_kbps(1200));
    assert!(is_due(&receiver), "20 % above the last reaction");
}

#[test]
fn what_the_threshold_holds_back_counts_in_the_next_run() {
    let mut receiver = settled(&cameras(), 600);
    assert_eq!(receiver.targets(&cameras()), ["360@30", "180@30"]);
    receiver.allocator.handle_estimate(Bitrate::from_kbps(650));
    assert_eq!(receiver.allocator.allocation().budget, Some(Bitrate::from_kbps(600)));
    receiver.now += Duration::from_secs(6);
    receiver.allocate(&cameras());
    assert_eq!(receiver.allocator.last_trigger(), Some(AllocationTrigger::Periodic));
    assert_eq!(receiver.targets(&cameras()), ["360@30", "360@30"]);
    assert_eq!(receiver.allocator.estimate(), Some(Bitrate::from_kbps(650)));
}

#[test]
fn it_runs_every_five_seconds_after_any_run() {
    let period = Duration::from_millis(5_005);
    let mut receiver = Receiver::new(tiles(360));
    let settings = receiver.allocator.settings().clone();
    receiver.allocate(&cameras());
    assert_eq!(receiver.allocator.poll_timeout(), receiver.now + period);
    receiver.now += Duration::from_secs(3);
    receiver.allocator.handle_sources_changed();
    receiver.allocate(&cameras());
    assert_eq!(receiver.allocator.poll_timeout(), receiver.now + period);
    assert_eq!(receiver.allocator.runs(), 2);
    // A new receiver has five seconds, too.
    let config = AllocationConfig::default();
    let fresh = Receiver::with_config(config.clone(), AllocationSettings::new(&config));
    assert_eq!(fresh.allocator.poll_timeout(), fresh.now + period);
    assert_eq!(fresh.allocator.last_trigger(), None);
    assert_ne!(settings, *fresh.allocator.settings());
}

#[test]
fn what_is_suspended_is_thought_of_again_after_a_second() {
    let sources = cameras();
    let mut receiver = settled(&sources, 10);
    assert!(receiver.allocator.allocation().has_suspended_sources);
    let soon = receiver.now + Duration::from_millis(1_005);
    assert_eq!(receiver.allocator.poll_timeout(), soon);
    receiver.allocator.handle_estimate(Bitrate::from_kbps(5_000));
    receiver.allocate(&sources);
    assert!(!receiver.allocator.allocation().has_suspended_sources);
    let later = receiver.now + Duration::from_millis(5_005);
    assert_eq!(receiver.allocator.poll_timeout(), later);
}

#[test]
fn each_cause_is_due_at_once_and_named() {
    let sources = cameras();
    let mut receiver = settled(&sources, 1000);
    let mut check = |cause: &dyn Fn(&mut Receiver), expected| {
        cause(&mut receiver);
        assert_eq!(receiver.allocator.poll_timeout(), Timestamp::ZERO);
        receiver.allocate(&sources);
        assert_eq!(receiver.allocator.last_trigger(), Some(expected));
    };
    check(&|r| r.allocator.handle_sources_changed(), AllocationTrigger::Sources);
    check(&|r| r.allocator.handle_layering_changed(), AllocationTrigger::Layering);
    check(&|r| assert!(r.allocator.set_settings(tiles(180))), AllocationTrigger::Settings);
    check(&|r| r.allocator.set_bridge_last_n(LastN::new(1)), AllocationTrigger::Settings);
    assert!(!receiver.allocator.set_settings(tiles(180)), "the same is no change");
    receiver.allocator.set_bridge_last_n(LastN::new(1));
    assert!(!is_due(&receiver));
}

#[test]
fn changes_are_told_apart() {
    let mut sources = cameras();
    let mut receiver = Receiver::new(tiles(360));
    receiver.allocator.handle_estimate(Bitrate::from_kbps(100));
    let first = receiver.allocate(&sources);
    assert!(first.targets && first.forwarded_sources && first.effective_constraints);
    assert!(!receiver.allocate(&sources).is_any());
    // A better layer of what is forwarded already.
    receiver.allocator.handle_estimate(Bitrate::from_kbps(1_000));
    let better = receiver.allocate(&sources);
    assert!(better.targets && !better.forwarded_sources && !better.effective_constraints);
    // Other wishes that lead to the same targets.
    let rates = [40, 70, 110, 120, 210, 340, 0, 0, 0];
    sources[0] = Sent::camera("a", rates);
    receiver.allocate(&sources);
    let mut settings = tiles(360);
    settings.constraints.insert("a-v0".into(), height(720));
    receiver.allocator.set_settings(settings);
    let wishes = receiver.allocate(&sources);
    assert!(!wishes.targets && !wishes.forwarded_sources && wishes.effective_constraints);
    // One no longer.
    receiver.allocator.handle_estimate(Bitrate::from_kbps(35));
    let suspended = receiver.allocate(&sources);
    assert!(suspended.targets && suspended.forwarded_sources && !suspended.effective_constraints);
    // One for another: as many as before.
    sources.swap(0, 1);
    let swapped = receiver.allocate(&sources);
    assert!(!swapped.is_any(), "only one was affordable: {:?}", receiver.targets(&sources));
    receiver.allocator.handle_estimate(Bitrate::from_kbps(45));
    sources.swap(0, 1);
    assert!(receiver.allocate(&sources).forwarded_sources);
    // A source that is gone.
    let gone = receiver.allocate(&sources[..1]);
    assert!(gone.targets && gone.effective_constraints && !gone.forwarded_sources);
}

#[test]
fn a_change_of_video_type_or_oversending_is_a_change_of_targets() {
    let mut sources = [Sent::camera("a", RATES_A)];
    let mut receiver = settled(&sources, 5_000);
    sources[0].layers.layers.truncate(6);
    receiver.allocate(&sources);
    sources[0].video_type = VideoType::Desktop;
    let change = receiver.allocate(&sources);
    assert!(change.targets && !change.forwarded_sources);
    receiver.allocator.set_settings(stage(&[("a", UNLIMITED)]));
    receiver.with_estimate(&sources, 340_000);
    assert_eq!(receiver.targets(&sources), ["360@30"]);
    sources[0].layers.layers[5].bitrate = Bitrate::from_kbps(341);
    for layer in &mut sources[0].layers.layers[..5] {
        layer.bitrate = Bitrate::from_kbps(400);
    }
    assert!(receiver.allocate(&sources).targets);
    assert!(receiver.allocator.allocation().is_oversending);
}

#[test]
fn a_budget_needs_retransmissions_an_estimate_and_time() {
    let sources = cameras();
    let config = AllocationConfig {
        initial_ignore_bwe_period: Duration::from_secs(10),
        ..AllocationConfig::default()
    };
    let mut receiver = Receiver::with_config(config, tiles(180));
    receiver.allocator.set_supports_rtx(false);
    let start = receiver.now;
    receiver.with_estimate(&sources, 20_000);
    assert_eq!(receiver.targets(&sources), ["180@30", "180@30"]);
    receiver.allocator.handle_video_forwarded(start);
    for (after_ms, supports_rtx, expected) in
        [(9_999, true, "180@30"), (10_000, false, "180@30"), (10_000, true, "-")]
    {
        receiver.now = start + Duration::from_millis(after_ms);
        // Only the first forwarded packet counts.
        receiver.allocator.handle_video_forwarded(receiver.now);
        receiver.allocator.set_supports_rtx(supports_rtx);
        assert_eq!(receiver.allocator.trusts_estimate(receiver.now), expected == "-");
        receiver.allocate(&sources);
        assert_eq!(receiver.targets(&sources)[1], expected, "{after_ms} {supports_rtx}");
    }
    let mut without_estimate = Receiver::new(tiles(180));
    without_estimate.allocate(&sources);
    assert_eq!(without_estimate.allocator.allocation().budget, None);
}

#[test]
fn an_assumed_bandwidth_counts_up_to_the_limit() {
    let said = |kbps| AllocationSettings {
        assumed_bandwidth: Some(Bitrate::from_kbps(kbps)),
        ..tiles(180)
    };
    let budget = |limit, said| {
        let assumed_bandwidth_limit = limit;
        let config = AllocationConfig { assumed_bandwidth_limit, ..AllocationConfig::default() };
        let mut receiver = Receiver::with_config(config, said);
        receiver.with_estimate(&cameras(), 3_000_000).budget.map(Bitrate::kbps)
    };
    assert_eq!(budget(None, said(500)), Some(3_000));
    assert_eq!(budget(Some(Bitrate::from_kbps(400)), said(500)), Some(400));
    assert_eq!(budget(Some(Bitrate::from_kbps(600)), said(500)), Some(500));
    assert_eq!(budget(Some(Bitrate::from_kbps(600)), tiles(180)), Some(3_000));
}

#[test]
fn oversending_time_adds_up() {
    let layers = vec![common::allocation::layer(LayerIndex::new(0, 0, 0), 720, None, 300_000)];
    let sources = [Sent::new("a", VideoType::Desktop, layers)];
    let mut receiver = Receiver::new(stage(&[("a", UNLIMITED)]));
    let second = Duration::from_secs(1);
    for kbps in [100, 100, 400, 100] {
        receiver.now += second;
        receiver.with_estimate(&sources, kbps * 1_000);
    }
    assert_eq!(receiver.allocator.oversending_time(receiver.now), 2 * second);
    assert_eq!(receiver.allocator.oversending_time(receiver.now + second), 3 * second);
}

#[test]
fn told_rates_count_if_configured() {
    let mut sources = cameras();
    for layer in &mut sources[0].layers.layers {
        layer.target_bitrate = Some(Bitrate::from_bps(2 * layer.bitrate.bps()));
    }
    for (use_vla_target_bitrate, expected) in [(true, 220), (false, 110)] {
        let config = AllocationConfig { use_vla_target_bitrate, ..AllocationConfig::default() };
        let mut receiver = Receiver::with_config(config, tiles(180));
        let allocation = receiver.with_estimate(&sources, 1_000_000);
        assert_eq!(allocation.sources[0].target_bitrate.kbps(), expected);
        assert_eq!(allocation.sources[1].target_bitrate.kbps(), 100);
    }
}

#[test]
fn the_snapshot_for_probing_has_the_rates_of_now() {
    let mut sources = cameras();
    let mut receiver = settled(&sources, 600);
    let find = |sources: &[Sent], id| sources.iter().position(|sent| sent.id == id);
    let before =
        receiver.allocator.snapshot(|id| find(&sources, id).map(|place| &sources[place].layers));
    assert_eq!((before.target_bitrate.kbps(), before.ideal_bitrate.kbps()), (440, 640));
    assert!(before.has_non_ideal_layer);
    // The layer that was chosen for the second carries other rates now, and its ideal is silent.
    sources[1].layers.layers[2].bitrate = Bitrate::from_kbps(90);
    for layer in &mut sources[1].layers.layers[3..] {
        layer.bitrate = Bitrate::ZERO;
    }
    let after =
        receiver.allocator.snapshot(|id| find(&sources, id).map(|place| &sources[place].layers));
    assert_eq!((after.target_bitrate.kbps(), after.ideal_bitrate.kbps()), (430, 430));
    assert!(after.has_non_ideal_layer, "until the next run");
    receiver.allocate(&sources);
    assert!(!receiver.allocator.allocation().has_non_ideal_layer());
    assert_eq!(receiver.allocator.snapshot(|_| None).target_bitrate, Bitrate::ZERO);
}
