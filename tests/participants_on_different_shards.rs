//! Participants whose sessions live on different shards see and hear each other.

use std::sync::Arc;
use std::time::Duration;

use bridge_testkit::{BridgeProcess, BridgeSettings, RestBridge, TestkitError};
use bridge_tests::{Call, report};

#[tokio::test]
#[ignore = "needs the release binary and Chromium"]
async fn media_crosses_shards() -> Result<(), TestkitError> {
    let extra = "videobridge.shard { count = 16, pin = false }".to_owned();
    let settings = BridgeSettings { extra, ..BridgeSettings::default() };
    let bridge = BridgeProcess::start(settings).await?;
    let rest = Arc::new(RestBridge::new(bridge.http()));
    let mut call = Call::start(rest, &["Ada", "Ben"]).await?;
    // The kernel picks a shard by the hash of a client's address and port: with 16 shards the chance
    // that all are on one falls by 16 with each further participant.
    for name in ["Cleo", "Dan", "Eve"] {
        if is_crossing(&bridge).await? {
            break;
        }
        call.add(name).await?;
        call.wait_until_complete().await?;
    }
    let before = crossings(&bridge).await?;
    let (_, last) = call.watch(Duration::from_secs(10)).await?;
    let crossed = crossings(&bridge).await? - before;
    report("participants on different shards", &last, &call.join_times(&last), None);
    println!("{:#?}", bridge.metrics("jitsi_jvb_shard").await?);
    assert!(crossed > 100.0, "{crossed} packets crossed shards: all are on one");
    call.end().await
}

/// How many packets shards have taken over from other shards.
async fn crossings(bridge: &BridgeProcess) -> Result<f64, TestkitError> {
    let samples = bridge.metrics(CROSSINGS).await?;
    Ok(samples.values().sum())
}

/// Whether packets go from shard to shard now; while sessions move to their shards some do anyway.
async fn is_crossing(bridge: &BridgeProcess) -> Result<bool, TestkitError> {
    let before = crossings(bridge).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    Ok(crossings(bridge).await? - before > 20.0)
}

const CROSSINGS: &str = "jitsi_jvb_shard_packets_from_shards_total";
