use crate::world::*;
use bridge_signaling::StanzaErrorCondition;
use bridge_signaling::colibri2::{ConferenceModify, Endpoint, ErrorReason, ForceMute, Relay};

#[track_caller]
fn assert_refused(endpoints: Vec<Endpoint>, relays: Vec<Relay>, text: &str) {
    let mut world = World::with_endpoints(&["a", "b"]);
    let commands = world.ledger.commands_seen;
    let request = ConferenceModify { relays, ..modify(endpoints) };
    let answer = world.request(&request).unwrap_err().to_error_answer();
    assert_eq!(answer.condition, StanzaErrorCondition::FeatureNotImplemented);
    assert_eq!(answer.reason, Some(ErrorReason::FeatureNotImplemented));
    assert_eq!(answer.text.as_deref(), Some(text));
    assert_eq!(world.ledger.commands_seen, commands, "nothing is changed");
    assert_eq!(world.endpoint_ids(), ["a", "b"]);
}

const SEVERAL: &str =
    "Creating or updating media, sources or transport for more than one endpoint in a request.";

#[test]
fn endpoints_and_relays_do_not_go_together() {
    let text = "Using both 'relay' and 'endpoint' in a request";
    assert_refused(vec![expire("a")], vec![Relay::expired("jvb-b")], text);
}

#[test]
fn only_one_endpoint_can_be_created() {
    assert_refused(vec![new_endpoint("c"), new_endpoint("d")], Vec::new(), SEVERAL);
}

#[test]
fn one_endpoint_with_sources_among_several_is_too_much() {
    let batch = vec![expire("a"), with_sources("b", Vec::new())];
    assert_refused(batch, Vec::new(), SEVERAL);
}

#[test]
fn only_one_relay_can_be_named() {
    let relays = vec![Relay::expired("x"), Relay::expired("y")];
    assert_refused(Vec::new(), relays, "Updating more than one 'relay' in a request.");
}

#[test]
fn several_endpoints_can_be_muted() {
    let mut world = World::with_endpoints(&["a", "b"]);
    let mute =
        |id| Endpoint { force_mute: Some(ForceMute { audio: true, video: false }), ..update(id) };
    let answer = world.request(&modify(vec![mute("a"), mute("b")])).unwrap();
    assert_eq!(answer.endpoints, [update("a"), update("b")]);
    assert_eq!(world.session("a").force_mutes, [(true, false)]);
    assert_eq!(world.session("b").force_mutes, [(true, false)]);
}

#[test]
fn ten_endpoints_can_be_expired_and_are_answered_in_order() {
    let ids = ["j", "i", "h", "g", "f", "e", "d", "c", "b", "a"];
    let mut world = World::with_endpoints(&ids);
    world.create("z");
    let answer = world.request(&modify(ids.map(expire).to_vec())).unwrap();
    assert_eq!(answer.endpoints, ids.map(expire));
    assert_eq!(world.endpoint_ids(), ["z"]);
}

#[test]
fn expire_and_mute_go_together() {
    let mut world = World::with_endpoints(&["a", "b"]);
    let mute = Endpoint { force_mute: Some(ForceMute::default()), ..update("b") };
    let answer = world.request(&modify(vec![expire("a"), mute])).unwrap();
    assert_eq!(answer.endpoints, [expire("a"), update("b")]);
}

#[test]
fn the_same_endpoint_twice_is_processed_twice() {
    let mut world = World::with_endpoints(&["a", "b"]);
    let mute =
        |audio| Endpoint { force_mute: Some(ForceMute { audio, video: false }), ..update("a") };
    let batch = vec![mute(true), mute(false), expire("a"), expire("a")];
    let answer = world.request(&modify(batch)).unwrap();
    assert_eq!(answer.endpoints, [update("a"), update("a"), expire("a"), expire("a")]);
}
