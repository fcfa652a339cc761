//! A bridge shows up in the brewery, stays there and leaves, through a real Prosody.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use bridge_signaling::presence;
use bridge_testkit::prosody::{BREWERY, Prosody, ProsodyOptions};
use support::client::Client;
use support::proxy::Proxy;
use support::{Bridge, occupant, settings, statistics};
use tokio::time::{Instant, sleep};
use xmpp_parsers::minidom::Element;

/// The statistics in a presence of the bridge.
fn stats(presence: &Element) -> Option<Vec<(&str, &str)>> {
    let is_bridge = presence.name() == "presence" && presence.attr("from") == Some(&occupant());
    presence.children().filter(|_| is_bridge).find_map(presence::pairs)
}

async fn wait_for_stats(focus: &mut Client, name: &str, value: &str) -> Element {
    focus.wait(name, |e| stats(e).is_some_and(|pairs| pairs.contains(&(name, value)))).await
}

#[tokio::test]
#[ignore = "needs prosody"]
async fn a_bridge_joins_and_publishes_its_statistics() {
    let prosody = Prosody::start().unwrap();
    let mut focus = Client::focus(prosody.address()).await;
    let bridge = Bridge::joined(settings(prosody.address().port())).await;

    let join = focus.wait("join", |e| e.attr("from") == Some(&occupant())).await;
    assert!(stats(&join).is_none(), "no statistics in the join");
    assert!(join.has_child("c", "http://jabber.org/protocol/caps"));
    let first = wait_for_stats(&mut focus, "drain", "false").await;
    assert!(!first.has_child("x", "http://jabber.org/protocol/muc"));
    assert!(first.attr("type").is_none());

    bridge.statistics.send_replace(Arc::new(statistics(&[("drain", "false"), ("region", "eu")])));
    let since = Instant::now();
    wait_for_stats(&mut focus, "region", "eu").await;
    assert!(since.elapsed() < Duration::from_millis(1500), "with the next presence");
    wait_for_stats(&mut focus, "region", "eu").await;

    let status = bridge.status();
    assert!(status.connected);
    assert_eq!((status.mucs_configured, status.logins, status.disconnects), (1, 1, 0));
}

#[tokio::test]
#[ignore = "needs prosody"]
async fn a_change_of_state_is_published_at_once() {
    let prosody = Prosody::start().unwrap();
    let mut focus = Client::focus(prosody.address()).await;
    let bridge = Bridge::joined(settings(prosody.address().port())).await;
    wait_for_stats(&mut focus, "drain", "false").await;
    let since = Instant::now();
    bridge.statistics.send_replace(Arc::new(statistics(&[("drain", "true")])));
    wait_for_stats(&mut focus, "drain", "true").await;
    assert!(since.elapsed() < Duration::from_millis(500), "{:?}", since.elapsed());
}

#[tokio::test]
#[ignore = "needs prosody"]
async fn a_new_room_is_unlocked_and_open() {
    let options =
        ProsodyOptions { public_jids: false, room_locking: true, ..ProsodyOptions::default() };
    let prosody = Prosody::start_with(options).unwrap();
    let bridge = Bridge::joined(settings(prosody.address().port())).await;
    let mut focus = Client::focus(prosody.address()).await;
    let presence = focus.wait("bridge", |e| e.attr("from") == Some(&occupant())).await;
    let item = presence
        .get_child("x", "http://jabber.org/protocol/muc#user")
        .and_then(|user| user.get_child("item", "http://jabber.org/protocol/muc#user"))
        .unwrap();
    assert!(item.attr("jid").is_some_and(|jid| jid.starts_with("jvb@auth.meet.localhost/")));
    assert_eq!(bridge.status().mucs_joined, 1);
}

#[tokio::test]
#[ignore = "needs prosody"]
async fn all_rooms_are_joined() {
    let prosody = Prosody::start().unwrap();
    let mut settings = settings(prosody.address().port());
    settings.muc_jids.push("Other@internal.auth.meet.localhost".to_owned());
    let bridge = Bridge::start(settings).await;
    bridge.wait("in both rooms", |status| status.mucs_joined == 2).await;
}

#[tokio::test]
#[ignore = "needs prosody"]
async fn a_bridge_leaves_before_it_ends() {
    let prosody = Prosody::start().unwrap();
    let mut focus = Client::focus(prosody.address()).await;
    let bridge = Bridge::joined(settings(prosody.address().port())).await;
    let since = Instant::now();
    bridge.connections.stop().await;
    let took = since.elapsed();
    focus
        .wait("leave", |e| {
            e.attr("from") == Some(&occupant()) && e.attr("type") == Some("unavailable")
        })
        .await;
    assert!(since.elapsed() < Duration::from_secs(2), "{took:?} {:?}", since.elapsed());
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(bridge.connections.status().is_empty());
    assert!(!prosody.log().contains("Session going into hibernation"), "closed, not lost");
}

#[tokio::test]
#[ignore = "needs prosody"]
async fn a_connection_is_removed_at_run_time() {
    let prosody = Prosody::start().unwrap();
    let mut focus = Client::focus(prosody.address()).await;
    let bridge = Bridge::joined(settings(prosody.address().port())).await;
    assert_eq!(bridge.connections.ids(), ["shard0"]);
    assert!(!bridge.connections.remove("shard1").await);
    assert!(bridge.connections.remove("shard0").await);
    focus
        .wait("leave", |e| {
            e.attr("from") == Some(&occupant()) && e.attr("type") == Some("unavailable")
        })
        .await;
    assert!(bridge.connections.ids().is_empty());
}

