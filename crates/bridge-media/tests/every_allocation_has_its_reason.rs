//! The outcome says of every source why it gets what it gets.

mod common;

use bridge_media::AllocationReason::{
    BehindOnStage, DisabledByConstraint, Ideal, LimitedByBandwidth, LimitedByHeight, NoActiveLayer,
    NoLayers, NotInLastN, OversendingOnStage, SuspendedByBandwidth, VideoDisabled,
};
use bridge_media::{AllocationSettings, LastN, VideoConstraints, VideoType};
use common::allocation::{
    RATES_A, RATES_B, RATES_C, Receiver, Sent, UNLIMITED, height, simulcast, stage, tiles,
};

fn cameras() -> [Sent; 3] {
    [Sent::camera("a", RATES_A), Sent::camera("b", RATES_B), Sent::camera("c", RATES_C)]
}

#[test]
fn limits_of_bandwidth_and_height_are_told_apart() {
    let sources = cameras();
    let mut receiver = Receiver::new(stage(&[("a", height(720))]));
    receiver.with_estimate(&sources, 5_000_000);
    assert_eq!(receiver.reasons(&sources), [Ideal, LimitedByHeight, LimitedByHeight]);
    receiver.with_estimate(&sources, 450_000);
    assert_eq!(receiver.targets(&sources), ["360@30", "180@15", "180@7.5"]);
    assert_eq!(receiver.reasons(&sources), [LimitedByBandwidth; 3]);
    receiver.with_estimate(&sources, 150_000);
    assert_eq!(receiver.reasons(&sources), [LimitedByBandwidth, BehindOnStage, BehindOnStage]);
    receiver.with_estimate(&sources, 10_000);
    assert_eq!(receiver.reasons(&sources), [SuspendedByBandwidth, BehindOnStage, BehindOnStage]);
}

#[test]
fn suspension_is_told_apart_from_not_being_wanted() {
    let sources = cameras();
    let mut settings = AllocationSettings { last_n: LastN::new(1), ..tiles(180) };
    settings.constraints.insert("b-v0".into(), height(0));
    let mut receiver = Receiver::new(settings);
    receiver.with_estimate(&sources, 20_000);
    let expected = [SuspendedByBandwidth, NotInLastN, NotInLastN];
    assert_eq!(receiver.reasons(&sources), expected);
    assert!(receiver.allocator.allocation().has_suspended_sources);
    receiver.allocator.set_settings(AllocationSettings { last_n: LastN::new(0), ..tiles(180) });
    receiver.with_estimate(&sources, 20_000);
    assert_eq!(receiver.reasons(&sources), [NotInLastN; 3]);
    assert!(!receiver.allocator.allocation().has_suspended_sources);
}

#[test]
fn what_is_not_sent_is_told_apart_from_what_is_not_wanted() {
    let mut sources = vec![
        Sent::camera("a", [0; 9]),
        Sent::new("b", VideoType::Camera, vec![]),
        Sent::camera("c", RATES_C),
        Sent::camera("d", RATES_C),
    ];
    sources[2].video_type = VideoType::None;
    let mut settings = tiles(360);
    settings.constraints.insert("d-v0".into(), VideoConstraints::from_signaled(720, 0.0));
    let mut receiver = Receiver::new(settings);
    receiver.with_estimate(&sources, 1_000_000);
    let expected = [NoActiveLayer, NoLayers, VideoDisabled, DisabledByConstraint];
    assert_eq!(receiver.reasons(&sources), expected);
}

#[test]
fn a_frame_rate_counts_only_if_it_is_zero() {
    let sources = cameras();
    for (rate, expected) in [(-1.0, "720@30"), (15.0, "720@30"), (0.5, "720@30"), (0.0, "-")] {
        let default_constraints = VideoConstraints::from_signaled(720, rate);
        let settings = AllocationSettings { default_constraints, ..tiles(720) };
        let mut receiver = Receiver::new(settings);
        receiver.with_estimate(&sources, 10_000_000);
        assert_eq!(receiver.targets(&sources), [expected; 3]);
        // The sender is still asked for the height, as by JVB.
        assert_eq!(receiver.heights(&sources), [720; 3]);
    }
}

#[test]
fn oversending_is_told() {
    let screen = [0, 0, 0, 90, 180, 250, 300, 500, 900].map(|kbps| kbps * 1_000);
    let sources =
        [Sent::new("d", VideoType::Desktop, simulcast(screen)), Sent::camera("b", RATES_B)];
    let mut receiver = Receiver::new(stage(&[("d", UNLIMITED)]));
    receiver.with_estimate(&sources, 100_000);
    assert_eq!(receiver.reasons(&sources), [OversendingOnStage, BehindOnStage]);
    receiver.with_estimate(&sources, 400_000);
    assert_eq!(receiver.reasons(&sources), [LimitedByBandwidth, BehindOnStage]);
    assert_eq!(receiver.targets(&sources), ["720@7.5", "-"]);
    receiver.with_estimate(&sources, 990_000);
    assert_eq!(receiver.reasons(&sources), [Ideal, LimitedByBandwidth]);
}

#[test]
fn reasons_have_names() {
    let names = [Ideal, NotInLastN, SuspendedByBandwidth].map(|reason| reason.to_string());
    assert_eq!(names, ["ideal", "not_in_last_n", "suspended_by_bandwidth"]);
}
