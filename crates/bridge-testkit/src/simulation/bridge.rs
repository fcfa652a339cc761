//! The bridge of a simulation: real shards and the real conference engine, driven in virtual time.

use super::random::SimulationRandom;
use bridge_conference::{
    Conference, ConferenceEnvironment, ConferenceIndex, ConferenceSettings, CurrentCertificate,
    LocalAddresses, Placement, SessionIds, ShutdownTimes, Target,
};
use bridge_dtls::{Certificate, DtlsContext, DtlsSettings};
use bridge_media::{AllocationConfig, LastN, RedConfig};
use bridge_metrics::ShardCounters;
use bridge_shard::{
    EgressSink, EventSink, Inbox, MediaSettings, Run, SendOutcome, SessionEvent, SessionEventKind,
    Shard, ShardCommand, ShardGroup, ShardSettings, ShardWaker, SsrcLimits,
};
use bridge_signaling::colibri2::{ConferenceModified, ConferenceModify};
use bridge_transport::{IceSettings, TransportContext};
use bridge_units::{Bitrate, EndpointId, SessionId, ShardId, Timestamp};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Shards, one conference and what is on its way between them.
pub(crate) struct SimulatedBridge {
    group: Arc<ShardGroup>,
    shards: Vec<Shard>,
    wakers: Vec<Waker>,
    events: Arc<Events>,
    conference: Conference,
    wire: Wire,
    /// What shards said that links take.
    estimates: BTreeMap<SessionId, Vec<(Timestamp, Bitrate)>>,
}

/// The configuration of a simulated bridge, as far as simulations change it.
#[derive(Clone, Copy, Debug, Default)]
pub struct BridgeSettings {
    /// `videobridge.ssrc-limit`.
    pub ssrc_limits: SsrcLimits,
    /// `jmt.audio.red`.
    pub red: RedConfig,
}

/// Something went wrong while a simulation was set up.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// The conference engine refused a request.
    #[error("refused: {0}")]
    Refused(String),
    /// An answer lacks what a client needs.
    #[error("the answer has no {0}")]
    Incomplete(&'static str),
    /// It did not happen in time.
    #[error("not in time: {0}")]
    Late(String),
}

impl BridgeSettings {
    fn conference(&self) -> ConferenceSettings {
        let ssrc_limit = u32::try_from(self.ssrc_limits.video).map_or(LastN::UNLIMITED, LastN::new);
        let allocation = AllocationConfig { ssrc_limit, ..AllocationConfig::default() };
        ConferenceSettings { allocation: Arc::new(allocation), ..ConferenceSettings::default() }
    }
}

#[derive(Clone, Default)]
struct Waker(Arc<AtomicBool>);

#[derive(Default)]
struct Events(Mutex<Vec<SessionEvent>>);

/// Datagrams that left the shards.
#[derive(Default)]
struct Wire(Vec<(SocketAddr, Vec<u8>)>);

impl SimulatedBridge {
    pub(crate) fn new(
        now: Timestamp,
        shards: usize,
        configured: BridgeSettings,
        mut random: SimulationRandom,
    ) -> Result<Self, SimulationError> {
        let wakers: Vec<Waker> = (0..shards).map(|_| Waker::default()).collect();
        let inboxes = wakers.iter().map(|waker| Inbox::new(Box::new(waker.clone()))).collect();
        let settings = ShardSettings {
            local_addresses: [bridge_address()].into(),
            context: Arc::clone(&CONTEXT),
            media: MediaSettings {
                red: configured.red,
                ssrc_limits: configured.ssrc_limits,
                ..MediaSettings::default()
            },
        };
        let events = Arc::new(Events::default());
        let group = Arc::new(ShardGroup::new(settings, inboxes, Arc::<Events>::clone(&events)));
        let ids = (0..shards).filter_map(|index| u16::try_from(index).ok());
        let shards: Vec<Shard> =
            ids.map(|id| Shard::new(ShardId(id), Arc::clone(&group))).collect();
        let environment = ConferenceEnvironment {
            shards: u16::try_from(shards.len())
                .ok()
                .and_then(NonZeroU16::new)
                .unwrap_or(NonZeroU16::MIN),
            placement: Placement::RoundRobin,
            certificate: CurrentCertificate::new(Arc::clone(&CERTIFICATE)),
            addresses: LocalAddresses::new([bridge_address()], Vec::new(), true),
            settings: configured.conference(),
            session_ids: SessionIds::default(),
        };
        let mut index =
            ConferenceIndex::new(ShutdownTimes::default(), false, engine_random(&mut random));
        let request = ConferenceModify { create: true, ..ConferenceModify::new(MEETING) };
        let refused =
            |error: bridge_conference::RequestError| SimulationError::Refused(error.to_string());
        let mut identity = None;
        index.get_or_create(&request, |new| identity = Some(new.clone())).map_err(refused)?;
        let identity = identity.ok_or(SimulationError::Incomplete("conference"))?;
        let environment = Arc::new(environment);
        let engine = engine_random(&mut random);
        let mut conference = Conference::new(identity, now, environment, engine);
        conference.handle_request(now, &request).map_err(refused)?;
        let mut bridge = Self {
            group,
            shards,
            wakers,
            events,
            conference,
            wire: Wire::default(),
            estimates: BTreeMap::new(),
        };
        bridge.settle(now);
        Ok(bridge)
    }

    pub(crate) fn request(
        &mut self,
        now: Timestamp,
        request: &ConferenceModify,
    ) -> Result<ConferenceModified, SimulationError> {
        let answer = self.conference.handle_request(now, request);
        self.settle(now);
        answer.map_err(|error| SimulationError::Refused(error.to_string()))
    }

