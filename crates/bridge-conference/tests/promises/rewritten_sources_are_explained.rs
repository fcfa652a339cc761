use crate::world::*;
use bridge_shard::{SessionEventKind, SourceMapping};
use bridge_signaling::colibri2::{Capability, Endpoint};
use bridge_units::MediaType;
use serde_json::{Value, json};

fn mapped(world: &mut World, media: MediaType, slots: &[(&str, u32, Option<&str>)]) {
    let mapping = |&(name, ssrc, mid): &(&str, u32, Option<&str>)| SourceMapping {
        source: world.source_id(name),
        ssrc,
        rtx: ssrc + 1,
        mid: mid.map(str::to_owned),
    };
    let mappings = slots.iter().map(mapping).collect();
    world.event("r", SessionEventKind::SourcesMapped(media, mappings));
}

fn maps(world: &mut World, class: &str) -> Vec<Value> {
    let heard = world.heard("r", class).into_iter();
    heard.map(|message| message["mappedSources"].clone()).collect()
}

#[test]
fn new_mappings_are_told_to_the_byte() {
    let mut world = cameras(&["r", "a"]);
    mapped(&mut world, MediaType::Video, &[("a-v0", 1_000, Some("v0"))]);
    mapped(&mut world, MediaType::Audio, &[("a-a0", 4_000_000_000, None)]);
    let video = json!([{
        "source": "a-v0", "owner": "a", "ssrc": 1000, "rtx": 1001, "videoType": "CAMERA", "mid": "v0",
    }]);
    let audio = json!([{ "source": "a-a0", "owner": "a", "ssrc": 4_000_000_000_u32 }]);
    assert_eq!(maps(&mut world, "VideoSourcesMap"), [video]);
    assert_eq!(maps(&mut world, "AudioSourcesMap"), [audio]);
    assert!(world.session("a").messages.is_empty());
}

#[test]
fn only_what_changed_is_told() {
    let mut world = cameras(&["r", "a", "b", "c"]);
    mapped(&mut world, MediaType::Audio, &[("a-a0", 1, None), ("b-a0", 3, None)]);
    world.forget_messages();
    mapped(&mut world, MediaType::Audio, &[("a-a0", 1, None), ("c-a0", 3, None)]);
    assert_eq!(
        maps(&mut world, "AudioSourcesMap"),
        [json!([{ "source": "c-a0", "owner": "c", "ssrc": 3 }])]
    );
    mapped(&mut world, MediaType::Audio, &[("a-a0", 1, None), ("c-a0", 3, None)]);
    assert!(maps(&mut world, "AudioSourcesMap").is_empty());
}

#[test]
fn what_a_source_shows_is_not_told_again() {
    let mut world = cameras(&["r", "a"]);
    mapped(&mut world, MediaType::Video, &[("a-v0", 1, None)]);
    world.say("a", r#"{"colibriClass":"VideoTypeMessage","videoType":"desktop"}"#);
    world.forget_messages();
    mapped(&mut world, MediaType::Video, &[("a-v0", 1, None)]);
    assert!(maps(&mut world, "VideoSourcesMap").is_empty());
}

#[test]
fn a_new_channel_is_told_all_that_still_holds() {
    let mut world = cameras(&["r", "a", "b"]);
    mapped(&mut world, MediaType::Video, &[("a-v0", 1, None), ("b-v0", 3, None)]);
    mapped(&mut world, MediaType::Audio, &[("a-a0", 5, None), ("b-a0", 7, None)]);
    world.event("r", SessionEventKind::ChannelClosed);
    world.modify(expire("a")).unwrap();
    world.forget_messages();
    world.open_channel("r");
    let names = |map: &Value| -> Vec<String> {
        let entries = map.as_array().unwrap().iter();
        entries.map(|entry| entry["source"].as_str().unwrap().to_owned()).collect()
    };
    let (video, audio) = (maps(&mut world, "VideoSourcesMap"), maps(&mut world, "AudioSourcesMap"));
    assert_eq!((names(&video[0]), names(&audio[0])), (vec!["b-v0".into()], vec!["b-a0".into()]));
    assert_eq!((video.len(), audio.len()), (1, 1));
}

#[test]
fn without_mappings_nothing_is_told() {
    let mut world = cameras(&["r", "a"]);
    world.open_channel("r");
    assert!(maps(&mut world, "VideoSourcesMap").is_empty());
    assert!(maps(&mut world, "AudioSourcesMap").is_empty());
    world.event(
        "r",
        SessionEventKind::SourcesMapped(
            MediaType::Video,
            vec![SourceMapping {
                source: bridge_units::SourceId(9_999),
                ssrc: 1,
                rtx: 2,
                mid: None,
            }],
        ),
    );
    assert!(maps(&mut world, "VideoSourcesMap").is_empty(), "a source that has just gone");
}

#[test]
fn mids_need_both_capabilities() {
    use Capability::{RtpMidDemux, SourceNames, SsrcRewriting};
    let mut world = World::with_endpoints(&[]);
    for (n, (capabilities, expected)) in [
        (vec![SourceNames], false),
        (vec![SourceNames, RtpMidDemux], false),
        (vec![SourceNames, SsrcRewriting], false),
        (vec![SourceNames, SsrcRewriting, RtpMidDemux], true),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("e{n}");
        world.modify(Endpoint { capabilities, ..new_endpoint(&id) }).unwrap();
        assert_eq!(world.session(&id).mid_demux, expected, "{id}");
    }
}
