//! One conference: its endpoints, their sources, and the commands that keep the data plane in step
//! (JVB: `Conference`).

use crate::allocation::AllocationsDue;
use crate::counters::{ConferenceCounters, EntryCounts};
use crate::debug;
use crate::endpoint::Endpoint;
use crate::environment::ConferenceEnvironment;
use crate::error::RequestError;
use crate::index::NewConference;
use crate::limits::MAX_PENDING_MESSAGES;
use crate::random::{Random, ssrc_other_than};
use crate::sender_constraints::Senders;
use crate::sources::SourceIds;
use crate::speakers::Speakers;
use crate::timers::{Timer, Timers};
use crate::video_sources::VideoSources;
use bridge_media::{EndpointConnectivity, LastN};
use bridge_shard::{
    ConferenceSnapshot, SessionAction, SessionCommand, SessionEvent, ShardCommand,
    SourceDescription, StreamDescription,
};
use bridge_signaling::colibri2::{ConferenceModified, ConferenceModify};
use bridge_units::{EndpointId, SessionId, ShardId, SourceId, Timestamp};
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
    /// What the shards know of the streams.
    pub(crate) published: Option<Arc<ConferenceSnapshot>>,
    pub(crate) video: VideoSources,
    /// Of all receivers, as the bridge's load has it.
    pub(crate) bridge_last_n: LastN,
    pub(crate) speakers: Speakers,
    pub(crate) senders: Senders,
    pub(crate) connectivity: EndpointConnectivity<EndpointId>,
    /// Whose video is allocated anew before the current call returns.
    pub(crate) allocations_due: AllocationsDue,
    pub(crate) timers: Timers,
    commands: VecDeque<(Target, ShardCommand)>,
    pending_messages: usize,
    created: Timestamp,
    expired: bool,
}

/// Which shard a command is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Every shard; for what concerns a conference and not one session.
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
        let settings = &environment.settings;
        let mut timers = Timers::default();
        timers.set(Timer::Expiry, now + settings.expiry_check_interval);
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
            published: None,
            video: VideoSources::default(),
            bridge_last_n: settings.allocation.bridge_last_n,
            speakers: Speakers::new(settings),
            senders: Senders::default(),
            connectivity: EndpointConnectivity::new(settings.connectivity),
            allocations_due: AllocationsDue::default(),
            timers,
            commands: VecDeque::new(),
            pending_messages: 0,
            created: now,
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
        self.settle(now);
        answer
    }

    /// Takes in what a shard reports of a session. Events of sessions that have ended are ignored.
    pub fn handle_event(&mut self, now: Timestamp, event: SessionEvent) {
        match self.sessions.get(&event.session).cloned() {
            Some(id) => {
                self.handle_event_of(now, &id, event.kind);
                self.settle(now);
            }
            None => self.counters.stale_events += 1,
        }
    }

    /// To be called at [`Conference::poll_timeout`].
    pub fn handle_timeout(&mut self, now: Timestamp) {
        while let Some(timer) = self.timers.pop_due(now) {
            self.handle_timer(now, timer);
        }
        self.settle(now);
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
        self.timers.next()
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
            video_sources: self.video.len(),
            sender_constraints: self.senders.len(),
            mapped_ssrcs: self.endpoints.values().map(|e| e.source_maps.len()).sum(),
            speakers: self.speakers.len(),
            inactive: self.connectivity.inactive().count(),
            commands: self.commands.len(),
            timers: self.timers.len(),
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

    /// A source that is signalled.
    pub(crate) fn source(&self, id: SourceId) -> Option<Arc<SourceDescription>> {
        self.published.as_ref()?.source(id).cloned()
    }

    /// Queues an order for all shards.
    pub(crate) fn command_all(&mut self, command: ShardCommand) {
        self.commands.push_back((Target::AllShards, command));
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
        self.timers.clear_session(endpoint.session);
        self.remove_speaker(id);
        self.unwatch(id);
        self.senders.remove_receiver(id);
        self.streams_changed = true;
        self.counters.endpoints_expired += 1;
        true
    }

    fn expire(&mut self) {
        // Before the endpoints, so that nobody who is about to go is told who went before.
        self.speakers.clear(&self.environment.settings);
        while let Some(id) = self.endpoints.keys().next().cloned() {
            self.expire_endpoint(&id);
        }
        self.video.clear();
        self.senders = Senders::default();
        self.timers.clear_all();
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

    fn handle_timer(&mut self, now: Timestamp, timer: Timer) {
        match timer {
            Timer::Expiry => self.check_expiry(now),
            Timer::ChannelCheck(session) => self.check_channel(session),
            Timer::Connectivity => self.check_connectivity(now),
            Timer::SpeechActivity => self.check_speakers(now),
            Timer::Allocation(session) => self.allocate_again(session),
            Timer::ConnectionStats(session) => self.send_connection_stats(now, session),
            Timer::Keyframe(session) => self.request_keyframe(session),
        }
    }

    fn check_expiry(&mut self, now: Timestamp) {
        self.timers.set(Timer::Expiry, now + self.environment.settings.expiry_check_interval);
        if !self.endpoints.is_empty() {
            self.expire_due_endpoints(now);
        } else if now.since(self.created) > EMPTY_CONFERENCE_GRACE {
            self.expire();
        }
    }

    fn check_channel(&mut self, session: SessionId) {
        let endpoint = self.sessions.get(&session).and_then(|id| self.endpoints.get(id));
        if endpoint.is_some_and(|endpoint| !endpoint.progress.channel_open) {
            self.counters.no_message_transport_after_delay += 1;
        }
    }

    /// Tells shards and endpoints what the last call changed. However much that was, each receiver
    /// is allocated for at most once.
    fn settle(&mut self, now: Timestamp) {
        if self.expired {
            return;
        }
        if std::mem::take(&mut self.streams_changed) {
            self.publish();
            self.prune_source_maps();
            self.select_audio_for_all();
            self.refresh_video_sources();
            self.follow_loudest();
            self.refresh_heard();
        }
        self.allocate(now);
        self.tell_senders();
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
        self.senders.refresh(&snapshot);
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
            endpoint.sources.iter().map(move |source| source.description(&endpoint.id, owner, owns))
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
