use std::future::Future;
use std::pin::Pin;

use bridge_signaling::ErrorAnswer;
use bridge_signaling::colibri2::{ConferenceModified, ConferenceModify};

/// Whoever executes colibri2 requests: the bridge itself, or a way to reach one.
pub trait ColibriHandler: Send + Sync + 'static {
    /// Executes one request. Requests for one conference are executed in the order of the calls.
    fn conference_modify(&self, request: ConferenceModify) -> ColibriAnswer;
}

/// What a request becomes.
pub type ColibriAnswer =
    Pin<Box<dyn Future<Output = Result<ConferenceModified, ErrorAnswer>> + Send>>;
