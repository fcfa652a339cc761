//! Prosody is killed and comes back: the call goes on, the bridge joins its room again and takes
//! requests again.

use std::sync::Arc;
use std::time::Duration;

use bridge_testkit::{BridgeProcess, TestkitError, XmppBridge};
use bridge_tests::{Call, bridge_settings, focus_account, report, start_prosody};

#[tokio::test]
#[ignore = "needs the release binary, Chromium and Prosody"]
async fn a_call_outlives_its_xmpp_server() -> Result<(), TestkitError> {
    let mut prosody = start_prosody()?;
    let bridge = BridgeProcess::start(bridge_settings(&prosody)).await?;
    let xmpp = Arc::new(XmppBridge::connect(&focus_account(&prosody))?);
    xmpp.wait_for_bridge(PATIENCE).await?;
    let mut call = Call::start(xmpp.clone(), &["Ada", "Ben"]).await?;

    let logins = xmpp.logins();
    prosody.kill().map_err(failed)?;
    let (_, last) = call.watch(Duration::from_secs(10)).await?;
    report("without Prosody", &last, &[], None);

    prosody.start_process().map_err(failed)?;
    xmpp.log_in_again().await;
    let back = xmpp.wait_for_bridge_after(logins, PATIENCE).await;
    println!("logins of the focus: {logins} -> {}\nbridge log:\n{}", xmpp.logins(), bridge.log());
    back?;
    call.watch(Duration::from_secs(5)).await?;
    call.add("Cleo").await?;
    call.wait_until_complete().await?;
    let joined_after = call.figures().await?;
    report("after Prosody came back", &joined_after, &[], None);
    let stats = bridge.stats().await?;
    assert_eq!(stats["conferences"], 1, "still the same conference");
    call.end().await
}

fn failed(source: std::io::Error) -> TestkitError {
    TestkitError::Io { peer: "prosody".to_owned(), source }
}

/// Reconnecting backs off to tens of seconds.
const PATIENCE: Duration = Duration::from_secs(60);
