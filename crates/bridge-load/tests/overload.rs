//! A bridge at twice its capacity drops media, oldest first and sound last, keeps answering
//! everything else, and is itself again when the load goes.
//!
//! It needs the bridge's release binary and an otherwise idle machine:
//! VIDEOBRIDGE_BIN=target/release/videobridge cargo test --release -p bridge-load --test overload --
//! --ignored

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must stop")]

mod common;

use std::time::Duration;

use bridge_load::{Arguments, Scenario, Shape, run};
use common::Bridge;

#[test]
#[ignore = "needs the bridge's binary and a minute of an idle machine"]
fn a_bridge_at_twice_its_capacity_drops_media_and_recovers() {
    // One shard, so that the other core is the generator's. What is dropped shall be dropped for want
    // of power, not left out because delays look like a bad link.
    let bridge = Bridge::start("videobridge.shard.count = 1\nvideobridge.cc.trust-bwe = false\n");
    let arguments = Arguments {
        receivers: 60,
        shape: Shape::EqualFrames,
        rate: 400.0,
        duration: Duration::from_secs(15),
        warm_up: Duration::from_secs(2),
        ..bridge.arguments(Scenario::Overload)
    };
    let report = run(&arguments).unwrap();
    let overload = report.overload.unwrap();
    println!("{overload:#?}");
    for warning in report.warnings() {
        println!("warning: {warning}");
    }

    let dropped = |media: &str| bridge.metric(&format!("{DROPPED}{media}"));
    println!("dropped: {} of video, {} of sound", dropped("video"), dropped("audio"));
    assert!(dropped("video") > 0.0, "the bridge counts what it drops");
    assert!(overload.video_loss_ratio > 0.01, "it was an overload: {overload:?}");
    assert!(overload.audio_loss_ratio < overload.video_loss_ratio, "sound last: {overload:?}");

    assert_eq!(overload.disconnected, 0);
    assert!(overload.oldest_consent < LONGEST_CONSENT, "{overload:?}");
    assert_eq!(bridge.metric("jitsi_jvb_endpoints_disconnected_total"), 0.0);
    assert!(overload.requests >= 10 && overload.requests_failed == 0, "{overload:?}");
    assert!(overload.slowest_health < Duration::from_secs(1), "{overload:?}");
    assert!(overload.slowest_allocation < Duration::from_secs(1), "{overload:?}");

    assert_eq!(overload.loss_ratio_after, 0.0, "it recovers by itself: {overload:?}");
    assert!((0.98..1.02).contains(&overload.delivered_ratio_after), "{overload:?}");
    assert!(report.passed(), "a packet that comes is right: {:?}", report.error_kinds);
}

/// With the kind of media.
const DROPPED: &str = "jitsi_jvb_shard_dropped_overload_";
/// Consent expires then (RFC 7675 section 5.1). Checks are sent every five seconds; the generator's own
/// sockets overflow too, and then answers are lost that the bridge has given.
const LONGEST_CONSENT: Duration = Duration::from_secs(30);
