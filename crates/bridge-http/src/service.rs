use crate::metrics::MetricsFormat;
use bridge_signaling::ErrorAnswer;
use bridge_signaling::colibri2::{ConferenceModified, ConferenceModify};
use serde_json::Value;
use std::future::Future;
use std::pin::Pin;

/// Something that is answered later.
pub type Answer<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What `/about/version` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Always `JVB`: what dashboards and Jicofo expect.
    pub name: String,
    /// The version, as in presence.
    pub version: String,
    /// The operating system's name.
    pub os: String,
}

/// The two ways to end the bridge over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// When the last participant has left.
    Graceful,
    /// At once, after the announcement.
    Forced,
}

/// A request about XMPP connections that cannot be fulfilled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MucClientError(pub String);

/// Who answers.
pub trait BridgeService: Send + Sync + 'static {
    /// Executes a colibri2 request.
    fn conference_modify(
        &self,
        request: ConferenceModify,
    ) -> Answer<Result<ConferenceModified, ErrorAnswer>>;

    /// Whether a conference with this meeting id exists.
    fn conference_exists(&self, meeting_id: &str) -> bool;

    /// The last health check's result, or why the bridge is unhealthy.
    fn health(&self) -> Result<(), String>;

    /// Name, version and operating system.
    fn version(&self) -> Version;

    /// All metrics in one of the formats.
    fn metrics(&self, format: MetricsFormat) -> String;

    /// All statistics, as one object.
    fn statistics(&self) -> Value;

    /// The bridge's state for operators; everything if `full`.
    fn debug_state(&self, full: bool) -> Answer<Value>;

    /// One conference's state, by its local id or meeting id; limited to one endpoint if given.
    fn conference_debug_state(
        &self,
        conference: String,
        endpoint: Option<String>,
        full: bool,
    ) -> Answer<Value>;

    /// Whether the bridge asks Jicofo not to be used.
    fn drain(&self) -> bool;

    /// Begins or ends that.
    fn set_drain(&self, drain: bool);

    /// Begins the end of the bridge.
    fn shut_down(&self, how: Shutdown);

    /// Adds an XMPP connection, or replaces one whose account changed.
    ///
    /// # Errors
    /// When the properties are incomplete.
    fn add_muc_client(
        &self,
        id: &str,
        properties: Vec<(String, String)>,
    ) -> Result<(), MucClientError>;

    /// Removes an XMPP connection; whether there was one.
    fn remove_muc_client(&self, id: &str) -> bool;

    /// The ids of the XMPP connections.
    fn muc_clients(&self) -> Vec<String>;
}
