//! One conference: its endpoints, their sources, and the commands that keep the data plane in step
//! (JVB: `Conference`).

use crate::debug;
use crate::endpoint::{DtlsState, Endpoint, IceState};
use crate::environment::ConferenceEnvironment;
use crate::error::RequestError;
use crate::index::NewConference;
use crate::limits::MAX_PENDING_MESSAGES;
use crate::random::{Random, ssrc_other_than};
use crate::sources::SourceIds;
use bridge_shard::{
    ConferenceSnapshot, SessionAction, SessionCommand, SessionEvent, SessionEventKind,
    ShardCommand, StreamDescription,
};
use bridge_signaling::colibri2::{ConferenceModified, ConferenceModify};
use bridge_units::{EndpointId, SessionId, ShardId, Timestamp};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// A conference, without queue, task or clock: the driver calls the `handle_*` functions one at a
/// time and drains [`Conference::poll_command`] after each.
pub struct Conference {
    pub(crate) identity: NewConference,
    pub(crate) environment: Arc<ConferenceEnvironment>,
    pub(crate) random: Random,
    pub(crate) endpoints: BTreeMap<EndpointId, Endpoint>,
    pub(crate) sessions: HashMap<SessionId, EndpointId>,
    /// Whose an SSRC is; the last endpoint that signalled it has it.
    pub(crate) ssrc_owners: HashMap<u32, SessionId>,
    pub(crate) feedback: FeedbackSsrcs,
    pub(crate) counters: ConferenceCounters,
    /// Set when streams may have changed, so that a request publishes at most once.
    pub(crate) streams_changed: bool,
    pub(crate) source_ids: SourceIds,
    /// Video sources that are forwarded, with their owners, as last announced.
    pub(crate) forwarded: BTreeMap<String, EndpointId>,
    published: Option<Arc<ConferenceSnapshot>>,
    commands: VecDeque<(Target, ShardCommand)>,
    pending_messages: usize,
    created: Timestamp,
    next_check: Timestamp,
    /// When to look whether a session has a bridge channel; in order, since the delay is constant.
    channel_checks: VecDeque<(Timestamp, SessionId)>,
    expired: bool,
}

/// Which shard a command is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Every shard; only for `SetConference` and `RemoveConference`.
    AllShards,
    /// The shard where the session is, as far as is known.
    Shard(ShardId),
}

/// The SSRCs with which the bridge signs its own RTCP, announced as `jvb-a0` and `jvb-v0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedbackSsrcs {
    /// Of `jvb-a0`.
    pub audio: u32,
    /// Of `jvb-v0`.
    pub video: u32,
}

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
    /// Events for sessions that do not exist (any more).
    pub stale_events: u64,
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
    /// Forwarded video sources.
    pub forwarded: usize,
    /// Commands not polled yet.
    pub commands: usize,
    /// Pending looks at bridge channels.
    pub channel_checks: usize,
}

impl Conference {
    /// An empty conference. `random` must be cryptographically secure.
    pub fn new(
        identity: NewConference,
        now: Timestamp,
        environment: Arc<ConferenceEnvironment>,
        mut random: Random,
    ) -> Self {
        let audio = ssrc_other_than(0, &mut random);
        let video = ssrc_other_than(audio, &mut random);
        Self {
            identity,
            random,
            endpoints: BTreeMap::new(),
            sessions: HashMap::new(),
            ssrc_owners: HashMap::new(),
            feedback: FeedbackSsrcs { audio, video },
            counters: ConferenceCounters::default(),
            streams_changed: false,
            source_ids: SourceIds::default(),
            forwarded: BTreeMap::new(),
            published: None,
            commands: VecDeque::new(),
            pending_messages: 0,
            created: now,
            next_check: now + environment.settings.expiry_check_interval,
            channel_checks: VecDeque::new(),
            expired: false,
            environment,
        }
    }

