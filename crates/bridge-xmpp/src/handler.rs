use bridge_signaling::colibri2::ConferenceModify;

use crate::ReplySender;

/// Who processes the requests that come in over XMPP.
///
/// All methods are called from the control runtime and must return at once: hand the work over and
/// answer later through the [`ReplySender`].
pub trait RequestHandler: Send + Sync + 'static {
    /// A colibri2 request. Requests of one connection are handed over in the order in which they
    /// arrived; their answers may be sent in any order, from any thread.
    fn conference_modify(&self, request: ConferenceModify, reply: ReplySender);

    /// The result of the last internal health check: never a check on demand.
    fn health(&self) -> HealthResult;

    /// What the software is.
    fn version(&self) -> Version;
}

/// Healthy, or the message that says why not.
pub type HealthResult = Result<(), String>;

/// What a software version query is answered with (XEP-0092).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The software's name; JVB says `JVB`.
    pub name: String,
    /// The version, the same text as the `version` statistic.
    pub version: String,
    /// The operating system's name.
    pub os: String,
}
