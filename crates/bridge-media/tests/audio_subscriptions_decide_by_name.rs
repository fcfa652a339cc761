//! What audio a receiver gets follows its last message and the names in it.

use bridge_media::{AudioSubscription, AudioSubscriptions, MAX_SPEAKERS, MAX_SUBSCRIBED_NAMES};

const NONE: [&str; 0] = [];

/// Which of a regular source, another one and two synthetic ones are wanted.
fn wanted(subscription: &AudioSubscription) -> [bool; 4] {
    [("a-a0", false), ("b-a0", false), ("a-a0.hi", true), ("b-a0.hi", true)]
        .map(|(name, is_synthetic)| subscription.wants(name, is_synthetic))
}

#[test]
fn messages_decide() {
    for (all, include, exclude, expected) in [
        (true, &NONE[..], &NONE[..], [true, true, false, false]),
        (true, &["a-a0.hi"], &NONE, [true, true, true, false]),
        (true, &["a-a0.hi"], &["a-a0.hi"], [true, true, false, false]),
        (true, &NONE, &["a-a0"], [false, true, false, false]),
        (false, &NONE, &NONE, [false, false, false, false]),
        (false, &["a-a0"], &NONE, [true, false, false, false]),
        (false, &["a-a0", "b-a0.hi"], &["a-a0"], [false, false, false, true]),
    ] {
        let subscription =
            AudioSubscription::new(all, include.iter().copied(), exclude.iter().copied());
        assert_eq!(wanted(&subscription), expected, "{all} {include:?} {exclude:?}");
    }
}

#[test]
fn who_says_nothing_gets_regular_audio() {
    assert_eq!(wanted(&AudioSubscription::default()), [true, true, false, false]);
    let subscriptions = AudioSubscriptions::<u32>::new();
    assert!(subscriptions.wants(&1, "a-a0", false));
    assert!(!subscriptions.wants(&1, "a-a0.hi", true));
}

#[test]
fn the_old_form_says_the_same() {
    for (mode, expected) in [
        ("All", Some([true, true, false, false])),
        ("None", Some([false; 4])),
        ("Include", Some([true, false, false, true])),
        ("Exclude", Some([false, true, false, false])),
        ("all", None),
        ("", None),
    ] {
        let subscription = AudioSubscription::from_mode(mode, ["a-a0", "b-a0.hi"]);
        assert_eq!(subscription.as_ref().map(wanted), expected, "{mode}");
    }
}

#[test]
fn a_message_replaces_the_one_before() {
    let mut subscriptions = AudioSubscriptions::new();
    let only = |name| AudioSubscription::new(false, [name], []);
    assert!(subscriptions.set(1, only("a-a0")));
    assert!(!subscriptions.set(1, only("a-a0")));
    assert!(subscriptions.set(1, only("b-a0")));
    assert!(!subscriptions.wants(&1, "a-a0", false));
    assert!(subscriptions.wants(&1, "b-a0", false));
    assert!(subscriptions.wants(&2, "a-a0", false));
    assert!(subscriptions.is_included("b-a0") && !subscriptions.is_included("a-a0"));
    subscriptions.remove_endpoint(&1);
    assert!(!subscriptions.is_included("b-a0"));
    assert!(subscriptions.wants(&1, "a-a0", false));
}

#[test]
fn lists_and_receivers_have_limits() {
    let names = (0..MAX_SUBSCRIBED_NAMES + 3).map(|n| format!("{n}-a0"));
    let subscription = AudioSubscription::new(false, names, []);
    assert_eq!(subscription.refused_names(), 3);
    let mut subscriptions = AudioSubscriptions::new();
    let nothing = || AudioSubscription::new(false, NONE, NONE);
    (0..MAX_SPEAKERS).for_each(|key| assert!(subscriptions.set(key, nothing())));
    assert!(!subscriptions.set(MAX_SPEAKERS, nothing()));
    assert!(subscriptions.wants(&MAX_SPEAKERS, "a-a0", false));
    assert!(subscriptions.set(0, AudioSubscription::default()));
}
