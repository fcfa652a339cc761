//! The control plane at work: which conferences there are, who gets a request, an event, a command
//! (JVB: `Videobridge`).

use crate::conference_task::{
    self, CONFERENCE_QUEUE_LIMIT, ConferenceInput, ConferenceSender, Reply,
};
use crate::totals::Totals;
use bridge_conference::{
    Conference, ConferenceEnvironment, ConferenceIndex, CurrentCertificate, LastN, Random,
    ShutdownTimes, Target,
};
use bridge_io::Clock;
use bridge_shard::{EventSink, SessionEvent, ShardCommand, ShardGroup};
use bridge_signaling::colibri2::ConferenceModify;
use bridge_signaling::{ErrorAnswer, StanzaErrorCondition};
use bridge_units::{ConferenceId, ShardId, Timestamp};
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// Events of all shards that wait for their conference's task: a second of a full bridge's activity.
const EVENT_QUEUE_LIMIT: usize = 65_536;

/// How long conferences may take to tell what they send.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// All conferences and the way to the shards. Everything that speaks colibri2 comes here.
pub struct Videobridge {
    index: Mutex<ConferenceIndex<ConferenceSender>>,
    environment: Arc<ConferenceEnvironment>,
    group: Arc<ShardGroup>,
    clock: Clock,
    runtime: tokio::runtime::Handle,
    pub(crate) totals: Totals,
    /// Of all receivers; follows the load.
    last_n: watch::Sender<LastN>,
    /// Rises with each change of what the presence must tell at once.
    state_changed: watch::Sender<u64>,
}

/// Takes the shards' events into the runtime without ever blocking a shard.
pub struct EventQueue {
    sender: mpsc::Sender<SessionEvent>,
}

impl EventQueue {
    /// The queue and its other end.
    pub fn new() -> (Arc<Self>, mpsc::Receiver<SessionEvent>) {
        let (sender, receiver) = mpsc::channel(EVENT_QUEUE_LIMIT);
        (Arc::new(Self { sender }), receiver)
    }
}

impl EventSink for EventQueue {
    fn event(&self, event: SessionEvent) -> Result<(), SessionEvent> {
        self.sender.try_send(event).map_err(mpsc::error::TrySendError::into_inner)
    }
}

impl Videobridge {
    /// A bridge without conferences. Must be called within the runtime that is to run them.
    pub fn new(
        environment: ConferenceEnvironment,
        group: Arc<ShardGroup>,
        clock: Clock,
        times: ShutdownTimes,
        drain: bool,
    ) -> Arc<Self> {
        let last_n = environment.settings.allocation.bridge_last_n;
        Arc::new(Self {
            last_n: watch::Sender::new(last_n),
            index: Mutex::new(ConferenceIndex::new(times, drain, secure_random())),
            environment: Arc::new(environment),
            group,
            clock,
            runtime: tokio::runtime::Handle::current(),
            totals: Totals::default(),
            state_changed: watch::Sender::new(0),
        })
    }

    /// The process's time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Hands a request to its conference; `reply` is called from any thread, soon or later.
    /// Requests for one conference take effect in the order of the calls.
    pub fn conference_modify(self: &Arc<Self>, request: ConferenceModify, reply: Reply) {
        self.totals.requests.add(1);
        let found = {
            let mut index = self.index();
            let found = index.get_or_create(&request, |new| self.start_conference(new)).cloned();
            found.map_err(|error| error.to_error_answer())
        };
        match found {
            Err(error) => {
                self.totals.requests_refused.add(1);
                reply(Err(error));
            }
            Ok(conference) => {
                let input = ConferenceInput::Request(Box::new(request), reply);
                if let Err(refused) = conference.try_send(input) {
                    self.refuse(refused.into_inner());
                }
            }
        }
    }

    /// Whether a conference with this meeting id exists.
    pub fn conference_exists(&self, meeting_id: &str) -> bool {
        self.index().by_meeting_id(meeting_id).is_some()
    }

    /// Passes the shards' events on to their conferences, until the shards are gone.
    pub async fn dispatch_events(self: Arc<Self>, mut events: mpsc::Receiver<SessionEvent>) {
        while let Some(event) = events.recv().await {
            let conference = self.index().get(event.conference).cloned();
            let Some(conference) = conference else { continue };
            if conference.try_send(ConferenceInput::Event(event)).is_err() {
                self.totals.events_dropped.add(1);
            }
        }
    }

    /// All conferences' senders, for debug output.
    pub(crate) fn conferences(&self) -> Vec<(String, ConferenceSender)> {
        self.index().iter().map(|(new, sender)| (new.local_id.clone(), sender.clone())).collect()
    }

    /// A conference's sender by its local id or its meeting id.
    pub(crate) fn conference(&self, id: &str) -> Option<ConferenceSender> {
        let index = self.index();
        let found = index.by_local_id(id).or_else(|| index.by_meeting_id(id));
        found.map(|(_, sender)| sender.clone())
    }