#[tokio::test]
#[ignore = "needs prosody"]
async fn a_restarted_server_is_joined_again_without_a_storm() {
    for (is_killed, stream_management) in [(false, true), (true, true), (true, false)] {
        let options = ProsodyOptions { stream_management, ..ProsodyOptions::default() };
        let mut prosody = Prosody::start_with(options).unwrap();
        let proxy = Proxy::start(prosody.address()).await;
        let bridge = Bridge::joined(settings(proxy.port())).await;
        if is_killed {
            prosody.kill().unwrap()
        } else {
            prosody.stop().unwrap()
        }
        bridge.wait("disconnected", |status| !status.connected).await;
        sleep(Duration::from_secs(3)).await;
        prosody.start_process().unwrap();
        let took = bridge.wait("joined again", |status| status.mucs_joined == 1).await;
        assert!(took < Duration::from_secs(7), "{took:?}");
        // Each try is a connection through the proxy: one at first, then after pauses of 1, 2, 4
        // and 5 s at most.
        assert!(proxy.accepted() <= 8, "{} connections", proxy.accepted());
        let before = proxy.accepted();
        sleep(Duration::from_secs(2)).await;
        assert_eq!(proxy.accepted(), before, "the new connection stays");
        let status = bridge.status();
        assert_eq!((status.logins, status.disconnects), (2, 1));
        let mut focus = Client::focus(prosody.address()).await;
        wait_for_stats(&mut focus, "drain", "false").await;
    }
}

#[tokio::test]
#[ignore = "needs prosody"]
async fn a_broken_connection_is_resumed_without_anybody_noticing() {
    let prosody = Prosody::start().unwrap();
    let proxy = Proxy::start(prosody.address()).await;
    let mut focus = Client::focus(prosody.address()).await;
    let bridge = Bridge::joined(settings(proxy.port())).await;
    wait_for_stats(&mut focus, "drain", "false").await;
    focus.drain(Duration::from_millis(100)).await;

    proxy.cut();
    bridge.wait("disconnected", |status| status.disconnects == 1).await;
    let health = "<healthcheck xmlns='http://jitsi.org/protocol/healthcheck'/>";
    let answer = focus.ask(&occupant(), "get", health).await;
    assert_eq!(answer.attr("type"), Some("result"), "asked while it was away");
    bridge.wait("connected", |status| status.connected && status.mucs_joined == 1).await;
    assert_eq!(bridge.status().logins, 1, "resumed");
    let seen = focus.drain(Duration::from_secs(2)).await;
    assert!(!seen.iter().any(|e| e.attr("type") == Some("unavailable")), "{seen:?}");
    assert!(seen.iter().any(|e| stats(e).is_some()), "publishes again");
}

#[tokio::test]
#[ignore = "needs prosody"]
async fn a_nickname_that_is_taken_is_tried_again() {
    let prosody = Prosody::start().unwrap();
    let mut other = Client::log_in(prosody.address(), bridge_testkit::prosody::FOCUS).await;
    other.join(BREWERY, support::NICKNAME).await;
    let bridge = Bridge::start(settings(prosody.address().port())).await;
    bridge.wait("connected", |status| status.connected).await;
    sleep(Duration::from_secs(1)).await;
    let status = bridge.status();
    assert!(status.connected && status.mucs_joined == 0, "{status:?}");
    other
        .send(&format!("<presence xmlns='jabber:client' type='unavailable' to='{}'/>", occupant()))
        .await;
    bridge.wait("joined", |status| status.mucs_joined == 1).await;
    assert_eq!(bridge.status().logins, 1);
}

#[tokio::test]
#[ignore = "needs prosody"]
async fn a_kicked_bridge_comes_back() {
    let prosody = Prosody::start().unwrap();
    // The first in the room is its owner.
    let mut focus = Client::focus(prosody.address()).await;
    let bridge = Bridge::joined(settings(prosody.address().port())).await;
    let kick = format!(
        "<query xmlns='http://jabber.org/protocol/muc#owner'><destroy jid='{BREWERY}'/></query>"
    );
    let answer = focus.ask(BREWERY, "set", &kick).await;
    assert_eq!(answer.attr("type"), Some("result"));
    bridge.wait("out", |status| status.mucs_joined == 0).await;
    bridge.wait("back", |status| status.mucs_joined == 1).await;
    assert_eq!(bridge.status().logins, 1);
}

#[tokio::test]
#[ignore = "needs prosody"]
async fn with_a_resource_a_bridge_takes_the_place_of_its_crashed_self() {
    let prosody = Prosody::start().unwrap();
    let mut focus = Client::focus(prosody.address()).await;
    let mut settings = settings(prosody.address().port());
    settings.resource = Some("jvb-a".to_owned());

    // A runtime that ends takes its connections down without a goodbye.
    let (crashing, crashed) = (settings.clone(), std::sync::mpsc::channel());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let bridge = runtime.block_on(Bridge::joined(crashing));
        std::mem::forget(bridge);
        runtime.shutdown_background();
        crashed.0.send(()).unwrap();
    });
    tokio::task::spawn_blocking(move || crashed.1.recv()).await.unwrap().unwrap();

    let _bridge = Bridge::joined(settings).await;
    let since = Instant::now();
    let health = "<healthcheck xmlns='http://jitsi.org/protocol/healthcheck'/>";
    let answer = focus.ask(&occupant(), "get", health).await;
    assert_eq!(answer.attr("type"), Some("result"));
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
}
