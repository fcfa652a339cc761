//! One ICE agent: what the library decides, behind a door that lets only authenticated STUN in.
//!
//! The library (`is`) keeps the check list, sends checks and nominates. This side authenticates
//! every message first and answers what is wrong with it, answers checks that come before the
//! peer's credentials, matches responses with requests, bounds what a peer can make it remember,
//! and adds JVB's states: COMPLETED, TERMINATED, FAILED and consent (`ice4j: Agent`,
//! `ConnectivityCheckServer`). ICE restart is not here: that is a second agent.
//!
//! Differs from JVB: the library nominates the first pair that works and moves up to any better one
//! until TERMINATED, instead of waiting 800 ms with relayed pairs and never moving.
//!
//! Everything is deterministic except the ids of our own checks, which the library draws from
//! `fastrand`; they need not be secret, because responses carry integrity.

mod check;
mod request;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bridge_units::Timestamp;
use is::{Candidate, IceAgent, IceAgentEvent, IceConnectionState, IceCreds, Protocol};
use tracing::debug;

use crate::settings::{KeepAlive, TransportContext};
use crate::setup::{CandidateKind, LocalIce, RemoteCandidate};
use crate::stun::{Class, HmacSha1, Message, sign, with_software};
use check::{PendingChecks, Sources};
use request::{EarlyChecks, Reply};

pub(crate) struct Ice {
    agent: IceAgent,
    context: Arc<TransportContext>,
    local: LocalIce,
    local_addresses: Arc<[SocketAddr]>,
    tie_breaker: u64,
    phase: Phase,
    first_valid: Option<Pair>,
    selected: Option<Pair>,
    last_consent: Timestamp,
    consent_lost: bool,
    jitter: u32,
    sources: Sources,
    /// Addresses that responses say we have (our NATs); each one costs the library a candidate.
    mapped: Vec<SocketAddr>,
    /// The peer's signalled candidates, by address.
    candidates: Vec<(SocketAddr, CandidateKind)>,
    early: EarlyChecks,
    pending: PendingChecks,
    replies: VecDeque<Reply>,
    events: VecDeque<IceEvent>,
}

/// A local and a remote address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IceEvent {
    Writeable,
    Connected { relayed: bool },
    Failed,
    Consent,
}

/// `ice4j: IceProcessingState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// WAITING and RUNNING.
    Running,
    /// Every check has ended without success; fails unless a pair shows up until then.
    Failing {
        deadline: Timestamp,
    },
    Failed,
    Completed {
        terminates: Timestamp,
    },
    Terminated,
}

