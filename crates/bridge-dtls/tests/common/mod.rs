//! Two sessions, a simulated network between them and simulated time.
#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bridge_dtls::{
    Certificate, DtlsContext, DtlsError, DtlsEvent, DtlsRole, DtlsSession, DtlsSettings,
    DtlsVersion, FingerprintHash, KeyingMaterial,
};
use bridge_units::Timestamp;

/// One side and what its owner has seen.
pub(crate) struct Side {
    pub(crate) session: DtlsSession,
    pub(crate) connected: Option<(DtlsVersion, KeyingMaterial)>,
    pub(crate) received: Vec<Vec<u8>>,
    pub(crate) closed: bool,
    pub(crate) error: Option<DtlsError>,
}

/// What the network does to datagrams.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Network {
    pub(crate) loss_percent: u64,
    pub(crate) duplicate_percent: u64,
    pub(crate) delay: Duration,
    pub(crate) jitter: Duration,
}

/// A small generator of our own, so that a seed means the same for ever (xorshift64*).
pub(crate) struct Random(u64);

struct InFlight {
    arrival: Timestamp,
    number: u64,
    to_server: bool,
    datagram: Vec<u8>,
}

pub(crate) struct Pair {
    pub(crate) client: Side,
    pub(crate) server: Side,
    pub(crate) now: Timestamp,
    network: Network,
    random: Random,
    in_flight: BinaryHeap<InFlight>,
    sent: u64,
    /// Changes a datagram on its way.
    pub(crate) tamper: Option<fn(&mut Random, &mut Vec<u8>)>,
}

impl Network {
    pub(crate) const PERFECT: Self = Self {
        loss_percent: 0,
        duplicate_percent: 0,
        delay: Duration::from_millis(20),
        jitter: Duration::ZERO,
    };

    pub(crate) const fn lossy(loss_percent: u64) -> Self {
        Self {
            loss_percent,
            duplicate_percent: 5,
            delay: Duration::from_millis(20),
            jitter: Duration::from_millis(30),
        }
    }
}

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
    }
}

pub(crate) fn certificate() -> Arc<Certificate> {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000);
    Arc::new(Certificate::generate(now).expect("generation works"))
}

#[expect(clippy::disallowed_methods, reason = "any instant will do as the origin")]
pub(crate) fn context(settings: DtlsSettings) -> Arc<DtlsContext> {
    DtlsContext::new(settings, Instant::now()).expect("settings work")
}

impl Side {
    pub(crate) fn new(now: Timestamp, context: &Arc<DtlsContext>, role: DtlsRole) -> Self {
        let session = DtlsSession::new(now, Arc::clone(context), certificate(), role);
        Self {
            session: session.expect("session begins"),
            connected: None,
            received: Vec::new(),
            closed: false,
            error: None,
        }
    }

    /// What signalling would do.
    pub(crate) fn expect_peer(&mut self, peer: &Self) {
        let fingerprint = peer.session.certificate().fingerprint(FingerprintHash::Sha256);
        self.session.set_remote_fingerprints(vec![fingerprint]);
    }

    pub(crate) fn take_events(&mut self) {
        while let Some(event) = self.session.poll_event() {
            match event {
                DtlsEvent::Connected { version, keying } => {
                    assert!(self.connected.is_none(), "connected once");
                    self.connected = Some((version, keying));
                }
                DtlsEvent::ApplicationData(data) => {
                    assert!(self.connected.is_some(), "no data before the peer is verified");
                    self.received.push(data);
                }
                DtlsEvent::Closed => self.closed = true,
            }
        }
    }

    fn note(&mut self, result: Result<(), DtlsError>) {
        if let Err(error) = result {
            self.error.get_or_insert(error);
        }
    }
}

impl Pair {
    pub(crate) fn new(
        client: DtlsSettings,
        server: DtlsSettings,
        network: Network,
        seed: u64,
    ) -> Self {
        Self::with_contexts(&context(client), &context(server), network, seed)
    }

    pub(crate) fn with_contexts(
        client: &Arc<DtlsContext>,
        server: &Arc<DtlsContext>,
        network: Network,
        seed: u64,
    ) -> Self {
        let now = Timestamp::from_millis(1_000);
        let mut client = Side::new(now, client, DtlsRole::Client);
        let mut server = Side::new(now, server, DtlsRole::Server);
        client.expect_peer(&server);
        server.expect_peer(&client);
        Self {
            client,
            server,
            now,
            network,
            random: Random::new(seed),
            in_flight: BinaryHeap::new(),
            sent: 0,
            tamper: None,
        }
    }

