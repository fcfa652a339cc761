//! Shards, their clients and the network between them, in simulated time.
#![allow(dead_code, unused_imports, unreachable_pub, reason = "each test uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must stop")]

mod client;
mod message;
pub mod packets;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant, SystemTime};

use bridge_dtls::{Certificate, DtlsContext, DtlsSettings, FingerprintHash, Setup};
use bridge_media::LayerIndex;
use bridge_metrics::ShardCounters;
use bridge_shard::{
    ConferenceSnapshot, EgressSink, EventSink, ForwardingProgram, Inbox, MediaDescription,
    MediaSettings, PayloadType, Run, SendOutcome, SessionAction, SessionCommand, SessionEvent,
    SessionEventKind, SessionSetup, Shard, ShardCommand, ShardGroup, ShardSettings, ShardWaker,
    SourceDescription, StreamDescription, StreamRole,
};
use bridge_transport::{IceSettings, LocalIce, RemoteTransport, TransportContext};
use bridge_units::{ConferenceId, EndpointId, MediaType, SessionId, ShardId, Timestamp};
use rustc_hash::FxHashMap;

pub use client::Client;
pub use message::Request;
pub use packets::{
    AUDIO, RTX, Random, VIDEO, audio_ssrc, numbered, orientation, rtp, rtx_ssrc, video_ssrc,
};

pub const CONFERENCE: ConferenceId = ConferenceId(1);
pub const BRIDGE_SSRC: u32 = 0xB81D_6E00;

/// The time between two turns of everything.
pub const TICK: Duration = Duration::from_millis(2);

/// Shards of one process, their clients and what is on its way.
pub struct World {
    pub now: Timestamp,
    pub group: Arc<ShardGroup>,
    pub shards: Vec<Shard>,
    pub clients: Vec<Client>,
    /// What reaches the bridge next: where it arrives, who sent it, what it is.
    pub to_bridge: Vec<(usize, SocketAddr, Vec<u8>)>,
    /// Datagrams to addresses where no client is.
    pub undeliverable: Vec<(SocketAddr, Vec<u8>)>,
    pub events: Vec<SessionEvent>,
    landing: HashMap<SocketAddr, usize>,
    pub wakers: Vec<Waker>,
    sink: Arc<Events>,
    orders: HashMap<SessionId, u32>,
    homes: HashMap<SessionId, ShardId>,
    streams: HashMap<ConferenceId, FxHashMap<u32, StreamDescription>>,
    sources: HashMap<ConferenceId, Vec<Arc<SourceDescription>>>,
    next_session: u64,
}

/// A wake-up that was asked for and not yet seen.
#[derive(Clone, Default)]
pub struct Waker(pub Arc<AtomicBool>);

#[derive(Default)]
struct Events {
    told: Mutex<Vec<SessionEvent>>,
    /// The bug of the test that has one: its activity cannot be told.
    panics_for: Mutex<Option<SessionId>>,
}

/// Cuts runs into datagrams.
#[derive(Default)]
pub struct Wire {
    pub datagrams: Vec<(SocketAddr, Vec<u8>)>,
}

/// How a client comes into the world.
#[derive(Clone, Copy)]
pub struct Join {
    pub conference: ConferenceId,
    /// Where its session starts.
    pub start: usize,
    /// Where its packets arrive.
    pub lands: usize,
    pub visitor: bool,
    pub rewrites_ssrcs: bool,
}

impl Join {
    pub fn at(shard: usize) -> Self {
        Self {
            conference: CONFERENCE,
            start: shard,
            lands: shard,
            visitor: false,
            rewrites_ssrcs: false,
        }
    }

    pub fn started_at(self, start: usize) -> Self {
        Self { start, ..self }
    }

    pub fn in_conference(self, id: u64) -> Self {
        Self { conference: ConferenceId(id), ..self }
    }

    /// Others' media reaches it on SSRCs of the bridge's choice.
    pub fn with_few_ssrcs(self) -> Self {
        Self { rewrites_ssrcs: true, ..self }
    }

    pub fn as_visitor(self) -> Self {
        Self { visitor: true, ..self }
    }
}

static CERTIFICATE: LazyLock<Arc<Certificate>> = LazyLock::new(certificate);
static CLIENT_CERTIFICATE: LazyLock<Arc<Certificate>> = LazyLock::new(certificate);
static CONTEXT: LazyLock<Arc<TransportContext>> = LazyLock::new(|| {
    let dtls = DtlsContext::new(DtlsSettings::default(), origin()).unwrap();
    TransportContext::new(dtls, IceSettings::default(), origin())
});

