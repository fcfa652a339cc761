//! What a conference counts.

/// What happened so far; only grows. A driver adds it up when it reads it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConferenceCounters {
    /// Endpoints created.
    pub endpoints_created: u64,
    /// Endpoints ended, for any reason.
    pub endpoints_expired: u64,
    /// Endpoints ended by the periodic check.
    pub endpoints_timed_out: u64,
    /// Sessions lost to a bug on their shard.
    pub sessions_crashed: u64,
    /// Endpoints whose ICE succeeded for the first time.
    pub ice_succeeded: u64,
    /// Those of them whose remote candidate was relayed.
    pub ice_succeeded_relayed: u64,
    /// Endpoints whose ICE failed.
    pub ice_failed: u64,
    /// Endpoints whose DTLS failed.
    pub dtls_failed: u64,
    /// Requests refused.
    pub requests_refused: u64,
    /// Endpoints without bridge channel 30 s after DTLS was up.
    pub no_message_transport_after_delay: u64,
    /// Bridge channel messages read.
    pub messages_received: u64,
    /// Bridge channel messages of an unknown class.
    pub messages_unknown_class: u64,
    /// Bridge channel messages that could not be read for another reason.
    pub messages_malformed: u64,
    /// Messages that were read but do not come from clients, or come from visitors, or go to
    /// nobody.
    pub messages_ignored: u64,
    /// Bridge channel messages handed to the data plane.
    pub messages_sent: u64,
    /// Those not sent since the endpoint has no channel or too much is pending.
    pub messages_dropped: u64,
    /// SSRCs taken over from another endpoint.
    pub ssrcs_taken_over: u64,
    /// Sources left out since they were over a limit.
    pub sources_refused: u64,
    /// Events for sessions or sources that do not exist (any more).
    pub stale_events: u64,
    /// Video sources that were not considered since there are too many.
    pub sources_not_considered: u64,
    /// Changes of the dominant speaker, but not into silence.
    pub dominant_speaker_changes: u64,
    /// Speaker changes at which a key frame was asked for in advance.
    pub preemptive_keyframes_sent: u64,
    /// Those at which nobody would have shown it large.
    pub preemptive_keyframes_suppressed: u64,
    /// Endpoints that were active and fell silent.
    pub endpoints_disconnected: u64,
    /// Silent endpoints that came back.
    pub endpoints_reconnected: u64,
    /// Runs of bandwidth allocation, one a receiver.
    pub allocations: u64,
}

impl std::ops::AddAssign for ConferenceCounters {
    fn add_assign(&mut self, other: Self) {
        self.endpoints_created += other.endpoints_created;
        self.endpoints_expired += other.endpoints_expired;
        self.endpoints_timed_out += other.endpoints_timed_out;
        self.sessions_crashed += other.sessions_crashed;
        self.ice_succeeded += other.ice_succeeded;
        self.ice_succeeded_relayed += other.ice_succeeded_relayed;
        self.ice_failed += other.ice_failed;
        self.dtls_failed += other.dtls_failed;
        self.requests_refused += other.requests_refused;
        self.no_message_transport_after_delay += other.no_message_transport_after_delay;
        self.messages_received += other.messages_received;
        self.messages_unknown_class += other.messages_unknown_class;
        self.messages_malformed += other.messages_malformed;
        self.messages_ignored += other.messages_ignored;
        self.messages_sent += other.messages_sent;
        self.messages_dropped += other.messages_dropped;
        self.ssrcs_taken_over += other.ssrcs_taken_over;
        self.sources_refused += other.sources_refused;
        self.stale_events += other.stale_events;
        self.sources_not_considered += other.sources_not_considered;
        self.dominant_speaker_changes += other.dominant_speaker_changes;
        self.preemptive_keyframes_sent += other.preemptive_keyframes_sent;
        self.preemptive_keyframes_suppressed += other.preemptive_keyframes_suppressed;
        self.endpoints_disconnected += other.endpoints_disconnected;
        self.endpoints_reconnected += other.endpoints_reconnected;
        self.allocations += other.allocations;
    }
}

/// How many entries each of the maps and queues has; all zero after the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntryCounts {
    /// Endpoints.
    pub endpoints: usize,
    /// Sessions.
    pub sessions: usize,
    /// SSRCs with an owner.
    pub ssrcs: usize,
    /// Streams in the published snapshot.
    pub streams: usize,
    /// Video sources that receivers may get.
    pub video_sources: usize,
    /// What owners of sources have been told to send, and for whom.
    pub sender_constraints: usize,
    /// SSRCs of the bridge's choice, over all receivers.
    pub mapped_ssrcs: usize,
    /// Endpoints that are known to speech activity.
    pub speakers: usize,
    /// Endpoints that fell silent.
    pub inactive: usize,
    /// Commands not polled yet.
    pub commands: usize,
    /// Times waited for.
    pub timers: usize,
}
