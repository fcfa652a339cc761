//! Requests to a bridge in the brewery and its answers, through a real Prosody.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::time::Duration;

use bridge_signaling::colibri2::ConferenceModified;
use bridge_signaling::{ErrorAnswer, StanzaErrorCondition};
use bridge_testkit::prosody::Prosody;
use support::client::{Client, iq_error};
use support::{Bridge, occupant, settings};
use tokio::time::{Instant, sleep};
use xmpp_parsers::minidom::Element;

const HEALTH: &str = "<healthcheck xmlns='http://jitsi.org/protocol/healthcheck'/>";
const PING: &str = "<ping xmlns='urn:xmpp:ping'/>";
const VERSION: &str = "<query xmlns='jabber:iq:version'/>";

fn modify(meeting: &str) -> String {
    format!("<conference-modify xmlns='jitsi:colibri2' meeting-id='{meeting}'/>")
}

async fn bridge_and_focus() -> (Prosody, Bridge, Client) {
    let prosody = Prosody::start().unwrap();
    let focus = Client::focus(prosody.address()).await;
    let bridge = Bridge::joined(settings(prosody.address().port())).await;
    (prosody, bridge, focus)
}

#[tokio::test]
#[ignore = "needs prosody"]
async fn general_requests_are_answered() {
    let (_prosody, _bridge, mut focus) = bridge_and_focus().await;
    let to = occupant();
    let health = focus.ask(&to, "get", HEALTH).await;
    assert_eq!((health.attr("type"), health.children().count()), (Some("result"), 0));
    let version = focus.ask(&to, "get", VERSION).await;
    let query = version.get_child("query", "jabber:iq:version").unwrap();
    assert_eq!(query.get_child("name", "jabber:iq:version").map(Element::text), Some("JVB".into()));
    assert_eq!(focus.ask(&to, "get", PING).await.attr("type"), Some("result"));
    for (payload, expected) in [
        ("<query xmlns='http://jabber.org/protocol/disco#info'/>", None),
        ("<query xmlns='http://jabber.org/protocol/disco#items'/>", None),
        ("<query xmlns='http://jabber.org/protocol/disco#info' node='x'/>", Some("item-not-found")),
        ("<query xmlns='jabber:iq:last'/>", None),
        ("<time xmlns='urn:xmpp:time'/>", None),
        (
            "<graceful-shutdown xmlns='http://jitsi.org/protocol/colibri'/>",
            Some("service-unavailable"),
        ),
        (
            "<force-shutdown xmlns='http://jitsi.org/protocol/colibri'/>",
            Some("service-unavailable"),
        ),
        (
            "<conference xmlns='http://jitsi.org/protocol/colibri'/>",
            Some("feature-not-implemented"),
        ),
        ("<unknown xmlns='x'/>", Some("feature-not-implemented")),
    ] {
        let answer = focus.ask(&to, "get", payload).await;
        assert_eq!(iq_error(&answer).as_deref(), expected, "{payload}");
    }
}

#[tokio::test]
#[ignore = "needs prosody"]
async fn an_unhealthy_bridge_says_so_and_goes_on() {
    let (_prosody, bridge, mut focus) = bridge_and_focus().await;
    *bridge.handler.unhealthy.lock().unwrap() = Some("Failed to bind single-port".into());
    let answer = focus.ask(&occupant(), "get", HEALTH).await;
    assert_eq!(iq_error(&answer).as_deref(), Some("internal-server-error"));
    let answer = focus.ask(&occupant(), "get", &modify("m")).await;
    assert_eq!(iq_error(&answer), None);
}

#[tokio::test]
#[ignore = "needs prosody"]
async fn conference_requests_keep_their_order_and_are_answered_in_any() {
    let (_prosody, bridge, mut focus) = bridge_and_focus().await;
    *bridge.handler.hold.lock().unwrap() = Some("slow".into());
    let mut ids = Vec::new();
    for number in 0..50 {
        let (kind, name) = if number % 2 == 0 { ("get", "slow") } else { ("set", "fast") };
        ids.push(focus.request(&occupant(), kind, &modify(&format!("{name}-{number}"))).await);
    }
    for id in ids.iter().skip(1).step_by(2) {
        let answer = focus.answer(id).await;
        assert!(answer.has_child("conference-modified", "jitsi:colibri2"));
        assert_eq!(answer.attr("from"), Some(occupant().as_str()));
    }
    let seen: Vec<String> = std::mem::take(&mut *bridge.handler.seen.lock().unwrap());
    let numbers: Vec<u32> = seen.iter().filter_map(|s| s.split_once('-')?.1.parse().ok()).collect();
    assert_eq!(numbers, (0..50).collect::<Vec<_>>());

    let mut held = std::mem::take(&mut *bridge.handler.held.lock().unwrap());
    let (_, dropped) = held.pop().unwrap();
    drop(dropped);
    // From another thread, as a conference would.
    std::thread::spawn(move || {
        for (_, reply) in held.into_iter().rev() {
            reply.send(Err(ErrorAnswer::new(StanzaErrorCondition::Conflict).with_text("<taken>")));
        }
    })
    .join()
    .unwrap();
    for id in ids.iter().step_by(2).take(24) {
        assert_eq!(iq_error(&focus.answer(id).await).as_deref(), Some("conflict"));
    }
    assert_eq!(bridge.status().iqs.unanswered, 1);
}

