//! A bridge transport and clients made of other parts, in simulated time on a simulated network.
#![allow(dead_code, unused_imports, unreachable_pub, reason = "each test uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must stop")]

mod client;
mod message;

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime};

use bridge_dtls::{Certificate, DtlsContext, DtlsSettings, FingerprintHash, Setup};
use bridge_transport::{
    DtlsDropCause, IceSettings, LocalIce, PeerTransport, RemoteCandidate, RemoteTransport,
    StunDropCause, TransportContext, TransportEvent, TransportSettings, stun,
};
use bridge_units::Timestamp;

pub use client::Client;
pub use message::{Request, answer_code};

pub const BRIDGE_UFRAG: &str = "bridgeufrag";
pub const BRIDGE_PASSWORD: &str = "bridge-password-of-128-bits";

/// The bridge's transport, clients, and what is on its way between them.
pub struct World {
    pub now: Timestamp,
    pub bridge: PeerTransport,
    pub clients: Vec<Client>,
    pub network: Network,
    /// What the bridge told its owner.
    pub events: Vec<TransportEvent>,
    /// What the bridge sent, with the time and the destination.
    pub sent: Vec<(Timestamp, SocketAddr, Vec<u8>)>,
    pub stun_drops: Vec<StunDropCause>,
    pub dtls_drops: Vec<DtlsDropCause>,
}

/// Losses, delays and disorder, all from one seed.
pub struct Network {
    /// Percent of datagrams lost.
    pub loss: u32,
    /// Least time on the way.
    pub delay: Duration,
    /// What is added to it at random, which reorders.
    pub jitter: Duration,
    seed: u32,
    flying: Vec<Datagram>,
}

struct Datagram {
    arrival: Timestamp,
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy)]
pub struct Options {
    pub controlling: bool,
    pub sctp: bool,
}

pub static CERTIFICATE: LazyLock<Arc<Certificate>> = LazyLock::new(certificate);

pub static CLIENT_CERTIFICATE: LazyLock<Arc<Certificate>> = LazyLock::new(certificate);

pub static DTLS: LazyLock<Arc<DtlsContext>> =
    LazyLock::new(|| DtlsContext::new(DtlsSettings::default(), origin()).unwrap());

static CONTEXT: LazyLock<Arc<TransportContext>> =
    LazyLock::new(|| TransportContext::new(DTLS.clone(), IceSettings::default(), origin()));

#[expect(clippy::disallowed_methods, reason = "certificates are valid on the wall clock")]
pub fn certificate() -> Arc<Certificate> {
    Arc::new(Certificate::generate(SystemTime::now()).unwrap())
}

#[expect(clippy::disallowed_methods, reason = "an arbitrary origin of simulated time")]
pub fn origin() -> Instant {
    static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    *ORIGIN
}

pub fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub fn bridge_address() -> SocketAddr {
    address("192.0.2.1:10000")
}

pub fn client_address() -> SocketAddr {
    address("198.51.100.7:50000")
}

pub fn host(address: SocketAddr) -> RemoteCandidate {
    RemoteCandidate {
        address,
        kind: bridge_transport::CandidateKind::Host,
        priority: 2_130_706_431,
        foundation: "1".into(),
    }
}

pub fn transport(now: Timestamp, options: Options) -> PeerTransport {
    let settings = TransportSettings {
        context: CONTEXT.clone(),
        local: LocalIce {
            ufrag: BRIDGE_UFRAG.into(),
            password: BRIDGE_PASSWORD.into(),
            controlling: options.controlling,
        },
        local_addresses: [bridge_address()].into(),
        certificate: CERTIFICATE.clone(),
        sctp: options.sctp,
    };
    PeerTransport::new(now, settings)
}

impl Default for Options {
    fn default() -> Self {
        Self { controlling: true, sctp: true }
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new(Options::default())
    }
}

impl World {
    pub fn new(options: Options) -> Self {
        let now = Timestamp::from_millis(1_000);
        Self {
            now,
            bridge: transport(now, options),
            clients: Vec::new(),
            network: Network {
                loss: 0,
                delay: Duration::from_millis(20),
                jitter: Duration::ZERO,
                seed: 0x2545_F491,
                flying: Vec::new(),
            },
            events: Vec::new(),
            sent: Vec::new(),
            stun_drops: Vec::new(),
            dtls_drops: Vec::new(),
        }
    }

    /// With one client that has begun to check.
    pub fn with_client() -> Self {
        let mut world = Self::default();
        world.clients.push(Client::new(client_address()));
        world
    }

    /// With one client that is connected all the way, channel included.
    pub fn connected() -> Self {
        let mut world = Self::with_client();
        world.signal(Some(Setup::Active));
        world.run_until(Duration::from_secs(30), |world| world.is_connected());
        world
    }

