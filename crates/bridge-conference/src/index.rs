//! Which conferences there are (JVB: `Videobridge`). Generic over what the driver needs to reach
//! one, for example the sender of its queue.

use crate::error::RequestError;
use crate::limits::MAX_CONFERENCES;
use crate::random::{Random, hex_id};
use crate::shutdown::{Shutdown, ShutdownState, ShutdownTimes};
use bridge_signaling::colibri2::ConferenceModify;
use bridge_units::{ConferenceId, Timestamp};
use std::collections::HashMap;

/// All conferences of the bridge, whether it takes new ones, and how many endpoints they have.
pub struct ConferenceIndex<H> {
    conferences: HashMap<ConferenceId, Entry<H>>,
    by_meeting: HashMap<String, ConferenceId>,
    by_local_id: HashMap<String, ConferenceId>,
    next_id: u64,
    local_endpoints: usize,
    shutdown: Shutdown,
    drain: bool,
    random: Random,
}

/// A conference that was just admitted, for [`crate::Conference::new`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewConference {
    /// Its number in this process.
    pub id: ConferenceId,
    /// Its name in URLs and debug output: lower-case hex digits, not the meeting id.
    pub local_id: String,
    /// Its identity in signalling.
    pub meeting_id: String,
    /// The room's JID.
    pub name: Option<String>,
    /// Whether it shows up in rtcstats output.
    pub rtcstats_enabled: bool,
}

struct Entry<H> {
    identity: NewConference,
    local_endpoints: usize,
    handle: H,
}

impl<H> ConferenceIndex<H> {
    /// An empty index. `drain` is `videobridge.initial-drain-mode`.
    pub fn new(times: ShutdownTimes, drain: bool, random: Random) -> Self {
        Self {
            conferences: HashMap::new(),
            by_meeting: HashMap::new(),
            by_local_id: HashMap::new(),
            next_id: 0,
            local_endpoints: 0,
            shutdown: Shutdown::new(times),
            drain,
            random,
        }
    }

    /// The conference that a request is for, made by `make` if it is to be created. To be called
    /// when the request arrives, before it is queued.
    ///
    /// Differs from JVB: creation is refused in `SHUTTING_DOWN` too, where JVB lets it through by
    /// oversight.
    pub fn get_or_create(
        &mut self,
        request: &ConferenceModify,
        make: impl FnOnce(&NewConference) -> H,
    ) -> Result<&H, RequestError> {
        let meeting = &request.meeting_id;
        let id = match (self.by_meeting.get(meeting), request.create) {
            (Some(_), true) => return Err(RequestError::ConferenceExists(meeting.clone())),
            (None, false) => return Err(RequestError::ConferenceNotFound(meeting.clone())),
            (Some(&id), false) => id,
            (None, true) => self.create(request, make)?,
        };
        let entry = self.conferences.get(&id).expect("by_meeting names only existing conferences");
        Ok(&entry.handle)
    }

    /// Forgets a conference that has expired, so that its meeting id can be used again. To be
    /// called before the answer to the request that ended it is sent.
    pub fn remove(&mut self, now: Timestamp, id: ConferenceId) -> Option<H> {
        let entry = self.conferences.remove(&id)?;
        self.by_meeting.remove(&entry.identity.meeting_id);
        self.by_local_id.remove(&entry.identity.local_id);
        self.local_endpoints = self.local_endpoints.saturating_sub(entry.local_endpoints);
        if entry.local_endpoints > 0 {
            self.shutdown.handle_endpoint_count(now, self.local_endpoints);
        }
        Some(entry.handle)
    }

    /// Notes how many local endpoints a conference has now. A graceful shutdown waits for them.
    pub fn set_endpoint_count(&mut self, now: Timestamp, id: ConferenceId, count: usize) {
        let Some(entry) = self.conferences.get_mut(&id) else { return };
        let before = std::mem::replace(&mut entry.local_endpoints, count);
        self.local_endpoints = self.local_endpoints.saturating_sub(before) + count;
        if count < before {
            self.shutdown.handle_endpoint_count(now, self.local_endpoints);
        }
    }

    /// REST `graceful-shutdown: true`.
    pub fn shut_down_gracefully(&mut self, now: Timestamp) {
        self.shutdown.request_graceful(now, self.local_endpoints);
    }

