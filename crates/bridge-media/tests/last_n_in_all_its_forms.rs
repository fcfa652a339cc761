//! The order of sources, and how many of them are wanted: by the client, the bridge, the size of the
//! conference and the limit of SSRCs.

mod common;

use bridge_media::{
    AllocationConfig, AllocationReason, AllocationSettings, ConferenceSizeLimits, LastN, VideoType,
};
use common::allocation::{RATES_A, Receiver, Sent, endpoint, height, tiles};

fn cameras(count: usize) -> Vec<Sent> {
    (1..=count).map(|n| Sent::camera(&format!("s{n}"), RATES_A)).collect()
}

fn selecting(owners: &[&str]) -> AllocationSettings {
    let selected_sources = owners.iter().map(|owner| format!("{owner}-v0")).collect();
    AllocationSettings { selected_sources, ..tiles(180) }
}

fn wanted(receiver: &Receiver, sources: &[Sent]) -> usize {
    receiver.heights(sources).iter().filter(|height| **height != 0).count()
}

#[test]
fn selected_sources_come_first_in_the_order_of_selection() {
    let mut sources = cameras(6);
    sources.reverse();
    let mut receiver = Receiver::new(selecting(&["s2", "s1", "s5"]));
    receiver.allocate(&sources);
    assert_eq!(receiver.order(&sources), ["s2", "s1", "s5", "s6", "s4", "s3"]);
    let on_stage = AllocationSettings {
        on_stage_sources: vec!["s4-v0".into(), "s1-v0".into()],
        ..selecting(&["s2", "s1", "s5"])
    };
    receiver.allocator.set_settings(on_stage);
    receiver.allocate(&sources);
    assert_eq!(receiver.order(&sources), ["s4", "s1", "s2", "s5", "s6", "s3"]);
}

#[test]
fn the_speaker_waits_when_others_are_selected() {
    let sources = cameras(3);
    let settings = AllocationSettings { last_n: LastN::new(2), ..selecting(&["s2", "s3"]) };
    let mut receiver = Receiver::new(settings);
    receiver.allocate(&sources);
    assert_eq!(receiver.heights(&sources), [0, 180, 180]);
    assert_eq!(receiver.reasons(&sources)[0], AllocationReason::NotInLastN);
}

#[test]
fn sources_that_are_off_neither_precede_nor_count() {
    for off in [VideoType::None, VideoType::Disabled] {
        let mut sources = cameras(3);
        sources[1].video_type = off;
        let settings = AllocationSettings { last_n: LastN::new(2), ..selecting(&["s2"]) };
        let mut receiver = Receiver::new(settings);
        receiver.allocate(&sources);
        assert_eq!(receiver.order(&sources), ["s1", "s3", "s2"]);
        assert_eq!(receiver.heights(&sources), [180, 0, 180]);
        assert_eq!(receiver.reasons(&sources)[1], AllocationReason::VideoDisabled);
    }
}

#[test]
fn sources_that_are_not_wanted_do_not_count() {
    let sources = cameras(3);
    let mut settings = AllocationSettings { last_n: LastN::new(1), ..tiles(180) };
    settings.constraints.insert("s1-v0".into(), height(0));
    let mut receiver = Receiver::new(settings);
    receiver.allocate(&sources);
    assert_eq!(receiver.heights(&sources), [0, 180, 0]);
    assert_eq!(receiver.reasons(&sources)[0], AllocationReason::DisabledByConstraint);
}

#[test]
fn the_client_says_how_many() {
    let sources = cameras(4);
    for (last_n, expected) in [(-1, 4), (0, 0), (1, 1), (3, 3), (10, 4)] {
        let last_n = LastN::from_signaled(last_n);
        let mut receiver = Receiver::new(AllocationSettings { last_n, ..tiles(180) });
        receiver.allocate(&sources);
        assert_eq!(wanted(&receiver, &sources), expected, "{last_n}");
    }
}

