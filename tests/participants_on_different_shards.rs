//! Participants whose sessions live on different shards see and hear each other.

use std::sync::Arc;
use std::time::Duration;

use bridge_testkit::{BridgeProcess, BridgeSettings, RestBridge, TestkitError};
use bridge_tests::{Call, report};

#[tokio::test]
#[ignore = "needs the release binary and Chromium"]
async fn media_crosses_shards() -> Result<(), TestkitError> {
    let bridge = BridgeProcess::start(BridgeSettings::default()).await?;
    let rest = Arc::new(RestBridge::new(bridge.http()));
    let mut call = Call::start(rest, &["Ada", "Ben"]).await?;
    // The kernel picks a shard by the hash of a client's address and port: with each further
    // participant the chance that all are on one shard halves.
    for name in ["Cleo", "Dan", "Eve", "Fay"] {
        if occupied_shards(&bridge).await? >= 2 {
            break;
        }
        call.add(name).await?;
        call.wait_until_complete().await?;
    }
    let shards = occupied_shards(&bridge).await?;
    assert!(shards >= 2, "all on one shard: {:?}", bridge.metrics("shard").await?);
    let (_, last) = call.watch(Duration::from_secs(10)).await?;
    report(&format!("participants on {shards} shards"), &last, &call.join_times(&last), None);
    for line in bridge.metrics("shard").await? {
        println!("{line}");
    }
    call.end().await
}

/// On how many shards sessions live at this moment.
async fn occupied_shards(bridge: &BridgeProcess) -> Result<usize, TestkitError> {
    let lines = bridge.metrics(SESSIONS_PER_SHARD).await?;
    Ok(lines.iter().filter(|line| !line.ends_with(" 0")).count())
}

/// One sample a shard, labelled with its number.
const SESSIONS_PER_SHARD: &str = "shard_sessions{";
