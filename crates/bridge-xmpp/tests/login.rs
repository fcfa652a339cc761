//! Logging in to a real Prosody, and not.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use bridge_testkit::prosody::{Prosody, ProsodyOptions};
use bridge_xmpp::{AddOutcome, SecurityMode};
use support::{Bridge, settings};

#[tokio::test]
#[ignore = "needs prosody"]
async fn an_untrusted_certificate_is_refused() {
    let prosody = Prosody::start().unwrap();
    let mut settings = settings(prosody.address().port());
    settings.disable_certificate_verification = false;
    let bridge = Bridge::start(settings).await;
    bridge.wait("refused", |status| status.last_error.is_some()).await;
    let cause = bridge.status().last_error.unwrap();
    assert!(cause.contains("TLS failed"), "{cause}");
}

#[tokio::test]
#[ignore = "needs prosody"]
async fn the_security_mode_decides() {
    let offered = ProsodyOptions::default();
    let demanded = ProsodyOptions { require_tls: true, ..offered };
    let none = ProsodyOptions { tls: false, ..offered };
    for (options, mode, error) in [
        (offered, SecurityMode::Required, None),
        (offered, SecurityMode::IfPossible, None),
        (offered, SecurityMode::Disabled, None),
        (demanded, SecurityMode::Required, None),
        (demanded, SecurityMode::Disabled, Some("demands TLS")),
        (none, SecurityMode::Required, Some("does not offer TLS")),
        (none, SecurityMode::IfPossible, None),
    ] {
        let prosody = Prosody::start_with(options).unwrap();
        let mut settings = settings(prosody.address().port());
        settings.security_mode = Some(mode);
        let bridge = Bridge::start(settings).await;
        bridge
            .wait("decided", |status| status.mucs_joined == 1 || status.last_error.is_some())
            .await;
        let cause = bridge.status().last_error;
        match error {
            None => assert_eq!(cause, None, "{options:?} {mode:?}"),
            Some(error) => {
                assert!(cause.is_some_and(|cause| cause.contains(error)), "{options:?} {mode:?}");
            }
        }
        let is_encrypted = prosody.log().contains("Stream encrypted");
        let expected = error.is_none() && options.tls && mode != SecurityMode::Disabled;
        assert_eq!(is_encrypted, expected, "{options:?} {mode:?}");
    }
}

#[tokio::test]
#[ignore = "needs prosody"]
async fn connections_are_added_and_replaced_by_account() {
    let prosody = Prosody::start().unwrap();
    let settings = settings(prosody.address().port());
    let bridge = Bridge::joined(settings.clone()).await;
    let mut other_password = settings.clone();
    other_password.password = "other".to_owned();
    assert_eq!(bridge.connections.add("shard0", other_password).await, AddOutcome::Unchanged);
    let mut other_host = settings.clone();
    other_host.hostname = "localhost".to_owned();
    assert_eq!(bridge.connections.add("shard0", other_host).await, AddOutcome::Replaced);
    bridge.wait("joined", |status| status.mucs_joined == 1).await;
    let mut second = settings;
    second.muc_nickname = "jvb-b".to_owned();
    assert_eq!(bridge.connections.add("shard1", second).await, AddOutcome::Added);
    assert_eq!(bridge.connections.ids(), ["shard0", "shard1"]);
    bridge.wait("second joined", |status| status.id == "shard1" && status.mucs_joined == 1).await;
}
