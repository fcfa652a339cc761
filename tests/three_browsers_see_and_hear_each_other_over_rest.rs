//! Three Chromium participants, signalled over REST, see and hear each other. For how long they do is
//! shown over Prosody: media takes the same way.

use std::sync::Arc;
use std::time::Duration;

use bridge_testkit::{BridgeProcess, BridgeSettings, RestBridge, TestkitError};
use bridge_tests::{Call, report};

#[tokio::test]
#[ignore = "needs the release binary and Chromium"]
async fn three_browsers_see_and_hear_each_other() -> Result<(), TestkitError> {
    let bridge = BridgeProcess::start(BridgeSettings::default()).await?;
    let call =
        Call::start(Arc::new(RestBridge::new(bridge.http())), &["Ada", "Ben", "Cleo"]).await?;
    let cpu_before = bridge.cpu_time()?;
    let (first, last) = call.watch(WATCH).await?;
    let cpu = bridge.cpu_time()?.saturating_sub(cpu_before);
    report("three browsers over REST", &last, &call.join_times(&last), Some((cpu, WATCH)));
    for (before, after) in first.iter().zip(&last) {
        let plis = after.own("plisReceived") - before.own("plisReceived");
        assert!(plis <= MAX_PLIS, "{plis} key frame requests in {WATCH:?}");
    }
    call.end().await
}

const WATCH: Duration = Duration::from_secs(10);

/// In a call that stands nobody has a reason to ask; a few are forgiven to a loaded machine.
const MAX_PLIS: f64 = 3.0;
