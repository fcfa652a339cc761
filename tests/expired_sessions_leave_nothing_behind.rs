//! Endpoints and conferences that were expired are gone from every map and gauge.

use std::sync::Arc;
use std::time::Duration;

use bridge_demo::ColibriHandler;
use bridge_signaling::colibri2::ConferenceModify;
use bridge_testkit::{BridgeProcess, BridgeSettings, RestBridge, TestkitError};
use bridge_tests::{Call, allocate};
use serde_json::Value;

#[tokio::test]
#[ignore = "needs the release binary and Chromium"]
async fn a_call_that_ended_is_gone() -> Result<(), TestkitError> {
    let bridge = BridgeProcess::start(BridgeSettings::default()).await?;
    let call = Call::start(Arc::new(RestBridge::new(bridge.http())), &["Ada", "Ben"]).await?;
    let during = bridge.stats().await?;
    assert_eq!((&during["conferences"], &during["endpoints"]), (&1.into(), &2.into()), "{during}");
    for page in &call.pages {
        page.evaluate("window.demo.leave()").await?;
    }
    wait_until_empty(&bridge).await?;
    call.end().await
}

#[tokio::test]
#[ignore = "needs the release binary"]
async fn endpoints_that_never_connected_are_gone() -> Result<(), TestkitError> {
    let bridge = BridgeProcess::start(BridgeSettings::default()).await?;
    let rest = RestBridge::new(bridge.http());
    for round in 0..ROUNDS {
        let meeting = format!("meeting-{round}");
        for endpoint in 0..ENDPOINTS {
            let request = allocate(&meeting, endpoint == 0, &format!("{endpoint:08x}"));
            let answer = rest.conference_modify(request).await;
            assert!(answer.is_ok(), "{answer:?}");
        }
        if round == 0 {
            let during = bridge.stats().await?;
            assert_eq!(during["endpoints"], ENDPOINTS, "{during}");
        }
        let end = ConferenceModify { expire: true, ..ConferenceModify::new(meeting) };
        let answer = rest.conference_modify(end).await;
        assert!(answer.is_ok(), "{answer:?}");
    }
    wait_until_empty(&bridge).await
}

/// Waits until all that counts what exists now says zero.
async fn wait_until_empty(bridge: &BridgeProcess) -> Result<(), TestkitError> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let left = leftovers(bridge).await?;
        if left.is_empty() {
            return Ok(());
        }
        let in_time = tokio::time::Instant::now() < deadline;
        assert!(in_time, "left behind: {left:?}\n{}", bridge.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The statistics and gauges that are not zero and should be.
async fn leftovers(bridge: &BridgeProcess) -> Result<Vec<String>, TestkitError> {
    let stats = bridge.stats().await?;
    let mut left: Vec<String> = CURRENT
        .iter()
        .filter(|name| {
            !matches!(&stats[**name], Value::Null) && stats[**name].as_f64() != Some(0.0)
        })
        .map(|name| format!("{name} = {}", stats[*name]))
        .collect();
    for gauge in SHARD_GAUGES {
        let samples = bridge.metrics(gauge).await?;
        assert!(!samples.is_empty(), "{gauge} is not published");
        left.extend(samples.iter().filter(|(_, value)| **value != 0.0).map(|s| format!("{s:?}")));
    }
    Ok(left)
}

/// What `/colibri/stats` counts of things that exist now.
const CURRENT: &[&str] = &[
    "conferences",
    "endpoints",
    "participants",
    "local_endpoints",
    "local_active_endpoints",
    "endpoints_sending_audio",
    "endpoints_sending_video",
    "videochannels",
    "inactive_conferences",
    "inactive_endpoints",
];

/// What the shards hold: sessions, and entries of any kind for them.
const SHARD_GAUGES: &[&str] = &["jitsi_jvb_shard_sessions ", "jitsi_jvb_shard_entries "];

const ROUNDS: usize = 50;
const ENDPOINTS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(20);
