//! A wrong password neither floods the server nor the log.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bridge_testkit::prosody::Prosody;
use support::proxy::Proxy;
use support::{Bridge, settings};
use tokio::time::sleep;
use tracing_subscriber::fmt::MakeWriter;

/// Collects what is logged by the test's thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
#[ignore = "needs prosody"]
async fn a_wrong_password_is_logged_once_and_tried_again_slowly() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(log.clone())
        .with_ansi(false)
        .with_max_level(tracing::Level::INFO)
        .finish();
    // Alone in this file: what one thread has no use for would be off for all.
    let _guard = tracing::subscriber::set_default(subscriber);
    let prosody = Prosody::start().unwrap();
    let proxy = Proxy::start(prosody.address()).await;
    let mut settings = settings(proxy.port());
    settings.password = "wrong".to_owned();
    let bridge = Bridge::start(settings).await;
    bridge.wait("refused", |status| status.last_error.is_some()).await;
    sleep(Duration::from_secs(9)).await;
    let status = bridge.status();
    let cause = status.last_error.clone().unwrap();
    assert!(cause.contains("login refused"), "{cause}");
    assert!(!status.connected);
    // Pauses of 0.5 to 1, 1 to 2, 2 to 4 and 2.5 to 5 s.
    assert!((3..=6).contains(&proxy.accepted()), "{} tries", proxy.accepted());
    assert_eq!(log.lines().len(), 1, "{:?}", log.lines());
    assert!(!log.lines()[0].contains("wrong"), "no password in the log");
}
