//! With routing of the loudest, a few endpoints and the dominant speaker are forwarded.

use bridge_media::{
    AudioSubscription, AudioSubscriptions, LoudestConfig, LoudestSpeakers, Ranking,
};
use bridge_units::Timestamp;
use proptest::prelude::*;

fn on() -> LoudestConfig {
    LoudestConfig { route_loudest_only: true, ..LoudestConfig::default() }
}

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(ms)
}

/// Everybody sends this level every 20 ms for a while.
fn run(loudest: &mut LoudestSpeakers<u32>, from: u64, ms: u64, levels: &[(u32, u8)]) {
    for time in (from..from + ms).step_by(20) {
        for (key, level) in levels {
            loudest.handle_level(key, *level, at(time));
        }
    }
}

fn routed(loudest: &mut LoudestSpeakers<u32>, of: impl IntoIterator<Item = u32>) -> Vec<u32> {
    let routing = loudest.poll_change().expect("it changed");
    of.into_iter().filter(|key| routing.routes(key)).collect()
}

#[test]
fn of_four_speakers_the_quietest_is_left_out() {
    let mut loudest = LoudestSpeakers::new(on());
    run(&mut loudest, 0, 200, &[(1, 90), (2, 60), (3, 100), (4, 70)]);
    assert_eq!(routed(&mut loudest, 1..=4), [1, 3, 4]);
    assert_eq!(loudest.poll_change(), None);
    assert_eq!(
        [1, 2, 3, 4, 5].map(|key| loudest.is_ranked(&key)),
        [true, false, true, true, false]
    );
    loudest.set_dominant(Some(2));
    assert_eq!(routed(&mut loudest, 1..=4), [1, 2, 3, 4]);
    loudest.set_dominant(Some(3));
    assert_eq!(routed(&mut loudest, 1..=4), [1, 3, 4]);
}

#[test]
fn the_dominant_one_may_have_to_be_loud() {
    let mut loudest = LoudestSpeakers::new(LoudestConfig { always_route_dominant: false, ..on() });
    loudest.set_dominant(Some(2));
    run(&mut loudest, 0, 200, &[(1, 90), (2, 60), (3, 100), (4, 70)]);
    assert_eq!(routed(&mut loudest, 1..=4), [1, 3, 4]);
}

#[test]
fn at_most_the_limit_and_the_dominant_one_of_equals_are_forwarded() {
    let mut loudest = LoudestSpeakers::new(on());
    loudest.set_dominant(Some(5));
    run(&mut loudest, 0, 400, &[(1, 80), (2, 80), (3, 80), (4, 80), (5, 80)]);
    assert!(routed(&mut loudest, 1..=5).len() <= 4);
}

#[test]
fn while_there_is_room_whoever_begins_is_forwarded() {
    let mut loudest = LoudestSpeakers::new(on());
    assert_eq!(loudest.poll_change(), None);
    run(&mut loudest, 0, 100, &[(1, 90), (2, 60)]);
    assert_eq!(routed(&mut loudest, [1, 2, 77]), [1, 2, 77]);
    run(&mut loudest, 100, 100, &[(1, 90), (2, 60), (3, 50)]);
    assert_eq!(routed(&mut loudest, [1, 2, 3, 77]), [1, 2, 3]);
}

#[test]
fn the_loudness_of_those_who_stop_expires() {
    let mut loudest = LoudestSpeakers::new(on());
    run(&mut loudest, 0, 200, &[(1, 90), (2, 90), (3, 90), (4, 20)]);
    assert_eq!(routed(&mut loudest, 1..=4), [1, 2, 3]);
    // 1 to 3 were last heard at 180; a report more than 150 ms later ends that.
    assert_eq!(loudest.handle_level(&4, 20, at(330)).rank, 3);
    assert_eq!(loudest.handle_level(&4, 20, at(331)).rank, 0);
    assert_eq!(routed(&mut loudest, [1, 4, 5]), [1, 4, 5]);
    assert_eq!(loudest.poll_timeout(), Some(at(331 + 150 + 100)));
    loudest.handle_timeout(at(580));
    assert_eq!(loudest.poll_change(), None);
    loudest.handle_timeout(at(581));
    assert_eq!(loudest.poll_change().map(|routing| routing.speakers.len()), Some(0));
    assert_eq!(loudest.poll_timeout(), None);
}