    /// REST `graceful-shutdown: false`.
    pub fn shut_down(&mut self, now: Timestamp) {
        self.shutdown.request_forced(now);
    }

    /// To be called at `shutdown().poll_timeout()`.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.shutdown.handle_timeout(now);
    }

    /// Sets what is advertised as drain mode; nothing is refused because of it.
    pub fn set_drain(&mut self, drain: bool) {
        self.drain = drain;
    }

    /// By the number that events carry.
    pub fn get(&self, id: ConferenceId) -> Option<&H> {
        Some(&self.conferences.get(&id)?.handle)
    }

    /// By the identity in signalling.
    pub fn by_meeting_id(&self, meeting_id: &str) -> Option<(&NewConference, &H)> {
        self.entry(*self.by_meeting.get(meeting_id)?)
    }

    /// By the name in URLs.
    pub fn by_local_id(&self, local_id: &str) -> Option<(&NewConference, &H)> {
        self.entry(*self.by_local_id.get(local_id)?)
    }

    /// Every conference, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&NewConference, &H)> {
        self.conferences.values().map(|entry| (&entry.identity, &entry.handle))
    }

    /// How many conferences there are.
    pub fn len(&self) -> usize {
        self.conferences.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.conferences.is_empty()
    }

    /// How many local endpoints all conferences have, as last noted.
    pub fn local_endpoints(&self) -> usize {
        self.local_endpoints
    }

    /// How many local endpoints each conference has, as last noted, in no order.
    pub fn conference_sizes(&self) -> impl Iterator<Item = usize> {
        self.conferences.values().map(|entry| entry.local_endpoints)
    }

    /// Whether drain mode is advertised.
    pub fn is_draining(&self) -> bool {
        self.drain
    }

    /// How far the bridge is on its way out.
    pub fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    fn entry(&self, id: ConferenceId) -> Option<(&NewConference, &H)> {
        let entry = self.conferences.get(&id)?;
        Some((&entry.identity, &entry.handle))
    }

    fn create(
        &mut self,
        request: &ConferenceModify,
        make: impl FnOnce(&NewConference) -> H,
    ) -> Result<ConferenceId, RequestError> {
        if self.shutdown.state() != ShutdownState::Running {
            return Err(RequestError::GracefulShutdown);
        }
        if request.name.as_deref().is_some_and(|name| !is_entity_bare_jid(name)) {
            return Err(RequestError::InvalidName);
        }
        if self.conferences.len() >= MAX_CONFERENCES {
            return Err(RequestError::TooManyConferences);
        }
        let id = ConferenceId(self.next_id);
        self.next_id += 1;
        let identity = NewConference {
            id,
            local_id: self.unused_local_id(id),
            meeting_id: request.meeting_id.clone(),
            name: request.name.clone(),
            rtcstats_enabled: request.rtcstats_enabled,
        };
        let handle = make(&identity);
        self.by_meeting.insert(identity.meeting_id.clone(), id);
        self.by_local_id.insert(identity.local_id.clone(), id);
        self.conferences.insert(id, Entry { identity, local_endpoints: 0, handle });
        Ok(id)
    }

    /// Sixteen random digits; should they be taken, the conference's number, which is never reused.
    fn unused_local_id(&mut self, id: ConferenceId) -> String {
        let drawn = hex_id(&mut self.random);
        if self.by_local_id.contains_key(&drawn) { format!("{:x}", id.0) } else { drawn }
    }
}

/// `local@domain`, without a resource (RFC 7622 section 3.1).
fn is_entity_bare_jid(text: &str) -> bool {
    let forbidden = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | '@');
    match text.split_once('@') {
        None => false,
        Some((local, domain)) => [local, domain].iter().all(|part| {
            !part.is_empty() && part.len() <= MAX_JID_PART_BYTES && !part.contains(forbidden)
        }),
    }
}

/// RFC 7622 sections 3.2 and 3.3.
const MAX_JID_PART_BYTES: usize = 1_023;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_entity_bare_jids() {
        for (name, valid) in [
            ("room@conference.example.net", true),
            ("rööm@conference.example.net", true),
            ("conference.example.net", false),
            ("not a jid", false),
            ("@example.net", false),
            ("room@", false),
            ("room@example.net/nick", false),
            ("a@b@c", false),
            ("", false),
        ] {
            assert_eq!(is_entity_bare_jid(name), valid, "{name}");
        }
    }
}