impl Ice {
    pub(crate) fn new(
        now: Timestamp,
        context: Arc<TransportContext>,
        local: LocalIce,
        local_addresses: Arc<[SocketAddr]>,
    ) -> Self {
        let timers = &context.ice.timers;
        let credentials = IceCreds { ufrag: local.ufrag.clone(), pass: local.password.clone() };
        let seed = sign(local.password.as_bytes(), &[b"tie-breaker and jitter"]);
        let (tie_breaker, jitter) = split_seed(&seed);
        let mut agent = IceAgent::with_hmac(credentials, &HmacSha1);
        agent.set_controlling(local.controlling);
        agent.set_control_tie_breaker(tie_breaker);
        agent.set_timing_advance(timers.pace);
        agent.set_initial_stun_rto(timers.initial_rto);
        agent.set_max_stun_rto(timers.max_rto);
        agent.set_max_stun_retransmits(timers.transmissions);
        agent.set_max_candidate_pairs(MAX_PAIRS);
        for address in local_addresses.iter().take(MAX_LOCAL_ADDRESSES) {
            match Candidate::host(*address, Protocol::Udp) {
                Ok(candidate) => drop(agent.add_local_candidate(candidate)),
                Err(error) => debug!(%address, %error, "Not a usable local address."),
            }
        }
        agent.handle_timeout(context.clock.instant(now));
        Self {
            agent,
            context,
            local,
            local_addresses,
            tie_breaker,
            phase: Phase::Running,
            first_valid: None,
            selected: None,
            last_consent: now,
            consent_lost: false,
            jitter,
            sources: Sources::default(),
            mapped: Vec::new(),
            candidates: Vec::new(),
            early: EarlyChecks::default(),
            pending: PendingChecks::default(),
            replies: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// `jvb: IceTransport.startConnectivityEstablishment`. Returns what was not taken.
    pub(crate) fn set_remote(
        &mut self,
        now: Timestamp,
        credentials: Option<&(String, String)>,
        candidates: &[RemoteCandidate],
    ) -> usize {
        if !matches!(self.phase, Phase::Running | Phase::Failing { .. }) {
            return candidates.len();
        }
        let mut refused = candidates.iter().filter(|c| !self.add_candidate(c)).count();
        if let Some((ufrag, password)) = credentials {
            if self.accepts_credentials(ufrag, password) {
                self.agent.set_remote_credentials(IceCreds {
                    ufrag: ufrag.clone(),
                    pass: password.clone(),
                });
                self.replay_early_checks(now);
            } else {
                refused += 1;
            }
        }
        self.handle_timeout(now);
        refused
    }

    pub(crate) fn handle_timeout(&mut self, now: Timestamp) {
        // Calls that are not due would outrun the pace.
        if self.phase != Phase::Failed && now >= self.agent_timeout() {
            self.agent.handle_timeout(self.context.clock.instant(now));
        }
        self.advance(now);
        match self.phase {
            Phase::Failing { deadline } if now >= deadline => {
                self.phase = Phase::Failed;
                self.events.push_back(IceEvent::Failed);
            }
            Phase::Completed { terminates } if now >= terminates => self.phase = Phase::Terminated,
            _ => {}
        }
        // RFC 7675, section 5.1: nothing is sent any more without consent.
        // Differs from JVB: it goes on sending.
        if self.selected.is_some() && now >= self.consent_deadline() {
            self.consent_lost = true;
        }
    }

    pub(crate) fn poll_timeout(&mut self) -> Timestamp {
        let phase = match self.phase {
            Phase::Failed => return Timestamp::FAR_FUTURE,
            Phase::Failing { deadline } => deadline,
            Phase::Completed { terminates } => terminates,
            Phase::Running | Phase::Terminated => Timestamp::FAR_FUTURE,
        };
        let consent = if self.selected.is_some() && !self.consent_lost {
            self.consent_deadline()
        } else {
            Timestamp::FAR_FUTURE
        };
        self.agent_timeout().min(phase).min(consent)
    }

    /// Writes the next STUN message into `out` and says which way it goes.
    pub(crate) fn poll_transmit(
        &mut self,
        now: Timestamp,
        out: &mut [u8],
    ) -> Option<(Pair, usize)> {
        if let Some(reply) = self.replies.pop_front() {
            return copy(&reply.bytes, out).map(|len| (reply.pair, len));
        }
        while let Some(transmit) = self.agent.poll_transmit() {
            let pair = Pair { local: transmit.source, remote: transmit.destination };
            let Some(message) = Message::parse(&transmit.contents) else { continue };
            let request = message.class() == Class::Request;
            if request {
                if self.keeps_silent_on(pair) {
                    continue;
                }
                self.pending.insert(now, message.transaction_id(), pair);
            }
            let bytes = self.signed_with_software(message, request)?;
            return copy(&bytes, out).map(|len| (pair, len));
        }
        None
    }

    pub(crate) fn poll_event(&mut self) -> Option<IceEvent> {
        self.events.pop_front()
    }

    /// Where to send: the nominated pair, else the first valid one; `None` without consent.
    pub(crate) fn selected(&self) -> Option<Pair> {
        self.selected.or(self.first_valid).filter(|_| !self.consent_lost)
    }

    /// Whether an authenticated check or response came from `from`.
    pub(crate) fn is_valid_source(&self, from: SocketAddr) -> bool {
        self.sources.contains(from)
    }

    pub(crate) fn local_ufrag(&self) -> &str {
        &self.local.ufrag
    }

    pub(crate) fn is_controlling(&self) -> bool {
        self.agent.controlling()
    }

    fn agent_timeout(&mut self) -> Timestamp {
        let timeout = self.agent.poll_timeout();
        timeout.map_or(Timestamp::FAR_FUTURE, |at| self.context.clock.timestamp(at))
    }

    fn add_candidate(&mut self, candidate: &RemoteCandidate) -> bool {
        let address = candidate.address;
        let known = (address, candidate.kind);
        if self.candidates.contains(&known) {
            return true;
        }
        let limit = MAX_REMOTE_CANDIDATES.min(MAX_PAIRS / self.local_addresses.len().max(1));
        if !self.reaches(address) || self.candidates.len() >= limit {
            return false;
        }
        self.candidates.push(known);
        self.agent.add_remote_candidate(Candidate::from_parts(
            candidate.foundation.clone(),
            1,
            Protocol::Udp,
            candidate.priority,
            address,
            library_kind(candidate.kind),
            None,
            None,
            None,
        ));
        true
    }

    /// `ice4j: LocalCandidate.canReach`, and no address that no peer can have.
    fn reaches(&self, address: SocketAddr) -> bool {
        let ip = address.ip();
        let usable = !ip.is_unspecified() && !ip.is_multicast() && !is_broadcast(ip);
        usable
            && address.port() != 0
            && self.local_addresses.iter().any(|local| {
                local.is_ipv4() == address.is_ipv4()
                    && is_link_local(local.ip()) == is_link_local(ip)
                    && local.ip().is_loopback() == ip.is_loopback()
            })
    }

    /// The library panics when it has to write a USERNAME of more than 128 bytes.
    fn accepts_credentials(&self, ufrag: &str, password: &str) -> bool {
        let username = ufrag.len() + 1 + self.local.ufrag.len();
        !ufrag.is_empty()
            && !password.is_empty()
            && username <= MAX_USERNAME_LEN
            && password.len() <= MAX_PASSWORD_LEN
    }

    /// Takes over what the library decided.
    fn advance(&mut self, now: Timestamp) {
        while let Some(event) = self.agent.poll_event() {
            match event {
                IceAgentEvent::NominatedSend { source, destination, .. } => {
                    self.select(now, Pair { local: source, remote: destination });
                }
                IceAgentEvent::IceConnectionStateChange(state) => self.follow(now, state),
                IceAgentEvent::IceRestart(_) | IceAgentEvent::DiscoveredRecv { .. } => {}
            }
        }
    }

    fn select(&mut self, now: Timestamp, pair: Pair) {
        self.note_valid(pair);
        self.last_consent = now;
        self.consent_lost = false;
        let first = self.selected.replace(pair).is_none();
        if first {
            let relayed = self.candidates.contains(&(pair.remote, CandidateKind::Relayed));
            self.events.push_back(IceEvent::Connected { relayed });
            self.phase =
                Phase::Completed { terminates: now + self.context.ice.timers.termination_delay };
            self.agent.set_max_stun_retransmits(CONSENT_TRANSMISSIONS);
            self.draw_consent_interval();
        }
    }

    fn follow(&mut self, now: Timestamp, state: IceConnectionState) {
        match (self.phase, state) {
            (Phase::Running, IceConnectionState::Disconnected) => {
                self.phase =
                    Phase::Failing { deadline: now + self.context.ice.timers.failure_delay };
            }
            (Phase::Failing { .. }, IceConnectionState::Checking) => self.phase = Phase::Running,
            _ => {}
        }
    }

    fn note_valid(&mut self, pair: Pair) {
        if self.first_valid.is_none() {
            self.first_valid = Some(pair);
            self.events.push_back(IceEvent::Writeable);
        }
    }

    fn note_consent(&mut self, now: Timestamp, pair: Pair) {
        if self.selected == Some(pair) {
            self.last_consent = now;
            self.consent_lost = false;
            self.draw_consent_interval();
            self.events.push_back(IceEvent::Consent);
        }
    }

    /// RFC 7675, section 5.1: each interval between 0.8 and 1.2 of the basic one.
    fn draw_consent_interval(&mut self) {
        self.jitter ^= self.jitter << 13;
        self.jitter ^= self.jitter >> 17;
        self.jitter ^= self.jitter << 5;
        let percent = 80 + self.jitter % 41;
        self.agent.set_max_stun_rto(self.context.ice.timers.consent_interval * percent / 100);
    }

    fn consent_deadline(&self) -> Timestamp {
        self.last_consent + CONSENT_TIMEOUT
    }

    /// `jvb: KeepAliveStrategy.SELECTED_ONLY`.
    fn keeps_silent_on(&self, pair: Pair) -> bool {
        self.phase == Phase::Terminated
            && self.context.ice.keep_alive == KeepAlive::SelectedOnly
            && self.selected != Some(pair)
    }

    fn signed_with_software(&self, message: Message<'_>, request: bool) -> Option<Vec<u8>> {
        if self.context.ice.software.is_empty() {
            return Some(message.bytes().to_vec());
        }
        let password =
            if request { &self.agent.remote_credentials()?.pass } else { &self.local.password };
        Some(with_software(message, &self.context.ice.software, password))
    }
}

fn copy(bytes: &[u8], out: &mut [u8]) -> Option<usize> {
    out.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(bytes.len())
}

/// A 63-bit tie-breaker and a seed other than 0.
fn split_seed(seed: &[u8; 20]) -> (u64, u32) {
    let number = seed.iter().take(8).fold(0, |n, byte| n << 8 | u64::from(*byte));
    let jitter = seed.iter().skip(8).take(4).fold(0, |n, byte| n << 8 | u32::from(*byte));
    (number >> 1, jitter | 1)
}

fn library_kind(kind: CandidateKind) -> is::CandidateKind {
    match kind {
        CandidateKind::Host => is::CandidateKind::Host,
        CandidateKind::PeerReflexive => is::CandidateKind::PeerReflexive,
        CandidateKind::ServerReflexive => is::CandidateKind::ServerReflexive,
        CandidateKind::Relayed => is::CandidateKind::Relayed,
    }
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

fn is_broadcast(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V4(ip) if ip.is_broadcast())
}

/// Local addresses of a session; a machine with more is set up wrongly.
pub const MAX_LOCAL_ADDRESSES: usize = 16;
/// `ice4j.ice.max-check-list-size`.
const MAX_PAIRS: usize = 100;
/// Signalled candidates that are used; a browser has fewer than ten.
const MAX_REMOTE_CANDIDATES: usize = 32;
/// What the library can write without a panic.
const MAX_USERNAME_LEN: usize = 128;
/// RFC 8839, section 5.4: `ice-pwd` has at most 256 characters.
const MAX_PASSWORD_LEN: usize = 256;
/// RFC 7675, section 5.1: consent lasts 30 s.
const CONSENT_TIMEOUT: Duration = Duration::from_secs(30);
/// With an interval of 5 s the library gives a silent pair up after about 31 s: not before consent
/// has run out.
const CONSENT_TRANSMISSIONS: usize = 10;
