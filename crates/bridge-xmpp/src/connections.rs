use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::running_connection::RunningConnection;
use crate::{ConnectionSettings, ConnectionStatus, RequestHandler};

/// The XMPP connections of the bridge, by id. JVB's `XmppConnection` and jicoco's
/// `MucClientManager`.
///
/// Must be used within a tokio runtime, on which each connection is a task.
pub struct XmppConnections {
    handler: Arc<dyn RequestHandler>,
    presence: PresenceSource,
    connections: Mutex<BTreeMap<String, RunningConnection>>,
    /// Held while the set changes, which includes waiting for connections to end.
    changing: tokio::sync::Mutex<()>,
}

impl XmppConnections {
    /// No connections yet. `handler` gets the requests of all that will be added, `presence` is
    /// published in all their rooms.
    pub fn new(handler: Arc<dyn RequestHandler>, presence: PresenceSource) -> Self {
        Self {
            handler,
            presence,
            connections: Mutex::default(),
            changing: tokio::sync::Mutex::default(),
        }
    }

    /// Adds a connection and starts to connect. A connection with this id is replaced if the
    /// account or server is another one, which waits until it ended; else nothing changes.
    pub async fn add(&self, id: &str, settings: ConnectionSettings) -> AddOutcome {
        let _changing = self.changing.lock().await;
        let replaced = {
            let mut connections = self.lock();
            match connections.get(id) {
                Some(running) if running.settings.is_same_account(&settings) => {
                    return AddOutcome::Unchanged;
                }
                Some(_) => connections.remove(id),
                None if connections.len() >= MAX_CONNECTIONS => return AddOutcome::TooMany,
                None => None,
            }
        };
        let outcome = if let Some(replaced) = replaced {
            replaced.stop().await;
            AddOutcome::Replaced
        } else {
            AddOutcome::Added
        };
        let handler = Arc::clone(&self.handler);
        let connection = RunningConnection::start(id, settings, handler, self.presence.clone());
        self.lock().insert(id.to_owned(), connection);
        outcome
    }

    /// Removes a connection: leaves its rooms and closes its stream, within some seconds. Answers
    /// whether there was one with this id.
    pub async fn remove(&self, id: &str) -> bool {
        let _changing = self.changing.lock().await;
        let removed = self.lock().remove(id);
        match removed {
            Some(connection) => {
                connection.stop().await;
                true
            }
            None => false,
        }
    }

    /// Removes all connections at once, within some seconds.
    pub async fn stop(&self) {
        let _changing = self.changing.lock().await;
        let connections = std::mem::take(&mut *self.lock());
        connections.values().for_each(RunningConnection::request_stop);
        for connection in connections.into_values() {
            connection.stop().await;
        }
    }

    /// The ids, in alphabetical order.
    pub fn ids(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    /// What each connection does at the moment, in the order of [`XmppConnections::ids`].
    pub fn status(&self) -> Vec<ConnectionStatus> {
        self.lock().values().map(RunningConnection::status).collect()
    }

    /// Nothing that holds it can panic half-way.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, RunningConnection>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of a connection that was to be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddOutcome {
    /// There was none with this id.
    Added,
    /// There is one with this id for the same account, which stays as it is.
    Unchanged,
    /// There was one with this id for another account.
    Replaced,
    /// There are too many connections.
    TooMany,
}

/// What is published in the rooms, and how often.
#[derive(Clone, Debug)]
pub struct PresenceSource {
    /// The time between two presences.
    pub interval: Duration,
    /// The statistics. Nothing is published while there are none. A change of `drain`,
    /// `graceful_shutdown`, `healthy` or `shutting_down` is published at once, everything else
    /// with the next presence.
    pub statistics: watch::Receiver<Arc<Statistics>>,
}

/// Names and values of the statistics, in the order in which they are published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics(Vec<(String, String)>);

impl Statistics {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value called `name`.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.pairs().find(|&(key, _)| key == name).map(|(_, value)| value)
    }

    /// Names and values, in order.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Statistics {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// Each connection is a shard of the deployment that uses this bridge; there are a handful.
const MAX_CONNECTIONS: usize = 64;