    /// Which conferences there are, and the state of the bridge's end.
    pub(crate) fn index(&self) -> MutexGuard<'_, ConferenceIndex<ConferenceSender>> {
        // A panic while it is held would be a bug of a look-up; the maps stay usable.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many video sources any receiver gets.
    pub(crate) fn last_n(&self) -> LastN {
        *self.last_n.borrow()
    }

    /// Limits what all receivers get from now on.
    pub(crate) fn set_last_n(&self, last_n: LastN) {
        self.last_n.send_replace(last_n);
    }

    /// Resolves with each change of [`Self::last_n`].
    pub(crate) fn last_n_changes(&self) -> watch::Receiver<LastN> {
        self.last_n.subscribe()
    }

    /// How many video sources that endpoint of all conferences gets which gets most; `None` without
    /// endpoints. A conference that does not answer in time does not count.
    pub(crate) async fn most_forwarded_sources(&self) -> Option<usize> {
        let ask = |(_, conference): (String, ConferenceSender)| {
            let (reply, answer) = oneshot::channel();
            conference.try_send(ConferenceInput::MostForwarded(reply)).ok().map(|()| answer)
        };
        let answers: Vec<_> = self.conferences().into_iter().filter_map(ask).collect();
        let mut limit = pin!(tokio::time::sleep(ANSWER_LIMIT));
        let mut most = None;
        for mut answer in answers {
            if limit.is_elapsed() {
                most = most.max(answer.try_recv().ok().flatten());
                continue;
            }
            tokio::select! {
                told = &mut answer => most = most.max(told.ok().flatten()),
                () = &mut limit => {}
            }
        }
        most
    }

    /// The certificate of new sessions.
    pub(crate) fn certificates(&self) -> &CurrentCertificate {
        &self.environment.certificate
    }

    /// The shards.
    pub(crate) fn group(&self) -> &Arc<ShardGroup> {
        &self.group
    }

    /// Tells whoever publishes the state that it changed.
    pub(crate) fn note_state_change(&self) {
        self.state_changed.send_modify(|count| *count += 1);
    }

    /// Resolves with each change of the state.
    pub(crate) fn state_changes(&self) -> watch::Receiver<u64> {
        self.state_changed.subscribe()
    }

    pub(crate) fn note_panic(&self) {
        self.totals.panics.add(1);
    }

    /// Waits until `deadline`, for ever if there is none.
    pub(crate) fn sleep_until(
        &self,
        deadline: Option<Timestamp>,
    ) -> impl Future<Output = ()> + Send + use<> {
        let wait = deadline.map(|deadline| deadline.since(self.now()));
        async move {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        }
    }

    /// Gives a command to the shard or shards that it is for.
    pub(crate) fn command(&self, target: Target, command: ShardCommand) {
        match target {
            Target::Shard(shard) => self.command_to(shard, command),
            Target::AllShards => {
                for shard in (0..).map(ShardId).take(self.group.inboxes().len()) {
                    if let Some(copy) = copy_for_all(&command) {
                        self.command_to(shard, copy);
                    }
                }
            }
        }
    }

    /// Keeps the bridge-wide sums up to date with a conference that has just done something.
    pub(crate) fn note_conference(&self, conference: &mut Conference) {
        let count = conference.endpoint_count();
        self.index().set_endpoint_count(self.now(), conference.identity().id, count);
        self.totals.note_conference(conference.identity().id, conference.counters());
    }

    /// Forgets a conference; repeated calls do nothing.
    pub(crate) fn conference_ended(&self, id: ConferenceId) {
        if self.index().remove(self.now(), id).is_some() {
            self.totals.conferences_completed.add(1);
        }
        self.totals.forget_conference(id);
    }

    fn start_conference(
        self: &Arc<Self>,
        new: &bridge_conference::NewConference,
    ) -> ConferenceSender {
        self.totals.conferences_created.add(1);
        let (sender, inputs) = mpsc::channel(CONFERENCE_QUEUE_LIMIT);
        let environment = Arc::clone(&self.environment);
        let conference = Conference::new(new.clone(), self.now(), environment, secure_random());
        self.runtime.spawn(conference_task::run(Arc::clone(self), conference, inputs));
        sender
    }

    /// A conference whose queue is full or that is just ending.
    fn refuse(&self, input: ConferenceInput) {
        self.totals.requests_refused.add(1);
        if let ConferenceInput::Request(_, reply) = input {
            let answer = ErrorAnswer::new(StanzaErrorCondition::ServiceUnavailable)
                .with_text("The conference cannot take more requests now");
            reply(Err(answer));
        }
    }

    fn command_to(&self, shard: ShardId, command: ShardCommand) {
        let refused = self.group.inbox(shard).is_none_or(|inbox| inbox.command(command).is_err());
        if refused {
            self.totals.commands_dropped.add(1);
            tracing::error!(shard = shard.0, "a shard does not keep up: a command is lost");
        }
    }
}

/// The process's cryptographically secure generator.
pub(crate) fn secure_random() -> Random {
    Box::new(|bytes| {
        aws_lc_rs::rand::fill(bytes).expect("the system's generator works once it is seeded");
    })
}

/// The commands that are for all shards can be copied; those for one session cannot.
fn copy_for_all(command: &ShardCommand) -> Option<ShardCommand> {
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