    /// A datagram arrives on the socket of this shard.
    pub(crate) fn handle_datagram(
        &mut self,
        now: Timestamp,
        shard: usize,
        from: SocketAddr,
        mut datagram: Vec<u8>,
    ) {
        let count = self.shards.len();
        if let Some(shard) = self.shards.get_mut(shard % count) {
            shard.handle_datagram(now, 0, from, &mut datagram, &mut self.wire);
            shard.end_batch(now, &mut self.wire);
        }
    }

    /// Everything that has a reason takes its turn, until nothing is left to do now.
    pub(crate) fn settle(&mut self, now: Timestamp) {
        if self.conference.poll_timeout().is_some_and(|at| at <= now) {
            self.conference.handle_timeout(now);
        }
        loop {
            self.carry_out();
            let mut idle = true;
            for (shard, waker) in self.shards.iter_mut().zip(&self.wakers) {
                if waker.0.swap(false, Ordering::SeqCst) || shard.poll_timeout() <= now {
                    idle = false;
                    shard.handle_inbox(now, &mut self.wire);
                    shard.handle_timeout(now, &mut self.wire);
                    shard.end_batch(now, &mut self.wire);
                }
            }
            let events =
                std::mem::take(&mut *self.events.0.lock().unwrap_or_else(PoisonError::into_inner));
            idle &= events.is_empty();
            for event in events {
                if let SessionEventKind::Estimate(Some(rate)) = event.kind {
                    self.estimates.entry(event.session).or_default().push((now, rate));
                }
                self.conference.handle_event(now, event);
            }
            if idle {
                return self.carry_out();
            }
        }
    }

    pub(crate) fn poll_timeout(&self) -> Timestamp {
        let shards = self.shards.iter().map(Shard::poll_timeout);
        let conference = self.conference.poll_timeout().unwrap_or(Timestamp::FAR_FUTURE);
        shards.fold(conference, Timestamp::min)
    }

    /// What left since the last time.
    pub(crate) fn take_datagrams(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
        std::mem::take(&mut self.wire.0)
    }

    pub(crate) fn estimates(&self, endpoint: &EndpointId) -> &[(Timestamp, Bitrate)] {
        let session = self.conference.session_of(endpoint);
        session.and_then(|session| self.estimates.get(&session)).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn conference(&self) -> &Conference {
        &self.conference
    }

    /// The sum of all shards' counters.
    pub(crate) fn counters(&mut self) -> ShardCounters {
        let mut totals = ShardCounters::default();
        self.shards.iter_mut().for_each(Shard::publish_counters);
        self.group.counters().for_each(|counters| totals.add(&counters));
        totals
    }

    fn carry_out(&mut self) {
        while let Some((target, command)) = self.conference.poll_command() {
            match target {
                Target::AllShards => {
                    for inbox in self.group.inboxes() {
                        if let Some(copy) = Target::duplicate(&command) {
                            deliver(inbox, copy);
                        }
                    }
                }
                Target::Shard(shard) => {
                    if let Some(inbox) = self.group.inbox(shard) {
                        deliver(inbox, command);
                    }
                }
            }
        }
    }
}

fn deliver(inbox: &Inbox, command: ShardCommand) {
    let delivered = inbox.command(command).is_ok();
    assert!(delivered, "an inbox is full: the simulation gives it more than a bridge would");
}

fn engine_random(random: &mut SimulationRandom) -> bridge_conference::Random {
    let mut random = random.fork();
    Box::new(move |target: &mut [u8]| random.fill(target))
}

/// Where the bridge is.
pub(crate) fn bridge_address() -> SocketAddr {
    SocketAddr::from(([203, 0, 113, 10], 10_000))
}

pub(crate) const MEETING: &str = "8a6d1c52-0e7b-4a35-9d52-7f0f9f1c9a10";

impl EgressSink for Wire {
    fn send(&mut self, arena: &[u8], runs: &[Run]) -> SendOutcome {
        let mut outcome = SendOutcome::default();
        for run in runs {
            let bytes = &arena[run.start..run.start + run.bytes];
            self.0.extend(bytes.chunks(run.segment).map(|d| (run.remote, d.to_vec())));
            outcome.datagrams += run.segments as u64;
            outcome.bytes += run.bytes as u64;
            outcome.messages += 1;
        }
        outcome
    }
}

impl EventSink for Events {
    fn event(&self, event: SessionEvent) -> Result<(), SessionEvent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event);
        Ok(())
    }
}

impl ShardWaker for Waker {
    fn wake(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// One certificate for all simulations of a process: what it is changes nothing.
pub(crate) static CERTIFICATE: LazyLock<Arc<Certificate>> = LazyLock::new(certificate);

/// That of all clients.
pub(crate) static CLIENT_CERTIFICATE: LazyLock<Arc<Certificate>> = LazyLock::new(certificate);

/// DTLS and ICE of both sides.
pub(crate) static CONTEXT: LazyLock<Arc<TransportContext>> = LazyLock::new(|| {
    let origin = clock_origin();
    let dtls = DtlsContext::new(DtlsSettings::default(), origin);
    let dtls = dtls.expect("the default settings are valid");
    TransportContext::new(dtls, IceSettings::default(), origin)
});

fn certificate() -> Arc<Certificate> {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000);
    Arc::new(Certificate::generate(now).expect("a key can be made"))
}

#[expect(clippy::disallowed_methods, reason = "any instant will do as the zero of simulated time")]
fn clock_origin() -> Instant {
    Instant::now()
}