#[expect(clippy::disallowed_methods, reason = "certificates are valid on the wall clock")]
fn certificate() -> Arc<Certificate> {
    Arc::new(Certificate::generate(SystemTime::now()).unwrap())
}

#[expect(clippy::disallowed_methods, reason = "an arbitrary origin of simulated time")]
fn origin() -> Instant {
    static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    *ORIGIN
}

pub fn bridge_address() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 10_000))
}

pub fn client_address(number: u64) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, 7], 20_000 + u16::try_from(number).unwrap()))
}

impl World {
    pub fn new(shards: usize) -> Self {
        let wakers: Vec<_> = (0..shards).map(|_| Waker::default()).collect();
        let inboxes = wakers.iter().map(|waker| Inbox::new(Box::new(waker.clone()))).collect();
        let settings = ShardSettings {
            local_addresses: [bridge_address()].into(),
            context: CONTEXT.clone(),
            media: MediaSettings::default(),
        };
        let sink = Arc::new(Events::default());
        let group = Arc::new(ShardGroup::new(settings, inboxes, sink.clone()));
        let shards =
            (0..shards).map(|i| Shard::new(ShardId(i as u16), Arc::clone(&group))).collect();
        Self {
            now: Timestamp::from_millis(10_000),
            group,
            shards,
            clients: Vec::new(),
            to_bridge: Vec::new(),
            undeliverable: Vec::new(),
            events: Vec::new(),
            landing: HashMap::new(),
            wakers,
            sink,
            orders: HashMap::new(),
            homes: HashMap::new(),
            streams: HashMap::new(),
            sources: HashMap::new(),
            next_session: 1,
        }
    }

    /// With one connected client per entry, all in [`CONFERENCE`].
    pub fn with_clients(shards: usize, landings: &[usize]) -> Self {
        let mut world = Self::new(shards);
        for landing in landings {
            world.join(Join::at(*landing));
        }
        world.connect();
        world
    }

    /// A new session and its client, which begins to connect; the client's index.
    pub fn join(&mut self, join: Join) -> usize {
        let number = self.next_session;
        self.join_from(join, client_address(number))
    }

    pub fn join_from(&mut self, join: Join, address: SocketAddr) -> usize {
        let session = self.create(join);
        self.landing.insert(address, join.lands);
        let local = LocalIce {
            ufrag: format!("client{}", session.0),
            password: format!("client-password-{:08}", session.0),
            controlling: false,
        };
        let mut client = Client::new(
            self.now,
            session,
            address,
            CONTEXT.clone(),
            CLIENT_CERTIFICATE.clone(),
            local.clone(),
        );
        client.signal(self.now, bridge_credentials(session), &CERTIFICATE);
        let remote = RemoteTransport {
            credentials: Some((local.ufrag, local.password)),
            candidates: Vec::new(),
            fingerprints: vec![CLIENT_CERTIFICATE.fingerprint(FingerprintHash::Sha256)],
            setup: Some(Setup::Active),
        };
        self.command(session, SessionAction::SetRemoteTransport(Box::new(remote)));
        self.clients.push(client);
        self.clients.len() - 1
    }

    /// A session without a client: nobody talks to it yet.
    pub fn create(&mut self, join: Join) -> SessionId {
        let session = SessionId(self.next_session);
        self.next_session += 1;
        self.homes.insert(session, ShardId(join.start as u16));
        self.add_streams(join.conference, session);
        let (ufrag, password) = bridge_credentials(session);
        let setup = SessionSetup {
            conference: join.conference,
            endpoint: EndpointId::new(&format!("{:08x}", session.0)).unwrap(),
            ice: LocalIce { ufrag, password, controlling: true },
            sctp: false,
            visitor: join.visitor,
            rewrites_ssrcs: join.rewrites_ssrcs,
            mid_demux: join.rewrites_ssrcs,
            certificate: CERTIFICATE.clone(),
        };
        self.command(session, SessionAction::Create(Box::new(setup)));
        self.command(session, SessionAction::SetMedia(Arc::new(media())));
        self.command(session, SessionAction::SetForwarding(Box::new(everything())));
        session
    }

    /// Until every client is connected and no session is on its way.
    pub fn connect(&mut self) {
        self.run_until("connected", |world| {
            world.clients.iter().all(|client| {
                client.connected
                    && world.saw(client.session, |kind| {
                        matches!(kind, SessionEventKind::DtlsConnected { .. })
                    })
            })
        });
        self.run_for(Duration::from_millis(50));
        self.forget_received();
    }

