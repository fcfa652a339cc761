//! Each sender is told, source by source, the most that any receiver wants, at once and only when it
//! changes.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use bridge_media::{ConstraintReceiver, MAX_CONSTRAINED_SOURCES, MaxHeight, SenderConstraints};
use common::allocation::endpoint;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

fn local(id: &str) -> ConstraintReceiver {
    ConstraintReceiver::Endpoint(endpoint(id))
}

fn px(height: i32) -> MaxHeight {
    MaxHeight::from_signaled(height)
}

fn with_sources(names: &[&str]) -> SenderConstraints {
    let mut constraints = SenderConstraints::new();
    names.iter().for_each(|name| constraints.add_source(name));
    constraints
}

fn told(constraints: &mut SenderConstraints) -> Vec<(String, i32)> {
    let next = || constraints.poll_change();
    std::iter::from_fn(next).map(|c| (c.source.to_string(), c.max_height.to_signaled())).collect()
}

#[track_caller]
fn expect(constraints: &mut SenderConstraints, expected: &[(&str, i32)]) {
    let told = told(constraints);
    let told: Vec<_> = told.iter().map(|(name, height)| (name.as_str(), *height)).collect();
    assert_eq!(told, expected);
}

#[test]
fn the_highest_counts_and_unlimited_is_highest() {
    let mut constraints = with_sources(&["a-v0"]);
    let mut set = |receiver, height| {
        constraints.set_wanted(&local(receiver), "a-v0", px(height));
        constraints.max_height("a-v0").to_signaled()
    };
    assert_eq!(set("a", 180), 180);
    assert_eq!(set("b", 720), 720);
    assert_eq!(set("b", 180), 180);
    assert_eq!(set("b", 360), 360);
    assert_eq!(set("c", -1), -1);
    constraints.remove_receiver(&local("c"));
    assert_eq!(constraints.max_height("a-v0"), px(360));
    constraints.remove_receiver(&local("b"));
    assert_eq!(constraints.max_height("a-v0"), px(180));
    constraints.remove_receiver(&local("a"));
    assert_eq!(constraints.max_height("a-v0"), px(0));
}

#[test]
fn each_change_of_the_maximum_is_told_at_once() {
    let mut constraints = with_sources(&["a-v0", "b-v0"]);
    expect(&mut constraints, &[]);
    constraints.set_receiver(&local("x"), [("a-v0", px(720)), ("b-v0", px(0))]);
    expect(&mut constraints, &[("a-v0", 720), ("b-v0", 0)]);
    constraints.set_receiver(&local("y"), [("a-v0", px(180)), ("b-v0", px(180))]);
    expect(&mut constraints, &[("b-v0", 180)]);
    constraints.set_receiver(&local("y"), [("a-v0", px(360)), ("b-v0", px(180))]);
    expect(&mut constraints, &[]);
    constraints.set_receiver(&local("x"), [("a-v0", px(-1)), ("b-v0", px(360))]);
    expect(&mut constraints, &[("a-v0", -1), ("b-v0", 360)]);
    constraints.remove_receiver(&local("x"));
    expect(&mut constraints, &[("a-v0", 360), ("b-v0", 180)]);
    constraints.remove_receiver(&local("y"));
    expect(&mut constraints, &[("a-v0", 0), ("b-v0", 0)]);
    constraints.remove_receiver(&local("y"));
    expect(&mut constraints, &[]);
}

#[test]
fn a_sender_is_told_the_first_time_even_that_nobody_wants_its_source() {
    let mut constraints = with_sources(&["a-v0"]);
    constraints.set_receiver(&local("x"), [("a-v0", px(0))]);
    expect(&mut constraints, &[("a-v0", 0)]);
    constraints.set_receiver(&local("y"), [("a-v0", px(0))]);
    expect(&mut constraints, &[]);
    // Nor is it told twice when the wish comes before the source.
    constraints.set_receiver(&local("x"), [("b-v0", px(0))]);
    expect(&mut constraints, &[]);
    constraints.add_source("b-v0");
    expect(&mut constraints, &[("b-v0", 0)]);
}

#[test]
fn what_is_no_longer_mentioned_is_taken_away() {
    let mut constraints = with_sources(&["a-v0", "b-v0"]);
    constraints.set_receiver(&local("x"), [("a-v0", px(720)), ("b-v0", px(360))]);
    told(&mut constraints);
    constraints.set_receiver(&local("x"), [("b-v0", px(360))]);
    expect(&mut constraints, &[("a-v0", 0)]);
    constraints.remove_source("a-v0");
    assert_eq!(constraints.source_count(), 1, "nobody wants it, and nobody sends it");
}

#[test]
fn a_source_that_is_not_there_is_told_when_it_comes() {
    let mut constraints = SenderConstraints::new();
    constraints.set_receiver(&local("x"), [("a-v0", px(720))]);
    expect(&mut constraints, &[]);
    constraints.add_source("a-v0");
    expect(&mut constraints, &[("a-v0", 720)]);
    // Gone and back, while the receivers have not said anything else.
    constraints.remove_source("a-v0");
    constraints.set_receiver(&local("y"), [("a-v0", px(-1))]);
    expect(&mut constraints, &[]);
    constraints.add_source("a-v0");
    expect(&mut constraints, &[("a-v0", -1)]);
    constraints.remove_source("a-v0");
    constraints.add_source("a-v0");
    expect(&mut constraints, &[("a-v0", -1)]);
    constraints.add_source("a-v0");
    expect(&mut constraints, &[]);
}