#[test]
fn energy_is_a_rounded_moving_average() {
    let mut loudest = LoudestSpeakers::new(on());
    let mut energies = |levels: &[u8]| -> Vec<u8> {
        levels.iter().map(|level| loudest.handle_level(&1, *level, at(0)).energy).collect()
    };
    assert_eq!(energies(&[127, 127, 127]), [64, 96, 112]);
    // Half a step rounds up, so that it never gets to zero.
    assert_eq!(energies(&[0, 0, 0, 0, 0, 0, 0, 0]), [56, 28, 14, 7, 4, 2, 1, 1]);
}

#[test]
fn ranks_count_those_at_least_as_loud() {
    let mut loudest = LoudestSpeakers::new(on());
    let ranks = [(1, 100), (2, 80), (3, 100), (4, 80), (5, 127), (6, 90)]
        .map(|(key, level)| loudest.handle_level(&key, level, at(0)).rank);
    assert_eq!(ranks, [0, 1, 1, 3, 0, 3]);
}

#[test]
fn without_the_feature_everybody_is_forwarded() {
    let mut loudest = LoudestSpeakers::new(LoudestConfig::default());
    for key in 0..100 {
        assert_eq!(loudest.handle_level(&key, 100, at(0)), Ranking { rank: 0, energy: 0 });
    }
    assert_eq!(loudest.poll_timeout(), None);
    assert_eq!(loudest.poll_change(), None);
    assert!(loudest.is_ranked(&5) && loudest.is_ranked(&777));
}

#[test]
fn who_leaves_makes_room() {
    let mut loudest = LoudestSpeakers::new(on());
    loudest.set_dominant(Some(1));
    run(&mut loudest, 0, 200, &[(1, 90), (2, 90), (3, 90)]);
    assert_eq!(routed(&mut loudest, 1..=4), [1, 2, 3]);
    loudest.remove_endpoint(&1);
    let routing = loudest.poll_change().unwrap();
    assert!(routing.has_room);
    assert_eq!(routing.speakers, [2, 3]);
}

#[test]
fn a_quiet_source_that_somebody_includes_is_exempt() {
    let mut loudest = LoudestSpeakers::new(on());
    run(&mut loudest, 0, 200, &[(1, 90), (2, 90), (3, 90), (4, 20)]);
    let routing = loudest.poll_change().unwrap().clone();
    let mut subscriptions = AudioSubscriptions::new();
    let is_forwarded = |subscriptions: &AudioSubscriptions<u32>| {
        routing.routes(&4) || subscriptions.is_included("four-a0")
    };
    assert!(!is_forwarded(&subscriptions));
    subscriptions.set(9, AudioSubscription::new(true, ["four-a0"], []));
    assert!(is_forwarded(&subscriptions));
    subscriptions.remove_endpoint(&9);
    assert!(!is_forwarded(&subscriptions));
}

proptest! {
    /// However the levels come, no more than the limit and the dominant speaker are forwarded, and
    /// whoever is not is no louder than those who are.
    #[test]
    fn the_limit_holds(
        levels in prop::collection::vec((0..7_u32, 0..=127_u8, 0..60_u64), 1..300),
        num_loudest in 1..5_usize,
    ) {
        let mut loudest = LoudestSpeakers::new(LoudestConfig { num_loudest, ..on() });
        // Who is not heard of.
        loudest.set_dominant(Some(7));
        let mut time = 0;
        let mut energies = [0; 7];
        let mut routing = None;
        for (key, level, pause) in levels {
            time += pause;
            let Ranking { rank, energy } = loudest.handle_level(&key, level, at(time));
            energies[usize::try_from(key).unwrap()] = energy;
            routing = loudest.poll_change().cloned().or(routing);
            let Some(routing) = &routing else { continue };
            let loud = || (0_u32..).zip(energies).filter(|(key, _)| {
                routing.speakers.binary_search(key).is_ok()
            });
            prop_assert!(routing.routes(&7) && loud().count() <= num_loudest);
            prop_assert_eq!(routing.has_room, loud().count() < num_loudest);
            prop_assert_eq!(routing.speakers.contains(&key), rank < num_loudest);
            if rank >= num_loudest {
                prop_assert!(loud().all(|(_, other)| other >= energy));
            }
        }
    }
}
