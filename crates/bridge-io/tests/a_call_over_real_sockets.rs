//! Two clients with real sockets hear each other through the shards' threads while somebody floods
//! the port with random datagrams.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must stop")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bridge_dtls::{Certificate, DtlsContext, DtlsSettings, FingerprintHash, Setup};
use bridge_io::{Clock, UdpSettings, UdpShards, bind};
use bridge_rtp::{PacketKind, RtpHeader};
use bridge_shard::{
    ConferenceSnapshot, EventSink, MediaDescription, PayloadType, SessionAction, SessionCommand,
    SessionEvent, SessionSetup, ShardCommand, ShardSettings, StreamDescription, StreamRole,
};
use bridge_transport::{
    CandidateKind, IceSettings, LocalIce, PeerTransport, RemoteCandidate, RemoteTransport,
    TransportContext, TransportEvent, TransportSettings,
};
use bridge_units::{ConferenceId, EndpointId, MediaType, SessionId, ShardId, SourceId, Timestamp};

const OPUS: u8 = 111;
const CONFERENCE: ConferenceId = ConferenceId(1);
const PACKETS: u16 = 150;

struct Client {
    session: SessionId,
    socket: UdpSocket,
    address: SocketAddr,
    transport: PeerTransport,
    connected: bool,
    heard: Vec<u16>,
}

struct Bridge {
    shards: UdpShards,
    address: SocketAddr,
    clock: Clock,
    context: Arc<TransportContext>,
    certificate: Arc<Certificate>,
    events: Arc<Events>,
}

#[derive(Default)]
struct Events(Mutex<Vec<SessionEvent>>);

impl EventSink for Events {
    fn event(&self, event: SessionEvent) -> Result<(), SessionEvent> {
        self.0.lock().unwrap().push(event);
        Ok(())
    }
}

#[test]
fn audio_flows_both_ways_under_a_flood() {
    let bridge = Bridge::start();
    // Both start on shard 0; the kernel decides where they end up.
    let mut clients = [bridge.join(SessionId(1)), bridge.join(SessionId(2))];
    bridge.run(&mut clients, |clients| clients.iter().all(|client| client.connected));

    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| flood(bridge.address, &stop));
        for number in 0..PACKETS {
            for client in &mut clients {
                client.send_audio(bridge.address, number);
            }
            let next = bridge.clock.now() + Duration::from_millis(10);
            bridge.run(&mut clients, |_| bridge.clock.now() >= next);
        }
        bridge.run(&mut clients, |clients| {
            clients.iter().all(|client| client.heard.len() >= usize::from(PACKETS))
        });
        stop.store(true, Ordering::Relaxed);
    });
    for client in &clients {
        assert_eq!(client.heard, (0..PACKETS).collect::<Vec<_>>());
    }
    // Counters are published ten times a second.
    std::thread::sleep(Duration::from_millis(1_200));
    let counters: Vec<_> = bridge.shards.group().counters().collect();
    let sum =
        |pick: fn(&bridge_metrics::ShardCounters) -> u64| counters.iter().map(pick).sum::<u64>();
    assert_eq!(sum(|c| c.panics), 0);
    assert_eq!(sum(|c| c.rtp_out), 2 * u64::from(PACKETS));
    assert_eq!(sum(|c| c.sessions), 2);
    assert!(sum(|c| c.dropped_unknown_source) > 500, "{counters:?}");
    assert_eq!(sum(|c| c.send_refused), 0);
    for session in [SessionId(1), SessionId(2)] {
        let owner = bridge.shards.group().directory().shard_of(session).unwrap();
        assert!(counters[usize::from(owner.0)].sessions > 0);
    }
}