    pub fn run_until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let end = self.now + Duration::from_secs(20);
        while !done(self) {
            assert!(self.now < end, "not {what}; {:?}", self.totals());
            self.tick();
        }
    }

    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.tick();
        }
    }

    /// Everything on its way arrives, every shard that has a reason takes its turn, time goes on.
    pub fn tick(&mut self) {
        for client in &mut self.clients {
            client.advance(self.now);
            for datagram in client.outgoing.drain(..) {
                let landing = self.landing[&client.address];
                self.to_bridge.push((landing, client.address, datagram));
            }
        }
        let arriving = std::mem::take(&mut self.to_bridge);
        let mut wire = Wire::default();
        for index in 0..self.shards.len() {
            let datagrams = arriving.iter().filter(|(landing, ..)| *landing == index);
            self.turn(index, datagrams.map(|(_, from, bytes)| (*from, bytes.clone())), &mut wire);
        }
        self.deliver(wire);
        self.collect_events();
        self.now += TICK;
    }

    /// One turn of one shard, as the driver's thread takes it: only if it was woken, received
    /// something or a deadline has come.
    pub fn turn(
        &mut self,
        index: usize,
        datagrams: impl Iterator<Item = (SocketAddr, Vec<u8>)>,
        wire: &mut Wire,
    ) {
        let shard = &mut self.shards[index];
        let mut received = false;
        for (from, mut bytes) in datagrams {
            received = true;
            shard.handle_datagram(self.now, 0, from, &mut bytes, wire);
        }
        shard.end_batch(self.now, wire);
        let woken = self.wakers[index].0.swap(false, Ordering::SeqCst);
        if received || woken || shard.poll_timeout() <= self.now {
            shard.handle_inbox(self.now, wire);
            shard.handle_timeout(self.now, wire);
            shard.end_batch(self.now, wire);
        }
    }

    pub fn deliver(&mut self, wire: Wire) {
        for (to, bytes) in wire.datagrams {
            let mut at_address = false;
            for client in self.clients.iter_mut().filter(|client| client.address == to) {
                at_address = true;
                client.handle(self.now, &bytes);
            }
            if !at_address {
                self.undeliverable.push((to, bytes));
            }
        }
    }

    /// From now on a packet of this session meets a bug.
    pub fn doom(&mut self, session: SessionId) {
        *self.sink.panics_for.lock().unwrap() = Some(session);
    }

    pub fn collect_events(&mut self) {
        for event in self.sink.told.lock().unwrap().drain(..) {
            if let SessionEventKind::Moved(shard) = event.kind {
                self.homes.insert(event.session, shard);
            }
            self.events.push(event);
        }
    }

    pub fn command(&mut self, session: SessionId, action: SessionAction) {
        let command = self.next_command(session, action);
        let home = self.homes[&session];
        assert!(self.group.inbox(home).unwrap().command(command).is_ok(), "the inbox is full");
    }

    /// A command in its order, for a test that sends it somewhere itself.
    pub fn next_command(&mut self, session: SessionId, action: SessionAction) -> ShardCommand {
        let order = self.orders.entry(session).or_insert(0);
        let command = SessionCommand { session, order: *order, action };
        *order += 1;
        ShardCommand::Session(command)
    }

    pub fn add_streams(&mut self, conference: ConferenceId, owner: SessionId) {
        let streams = self.streams.entry(conference).or_default();
        streams.extend(packets::streams(owner));
        self.sources.entry(conference).or_default().extend(packets::sources(owner));
        self.publish_snapshot(conference);
    }

    pub fn publish_snapshot(&mut self, conference: ConferenceId) {
        let snapshot = Arc::new(ConferenceSnapshot {
            conference,
            local_video_ssrc: BRIDGE_SSRC,
            sources: self.sources[&conference].clone(),
            streams: self.streams[&conference].clone(),
        });
        for inbox in self.group.inboxes() {
            assert!(inbox.command(ShardCommand::SetConference(Arc::clone(&snapshot))).is_ok());
        }
    }

    pub fn remove_conference(&mut self, conference: ConferenceId) {
        self.streams.remove(&conference);
        self.sources.remove(&conference);
        for inbox in self.group.inboxes() {
            assert!(inbox.command(ShardCommand::RemoveConference(conference)).is_ok());
        }
    }

    /// From now on the packets of this client arrive on another shard, as when its NAT gives it
    /// another port whose hash differs.
    pub fn land(&mut self, client: usize, shard: usize) {
        self.landing.insert(self.clients[client].address, shard);
    }

    pub fn landing_of(&self, client: usize) -> usize {
        self.landing[&self.clients[client].address]
    }

    /// Gives the bridge a datagram that no client sent.
    pub fn inject(&mut self, shard: usize, from: SocketAddr, bytes: &[u8]) {
        self.to_bridge.push((shard, from, bytes.to_vec()));
    }

    pub fn forget_received(&mut self) {
        for client in &mut self.clients {
            client.rtp.clear();
            client.rtcp.clear();
        }
    }

    pub fn saw(&self, session: SessionId, wanted: impl Fn(&SessionEventKind) -> bool) -> bool {
        self.events.iter().any(|event| event.session == session && wanted(&event.kind))
    }

    pub fn home(&self, client: usize) -> ShardId {
        self.group.directory().shard_of(self.clients[client].session).unwrap()
    }

    pub fn entries(&self) -> usize {
        self.shards.iter().map(Shard::entries).sum()
    }

    /// The sum of all shards' counters.
    pub fn totals(&mut self) -> ShardCounters {
        for shard in &mut self.shards {
            shard.publish_counters();
        }
        let mut totals = ShardCounters::default();
        for counters in self.group.counters() {
            totals.add(&counters);
        }
        totals
    }

    pub fn counters(&mut self, shard: usize) -> ShardCounters {
        self.shards[shard].publish_counters();
        self.group.counters().nth(shard).unwrap()
    }

    /// Sends one audio packet of each number from `sender`.
    pub fn send_audio(&mut self, sender: usize, numbers: impl IntoIterator<Item = u16>) {
        let session = self.clients[sender].session;
        for number in numbers {
            let packet = numbered(audio_ssrc(session), AUDIO, number);
            self.clients[sender].send_rtp(&packet);
        }
    }

    /// The sequence numbers that `receiver` got of this SSRC, in the order of arrival.
    pub fn heard(&self, receiver: usize, ssrc: u32) -> Vec<u16> {
        self.clients[receiver].numbers(ssrc)
    }
}

