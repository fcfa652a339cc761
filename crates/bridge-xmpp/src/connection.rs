use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bridge_signaling::colibri2::ConferenceModify;
use bridge_signaling::{StanzaErrorCondition, presence};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{
    Instant, Interval, MissedTickBehavior, interval_at, sleep, sleep_until, timeout_at,
};
use tokio_rustls::TlsConnector;
use xmpp_parsers::minidom::Element;

use crate::backoff::Backoff;
use crate::connections::{PresenceSource, Statistics};
use crate::disco::Disco;
use crate::dispatch::{Clock, Dispatched, Dispatcher};
use crate::iq::{self, Iq, IqHeader};
use crate::login::{LoginError, log_in};
use crate::reply::{MAX_PENDING_IQS, Outgoing, PendingIq, ReplySender};
use crate::room::Change;
use crate::rooms::{RoomSteps, Rooms};
use crate::session::{Event, Item, Session, SessionError};
use crate::status::IqCounters;
use crate::stream_management::StreamManagement;
use crate::{ConnectionSettings, ConnectionStatus, RequestHandler, tls, xml};

/// One connection: connects, serves, connects again.
pub(crate) struct Connection {
    settings: ConnectionSettings,
    presence: PresenceSource,
    status: watch::Sender<ConnectionStatus>,
    counters: Arc<IqCounters>,
    disco: Arc<Disco>,
    dispatcher: Dispatcher,
    rooms: Rooms,
    backoff: Backoff,
    /// Counts the sessions. Answers to requests of an earlier one are not sent.
    epoch: u64,
    /// What the statistics said last of the state that peers act upon.
    announced: Vec<Option<String>>,
    last_answer: Instant,
    permits: Arc<Semaphore>,
    answers: mpsc::Receiver<Outgoing>,
    answer_sender: mpsc::Sender<Outgoing>,
    conferences: mpsc::Sender<(PendingIq, Element)>,
}

/// Why the task goes on.
enum Woken {
    Stop,
    Received(Item),
    Answer(Outgoing),
    Publish,
    StatisticsChanged,
    RoomDeadline,
}

/// How serving a session ended.
enum Ended {
    Stopped,
    Lost(Option<StreamManagement>),
}

impl Connection {
    /// A connection that was not started. Must be called within a tokio runtime.
    pub(crate) fn new(
        settings: ConnectionSettings,
        handler: Arc<dyn RequestHandler>,
        presence: PresenceSource,
        status: watch::Sender<ConnectionStatus>,
        counters: Arc<IqCounters>,
    ) -> Self {
        let disco = Arc::new(Disco::new());
        let (answer_sender, answers) = mpsc::channel(MAX_PENDING_IQS);
        let (conferences, requests) = mpsc::channel(MAX_PENDING_IQS);
        tokio::spawn(hand_over(Arc::clone(&handler), requests));
        let dispatcher =
            Dispatcher::new(&settings.muc_jids, handler, Arc::clone(&disco), Arc::clone(&counters));
        Self {
            rooms: Rooms::new(&settings.muc_jids, &settings.muc_nickname, disco.caps()),
            settings,
            presence,
            status,
            counters,
            disco,
            dispatcher,
            backoff: Backoff::new(FIRST_RETRY, LONGEST_RETRY),
            epoch: 0,
            announced: Vec::new(),
            last_answer: Instant::now(),
            permits: Arc::new(Semaphore::new(MAX_PENDING_IQS)),
            answers,
            answer_sender,
            conferences,
        }
    }

