//! Three Chromium participants, signalled over a real Prosody as by Jicofo, see and hear each other
//! for half a minute.

use std::sync::Arc;
use std::time::Duration;

use bridge_testkit::prosody::Prosody;
use bridge_testkit::{BridgeProcess, TestkitError, XmppBridge};
use bridge_tests::{Call, bridge_settings, focus_account, report, start_prosody};

#[tokio::test]
#[ignore = "needs the release binary, Chromium and Prosody"]
async fn three_browsers_see_and_hear_each_other() -> Result<(), TestkitError> {
    let prosody: Prosody = start_prosody()?;
    let bridge = BridgeProcess::start(bridge_settings(&prosody)).await?;
    let xmpp = Arc::new(XmppBridge::connect(&focus_account(&prosody))?);
    let occupant = xmpp.wait_for_bridge(PRESENCE_PATIENCE).await?;
    println!("{occupant}: {:?}", xmpp.stats(&occupant));
    let call = Call::start(xmpp, &["Ada", "Ben", "Cleo"]).await?;
    let cpu_before = bridge.cpu_time()?;
    let (first, last) = call.watch(WATCH).await?;
    let cpu = bridge.cpu_time()?.saturating_sub(cpu_before);
    report("three browsers over Prosody", &last, &call.join_times(&last), Some((cpu, WATCH)));
    for (before, after) in first.iter().zip(&last) {
        assert_eq!(after.transport("dtlsState"), "connected");
        let plis = after.own("plisReceived") - before.own("plisReceived");
        assert!(plis <= MAX_PLIS, "{plis} key frame requests in {WATCH:?}");
    }
    call.end().await
}

const WATCH: Duration = Duration::from_secs(30);

/// Login, join and first presence.
const PRESENCE_PATIENCE: Duration = Duration::from_secs(20);

/// In a call that stands nobody has a reason to ask; a few are forgiven to a loaded machine.
const MAX_PLIS: f64 = 6.0;