pub fn bridge_credentials(session: SessionId) -> (String, String) {
    (format!("bridge{}", session.0), format!("bridge-password-{:012}", session.0))
}

/// The first encoding of every video source there may be.
pub fn everything() -> ForwardingProgram {
    let video = |owner| packets::source_id(SessionId(owner), MediaType::Video);
    let targets = (1..=MAX_PARTICIPANTS).map(|owner| (video(owner), LayerIndex::new(0, 0, 7)));
    ForwardingProgram { targets: targets.collect(), ..Default::default() }
}

/// More than any of the tests has.
const MAX_PARTICIPANTS: u64 = 64;

pub fn media() -> MediaDescription {
    let payload_type = |number, name: &str, clock_rate, media, feedback: &[&str]| PayloadType {
        number,
        name: name.into(),
        clock_rate,
        media,
        apt: (name == "rtx").then_some(VIDEO),
        feedback: feedback.iter().map(ToString::to_string).collect(),
    };
    MediaDescription {
        payload_types: vec![
            payload_type(AUDIO, "opus", 48_000, MediaType::Audio, &["transport-cc"]),
            payload_type(
                VIDEO,
                // Any codec without layers: what is sent is what is forwarded.
                "any",
                90_000,
                MediaType::Video,
                &["nack", "nack pli", "ccm fir", "transport-cc"],
            ),
            payload_type(RTX, "rtx", 90_000, MediaType::Video, &[]),
        ],
        header_extensions: packets::EXTENSIONS
            .iter()
            .map(|(id, kind)| (*id, kind.uri().to_owned()))
            .collect(),
        extmap_allow_mixed: true,
    }
}

impl EgressSink for Wire {
    fn send(&mut self, arena: &[u8], runs: &[Run]) -> SendOutcome {
        let mut outcome = SendOutcome::default();
        for run in runs {
            assert_eq!(run.local, 0);
            let bytes = &arena[run.start..run.start + run.bytes];
            let before = self.datagrams.len();
            self.datagrams.extend(bytes.chunks(run.segment).map(|d| (run.remote, d.to_vec())));
            assert_eq!(self.datagrams.len() - before, run.segments);
            outcome.datagrams += run.segments as u64;
            outcome.bytes += run.bytes as u64;
            outcome.messages += 1;
        }
        outcome
    }
}

impl EventSink for Events {
    fn event(&self, event: SessionEvent) -> Result<(), SessionEvent> {
        let doomed = *self.panics_for.lock().unwrap() == Some(event.session);
        assert!(!doomed || !matches!(event.kind, SessionEventKind::Activity), "a bug");
        self.told.lock().unwrap().push(event);
        Ok(())
    }
}

impl ShardWaker for Waker {
    fn wake(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