    /// Runs until `stop` is true or its sender gone.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let Some(tls) = self.tls().await else { return };
        let mut previous = None;
        loop {
            let attempt = tokio::select! {
                () = stopped(&mut stop) => break,
                attempt = establish(&self.settings, &tls, previous.take()) => attempt,
            };
            match attempt {
                Ok((session, resumed)) => {
                    let since = Instant::now();
                    let Ended::Lost(management) = self.serve(session, resumed, &mut stop).await
                    else {
                        break;
                    };
                    // A server that lets everybody in and then throws them out is not to be
                    // asked again at once.
                    if since.elapsed() >= STABLE_AFTER {
                        self.backoff.reset();
                    }
                    previous = management;
                }
                Err(error) => self.note_failure(&error.to_string()),
            }
            tokio::select! {
                () = stopped(&mut stop) => break,
                () = sleep(self.backoff.next_pause(random())) => {}
            }
        }
        self.status.send_modify(|status| {
            status.connected = false;
            status.mucs_joined = 0;
        });
        tracing::info!(connection = %self.id(), "XMPP connection ended");
    }

    /// Reads the system's certificates, which blocks.
    async fn tls(&self) -> Option<TlsConnector> {
        let accept_any = self.settings.disable_certificate_verification;
        match tokio::task::spawn_blocking(move || tls::connector(accept_any)).await {
            Ok(Ok(tls)) => Some(tls),
            Ok(Err(error)) => {
                self.note_failure(&error.to_string());
                None
            }
            Err(_) => None,
        }
    }

    async fn serve(
        &mut self,
        mut session: Session,
        resumed: bool,
        stop: &mut watch::Receiver<bool>,
    ) -> Ended {
        let mut schedule =
            interval_at(Instant::now() + self.presence.interval, self.presence.interval);
        schedule.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.note_established(resumed);
        let mut result = if resumed { Ok(()) } else { self.enter(&mut session).await };
        while result.is_ok() {
            result = match self.wait(&mut session, &mut schedule, stop).await {
                Woken::Stop => {
                    self.leave(session).await;
                    return Ended::Stopped;
                }
                woken => self.handle(woken, &mut session).await,
            };
            if result.is_ok() {
                result = session.flush().await;
            }
        }
        let Err(error) = result else { return Ended::Stopped };
        self.note_lost(&error.to_string());
        Ended::Lost(session.end(&error).await)
    }

    async fn wait(
        &mut self,
        session: &mut Session,
        schedule: &mut Interval,
        stop: &mut watch::Receiver<bool>,
    ) -> Woken {
        let deadline = self.rooms.deadline();
        tokio::select! {
            () = stopped(stop) => Woken::Stop,
            item = session.next() => Woken::Received(item),
            Some(answer) = self.answers.recv() => Woken::Answer(answer),
            _ = schedule.tick() => Woken::Publish,
            Ok(()) = self.presence.statistics.changed() => Woken::StatisticsChanged,
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                Woken::RoomDeadline
            }
        }
    }

    async fn handle(&mut self, woken: Woken, session: &mut Session) -> Result<(), SessionError> {
        match woken {
            Woken::Stop => Ok(()),
            Woken::Received(item) => match session.accept(item).await? {
                Some(event) => self.handle_event(event, session).await,
                None => Ok(()),
            },
            Woken::Answer(answer) => self.send_answers(answer, session).await,
            Woken::Publish => self.publish(session).await,
            Woken::StatisticsChanged if self.is_urgent() => self.publish(session).await,
            Woken::StatisticsChanged => Ok(()),
            Woken::RoomDeadline => {
                let steps = self.rooms.handle_timeout(Instant::now(), random());
                self.follow(steps, session).await
            }
        }
    }

    async fn handle_event(
        &mut self,
        event: Event,
        session: &mut Session,
    ) -> Result<(), SessionError> {
        match event {
            Event::Quiet => session.send(&self.ping()).await,
            Event::TooLarge(header) => {
                self.counters.too_large.add_one();
                tracing::debug!(connection = %self.id(), stanza = header.name(), "Stanza too large");
                match iq::header(&header).filter(|_| header.name() == "iq") {
                    Some(header) => self.refuse(&header, session).await,
                    None => Ok(()),
                }
            }
            Event::Stanza(presence) if presence.name() == "presence" => {
                let steps = self.rooms.handle_presence(Instant::now(), &presence, random());
                self.follow(steps, session).await
            }
            Event::Stanza(iq) if iq.name() == "iq" => self.handle_iq(iq, session).await,
            Event::Stanza(_) => Ok(()),
        }
    }

    async fn handle_iq(&mut self, iq: Element, session: &mut Session) -> Result<(), SessionError> {
        match Iq::from_element(iq) {
            Iq::Request { header, is_get, payload } => {
                self.counters.received.add_one();
                let clock = Clock { idle: self.last_answer.elapsed(), now: time_of_day() };
                match self.dispatcher.dispatch(header, is_get, payload, clock) {
                    Dispatched::Answer(answer) => self.answer(&answer, session).await,
                    Dispatched::Conference { header, payload } => {
                        self.take_conference(header, payload, session).await
                    }
                }
            }
            Iq::Response(iq) => {
                let steps = self.rooms.handle_response(Instant::now(), &iq, random());
                self.follow(steps, session).await
            }
            Iq::Faulty(header) => {
                self.counters.received.add_one();
                self.refuse(&header, session).await
            }
            Iq::Unanswerable => {
                self.counters.received.add_one();
                self.counters.malformed.add_one();
                Ok(())
            }
        }
    }

    /// Puts a colibri2 request in the queue to the handler.
    async fn take_conference(
        &mut self,
        header: IqHeader,
        payload: Element,
        session: &mut Session,
    ) -> Result<(), SessionError> {
        let permit = Arc::clone(&self.permits).try_acquire_owned();
        let (Ok(permit), Ok(place)) = (permit, self.conferences.try_reserve()) else {
            self.counters.overloaded.add_one();
            let answer = header.refusal(StanzaErrorCondition::ServiceUnavailable);
            return self.answer(&answer, session).await;
        };
        let pending = PendingIq {
            header,
            epoch: self.epoch,
            outgoing: self.answer_sender.clone(),
            counters: Arc::clone(&self.counters),
            permit: Some(permit),
        };
        place.send((pending, payload));
        Ok(())
    }

    /// Refuses a request that breaks the rules of the protocol.
    async fn refuse(
        &mut self,
        header: &IqHeader,
        session: &mut Session,
    ) -> Result<(), SessionError> {
        self.counters.malformed.add_one();
        self.answer(&header.refusal(StanzaErrorCondition::BadRequest), session).await
    }

    /// Sends an answer and those that are waiting behind it.
    async fn send_answers(
        &mut self,
        first: Outgoing,
        session: &mut Session,
    ) -> Result<(), SessionError> {
        let mut next = Some(first);
        for _ in 0..MAX_ANSWERS_AT_ONCE {
            let Some(outgoing) = next.take() else { break };
            if outgoing.epoch == self.epoch {
                self.answer(&outgoing.answer, session).await?;
            } else {
                self.counters.answers_lost.add_one();
            }
            drop(outgoing);
            next = self.answers.try_recv().ok();
        }
        match next {
            Some(outgoing) if outgoing.epoch == self.epoch => {
                self.answer(&outgoing.answer, session).await
            }
            Some(_) => {
                self.counters.answers_lost.add_one();
                Ok(())
            }
            None => Ok(()),
        }
    }

    async fn answer(
        &mut self,
        answer: &Element,
        session: &mut Session,
    ) -> Result<(), SessionError> {
        session.send(answer).await?;
        self.counters.answered.add_one();
        self.last_answer = Instant::now();
        Ok(())
    }

    /// A new session: shows up at the server and in the rooms.
    async fn enter(&mut self, session: &mut Session) -> Result<(), SessionError> {
        let available =
            xml::with_child(xml::element("presence", xml::CLIENT, &[]), self.disco.caps());
        session.send(&available).await?;
        for join in self.rooms.join(Instant::now()) {
            session.send(&join).await?;
        }
        session.flush().await
    }

    /// Sends what the rooms ask for, and acts upon what changed in them.
    async fn follow(
        &mut self,
        steps: RoomSteps,
        session: &mut Session,
    ) -> Result<(), SessionError> {
        for stanza in &steps.send {
            session.send(stanza).await?;
        }
        let joined = self.rooms.joined();
        self.status.send_if_modified(|status| {
            let changed = status.mucs_joined != joined;
            status.mucs_joined = joined;
            changed
        });
        for change in steps.changes {
            match change.change {
                Change::Joined => {
                    tracing::info!(connection = %self.id(), room = change.jid, "Joined room");
                    self.publish(session).await?;
                }
                Change::Out(reason) => {
                    tracing::warn!(connection = %self.id(), room = change.jid, reason, "Not in room");
                }
            }
        }
        Ok(())
    }

    /// Sends the statistics to all rooms that are joined.
    async fn publish(&mut self, session: &mut Session) -> Result<(), SessionError> {
        let statistics = Arc::clone(&self.presence.statistics.borrow_and_update());
        if statistics.is_empty() {
            return Ok(());
        }
        let element = presence::stats(statistics.pairs());
        for presence in self.rooms.publish(&element) {
            session.send(&presence).await?;
        }
        self.announced = urgent(&statistics);
        Ok(())
    }

    /// Whether the statistics say something else of the bridge's state than the last presence.
    ///
    /// Differs from JVB, where such a change waits for the next scheduled presence.
    fn is_urgent(&self) -> bool {
        urgent(&self.presence.statistics.borrow()) != self.announced
    }

    /// Asks the server for a sign of life (XEP-0199). What it answers does not matter.
    fn ping(&self) -> Element {
        let domain = self.settings.effective_domain();
        let iq =
            xml::element("iq", xml::CLIENT, &[("type", "get"), ("id", "ping"), ("to", domain)]);
        xml::with_child(iq, xml::element("ping", xml::PING, &[]))
    }

    /// Sends what is left, leaves the rooms and closes the stream.
    async fn leave(&mut self, mut session: Session) {
        let deadline = Instant::now() + LEAVE_TIMEOUT;
        drop(timeout_at(deadline, self.take_leave(&mut session)).await);
        session.close().await;
    }

    async fn take_leave(&mut self, session: &mut Session) -> Result<(), SessionError> {
        while let Ok(outgoing) = self.answers.try_recv() {
            self.send_answers(outgoing, session).await?;
        }
        let leaves = self.rooms.leave();
        let mut left: Vec<String> = Vec::with_capacity(leaves.len());
        for leave in &leaves {
            session.send(leave).await?;
            left.extend(leave.attr("to").map(str::to_lowercase));
        }
        session.flush().await?;
        while !left.is_empty() {
            let item = session.next().await;
            let Some(Event::Stanza(stanza)) = session.accept(item).await? else { continue };
            let from = stanza.attr("from").map(str::to_lowercase);
            if stanza.name() == "presence" && stanza.attr("type").is_some() {
                left.retain(|occupant| Some(occupant) != from.as_ref());
            }
        }
        Ok(())
    }

    fn note_established(&mut self, resumed: bool) {
        if !resumed {
            self.epoch += 1;
            self.rooms.reset();
        }
        let joined = self.rooms.joined();
        self.status.send_modify(|status| {
            status.connected = true;
            status.logins += u64::from(!resumed);
            status.mucs_joined = joined;
            status.last_error = None;
        });
        tracing::info!(connection = %self.id(), resumed, "XMPP connected");
    }

    fn note_lost(&self, cause: &str) {
        self.status.send_modify(|status| {
            status.connected = false;
            status.mucs_joined = 0;
            status.disconnects += 1;
            status.last_error = Some(cause.to_owned());
        });
        tracing::warn!(connection = %self.id(), cause, "XMPP disconnected");
    }

    /// Logged once for each cause in a row.
    fn note_failure(&self, cause: &str) {
        let is_news = self.status.send_if_modified(|status| {
            let is_news = status.last_error.as_deref() != Some(cause);
            status.last_error = Some(cause.to_owned());
            is_news
        });
        if is_news {
            tracing::warn!(connection = %self.id(), cause, "XMPP connection failed, trying again");
        } else {
            tracing::debug!(connection = %self.id(), cause, "XMPP connection failed again");
        }
    }

    fn id(&self) -> String {
        self.status.borrow().id.clone()
    }
}

