use std::sync::atomic::{AtomicU64, Ordering};

/// What one connection does at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionStatus {
    /// The id under which the connection was configured.
    pub id: String,
    /// Whether it is logged in.
    pub connected: bool,
    /// Rooms that are configured.
    pub mucs_configured: usize,
    /// Rooms that are joined.
    pub mucs_joined: usize,
    /// How often it was logged in, without resumptions.
    pub logins: u64,
    /// How often an established connection was lost, cleanly or not.
    pub disconnects: u64,
    /// Why it is not connected, if it is not.
    pub last_error: Option<String>,
    /// What happened to requests.
    pub iqs: IqCounts,
}

/// What happened to the requests of one connection, since it was added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IqCounts {
    /// Requests that came in.
    pub received: u64,
    /// Answers that were written to the server, errors included.
    pub answered: u64,
    /// Requests refused because their sender is in none of the rooms.
    pub forbidden: u64,
    /// Requests that could not be parsed, or not answered for want of an id.
    pub malformed: u64,
    /// Requests refused because nobody here knows them.
    pub unsupported: u64,
    /// Requests refused because too many wait for their answer.
    pub overloaded: u64,
    /// Stanzas that were discarded for their size or depth.
    pub too_large: u64,
    /// Answers that were lost with the stream on which the request came in.
    pub answers_lost: u64,
    /// Requests that their handler gave up without an answer.
    pub unanswered: u64,
}

/// The counters behind [`IqCounts`].
#[derive(Debug, Default)]
pub(crate) struct IqCounters {
    pub(crate) received: Counter,
    pub(crate) answered: Counter,
    pub(crate) forbidden: Counter,
    pub(crate) malformed: Counter,
    pub(crate) unsupported: Counter,
    pub(crate) overloaded: Counter,
    pub(crate) too_large: Counter,
    pub(crate) answers_lost: Counter,
    pub(crate) unanswered: Counter,
}

impl IqCounters {
    pub(crate) fn snapshot(&self) -> IqCounts {
        IqCounts {
            received: self.received.value(),
            answered: self.answered.value(),
            forbidden: self.forbidden.value(),
            malformed: self.malformed.value(),
            unsupported: self.unsupported.value(),
            overloaded: self.overloaded.value(),
            too_large: self.too_large.value(),
            answers_lost: self.answers_lost.value(),
            unanswered: self.unanswered.value(),
        }
    }
}

/// A count that several threads add to. Nothing is ordered by it.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