/// About 1,000 datagrams a second from changing ports.
fn flood(to: SocketAddr, stop: &AtomicBool) {
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    while !stop.load(Ordering::Relaxed) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..10 {
            let bytes: Vec<u8> = (0..random % 1_400)
                .map(|_| {
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    random as u8
                })
                .collect();
            random = random.wrapping_add(1);
            // A full buffer is as good.
            let _ = socket.send_to(&bytes, to);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

impl Bridge {
    fn start() -> Self {
        let settings = UdpSettings { port: 0, shards: 2, pin: false, receive_buffer: 4 << 20 };
        let bound = bind(&settings, &[IpAddr::V4(Ipv4Addr::LOCALHOST)]);
        let address = bound.addresses()[0];
        let clock = Clock::start();
        let dtls = DtlsContext::new(DtlsSettings::default(), clock.origin()).unwrap();
        let context = TransportContext::new(dtls, IceSettings::default(), clock.origin());
        let events = Arc::new(Events::default());
        let shard_settings =
            ShardSettings { local_addresses: [address].into(), context: context.clone() };
        let shards = bound.start(&settings, shard_settings, events.clone(), clock).unwrap();
        let streams = [1, 2].map(|session| {
            let role = StreamRole::Primary { encoding: 0 };
            let owner = SessionId(session);
            (
                session as u32,
                StreamDescription {
                    owner,
                    source: SourceId(session as u32),
                    media: MediaType::Audio,
                    role,
                },
            )
        });
        let snapshot = Arc::new(ConferenceSnapshot {
            conference: CONFERENCE,
            local_video_ssrc: 99,
            sources: Vec::new(),
            streams: streams.into_iter().collect(),
        });
        for inbox in shards.group().inboxes() {
            assert!(inbox.command(ShardCommand::SetConference(snapshot.clone())).is_ok());
        }
        Self { shards, address, clock, context, certificate: certificate(), events }
    }

    fn join(&self, session: SessionId) -> Client {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let address = socket.local_addr().unwrap();
        let ice = |side: &str, controlling| LocalIce {
            ufrag: format!("{side}{}", session.0),
            password: format!("{side}-password-{:016}", session.0),
            controlling,
        };
        let (ours, theirs) = (ice("bridge", true), ice("client", false));
        let client_certificate = certificate();
        let mut transport = PeerTransport::new(
            self.clock.now(),
            TransportSettings {
                context: self.context.clone(),
                local: theirs.clone(),
                local_addresses: [address].into(),
                certificate: client_certificate.clone(),
                sctp: false,
            },
        );
        let remote = |ice: &LocalIce, certificate: &Certificate, setup| RemoteTransport {
            credentials: Some((ice.ufrag.clone(), ice.password.clone())),
            candidates: Vec::new(),
            fingerprints: vec![certificate.fingerprint(FingerprintHash::Sha256)],
            setup: Some(setup),
        };
        let mut of_bridge = remote(&ours, &self.certificate, Setup::Passive);
        of_bridge.candidates.push(RemoteCandidate {
            address: self.address,
            kind: CandidateKind::Host,
            priority: 2_130_706_431,
            foundation: "1".into(),
        });
        transport.set_remote(self.clock.now(), &of_bridge);
        let setup = SessionSetup {
            conference: CONFERENCE,
            endpoint: EndpointId::new(&ours.ufrag).unwrap(),
            ice: ours,
            sctp: false,
            visitor: false,
            rewrites_ssrcs: false,
            mid_demux: false,
            certificate: self.certificate.clone(),
        };
        let of_client = remote(&theirs, &client_certificate, Setup::Active);
        let actions = [
            SessionAction::Create(Box::new(setup)),
            SessionAction::SetMedia(Arc::new(opus())),
            SessionAction::SetRemoteTransport(Box::new(of_client)),
        ];
        for (order, action) in (0..).zip(actions) {
            let command = ShardCommand::Session(SessionCommand { session, order, action });
            assert!(self.shards.group().inbox(ShardId(0)).unwrap().command(command).is_ok());
        }
        Client { session, socket, address, transport, connected: false, heard: Vec::new() }
    }

    /// Lets the clients do what they have to until `done`.
    fn run(&self, clients: &mut [Client], done: impl Fn(&[Client]) -> bool) {
        let limit = self.clock.now() + Duration::from_secs(15);
        while !done(clients) {
            let now = self.clock.now();
            assert!(now < limit, "{:?}", self.events.0.lock().unwrap());
            for client in &mut *clients {
                client.advance(now, self.address);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Client {
    fn advance(&mut self, now: Timestamp, bridge: SocketAddr) {
        let mut buffer = [0; 2_000];
        while let Ok((len, from)) = self.socket.recv_from(&mut buffer) {
            assert_eq!(from, bridge);
            self.handle(now, from, &mut buffer[..len]);
        }
        self.transport.handle_timeout(now);
        while let Some(event) = self.transport.poll_event() {
            self.connected |= matches!(event, TransportEvent::DtlsConnected { .. });
        }
        while let Some(transmit) = self.transport.poll_transmit(&mut buffer) {
            self.socket.send_to(&buffer[..transmit.len], transmit.remote).unwrap();
        }
    }

    fn handle(&mut self, now: Timestamp, from: SocketAddr, bytes: &mut [u8]) {
        match PacketKind::classify(bytes) {
            PacketKind::Stun => {
                let _ = self.transport.handle_stun(now, self.address, from, bytes);
            }
            PacketKind::Dtls => {
                let _ = self.transport.handle_dtls(now, from, bytes);
            }
            PacketKind::Rtp => {
                let header = RtpHeader::parse(bytes).unwrap();
                assert_ne!(u64::from(header.ssrc), self.session.0, "an echo");
                let srtp = self.transport.srtp().unwrap();
                let len = srtp.receiver.open_rtp(bytes, header.header_len()).unwrap();
                assert_eq!(header.payload(&bytes[..len]), [header.sequence_number as u8; 80]);
                self.heard.push(header.sequence_number);
            }
            PacketKind::Rtcp | PacketKind::Other => {}
        }
    }

    fn send_audio(&mut self, bridge: SocketAddr, number: u16) {
        let mut header = vec![0x80, OPUS];
        header.extend(number.to_be_bytes());
        header.extend((u32::from(number) * 960).to_be_bytes());
        header.extend((self.session.0 as u32).to_be_bytes());
        let mut out = [0; 200];
        let srtp = self.transport.srtp().unwrap();
        let len = srtp.sender.seal_rtp(&header, &[number as u8; 80], &mut out).unwrap();
        self.socket.send_to(&out[..len], bridge).unwrap();
    }
}

fn opus() -> MediaDescription {
    MediaDescription {
        payload_types: vec![PayloadType {
            number: OPUS,
            name: "opus".into(),
            clock_rate: 48_000,
            media: MediaType::Audio,
            apt: None,
            feedback: Vec::new(),
        }],
        header_extensions: Vec::new(),
        extmap_allow_mixed: true,
    }
}

#[expect(clippy::disallowed_methods, reason = "certificates are valid on the wall clock")]
fn certificate() -> Arc<Certificate> {
    Arc::new(Certificate::generate(SystemTime::now()).unwrap())
}
