//! Whatever is sent and wanted, allocation is what the rules say, within the budget and last-n.

mod common;

use bridge_media::{
    AllocationConfig, AllocationSettings, ConferenceSizeLimits, LastN, LayerIndex, LayerState,
    VideoConstraints, VideoType,
};
use bridge_units::Bitrate;
use common::allocation::{RATES_A, Receiver, Sent, UNLIMITED, endpoint, height, stage, tiles};
use common::allocation_model;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

const OVERSEND: u64 = 500_000;

fn video_type() -> impl Strategy<Value = VideoType> {
    prop_oneof![
        6 => Just(VideoType::Camera),
        3 => Just(VideoType::Desktop),
        1 => Just(VideoType::DesktopHighFps),
        1 => Just(VideoType::None),
    ]
}

/// Layers of any rates: also such as fall, and such as nothing is sent on.
fn layers() -> impl Strategy<Value = Vec<LayerState>> {
    let rate =
        prop_oneof![2 => Just(0), 6 => 0..2_000_000_u64, 2 => (0..5_u64).prop_map(|n| n * 100_000)];
    let heights = prop_oneof![Just(None), (1_u16..5).prop_map(|n| Some(n * 180))];
    let rates = prop_oneof![Just(None), Just(Some(7.5)), Just(Some(15.0)), Just(Some(30.0))];
    vec((rate, heights, rates), 0..10).prop_map(|layers| {
        let layers = (0_u8..).zip(layers).map(|(n, (bps, height, frame_rate))| LayerState {
            index: LayerIndex::new(n / 3, 0, n % 3),
            height,
            frame_rate,
            bitrate: Bitrate::from_bps(bps),
            target_bitrate: None,
        });
        layers.collect()
    })
}

fn sources() -> impl Strategy<Value = Vec<Sent>> {
    vec((video_type(), layers(), 0..20_u8), 0..12).prop_map(|sources| {
        let source = |(n, (video_type, layers, mine)): (usize, (VideoType, _, u8))| {
            let mut sent = Sent::new(&format!("s{n}"), video_type, layers);
            if mine == 0 {
                sent.owner = endpoint("me");
            }
            sent
        };
        sources.into_iter().enumerate().map(source).collect()
    })
}

fn constraints() -> impl Strategy<Value = VideoConstraints> {
    (prop_oneof![Just(-1), Just(0), Just(180), Just(360), Just(720), Just(1)], 0..8_u8).prop_map(
        |(height, rate)| {
            let rate = if rate == 0 { 0.0 } else { -1.0 };
            VideoConstraints::from_signaled(height, rate)
        },
    )
}

fn settings() -> impl Strategy<Value = AllocationSettings> {
    let name = || (0..12_u8).prop_map(|n| format!("s{n}-v0"));
    let names = move || vec(name(), 0..4);
    (names(), names(), constraints(), btree_map(name(), constraints(), 0..6), -1..8_i32).prop_map(
        |(on_stage, selected, default_constraints, constraints, last_n)| AllocationSettings {
            last_n: LastN::from_signaled(last_n),
            on_stage_sources: on_stage,
            selected_sources: selected,
            default_constraints,
            constraints,
            assumed_bandwidth: None,
        },
    )
}

fn config() -> impl Strategy<Value = AllocationConfig> {
    (any::<bool>(), -1..12_i32, -1..12_i32).prop_map(|(allow_oversend_onstage, bridge, by_size)| {
        AllocationConfig {
            allow_oversend_onstage,
            bridge_last_n: LastN::from_signaled(bridge),
            conference_size_limits: ConferenceSizeLimits::new([(6, LastN::from_signaled(by_size))]),
            ..AllocationConfig::default()
        }
    })
}