#[tokio::test]
#[ignore = "needs prosody"]
async fn strangers_are_refused() {
    let (_prosody, bridge, mut focus) = bridge_and_focus().await;
    let presence = focus.wait("bridge", |e| e.attr("from") == Some(&occupant())).await;
    let full_jid = presence
        .get_child("x", "http://jabber.org/protocol/muc#user")
        .and_then(|user| user.get_child("item", "http://jabber.org/protocol/muc#user"))
        .and_then(|item| item.attr("jid"))
        .unwrap()
        .to_owned();
    // Addressed directly, the request comes from the account instead of the room.
    for payload in [HEALTH, VERSION, &modify("m")] {
        let answer = focus.ask(&full_jid, "get", payload).await;
        assert_eq!(iq_error(&answer).as_deref(), Some("forbidden"), "{payload}");
    }
    assert_eq!(focus.ask(&full_jid, "get", PING).await.attr("type"), Some("result"));
    assert_eq!(bridge.status().iqs.forbidden, 3);
    assert!(bridge.handler.seen.lock().unwrap().is_empty());
}

#[tokio::test]
#[ignore = "needs prosody"]
async fn garbage_is_refused_and_the_stream_goes_on() {
    let (_prosody, bridge, mut focus) = bridge_and_focus().await;
    let to = occupant();
    let deep = format!("<a xmlns='x'>{}{}</a>", "<b>".repeat(60), "</b>".repeat(60));
    let deeper = format!("<a xmlns='x'>{}{}</a>", "<b>".repeat(70), "</b>".repeat(70));
    let endpoints = "<endpoint id='abcdef12' create='perhaps'/>".repeat(3);
    for (payload, expected) in [
        ("<conference-modify xmlns='jitsi:colibri2'/>".to_owned(), "bad-request"),
        ("<conference-modify xmlns='jitsi:colibri2' meeting-id=' '/>".to_owned(), "bad-request"),
        (
            format!(
                "<conference-modify xmlns='jitsi:colibri2' meeting-id='m'>{endpoints}<endpoint/>\
                 </conference-modify>"
            ),
            "bad-request",
        ),
        ("<a xmlns='x'/><b xmlns='x'/>".to_owned(), "bad-request"),
        (deep, "feature-not-implemented"),
        (deeper, "bad-request"),
        (
            "<ping xmlns='other'>text <x xmlns=''/> &lt;</ping>".to_owned(),
            "feature-not-implemented",
        ),
    ] {
        let answer = focus.ask(&to, "set", &payload).await;
        assert_eq!(iq_error(&answer).as_deref(), Some(expected), "{payload}");
    }
    for stray in [
        format!("<iq xmlns='jabber:client' to='{to}' type='result' id='x'><a xmlns='y'/></iq>"),
        format!("<iq xmlns='jabber:client' to='{to}' type='error' id='y'/>"),
        format!("<message xmlns='jabber:client' to='{to}'><body>&#x1F600;</body></message>"),
    ] {
        focus.send(&stray).await;
    }
    assert_eq!(focus.ask(&to, "get", HEALTH).await.attr("type"), Some("result"));
    let status = bridge.status();
    assert_eq!((status.logins, status.disconnects, status.iqs.too_large), (1, 0, 1));
}

#[tokio::test]
#[ignore = "needs prosody"]
async fn answers_do_not_wait_for_acknowledgements_of_the_network() {
    let (_prosody, _bridge, mut focus) = bridge_and_focus().await;
    let mut times = Vec::new();
    for _ in 0..101 {
        let since = Instant::now();
        focus.ask(&occupant(), "get", HEALTH).await;
        times.push(since.elapsed());
    }
    times.sort();
    let held = times.iter().filter(|t| (38..50).contains(&t.as_millis())).count();
    println!("median {:?}, 90 % {:?}, held back {held}", times[50], times[90]);
    // A delayed acknowledgement takes 40 ms. Half of the answers, as the machine may be busy.
    assert!(times[50] < Duration::from_millis(35), "{times:?}");
}

#[tokio::test]
#[ignore = "needs prosody"]
async fn requests_that_wait_when_the_bridge_ends_are_answered_before() {
    let (_prosody, bridge, mut focus) = bridge_and_focus().await;
    *bridge.handler.hold.lock().unwrap() = Some("m".into());
    let id = focus.request(&occupant(), "get", &modify("m")).await;
    while bridge.handler.held.lock().unwrap().is_empty() {
        sleep(Duration::from_millis(10)).await;
    }
    let (_, reply) = bridge.handler.held.lock().unwrap().pop().unwrap();
    reply.send(Ok(ConferenceModified::default()));
    bridge.connections.stop().await;
    assert_eq!(focus.answer(&id).await.attr("type"), Some("result"));
}

#[tokio::test]
#[ignore = "needs prosody"]
async fn a_stanza_that_the_parser_refuses_costs_one_login() {
    let (_prosody, bridge, mut focus) = bridge_and_focus().await;
    focus.send_long_attribute(&occupant()).await;
    bridge.wait("disconnected", |status| status.disconnects == 1).await;
    bridge.wait("back", |status| status.mucs_joined == 1).await;
    sleep(Duration::from_secs(2)).await;
    let status = bridge.status();
    assert_eq!((status.logins, status.disconnects), (2, 1), "not resumed with the same stanza");
    assert_eq!(focus.ask(&occupant(), "get", HEALTH).await.attr("type"), Some("result"));
}
