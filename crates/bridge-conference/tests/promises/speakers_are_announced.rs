use crate::world::*;
use bridge_conference::{ConferenceSettings, SpeechActivityConfig};
use bridge_shard::{AudioLevel, SessionEventKind};
use bridge_signaling::colibri2::{Endpoint, ForceMute, MucRole};
use serde_json::{Value, json};
use std::time::Duration;

const CLASS: &str = "DominantSpeakerEndpointChangeEvent";

fn event(dominant: &str, previous: &[&str], silence: bool) -> Value {
    json!({
        "colibriClass": CLASS,
        "dominantSpeakerEndpoint": dominant,
        "previousSpeakers": previous,
        "silence": silence,
    })
}

#[test]
fn the_only_one_who_is_heard_is_dominant_and_all_are_told() {
    let mut world = cameras(&["a", "b"]);
    world.modify(Endpoint { muc_role: Some(MucRole::Visitor), ..new_endpoint("v") }).unwrap();
    world.open_channel("v");
    world.hear(&[("a", 0)]);
    world.pass(Duration::from_millis(300));
    for id in ["a", "b", "v"] {
        assert_eq!(world.heard(id, CLASS), [event("a", &[], false)], "{id}");
    }
    assert_eq!(world.conference().counters().dominant_speaker_changes, 1);
}

#[test]
fn previous_speakers_follow_the_newest_first() {
    let mut world = cameras(&["a", "b", "c"]);
    for id in ["a", "b", "c"] {
        world.speak(id);
    }
    assert_eq!(world.heard("a", CLASS).last(), Some(&event("c", &["b", "a"], false)));
    assert_eq!(world.conference().counters().dominant_speaker_changes, 3);
    let state = &world.conference().debug_state()["speech_activity"];
    assert_eq!(state["dominantEndpoint"], "c");
    assert_eq!(state["endpointsBySpeechActivity"], json!(["c", "b", "a"]));
}

#[test]
fn no_more_than_ten_previous_speakers_are_named() {
    let ids: Vec<String> = (0..14).map(|n| format!("e{n:02}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut world = cameras(&ids);
    for id in &ids {
        world.speak(id);
    }
    let heard = world.heard("e00", CLASS);
    let last = heard.last().unwrap();
    assert_eq!(last["dominantSpeakerEndpoint"], "e13");
    assert_eq!(last["previousSpeakers"].as_array().unwrap().len(), 10);
}

#[test]
fn a_new_channel_is_told_who_speaks() {
    let mut world = cameras(&["a", "b"]);
    world.open_channel("b");
    assert!(world.heard("b", CLASS).is_empty(), "nobody spoke yet");
    world.speak("a");
    world.event("b", SessionEventKind::ChannelClosed);
    world.forget_messages();
    world.open_channel("b");
    assert_eq!(world.heard("b", CLASS), [event("a", &[], false)]);
    assert!(world.heard("a", CLASS).is_empty());
}

#[test]
fn who_leaves_is_forgotten_at_once() {
    let mut world = cameras(&["a", "b", "c"]);
    world.speak("a");
    world.speak("b");
    world.forget_messages();
    world.modify(expire("b")).unwrap();
    assert_eq!(world.heard("c", CLASS), [event("a", &[], false)]);
    world.modify(expire("c")).unwrap();
    assert!(world.heard("a", CLASS).iter().all(|told| *told == event("a", &[], false)));
}

#[test]
fn the_last_speaker_comes_first_in_last_n() {
    let mut world = cameras(&["r", "a", "b"]);
    world.wish("r", json!({ "lastN": 1 }));
    assert_eq!(world.forwarded("r"), ["a-v0 E0S0T2"]);
    world.speak("b");
    assert_eq!(world.forwarded("r"), ["b-v0 E0S0T2"]);
    world.say("b", r#"{"colibriClass":"VideoTypeMessage","videoType":"none"}"#);
    assert_eq!(world.forwarded("r"), ["a-v0 E0S0T2"], "those without video come last");
}

#[test]
fn the_muted_visitors_and_translations_do_not_speak() {
    let mut world = cameras(&["a", "b"]);
    world.modify(Endpoint { muc_role: Some(MucRole::Visitor), ..new_endpoint("v") }).unwrap();
    let mut translation = audio("b-a0.de", 77);
    translation.synthetic = true;
    world.modify(with_sources("b", vec![translation])).unwrap();
    let force_mute = Some(ForceMute { audio: true, video: false });
    world.modify(Endpoint { force_mute, ..update("a") }).unwrap();
    world.speak("a");
    world.speak("v");
    let level = AudioLevel {
        session: world.session_id("b"),
        source: Some(world.source_id("b-a0.de")),
        level: 0,
        received: world.now,
    };
    world.event("b", SessionEventKind::AudioLevels(vec![level].into()));
    world.pass(Duration::from_secs(1));
    assert!(world.heard("a", CLASS).is_empty());
    assert_eq!(world.conference().counters().dominant_speaker_changes, 0);
}

#[test]
fn silence_is_told_only_if_that_is_wanted() {
    let silence_timeout = Some(Duration::from_secs(3));
    let speech = SpeechActivityConfig { silence_timeout, ..SpeechActivityConfig::default() };
    let mut world = cameras_with(ConferenceSettings { speech, ..settings() }, &["a", "b"]);
    world.speak("a");
    assert_eq!(world.heard("b", CLASS).last(), Some(&event("a", &[], false)));
    for _ in 0..250 {
        world.hear(&[("a", 0)]);
    }
    assert_eq!(world.heard("b", CLASS), [event("a", &[], true)]);
    let changes = world.conference().counters().dominant_speaker_changes;
    world.speak("a");
    assert_eq!(world.heard("b", CLASS), [event("a", &[], false)]);
    assert_eq!(world.conference().counters().dominant_speaker_changes, changes + 1);
}