/// Layers whose rates rise, as those of real senders do.
fn rising_layers() -> impl Strategy<Value = Vec<LayerState>> {
    vec(1..400_000_u64, 9).prop_map(|steps| {
        let mut rates = [0; 9];
        let mut sum = 0;
        for (rate, step) in rates.iter_mut().zip(steps) {
            sum += step;
            *rate = sum;
        }
        common::allocation::simulcast(rates)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn it_is_as_the_rules_say(
        sources in sources(),
        settings in settings(),
        config in config(),
        budgets in vec(0..6_000_000_u64, 1..4),
    ) {
        let mut receiver = Receiver::with_config(config.clone(), settings.clone());
        for budget in budgets {
            receiver.with_estimate(&sources, budget);
            let signed = i64::try_from(budget).unwrap();
            let (expected, is_oversending) =
                allocation_model::allocate(&config, &settings, &endpoint("me"), &sources, signed);
            let allocation = receiver.allocator.allocation();
            prop_assert_eq!(allocation.is_oversending, is_oversending);
            for (sent, expected) in sources.iter().zip(expected) {
                let actual = allocation.source(sent.id).map_or((-2, -1, -1), |s| {
                    let height = s.effective_constraints.max_height.to_signaled();
                    (height, s.target.value(), s.ideal.value())
                });
                prop_assert_eq!(actual, expected, "{} at {}", sent.name, budget);
            }
        }
    }

    #[test]
    fn it_stays_within_budget_and_last_n(
        sources in sources(),
        settings in settings(),
        budget in 0..6_000_000_u64,
    ) {
        let mut receiver = Receiver::new(settings.clone());
        let allocation = receiver.with_estimate(&sources, budget);
        let excess = allocation.target_bitrate.bps().saturating_sub(budget);
        let allowed_excess = if allocation.is_oversending { OVERSEND } else { 0 };
        prop_assert!(excess <= allowed_excess, "{} over", excess);
        if allocation.is_oversending {
            let first = &allocation.sources[0];
            prop_assert!(first.is_on_stage && first.is_forwarded());
            prop_assert_ne!(first.video_type, VideoType::Camera);
        }
        let wanted = allocation.sources.iter().filter(|s| !s.effective_constraints.is_disabled());
        if let Ok(last_n) = usize::try_from(settings.last_n.to_signaled()) {
            prop_assert!(wanted.count() <= last_n);
        }
        for source in &allocation.sources {
            let is_unwanted = source.effective_constraints.is_disabled();
            prop_assert!(!(is_unwanted && source.is_forwarded()));
            prop_assert!(source.target <= source.ideal);
        }
    }

    #[test]
    fn it_depends_on_nothing_but_its_input(
        before in sources(),
        sources in sources(),
        settings in settings(),
        budget in 0..6_000_000_u64,
    ) {
        let mut fresh = Receiver::new(settings.clone());
        fresh.with_estimate(&sources, budget);
        let mut used = Receiver::new(settings);
        used.with_estimate(&before, budget / 2);
        used.with_estimate(&sources, budget);
        prop_assert_eq!(used.allocator.allocation(), fresh.allocator.allocation());
        prop_assert!(!used.allocate(&sources).is_any(), "the same again changes nothing");
    }

    #[test]
    fn more_bandwidth_never_takes_the_preferred_layer_from_the_first_on_stage(
        layers in rising_layers(),
        other in rising_layers(),
        is_screen in any::<bool>(),
        less in 0..4_000_000_u64,
        more in 0..4_000_000_u64,
    ) {
        let kind = if is_screen { VideoType::Desktop } else { VideoType::Camera };
        let sources = [Sent::new("a", kind, layers), Sent::new("b", VideoType::Camera, other)];
        // What is above the preferred layer is in competition, see below.
        let preferred = if is_screen { LayerIndex::new(2, 0, 2) } else { LayerIndex::new(1, 0, 2) };
        let mut receiver = Receiver::new(stage(&[("a", UNLIMITED)]));
        let target = |receiver: &mut Receiver, bps| {
            let allocation = receiver.with_estimate(&sources, bps);
            allocation.source(sources[0].id).map(|source| source.target.min(preferred))
        };
        let (less, more) = (less.min(more), less.max(more));
        let worse = target(&mut receiver, less);
        prop_assert!(worse <= target(&mut receiver, more));
    }

    #[test]
    fn more_bandwidth_is_never_worse_for_one_source(
        layers in rising_layers(),
        kind in video_type(),
        less in 0..4_000_000_u64,
        more in 0..4_000_000_u64,
    ) {
        let sources = [Sent::new("a", kind, layers)];
        let mut receiver = Receiver::new(tiles(720));
        let target = |receiver: &mut Receiver, bps| {
            receiver.with_estimate(&sources, bps).source(sources[0].id).map(|s| s.target)
        };
        let (less, more) = (less.min(more), less.max(more));
        let worse = target(&mut receiver, less);
        prop_assert!(worse <= target(&mut receiver, more));
    }
}

/// Off stage all step up in turn, so that a little more can go to the second source and be missing
/// to the first. The rules of JVB have it so.
#[test]
fn off_stage_more_bandwidth_may_serve_the_second_source_first() {
    let rates = [40, 70, 300, 400, 500, 600, 700, 800, 900];
    let dear = [50, 200, 300, 400, 500, 600, 700, 800, 900];
    let sources = [Sent::camera("a", rates), Sent::camera("b", dear)];
    let mut receiver = Receiver::new(tiles(180));
    receiver.with_estimate(&sources, 85_000);
    assert_eq!(receiver.targets(&sources), ["180@15", "-"]);
    receiver.with_estimate(&sources, 91_000);
    assert_eq!(receiver.targets(&sources), ["180@7.5", "180@7.5"]);
}

#[test]
fn rates_beyond_all_measure_are_no_overflow() {
    let mut sources = [Sent::camera("a", RATES_A), Sent::camera("b", RATES_A)];
    for layer in sources.iter_mut().flat_map(|sent| &mut sent.layers.layers) {
        layer.bitrate = Bitrate::from_bps(u64::MAX);
    }
    let mut receiver = Receiver::new(stage(&[("a", height(720))]));
    receiver.with_estimate(&sources, u64::MAX);
    assert!(receiver.allocator.allocation().target_bitrate > Bitrate::ZERO);
}
