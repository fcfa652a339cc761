//! The lists of speakers follow those who join and leave at once, and never outgrow them.

use bridge_media::{MAX_SPEAKERS, SpeechActivity, SpeechActivityConfig, SpeechEvent};
use bridge_units::Timestamp;

/// Three endpoints that spoke in the order 1, 2, 3.
fn spoken() -> SpeechActivity<u32> {
    let mut activity = SpeechActivity::new(SpeechActivityConfig::default());
    (0..5).for_each(|key| assert!(activity.add_endpoint(key)));
    let mut time = 0;
    for speaker in 1..=3 {
        for step in 0..110 {
            time += 20;
            let level = if step < 10 { 20 } else { 100 };
            for key in 1..=3 {
                let level = if key == speaker { level } else { 1 };
                activity.handle_level(&key, level, Timestamp::from_millis(time));
            }
            activity.handle_timeout(Timestamp::from_millis(time));
        }
    }
    assert_eq!(activity.recent_speakers(), [3, 2, 1]);
    assert_eq!(activity.order(), [3, 2, 1, 0, 4]);
    activity
}

#[test]
fn the_lists_change_when_a_speaker_leaves() {
    let mut activity = spoken();
    assert_eq!(activity.remove_endpoint(&2), Some(SpeechEvent::RecentSpeakersChanged));
    assert_eq!(activity.recent_speakers(), [3, 1]);
    assert_eq!(activity.order(), [3, 1, 0, 4]);
    assert_eq!(activity.remove_endpoint(&4), None);
    assert_eq!(activity.order(), [3, 1, 0]);
    assert_eq!(activity.remove_endpoint(&77), None);
}

#[test]
fn after_the_dominant_one_the_last_speaker_has_the_floor() {
    let mut activity = spoken();
    assert_eq!(activity.remove_endpoint(&3), Some(SpeechEvent::RecentSpeakersChanged));
    assert_eq!(activity.dominant_speaker(), Some(&2));
    assert_eq!(activity.recent_speakers(), [2, 1]);
    let later = Timestamp::from_millis(10_000);
    assert_eq!(activity.handle_timeout(later), None);
    assert_eq!(activity.remove_endpoint(&2), Some(SpeechEvent::RecentSpeakersChanged));
    // An empty list is never announced.
    assert_eq!(activity.remove_endpoint(&1), None);
    assert_eq!(activity.dominant_speaker(), None);
    assert!(activity.recent_speakers().is_empty());
}

#[test]
fn who_returns_is_last_in_the_order() {
    let mut activity = spoken();
    activity.remove_endpoint(&3);
    assert!(activity.add_endpoint(3));
    assert_eq!(activity.order(), [2, 1, 0, 4, 3]);
    assert_eq!(activity.recent_speakers(), [2, 1]);
}

#[test]
fn endpoints_with_video_come_first_for_last_n() {
    let activity = spoken();
    let order = |has_video: fn(&u32) -> bool| -> Vec<u32> {
        activity.last_n_order(has_video).copied().collect()
    };
    assert_eq!(order(|key| *key < 3), [2, 1, 0, 3, 4]);
    assert_eq!(order(|_| true), activity.order());
    assert_eq!(order(|_| false), activity.order());
}

#[test]
fn churn_leaves_nothing_behind() {
    let mut activity = SpeechActivity::new(SpeechActivityConfig::default());
    for round in 0..2_000_u32 {
        let now = Timestamp::from_millis(u64::from(round) * 100);
        assert!(activity.add_endpoint(round));
        for n in 0..5 {
            activity.handle_level(&round, if n == 0 { 10 } else { 100 }, now);
        }
        activity.handle_timeout(now);
        if round >= 20 {
            activity.remove_endpoint(&(round - 20));
        }
        assert!(activity.order().len() <= 21);
        assert!(activity.recent_speakers().len() <= 11);
        assert!(activity.recent_speakers().iter().all(|key| activity.order().contains(key)));
    }
    (0..3_000).for_each(|key| {
        activity.remove_endpoint(&key);
    });
    assert!(activity.order().is_empty() && activity.recent_speakers().is_empty());
    assert_eq!(activity.dominant_speaker(), None);
}

#[test]
fn endpoints_have_a_limit() {
    let mut activity = SpeechActivity::new(SpeechActivityConfig::default());
    let limit = u32::try_from(MAX_SPEAKERS).unwrap();
    (0..limit).for_each(|key| assert!(activity.add_endpoint(key)));
    assert!(!activity.add_endpoint(limit));
    activity.remove_endpoint(&0);
    assert!(activity.add_endpoint(limit));
}