    /// Carries out a request that [`crate::ConferenceIndex::get_or_create`] directed here. The
    /// first error ends it; what was done before stays, as in JVB.
    ///
    /// If the conference [has expired](Self::is_expired) afterwards, the driver removes it from the
    /// index and then sends the answer.
    pub fn handle_request(
        &mut self,
        now: Timestamp,
        request: &ConferenceModify,
    ) -> Result<ConferenceModified, RequestError> {
        if self.expired {
            return Err(RequestError::ConferenceNotFound(request.meeting_id.clone()));
        }
        let answer = self.process(now, request);
        match &answer {
            Ok(_) => {
                let left_empty = !request.create && self.endpoints.is_empty();
                if request.expire || left_empty {
                    self.expire();
                }
            }
            Err(error) => {
                self.counters.requests_refused += 1;
                tracing::debug!(conference = %self.identity.local_id, %error, "request refused");
            }
        }
        self.settle();
        answer
    }

    /// Takes in what a shard reports of a session. Events of sessions that have ended are ignored.
    pub fn handle_event(&mut self, now: Timestamp, event: SessionEvent) {
        let known = self.sessions.get(&event.session).cloned();
        let Some(endpoint) = known.and_then(|id| self.endpoints.get_mut(&id)) else {
            self.counters.stale_events += 1;
            return;
        };
        let id = endpoint.id.clone();
        match event.kind {
            SessionEventKind::Moved(shard) => endpoint.move_to(shard),
            SessionEventKind::IceConnected { relayed } => {
                endpoint.progress.last_activity = Some(now);
                if endpoint.progress.ice == IceState::Checking {
                    self.counters.ice_succeeded += 1;
                    self.counters.ice_succeeded_relayed += u64::from(relayed);
                }
                endpoint.progress.ice = IceState::Connected { relayed };
            }
            SessionEventKind::IceFailed => {
                self.counters.ice_failed += u64::from(endpoint.progress.ice != IceState::Failed);
                endpoint.progress.ice = IceState::Failed;
            }
            SessionEventKind::DtlsConnected { version, profile } => {
                endpoint.progress.last_activity = Some(now);
                let (version, profile) = (format!("{version:?}"), format!("{profile:?}"));
                endpoint.progress.dtls = DtlsState::Connected { version, profile };
                if !std::mem::replace(&mut endpoint.progress.channel_awaited, true) {
                    self.channel_checks.push_back((now + CHANNEL_CHECK_DELAY, event.session));
                }
            }
            SessionEventKind::DtlsFailed => {
                self.counters.dtls_failed += 1;
                endpoint.progress.dtls = DtlsState::Failed;
            }
            SessionEventKind::Activity => endpoint.progress.last_activity = Some(now),
            SessionEventKind::ChannelOpened => self.handle_channel_opened(&id),
            SessionEventKind::ChannelClosed => endpoint.progress.channel_open = false,
            SessionEventKind::ChannelMessage(text) => self.handle_channel_message(&id, &text),
            // Allocation and speech activity take these.
            SessionEventKind::SourceLayers(..)
            | SessionEventKind::AudioLevels(_)
            | SessionEventKind::Estimate(_)
            | SessionEventKind::FirstVideoSent
            | SessionEventKind::RoundTrip(_)
            | SessionEventKind::SourcesMapped(..) => {}
            SessionEventKind::Crashed => {
                self.counters.sessions_crashed += 1;
                self.expire_endpoint(&id);
            }
        }
        self.settle();
    }

