//! An endpoint that sends nothing for too long is announced as lost, and when it is back.

use std::time::Duration;

use bridge_media::{
    ConnectivityChange, ConnectivityConfig, EndpointConnectivity, MAX_LOST_REMEMBERED, MAX_SPEAKERS,
};
use bridge_units::Timestamp;

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(ms)
}

/// All changes until a time, with the times of the checks that found them.
fn run(
    connectivity: &mut EndpointConnectivity<&'static str>,
    until: u64,
) -> Vec<(u64, ConnectivityChange<&'static str>)> {
    let mut found = Vec::new();
    while let Some(due) = connectivity.poll_timeout().filter(|due| *due <= at(until)) {
        let changes = connectivity.handle_timeout(due);
        found.extend(changes.into_iter().map(|change| (due.as_millis(), change)));
    }
    found
}

fn change(
    endpoint: &'static str,
    is_active: bool,
    is_counted: bool,
) -> ConnectivityChange<&'static str> {
    ConnectivityChange { endpoint, is_active, is_counted }
}

fn with(names: &[&'static str]) -> EndpointConnectivity<&'static str> {
    let mut connectivity = EndpointConnectivity::new(ConnectivityConfig::default());
    assert_eq!(connectivity.poll_timeout(), None);
    names.iter().for_each(|name| assert!(connectivity.add_endpoint(at(0), *name)));
    connectivity
}

#[test]
fn who_never_sends_is_inactive_after_15_s() {
    let mut connectivity = with(&["a"]);
    assert_eq!(run(&mut connectivity, 15_000), []);
    assert_eq!(run(&mut connectivity, 60_000), [(15_500, change("a", false, false))]);
    assert_eq!(connectivity.inactive().collect::<Vec<_>>(), [&"a"]);
    connectivity.handle_activity(&"a", at(60_100));
    assert_eq!(run(&mut connectivity, 61_000), [(60_500, change("a", true, true))]);
    assert_eq!(connectivity.inactive().count(), 0);
}

#[test]
fn who_stops_sending_is_inactive_after_8_s() {
    let mut connectivity = with(&["a", "b"]);
    for time in (0..30_000).step_by(100) {
        connectivity.handle_activity(&"b", at(time));
    }
    connectivity.handle_activity(&"a", at(900));
    connectivity.handle_activity(&"a", at(700));
    assert_eq!(run(&mut connectivity, 8_900), []);
    // Within half a second after more than eight.
    assert_eq!(run(&mut connectivity, 20_000), [(9_000, change("a", false, true))]);
    connectivity.handle_activity(&"a", at(20_000));
    assert_eq!(run(&mut connectivity, 28_000), [(20_500, change("a", true, true))]);
    assert_eq!(run(&mut connectivity, 30_000), [(28_500, change("a", false, true))]);
}

#[test]
fn exactly_eight_seconds_are_still_active() {
    let mut connectivity = with(&["a"]);
    connectivity.handle_activity(&"a", at(1_000));
    assert_eq!(run(&mut connectivity, 9_000), []);
    assert_eq!(run(&mut connectivity, 9_500), [(9_500, change("a", false, true))]);
}

#[test]
fn a_lost_endpoint_that_leaves_is_announced_only_if_it_returns() {
    let mut connectivity = with(&["a", "b"]);
    connectivity.handle_activity(&"b", at(31_000));
    assert_eq!(run(&mut connectivity, 16_000).len(), 1);
    connectivity.remove_endpoint(&"a");
    assert_eq!(connectivity.inactive().count(), 0);
    assert_eq!(run(&mut connectivity, 30_000), []);
    assert!(connectivity.add_endpoint(at(30_000), "a"));
    assert_eq!(run(&mut connectivity, 31_200), []);
    connectivity.handle_activity(&"a", at(31_200));
    assert_eq!(run(&mut connectivity, 32_000), [(31_500, change("a", true, true))]);
    connectivity.remove_endpoint(&"a");
    connectivity.remove_endpoint(&"b");
    assert_eq!(connectivity.poll_timeout(), None);
    assert_eq!(connectivity.handle_timeout(at(90_000)), []);
}

#[test]
fn timeouts_are_configured() {
    let config = ConnectivityConfig {
        first_transfer_timeout: Duration::from_secs(2),
        max_inactivity_limit: Duration::from_secs(1),
        check_interval: Duration::from_secs(1),
    };
    let mut connectivity = EndpointConnectivity::new(config);
    connectivity.add_endpoint(at(500), "a");
    assert_eq!(run(&mut connectivity, 10_000), [(3_500, change("a", false, false))]);
}

#[test]
fn churn_leaves_a_bounded_memory() {
    let mut connectivity = EndpointConnectivity::new(ConnectivityConfig::default());
    let lost = 3 * MAX_LOST_REMEMBERED;
    for key in 0..lost {
        connectivity.add_endpoint(at(0), key);
    }
    assert_eq!(connectivity.handle_timeout(at(16_000)).len(), lost);
    // One that is back is not among those that are forgotten.
    connectivity.remove_endpoint(&0);
    assert!(connectivity.add_endpoint(at(0), 0));
    (1..lost).for_each(|key| connectivity.remove_endpoint(&key));
    assert_eq!(connectivity.handle_timeout(at(17_000)), []);
    connectivity.remove_endpoint(&0);
    // The ones that left last are remembered, the others begin anew.
    for (key, expected) in [(lost - 1, 1), (0, 1), (1, 0)] {
        connectivity.add_endpoint(at(20_000), key);
        connectivity.handle_activity(&key, at(20_400));
        let due = connectivity.poll_timeout().unwrap();
        assert_eq!(connectivity.handle_timeout(due).len(), expected);
    }
    (0..MAX_SPEAKERS).for_each(|key| {
        connectivity.add_endpoint(at(30_000), key);
    });
    assert!(!connectivity.add_endpoint(at(30_000), usize::MAX));
}
