//! Any sources, wishes and budgets: the outcome keeps its promises.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bridge_media::{
    AllocationConfig, AllocationSettings, BandwidthAllocator, CandidateSource,
    ConferenceSizeLimits, LastN, LayerIndex, LayerState, VideoConstraints, VideoType,
};
use bridge_units::{Bitrate, EndpointId, SourceId, Timestamp};

use crate::bytes::Bytes;

/// A configuration, sources, and then wishes and estimates by turns.
pub fn run(data: &[u8]) {
    let mut input = Bytes::new(data);
    let (Some(me), Some(other)) = (EndpointId::new("me"), EndpointId::new("other")) else { return };
    let config = Arc::new(config(&mut input));
    let mut now = Timestamp::from_millis(1_000);
    let mut allocator = BandwidthAllocator::new(me.clone(), config.clone(), now);
    allocator.set_supports_rtx(true);
    let sources: Vec<_> = (0..input.u8() % 12).map(|_| source(&mut input)).collect();
    let candidates: Vec<_> = sources
        .iter()
        .zip((0..).zip(NAMES))
        .map(|((video_type, is_own, layers), (id, name))| CandidateSource {
            id: SourceId(id),
            name,
            owner: if *is_own { &me } else { &other },
            video_type: *video_type,
            layers,
        })
        .collect();
    for _ in 0..MAX_ROUNDS {
        if input.is_empty() {
            break;
        }
        let settings = settings(&mut input);
        allocator.set_settings(settings.clone());
        let budget = Bitrate::from_bps(u64::from(input.u32()) >> input.choice([0, 8, 12, 16]));
        allocator.handle_estimate(budget);
        now += Duration::from_millis(u64::from(input.u16()));
        allocator.allocate(now, &candidates);
        check(&allocator, &config, &settings, budget);
        let unchanged = allocator.allocate(now, &candidates);
        assert!(!unchanged.is_any(), "the same again changes nothing");
    }
}

/// Cameras, a screen, and one that is on stage.
pub fn seeds() -> Vec<Vec<u8>> {
    let ramp: Vec<u8> = (0..=255).collect();
    let mut stage = vec![1, 0xff, 0xff, 2];
    for _ in 0..2 {
        stage.extend([0, 1, 9]);
        (1_u32..=9)
            .for_each(|n| stage.extend([&(n * 100_000).to_be_bytes()[..], &[2, 3]].concat()));
    }
    stage.extend([1, 0, 1, 1, 3, 3, 0, 0, 0, 5, 0x00, 0x2d, 0xc6, 0xc0, 0, 0, 100]);
    vec![ramp, stage, vec![0x77; 200]]
}

fn config(input: &mut Bytes<'_>) -> AllocationConfig {
    AllocationConfig {
        allow_oversend_onstage: input.bool(),
        bridge_last_n: last_n(input),
        conference_size_limits: ConferenceSizeLimits::new([(6, last_n(input))]),
        ..AllocationConfig::default()
    }
}

fn last_n(input: &mut Bytes<'_>) -> LastN {
    LastN::from_signaled(i32::from(input.u8() % 14) - 1)
}

fn source(input: &mut Bytes<'_>) -> (VideoType, bool, Vec<LayerState>) {
    let types = [VideoType::Camera, VideoType::Desktop, VideoType::DesktopHighFps, VideoType::None];
    let video_type = input.choice(types);
    let is_own = input.u8().is_multiple_of(16);
    let layer = |n: u8, input: &mut Bytes<'_>| LayerState {
        index: LayerIndex::new(n / 3, 0, n % 3),
        bitrate: Bitrate::from_bps(u64::from(input.u32()) >> 8),
        height: input.choice([None, Some(180), Some(360), Some(720), Some(1_080)]),
        frame_rate: input.choice([None, Some(7.5), Some(15.0), Some(30.0)]),
        target_bitrate: None,
    };
    let count = input.u8() % 10;
    (video_type, is_own, (0..count).map(|n| layer(n, input)).collect())
}

fn settings(input: &mut Bytes<'_>) -> AllocationSettings {
    let names = |input: &mut Bytes<'_>| -> Vec<String> {
        (0..input.u8() % 4).map(|_| input.choice(NAMES).to_owned()).collect()
    };
    let constraints = |input: &mut Bytes<'_>| {
        let height = input.choice([-1, 0, 180, 360, 720, 1, i32::MAX, i32::MIN]);
        VideoConstraints::from_signaled(height, input.choice([-1.0, 0.0, 15.0, f64::MAX]))
    };
    AllocationSettings {
        last_n: last_n(input),
        on_stage_sources: names(input),
        selected_sources: names(input),
        default_constraints: constraints(input),
        constraints: (0..input.u8() % 4)
            .map(|_| (input.choice(NAMES).to_owned(), constraints(input)))
            .collect::<BTreeMap<_, _>>(),
        assumed_bandwidth: None,
    }
}

fn check(
    allocator: &BandwidthAllocator,
    config: &AllocationConfig,
    settings: &AllocationSettings,
    budget: Bitrate,
) {
    let allocation = allocator.allocation();
    let oversend =
        if allocation.is_oversending { config.max_oversend_bitrate } else { Bitrate::ZERO };
    let used = allocator.estimate().unwrap_or(budget).bps().max(budget.bps());
    assert!(allocation.target_bitrate.bps() <= used.saturating_add(oversend.bps()));
    let wanted = allocation.sources.iter().filter(|s| !s.effective_constraints.is_disabled());
    if let Ok(last_n) = usize::try_from(settings.last_n.to_signaled()) {
        assert!(wanted.count() <= last_n);
    }
    for source in &allocation.sources {
        assert!(!(source.effective_constraints.is_disabled() && source.is_forwarded()));
        assert!(source.target <= source.ideal);
    }
}

const NAMES: [&str; 12] = [
    "s0-v0", "s1-v0", "s2-v0", "s3-v0", "s4-v0", "s5-v0", "s6-v0", "s7-v0", "s8-v0", "s9-v0",
    "s10-v0", "s11-v0",
];
const MAX_ROUNDS: usize = 20;