    /// Runs until nothing is left to do before `limit`, or `done`.
    pub(crate) fn run_until(&mut self, limit: Timestamp, done: impl Fn(&Self) -> bool) {
        // A backend whose timer is always due would keep time from passing.
        for _ in 0..MAX_STEPS {
            self.transmit();
            self.client.take_events();
            self.server.take_events();
            if done(self) {
                return;
            }
            let next = [
                self.client.session.poll_timeout(),
                self.server.session.poll_timeout(),
                self.in_flight.peek().map(|datagram| datagram.arrival),
            ];
            let Some(next) = next.into_iter().flatten().min().filter(|next| *next <= limit) else {
                self.now = limit;
                return;
            };
            self.now = self.now.max(next);
            self.deliver();
            let now = self.now;
            for side in [&mut self.client, &mut self.server] {
                let result = side.session.handle_timeout(now);
                side.note(result);
            }
        }
        assert!(self.now >= limit, "time stands still at {:?}", self.now);
    }

    /// Runs until both sides have keys or the limit of a handshake is over.
    pub(crate) fn handshake(&mut self) {
        let limit = self.now + Duration::from_secs(40);
        self.run_until(limit, |pair| {
            (pair.client.connected.is_some() && pair.server.connected.is_some())
                || (pair.client.error.is_some() && pair.server.error.is_some())
        });
    }

    pub(crate) fn assert_connected_with_equal_keys(&self) -> DtlsVersion {
        assert_eq!((self.client.error, self.server.error), (None, None));
        let (client_version, client) = self.client.connected.as_ref().expect("client connected");
        let (server_version, server) = self.server.connected.as_ref().expect("server connected");
        assert_eq!(client_version, server_version);
        assert_eq!(client.profile(), server.profile());
        assert_eq!(client.local_key(), server.remote_key());
        assert_eq!(client.local_salt(), server.remote_salt());
        assert_eq!(client.remote_key(), server.local_key());
        assert_eq!(client.remote_salt(), server.local_salt());
        assert_ne!(client.local_key(), client.remote_key());
        *client_version
    }

    fn transmit(&mut self) {
        let mut buffer = [0; 2_048];
        for to_server in [true, false] {
            let side = if to_server { &mut self.client } else { &mut self.server };
            while let Some(len) = side.session.poll_transmit(&mut buffer) {
                assert!(len <= 1_300, "datagrams of {len} bytes do not pass every path");
                let copies = u64::from(self.random.below(100) >= self.network.loss_percent)
                    + u64::from(self.random.below(100) < self.network.duplicate_percent);
                for _ in 0..copies {
                    let jitter = self.network.jitter.as_micros().max(1);
                    let jitter = self.random.below(u64::try_from(jitter).expect("short"));
                    let mut datagram = buffer[..len].to_vec();
                    if let Some(tamper) = self.tamper {
                        tamper(&mut self.random, &mut datagram);
                    }
                    self.sent += 1;
                    self.in_flight.push(InFlight {
                        arrival: self.now + self.network.delay + Duration::from_micros(jitter),
                        number: self.sent,
                        to_server,
                        datagram,
                    });
                }
            }
        }
    }

    fn deliver(&mut self) {
        while self.in_flight.peek().is_some_and(|next| next.arrival <= self.now) {
            let Some(InFlight { to_server, datagram, .. }) = self.in_flight.pop() else { return };
            let side = if to_server { &mut self.server } else { &mut self.client };
            let result = side.session.handle_datagram(self.now, &datagram);
            side.note(result);
        }
    }
}

/// Far more than any handshake of 40 seconds takes.
const MAX_STEPS: usize = 20_000;

impl InFlight {
    const fn key(&self) -> (u64, u64) {
        (self.arrival.as_nanos(), self.number)
    }
}

/// The earliest is the greatest, since the heap gives the greatest.
impl Ord for InFlight {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.key().cmp(&self.key())
    }
}

impl PartialOrd for InFlight {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for InFlight {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for InFlight {}