    /// To be called at [`Conference::poll_timeout`]: the periodic check and its like.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.check_channels(now);
        if !self.expired && now >= self.next_check {
            self.next_check = now + self.environment.settings.expiry_check_interval;
            if self.endpoints.is_empty() {
                if now.since(self.created) > EMPTY_CONFERENCE_GRACE {
                    self.expire();
                }
            } else {
                self.expire_due_endpoints(now);
            }
        }
        self.settle();
    }

    /// Ends the conference from outside, for example when its task met a bug.
    pub fn expire_now(&mut self) {
        self.expire();
    }

    /// The next command for the data plane. To be drained after every call.
    pub fn poll_command(&mut self) -> Option<(Target, ShardCommand)> {
        let next = self.commands.pop_front()?;
        self.pending_messages -= usize::from(is_message(&next.1));
        Some(next)
    }

    /// When to call [`Conference::handle_timeout`]; `None` after the end.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let channel_check = self.channel_checks.front().map(|&(at, _)| at);
        let check = (!self.expired).then_some(self.next_check)?;
        Some(channel_check.map_or(check, |at| at.min(check)))
    }

    /// Whether it has ended. It takes no requests any more; once its commands are drained it can be
    /// dropped.
    pub fn is_expired(&self) -> bool {
        self.expired
    }

    /// Who it is.
    pub fn identity(&self) -> &NewConference {
        &self.identity
    }

    /// The SSRCs of the bridge itself in this conference.
    pub fn feedback_ssrcs(&self) -> FeedbackSsrcs {
        self.feedback
    }

    /// How many local endpoints there are, visitors included.
    pub fn endpoint_count(&self) -> usize {
        self.endpoints.len()
    }

    /// How many of the local endpoints are visitors.
    pub fn visitor_count(&self) -> usize {
        self.endpoints.values().filter(|endpoint| endpoint.traits.visitor).count()
    }

    /// The ids of the local endpoints.
    pub fn endpoint_ids(&self) -> impl Iterator<Item = &EndpointId> {
        self.endpoints.keys()
    }

    /// The session of a local endpoint.
    pub fn session_of(&self, endpoint: &EndpointId) -> Option<SessionId> {
        Some(self.endpoints.get(endpoint)?.session)
    }

    /// What happened so far.
    pub fn counters(&self) -> &ConferenceCounters {
        &self.counters
    }

    /// What it holds, for tests that nothing is left behind.
    pub fn entry_counts(&self) -> EntryCounts {
        EntryCounts {
            endpoints: self.endpoints.len(),
            sessions: self.sessions.len(),
            ssrcs: self.ssrc_owners.len(),
            streams: self.published.as_ref().map_or(0, |snapshot| snapshot.streams.len()),
            forwarded: self.forwarded.len(),
            commands: self.commands.len(),
            channel_checks: self.channel_checks.len(),
        }
    }

    /// Everything, as `/debug/{conference}` shows it.
    pub fn debug_state(&self) -> serde_json::Value {
        debug::full(self)
    }

    /// Little, as `/debug` shows it for each conference.
    pub fn debug_summary(&self) -> serde_json::Value {
        debug::short(self)
    }

    /// Queues an order for the session of `id`, if that exists.
    pub(crate) fn command(&mut self, id: &EndpointId, action: SessionAction) {
        if let Some(endpoint) = self.endpoints.get_mut(id) {
            self.commands.push_back(endpoint.command(action));
        }
    }

    /// Queues a message for the bridge channel of `id`; false if too many are pending.
    pub(crate) fn queue_message(&mut self, id: &EndpointId, text: Arc<str>) -> bool {
        if self.pending_messages >= MAX_PENDING_MESSAGES {
            return false;
        }
        self.pending_messages += 1;
        self.command(id, SessionAction::SendMessage(text));
        true
    }

    /// Shards must know the conference before its first session.
    pub(crate) fn publish_first(&mut self) {
        if self.published.is_none() {
            self.publish();
        }
    }

    /// Ends one endpoint; whether there was one.
    pub(crate) fn expire_endpoint(&mut self, id: &EndpointId) -> bool {
        let Some(mut endpoint) = self.endpoints.remove(id) else { return false };
        self.commands.push_back(endpoint.command(SessionAction::Expire));
        self.sessions.remove(&endpoint.session);
        self.ssrc_owners.retain(|_, owner| *owner != endpoint.session);
        self.channel_checks.retain(|&(_, session)| session != endpoint.session);
        self.streams_changed = true;
        self.counters.endpoints_expired += 1;
        true
    }

    fn expire(&mut self) {
        while let Some(id) = self.endpoints.keys().next().cloned() {
            self.expire_endpoint(&id);
        }
        self.forwarded.clear();
        if self.published.take().is_some() {
            let gone = ShardCommand::RemoveConference(self.identity.id);
            self.commands.push_back((Target::AllShards, gone));
        }
        self.expired = true;
    }

    fn expire_due_endpoints(&mut self, now: Timestamp) {
        let timeout = self.environment.settings.inactivity_timeout;
        let due = |endpoint: &&Endpoint| endpoint.is_due(now, timeout);
        let ids: Vec<_> =
            self.endpoints.values().filter(due).map(|endpoint| endpoint.id.clone()).collect();
        for id in ids {
            self.expire_endpoint(&id);
            self.counters.endpoints_timed_out += 1;
        }
    }

    fn check_channels(&mut self, now: Timestamp) {
        while let Some(&(at, session)) = self.channel_checks.front()
            && at <= now
        {
            self.channel_checks.pop_front();
            let endpoint = self.sessions.get(&session).and_then(|id| self.endpoints.get(id));
            if endpoint.is_some_and(|endpoint| !endpoint.progress.channel_open) {
                self.counters.no_message_transport_after_delay += 1;
            }
        }
    }

    /// Tells shards and endpoints what the last call changed.
    fn settle(&mut self) {
        if self.expired || !std::mem::take(&mut self.streams_changed) {
            return;
        }
        self.publish();
        self.announce_forwarded_sources();
    }

    fn publish(&mut self) {
        let snapshot = self.snapshot();
        let unchanged = |old: &Arc<ConferenceSnapshot>| {
            old.streams == snapshot.streams && old.sources == snapshot.sources
        };
        if self.published.as_ref().is_some_and(unchanged) {
            return;
        }
        let snapshot = Arc::new(snapshot);
        self.published = Some(Arc::clone(&snapshot));
        self.commands.push_back((Target::AllShards, ShardCommand::SetConference(snapshot)));
    }

    fn snapshot(&self) -> ConferenceSnapshot {
        let owns = |owner| move |ssrc| self.ssrc_owners.get(&ssrc) == Some(&owner);
        let streams = self.endpoints.values().flat_map(|endpoint| {
            let (owner, owns) = (endpoint.session, owns(endpoint.session));
            let own = endpoint.sources.streams().filter(move |(ssrc, ..)| owns(*ssrc));
            own.map(move |(ssrc, source, role)| {
                let (source, media) = (source.id, source.media);
                (ssrc, StreamDescription { owner, source, media, role })
            })
        });
        let sources = self.endpoints.values().flat_map(|endpoint| {
            let (owner, owns) = (endpoint.session, owns(endpoint.session));
            endpoint
                .sources
                .iter()
                .map(move |source| source.description(&endpoint.id, owner, &owns))
        });
        let mut sources: Vec<_> = sources.collect();
        sources.sort_unstable_by_key(|source| source.id);
        ConferenceSnapshot {
            sources,
            conference: self.identity.id,
            local_video_ssrc: self.feedback.video,
            streams: streams.collect(),
        }
    }
}

impl Target {
    /// A second copy of `command` for another shard, for those that go to all; `None` for orders to
    /// one session.
    pub fn duplicate(command: &ShardCommand) -> Option<ShardCommand> {
        match command {
            ShardCommand::SetConference(snapshot) => {
                Some(ShardCommand::SetConference(Arc::clone(snapshot)))
            }
            ShardCommand::SetLoudest(id, sessions) => {
                Some(ShardCommand::SetLoudest(*id, sessions.clone()))
            }
            ShardCommand::RemoveConference(id) => Some(ShardCommand::RemoveConference(*id)),
            ShardCommand::Session(_) => None,
        }
    }
}

fn is_message(command: &ShardCommand) -> bool {
    matches!(
        command,
        ShardCommand::Session(SessionCommand { action: SessionAction::SendMessage(_), .. })
    )
}

/// How long a conference may be without endpoints before the periodic check ends it. In JVB
/// `Conference.shouldExpire`.
const EMPTY_CONFERENCE_GRACE: Duration = Duration::from_secs(20);

/// When an endpoint without bridge channel is counted (JVB: `Endpoint`, 30 s after DTLS).
const CHANNEL_CHECK_DELAY: Duration = Duration::from_secs(30);