async fn establish(
    settings: &ConnectionSettings,
    tls: &TlsConnector,
    previous: Option<StreamManagement>,
) -> Result<(Session, bool), LoginError> {
    let (features, stream) = log_in(settings, tls).await?;
    Session::start(&features, stream, settings.resource.as_deref(), previous).await
}

/// Parses colibri2 requests and hands them to the handler, in order and off the reading task.
async fn hand_over(
    handler: Arc<dyn RequestHandler>,
    mut requests: mpsc::Receiver<(PendingIq, Element)>,
) {
    while let Some((pending, payload)) = requests.recv().await {
        match ConferenceModify::from_element(&payload) {
            Ok(request) => handler.conference_modify(request, ReplySender::new(pending)),
            Err(error) => {
                pending.counters.malformed.add_one();
                let answer = pending.header.error(&error.to_error_answer());
                pending.send(answer);
            }
        }
    }
}

/// Returns when the connection is to end.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // The sender only goes away with the connection's owner: then it is to end as well.
    drop(stop.wait_for(|&stop| stop).await);
}

/// The values of [`URGENT`].
fn urgent(statistics: &Statistics) -> Vec<Option<String>> {
    URGENT.iter().map(|&name| statistics.value(name).map(str::to_owned)).collect()
}

/// Evenly distributed, for jitter only: the standard library seeds each of these hashers.
fn random() -> u64 {
    RandomState::new().hash_one(0)
}

/// The only place where this crate reads the time of day.
#[expect(clippy::disallowed_methods, reason = "a driver; asked for by XEP-0202")]
fn time_of_day() -> SystemTime {
    SystemTime::now()
}

/// JVB tries again every 5 s, and every second after an established connection was lost. The
/// pauses here start with the one and end with the other.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(5);
/// A connection that lasted so long makes the pauses start over.
const STABLE_AFTER: Duration = Duration::from_secs(10);
/// For all rooms to confirm that they were left. JVB waits as long for each.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);
/// Answers written in one go, before something else gets its turn.
const MAX_ANSWERS_AT_ONCE: usize = 64;
/// Statistics that Jicofo acts upon at once.
const URGENT: [&str; 4] = ["drain", "graceful_shutdown", "healthy", "shutting_down"];
