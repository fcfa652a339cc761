use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bridge_demo::{ColibriAnswer, ColibriHandler};
use bridge_signaling::colibri2::{ConferenceModified, ConferenceModify, ErrorReason};
use bridge_signaling::{ErrorAnswer, StanzaErrorCondition};

use crate::{TestkitError, http};

/// A bridge that is reached over its REST interface: POST creates, PATCH changes.
pub struct RestBridge {
    server: SocketAddr,
    /// Meeting ids of conferences that were created and not expired.
    known: Arc<Mutex<HashSet<String>>>,
}

impl RestBridge {
    /// The bridge whose private HTTP server listens on `server`.
    pub fn new(server: SocketAddr) -> Self {
        Self { server, known: Arc::default() }
    }
}

impl ColibriHandler for RestBridge {
    fn conference_modify(&self, request: ConferenceModify) -> ColibriAnswer {
        let (server, known) = (self.server, Arc::clone(&self.known));
        Box::pin(async move { exchange(server, &known, &request).await })
    }
}

async fn exchange(
    server: SocketAddr,
    known: &Mutex<HashSet<String>>,
    request: &ConferenceModify,
) -> Result<ConferenceModified, ErrorAnswer> {
    let id = &request.meeting_id;
    let is_known = known.lock().unwrap_or_else(PoisonError::into_inner).contains(id);
    let mut body = request.to_json();
    let answer = if is_known {
        if let Some(members) = body.as_object_mut() {
            members.remove("meeting-id");
        }
        http::send_json(server, "PATCH", &format!("{CONFERENCES}/{id}"), &body).await
    } else {
        http::send_json(server, "POST", CONFERENCES, &body).await
    };
    let answer = answer.map_err(|error| failure(&error))?;
    match answer.status {
        200 => {
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            if request.expire {
                known.remove(id)
            } else {
                known.insert(id.clone())
            };
            drop(known);
            ConferenceModified::from_json(&answer.json()).map_err(|error| {
                failure(&TestkitError::unexpected("the bridge", format!("{error:?}")))
            })
        }
        404 => Err(ErrorAnswer::new(StanzaErrorCondition::ItemNotFound)
            .with_reason(ErrorReason::ConferenceNotFound)
            .with_text(answer.head)),
        _ => Err(ErrorAnswer::new(StanzaErrorCondition::BadRequest).with_text(format!(
            "{} {}",
            answer.head,
            answer.text()
        ))),
    }
}

fn failure(error: &TestkitError) -> ErrorAnswer {
    ErrorAnswer::new(StanzaErrorCondition::InternalServerError).with_text(error.to_string())
}

const CONFERENCES: &str = "/colibri/v2/conferences";