    /// Tells the bridge of the first client, without candidates as lib-jitsi-meet does.
    pub fn signal(&mut self, setup: Option<Setup>) {
        let client = &self.clients[0];
        let remote = RemoteTransport {
            credentials: Some(client.credentials()),
            candidates: Vec::new(),
            fingerprints: vec![client.certificate.fingerprint(FingerprintHash::Sha256)],
            setup,
        };
        let report = self.bridge.set_remote(self.now, &remote);
        assert_eq!((report.refused, report.setup_error), (0, None));
        self.flush();
    }

    pub fn is_connected(&self) -> bool {
        self.saw(&TransportEvent::ChannelOpened) && self.clients[0].is_channel_open()
    }

    pub fn saw(&self, event: &TransportEvent) -> bool {
        self.events.contains(event)
    }

    pub fn run_until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) {
        let end = self.now + limit;
        while !done(self) {
            assert!(self.now < end, "not within {limit:?}: {:?}", self.events);
            self.step(end);
        }
    }

    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step(end);
        }
    }

    /// Hands the bridge a datagram now.
    pub fn inject(&mut self, from: SocketAddr, bytes: &[u8]) {
        self.deliver_to_bridge(from, bytes);
        self.flush();
    }

    /// What the bridge sent to `to` since `since`.
    pub fn sent_to(&self, to: SocketAddr, since: Timestamp) -> Vec<&[u8]> {
        let matches =
            |(at, address, _): &&(Timestamp, SocketAddr, Vec<u8>)| *at >= since && *address == to;
        self.sent.iter().filter(matches).map(|(_, _, bytes)| bytes.as_slice()).collect()
    }

    pub fn messages(&self) -> Vec<&str> {
        let messages = self.events.iter().filter_map(|event| match event {
            TransportEvent::Message(text) => Some(text.as_str()),
            _ => None,
        });
        messages.collect()
    }

    /// Time goes on to the next thing that happens, at most to `end`.
    pub fn step(&mut self, end: Timestamp) {
        self.flush();
        let arrival = self.network.next_arrival();
        let timers = self.clients.iter_mut().map(Client::poll_timeout);
        let due = timers.min().unwrap_or(Timestamp::FAR_FUTURE);
        let due = due.min(arrival).min(self.bridge.poll_timeout()).min(end);
        self.now = due.max(self.now + Duration::from_micros(1));
        for Datagram { from, to, bytes, .. } in self.network.arrived(self.now) {
            if to == bridge_address() {
                self.deliver_to_bridge(from, &bytes);
            } else if let Some(client) = self.clients.iter_mut().find(|c| c.address == to) {
                client.handle(self.now, from, &bytes);
            }
            self.flush();
        }
        self.bridge.handle_timeout(self.now);
        for client in &mut self.clients {
            client.handle_timeout(self.now);
        }
        self.flush();
    }

    pub fn flush(&mut self) {
        while let Some(event) = self.bridge.poll_event() {
            self.events.push(event);
        }
        let mut buffer = [0; bridge_transport::MIN_BUFFER_LEN];
        while let Some(transmit) = self.bridge.poll_transmit(&mut buffer) {
            assert_eq!(transmit.local, bridge_address());
            let bytes = buffer[..transmit.len].to_vec();
            self.sent.push((self.now, transmit.remote, bytes.clone()));
            self.network.send(self.now, bridge_address(), transmit.remote, bytes);
        }
        for client in &mut self.clients {
            while let Some((to, bytes)) = client.poll_transmit(self.now) {
                self.network.send(self.now, client.address, to, bytes);
            }
        }
    }

    fn deliver_to_bridge(&mut self, from: SocketAddr, bytes: &[u8]) {
        if stun::is_stun(bytes) {
            if let Err(cause) = self.bridge.handle_stun(self.now, bridge_address(), from, bytes) {
                self.stun_drops.push(cause);
            }
        } else if bytes.first().is_some_and(|first| (20..64).contains(first))
            && let Err(cause) = self.bridge.handle_dtls(self.now, from, bytes)
        {
            self.dtls_drops.push(cause);
        }
    }
}

impl Network {
    fn send(&mut self, now: Timestamp, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        if self.random() % 100 < self.loss {
            return;
        }
        let jitter = self.jitter * (self.random() % 1000) / 1000;
        self.flying.push(Datagram { arrival: now + self.delay + jitter, from, to, bytes });
    }

    fn next_arrival(&self) -> Timestamp {
        self.flying.iter().map(|d| d.arrival).min().unwrap_or(Timestamp::FAR_FUTURE)
    }

    fn arrived(&mut self, now: Timestamp) -> Vec<Datagram> {
        let (mut arrived, flying): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.flying).into_iter().partition(|d| d.arrival <= now);
        self.flying = flying;
        arrived.sort_by_key(|d| d.arrival);
        arrived
    }

    fn random(&mut self) -> u32 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 17;
        self.seed ^= self.seed << 5;
        self.seed
    }
}