#[test]
fn a_new_channel_is_told_all_again() {
    let mut constraints = with_sources(&["a-v0", "a-v1"]);
    constraints.set_receiver(&local("x"), [("a-v0", px(720)), ("a-v1", px(0))]);
    told(&mut constraints);
    constraints.repeat("a-v0");
    constraints.repeat("a-v1");
    constraints.repeat("unknown");
    expect(&mut constraints, &[("a-v0", 720), ("a-v1", 0)]);
    constraints.set_receiver(&local("x"), [("a-v0", px(0)), ("a-v1", px(0))]);
    constraints.repeat("a-v0");
    expect(&mut constraints, &[("a-v0", 0)]);
}

#[test]
fn relays_and_endpoints_of_the_same_id_are_two() {
    let mut constraints = with_sources(&["a-v0"]);
    let relay = ConstraintReceiver::Relay("x".into());
    constraints.set_wanted(&relay, "a-v0", px(720));
    constraints.set_wanted(&local("x"), "a-v0", px(180));
    expect(&mut constraints, &[("a-v0", 720)]);
    constraints.remove_receiver(&relay);
    expect(&mut constraints, &[("a-v0", 180)]);
}

#[test]
fn a_relay_cannot_fill_the_memory() {
    let mut constraints = SenderConstraints::new();
    let relay = ConstraintReceiver::Relay("r".into());
    for n in 0..MAX_CONSTRAINED_SOURCES + 10 {
        constraints.set_wanted(&relay, &format!("s{n}"), px(180));
    }
    assert_eq!(constraints.source_count(), MAX_CONSTRAINED_SOURCES);
    assert_eq!(constraints.refused(), 10);
    constraints.remove_receiver(&relay);
    expect(&mut constraints, &[]);
    assert_eq!(constraints.source_count(), 0);
}

#[derive(Clone, Debug)]
enum Step {
    Set(u8, BTreeMap<u8, i32>),
    SetOne(u8, u8, i32),
    Remove(u8),
    AddSource(u8),
    RemoveSource(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let height = || prop_oneof![Just(-1), Just(0), Just(180), Just(360), Just(720)];
    prop_oneof![
        4 => (0..4_u8, btree_map(0..4_u8, height(), 0..4)).prop_map(|(r, map)| Step::Set(r, map)),
        2 => (0..4_u8, 0..4_u8, height()).prop_map(|(r, s, h)| Step::SetOne(r, s, h)),
        1 => (0..4_u8).prop_map(Step::Remove),
        1 => (0..4_u8).prop_map(Step::AddSource),
        1 => (0..4_u8).prop_map(Step::RemoveSource),
    ]
}

proptest! {
    #[test]
    fn senders_know_the_maximum_after_any_history(steps in vec(step(), 0..60)) {
        let mut constraints = SenderConstraints::new();
        let mut wanted: BTreeMap<u8, BTreeMap<u8, i32>> = BTreeMap::new();
        let mut present = BTreeSet::new();
        let mut known: BTreeMap<String, i32> = BTreeMap::new();
        let (receiver, source) = (|n: u8| local(&format!("r{n}")), |n: u8| format!("s{n}"));
        for step in steps {
            match step {
                Step::Set(r, map) => {
                    let named: Vec<_> = map.iter().map(|(s, h)| (source(*s), px(*h))).collect();
                    let named = named.iter().map(|(name, height)| (name.as_str(), *height));
                    constraints.set_receiver(&receiver(r), named);
                    wanted.insert(r, map);
                }
                Step::SetOne(r, s, h) => {
                    constraints.set_wanted(&receiver(r), &source(s), px(h));
                    wanted.entry(r).or_default().insert(s, h);
                }
                Step::Remove(r) => {
                    constraints.remove_receiver(&receiver(r));
                    wanted.remove(&r);
                }
                Step::AddSource(s) => {
                    constraints.add_source(&source(s));
                    present.insert(s);
                }
                Step::RemoveSource(s) => {
                    constraints.remove_source(&source(s));
                    present.remove(&s);
                    known.remove(&source(s));
                }
            }
            known.extend(told(&mut constraints));
            for s in 0..4 {
                let heights = wanted.values().filter_map(|map| map.get(&s));
                let max = heights.map(|h| px(*h)).max().unwrap_or(MaxHeight::ZERO);
                prop_assert_eq!(constraints.max_height(&source(s)), max);
                if present.contains(&s) {
                    let known = known.get(&source(s)).copied();
                    let is_wanted = wanted.values().any(|map| map.contains_key(&s));
                    prop_assert!(known.is_some() || !is_wanted);
                    prop_assert_eq!(known.unwrap_or(0), max.to_signaled());
                }
            }
        }
    }
}