#[test]
fn the_least_of_all_limits_counts() {
    let sources = cameras(60);
    for (client, bridge, by_size, ssrcs, expected) in [
        (-1, -1, -1, 50, 50),
        (-1, -1, -1, -1, 60),
        (-1, 10, -1, 50, 10),
        (2, 3, 33, 50, 2),
        (7, 3, 33, 50, 3),
        (7, 9, 5, 50, 5),
        (7, 9, 8, 1, 1),
        (-1, 0, -1, 50, 0),
    ] {
        let config = AllocationConfig {
            bridge_last_n: LastN::from_signaled(bridge),
            conference_size_limits: ConferenceSizeLimits::new([(2, LastN::from_signaled(by_size))]),
            ssrc_limit: LastN::from_signaled(ssrcs),
            ..AllocationConfig::default()
        };
        let last_n = LastN::from_signaled(client);
        let settings = AllocationSettings { last_n, ..tiles(180) };
        let mut receiver = Receiver::with_config(config, settings);
        receiver.allocate(&sources);
        assert_eq!(wanted(&receiver, &sources), expected, "{client} {bridge} {by_size} {ssrcs}");
    }
}

#[test]
fn the_bridges_limit_follows_its_load() {
    let sources = cameras(5);
    let mut receiver = Receiver::new(tiles(180));
    receiver.allocate(&sources);
    assert_eq!(wanted(&receiver, &sources), 5);
    receiver.allocator.set_bridge_last_n(LastN::new(2));
    assert!(receiver.allocator.poll_timeout() <= receiver.now);
    assert!(receiver.allocate(&sources).effective_constraints);
    assert_eq!(wanted(&receiver, &sources), 2);
    receiver.allocator.set_bridge_last_n(LastN::UNLIMITED);
    receiver.allocate(&sources);
    assert_eq!(wanted(&receiver, &sources), 5);
}

#[test]
fn the_size_of_the_conference_limits() {
    let pairs = [(50, 5), (20, 20), (40, 10), (30, 15)];
    let limits = ConferenceSizeLimits::new(pairs.map(|(size, limit)| (size, LastN::new(limit))));
    for (size, expected) in
        [(0, -1), (19, -1), (20, 20), (21, 20), (29, 20), (31, 15), (50, 5), (1000, 5)]
    {
        assert_eq!(limits.limit(size).to_signaled(), expected, "{size}");
    }
    // The receiver itself counts, and sources rather than endpoints.
    let config = AllocationConfig {
        conference_size_limits: ConferenceSizeLimits::new([(4, LastN::new(1))]),
        ..AllocationConfig::default()
    };
    for (sources, expected) in [(2, 2), (3, 1)] {
        let sources = cameras(sources);
        let mut receiver = Receiver::with_config(config.clone(), tiles(180));
        receiver.allocate(&sources);
        assert_eq!(wanted(&receiver, &sources), expected);
    }
}

#[test]
fn limits_read_and_write_as_signalled() {
    assert_eq!(LastN::from_signaled(-1), LastN::UNLIMITED);
    assert_eq!(LastN::from_signaled(-7).to_signaled(), -1);
    let least = |values: &[i32]| values.iter().copied().map(LastN::from_signaled).min();
    assert_eq!(least(&[-1, -1]).map(LastN::to_signaled), Some(-1));
    assert_eq!(least(&[-1, 10]).map(LastN::to_signaled), Some(10));
    assert_eq!(least(&[2, 3, 33]).map(LastN::to_signaled), Some(2));
    assert_eq!(LastN::from_signaled(i32::MAX).to_signaled(), i32::MAX);
}

#[test]
fn nobody_receives_what_is_their_own() {
    let mut sources = cameras(2);
    sources[0].owner = endpoint("me");
    let mut receiver = Receiver::new(AllocationSettings { last_n: LastN::new(1), ..tiles(180) });
    receiver.allocate(&sources);
    assert_eq!(receiver.order(&sources), ["s2"]);
    assert_eq!(receiver.heights(&sources), [180]);
}

#[test]
fn nothing_is_wanted_before_the_first_constraints() {
    let sources = cameras(2);
    let config = AllocationConfig::default();
    let mut receiver = Receiver::new(AllocationSettings::new(&config));
    receiver.allocate(&sources);
    assert_eq!(receiver.targets(&sources), ["-", "-"]);
    assert_eq!(receiver.heights(&sources), [0, 0]);
    // Unless the bridge is configured so.
    let config = AllocationConfig { initial_max_height: height(180).max_height, ..config };
    let settings = AllocationSettings::new(&config);
    let mut receiver = Receiver::with_config(config, settings);
    receiver.allocate(&sources);
    assert_eq!(receiver.targets(&sources), ["180@30", "180@30"]);
}
