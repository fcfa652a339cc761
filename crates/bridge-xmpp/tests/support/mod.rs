//! What the tests share: a client that plays the focus, a handler that plays the bridge, and a
//! proxy that cuts connections.

#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

pub(crate) mod client;
pub(crate) mod handler;
pub(crate) mod proxy;

use std::sync::Arc;
use std::time::Duration;

use bridge_testkit::prosody::{AUTH_DOMAIN, BREWERY, JVB};
use bridge_xmpp::{
    ConnectionSettings, ConnectionStatus, PresenceSource, SecurityMode, Statistics, XmppConnections,
};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use handler::Handler;

/// The nickname of the bridge.
pub(crate) const NICKNAME: &str = "jvb-a";

/// A bridge's XMPP side with one connection.
pub(crate) struct Bridge {
    pub(crate) connections: XmppConnections,
    pub(crate) handler: Arc<Handler>,
    pub(crate) statistics: watch::Sender<Arc<Statistics>>,
}

impl Bridge {
    /// Starts to connect.
    pub(crate) async fn start(settings: ConnectionSettings) -> Self {
        let handler = Arc::new(Handler::default());
        let statistics = watch::Sender::new(Arc::new(statistics(&[("drain", "false")])));
        let presence =
            PresenceSource { interval: Duration::from_secs(1), statistics: statistics.subscribe() };
        let connections = XmppConnections::new(handler.clone(), presence);
        connections.add("shard0", settings).await;
        Self { connections, handler, statistics }
    }

    /// Starts and waits until the brewery is joined.
    pub(crate) async fn joined(settings: ConnectionSettings) -> Self {
        let bridge = Self::start(settings).await;
        bridge.wait("joined", |status| status.mucs_joined == 1).await;
        bridge
    }

    pub(crate) fn status(&self) -> ConnectionStatus {
        self.connections.status().pop().expect("one connection")
    }

    /// Waits until the status is as wanted, and answers how long that took.
    pub(crate) async fn wait(
        &self,
        what: &str,
        is_wanted: impl Fn(&ConnectionStatus) -> bool,
    ) -> Duration {
        let since = Instant::now();
        while !is_wanted(&self.status()) {
            assert!(since.elapsed() < PATIENCE, "not {what}: {:?}", self.status());
            sleep(Duration::from_millis(20)).await;
        }
        since.elapsed()
    }
}

/// The bridge's account, over TLS with any certificate.
pub(crate) fn settings(port: u16) -> ConnectionSettings {
    ConnectionSettings {
        hostname: "127.0.0.1".to_owned(),
        port: Some(port),
        domain: Some(AUTH_DOMAIN.to_owned()),
        username: JVB.username.to_owned(),
        password: JVB.password.to_owned(),
        muc_jids: vec![BREWERY.to_owned()],
        muc_nickname: NICKNAME.to_owned(),
        disable_certificate_verification: true,
        security_mode: Some(SecurityMode::Required),
        resource: None,
    }
}

pub(crate) fn statistics(pairs: &[(&str, &str)]) -> Statistics {
    pairs.iter().copied().collect()
}

/// The bridge as its occupant.
pub(crate) fn occupant() -> String {
    format!("{BREWERY}/{NICKNAME}")
}

/// How long anything may take before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
