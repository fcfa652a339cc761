use std::sync::Mutex;

use bridge_signaling::colibri2::{ConferenceModified, ConferenceModify};
use bridge_xmpp::{HealthResult, ReplySender, RequestHandler, Version};

/// Answers at once, or keeps requests until the test answers them.
#[derive(Default)]
pub(crate) struct Handler {
    /// Why the bridge is not healthy.
    pub(crate) unhealthy: Mutex<Option<String>>,
    /// Keep requests for meetings whose name starts with this.
    pub(crate) hold: Mutex<Option<String>>,
    /// The meetings asked for, in order.
    pub(crate) seen: Mutex<Vec<String>>,
    /// Requests that were kept.
    pub(crate) held: Mutex<Vec<(String, ReplySender)>>,
}

impl RequestHandler for Handler {
    fn conference_modify(&self, request: ConferenceModify, reply: ReplySender) {
        let meeting = request.meeting_id;
        self.seen.lock().unwrap().push(meeting.clone());
        let hold = self.hold.lock().unwrap().as_ref().is_some_and(|p| meeting.starts_with(p));
        if hold {
            self.held.lock().unwrap().push((meeting, reply));
        } else {
            reply.send(Ok(ConferenceModified::default()));
        }
    }

    fn health(&self) -> HealthResult {
        self.unhealthy.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    fn version(&self) -> Version {
        Version { name: "JVB".into(), version: "2.3.7".into(), os: "Linux".into() }
    }
}
