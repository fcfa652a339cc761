use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use crate::connection::Connection;
use crate::status::IqCounters;
use crate::{ConnectionSettings, ConnectionStatus, PresenceSource, RequestHandler};

/// A connection that runs in its own task.
pub(crate) struct RunningConnection {
    pub(crate) settings: ConnectionSettings,
    status: watch::Receiver<ConnectionStatus>,
    counters: Arc<IqCounters>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl RunningConnection {
    /// Starts to connect.
    pub(crate) fn start(
        id: &str,
        settings: ConnectionSettings,
        handler: Arc<dyn RequestHandler>,
        presence: PresenceSource,
    ) -> Self {
        let stop = watch::Sender::new(false);
        let counters = Arc::new(IqCounters::default());
        let status = watch::Sender::new(ConnectionStatus {
            id: id.to_owned(),
            mucs_configured: settings.muc_jids.len(),
            ..ConnectionStatus::default()
        });
        let receiver = status.subscribe();
        let connect = {
            let (settings, counters) = (settings.clone(), Arc::clone(&counters));
            move || {
                let (handler, presence) = (Arc::clone(&handler), presence.clone());
                let (status, counters) = (status.clone(), Arc::clone(&counters));
                Connection::new(settings.clone(), handler, presence, status, counters)
            }
        };
        let task = tokio::spawn(supervise(connect, stop.subscribe()));
        Self { settings, status: receiver, counters, stop, task }
    }

    /// What the connection does at the moment.
    pub(crate) fn status(&self) -> ConnectionStatus {
        ConnectionStatus { iqs: self.counters.snapshot(), ..self.status.borrow().clone() }
    }

    /// Asks the connection to end, without waiting.
    pub(crate) fn request_stop(&self) {
        self.stop.send_replace(true);
    }

    /// Leaves the rooms and closes the stream. Takes [`STOP_TIMEOUT`] at most.
    pub(crate) async fn stop(mut self) {
        self.request_stop();
        if timeout(STOP_TIMEOUT, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

/// Runs a connection, and starts it afresh should it end by a mistake in the program: no peer is
/// to take a bridge out of the brewery for good.
async fn supervise(connect: impl Fn() -> Connection, stop: watch::Receiver<bool>) {
    loop {
        // Aborts the connection if it is dropped.
        let mut task = JoinSet::new();
        task.spawn(connect().run(stop.clone()));
        match task.join_next().await {
            Some(Err(error)) if error.is_panic() => {
                tracing::error!(%error, "XMPP connection failed by a program error, starting anew");
                sleep(PAUSE_AFTER_PANIC).await;
            }
            _ => return,
        }
    }
}

/// Leaving the rooms and closing the stream have limits of their own; this is some more than both.
const STOP_TIMEOUT: Duration = Duration::from_secs(8);
/// As long as the longest pause between two attempts to connect.
const PAUSE_AFTER_PANIC: Duration = Duration::from_secs(5);
