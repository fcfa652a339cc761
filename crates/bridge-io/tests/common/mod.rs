//! A bridge of shards' threads and clients with real sockets.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bridge_dtls::{Certificate, DtlsContext, DtlsSettings, FingerprintHash, Setup};
use bridge_io::{Clock, CoalescingSettings, IoCounters, UdpSettings, UdpShards, bind};
use bridge_media::VideoType;
use bridge_metrics::ShardCounters;
use bridge_rtp::{PacketKind, RtpHeader};
use bridge_shard::{
    ConferenceSnapshot, EncodingSsrcs, EventSink, MediaDescription, MediaSettings, PayloadType,
    SessionAction, SessionCommand, SessionEvent, SessionSetup, ShardCommand, ShardSettings,
    SourceDescription, StreamDescription, StreamRole,
};
use bridge_transport::{
    CandidateKind, IceSettings, LocalIce, PeerTransport, RemoteCandidate, RemoteTransport,
    TransportContext, TransportEvent, TransportSettings,
};
use bridge_units::{ConferenceId, EndpointId, MediaType, SessionId, ShardId, SourceId, Timestamp};

const OPUS: u8 = 111;
const CONFERENCE: ConferenceId = ConferenceId(1);

pub struct Client {
    pub session: SessionId,
    pub socket: UdpSocket,
    address: SocketAddr,
    pub transport: PeerTransport,
    pub connected: bool,
    pub heard: Vec<u16>,
}

pub struct Bridge {
    pub shards: UdpShards,
    pub address: SocketAddr,
    pub clock: Clock,
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

impl Bridge {
    /// `sessions` of which each has one audio stream, with its number as its SSRC.
    pub fn start(sessions: u64, shards: u16, coalescing: CoalescingSettings) -> Self {
        let settings = UdpSettings { port: 0, shards, pin: false, receive_buffer: 4 << 20 };
        let bound = bind(&settings, &[IpAddr::V4(Ipv4Addr::LOCALHOST)]).coalescing(coalescing);
        let address = bound.addresses()[0];
        let clock = Clock::start();
        let dtls = DtlsContext::new(DtlsSettings::default(), clock.origin()).unwrap();
        let context = TransportContext::new(dtls, IceSettings::default(), clock.origin());
        let events = Arc::new(Events::default());
        let shard_settings = ShardSettings {
            local_addresses: [address].into(),
            context: context.clone(),
            media: MediaSettings::default(),
        };
        let shards = bound.start(&settings, shard_settings, events.clone(), clock).unwrap();
        let streams = (1..=sessions).map(|session| {
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
            local_video_ssrc: 99_999,
            sources: (1..=sessions).map(source).collect(),
            streams: streams.collect(),
        });
        for inbox in shards.group().inboxes() {
            assert!(inbox.command(ShardCommand::SetConference(snapshot.clone())).is_ok());
        }
        Self { shards, address, clock, context, certificate: certificate(), events }
    }

    /// Joins on shard 0; the kernel decides where the session ends up.
    pub fn join(&self, session: SessionId) -> Client {
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

    /// The sum over all shards, as last published.
    pub fn counters(&self) -> ShardCounters {
        let mut sum = ShardCounters::default();
        self.shards.group().counters().for_each(|counters| sum.add(&counters));
        sum
    }

    /// The sum over all shards, as last published.
    pub fn io(&self, pick: fn(&IoCounters) -> u64) -> u64 {
        self.shards.io_counters().map(|counters| pick(&counters)).sum()
    }

    /// Lets the clients do what they have to until `done`.
    pub fn run(&self, clients: &mut [Client], done: impl Fn(&[Client]) -> bool) {
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
                assert_eq!(header.payload(&bytes[..len])[..80], [header.sequence_number as u8; 80]);
                self.heard.push(header.sequence_number);
            }
            PacketKind::Rtcp | PacketKind::Other => {}
        }
    }

    pub fn send_audio(&mut self, bridge: SocketAddr, number: u16) {
        let packet = self.seal(number, 80);
        self.socket.send_to(&packet, bridge).unwrap();
    }

    /// Packet `number` of the client's stream.
    pub fn seal(&mut self, number: u16, payload: usize) -> Vec<u8> {
        let mut header = vec![0x80, OPUS];
        header.extend(number.to_be_bytes());
        header.extend((u32::from(number) * 960).to_be_bytes());
        header.extend((self.session.0 as u32).to_be_bytes());
        let mut out = vec![0; 1_500];
        let srtp = self.transport.srtp().unwrap();
        let len = srtp.sender.seal_rtp(&header, &vec![number as u8; payload], &mut out).unwrap();
        out.truncate(len);
        out
    }
}

/// The one stream of a session, with its number as its SSRC.
fn source(session: u64) -> Arc<SourceDescription> {
    Arc::new(SourceDescription {
        id: SourceId(session as u32),
        owner: SessionId(session),
        endpoint: EndpointId::new(&format!("bridge{session}")).unwrap(),
        name: format!("bridge{session}-a0").into(),
        media: MediaType::Audio,
        video_type: VideoType::Camera,
        synthetic: false,
        encodings: vec![EncodingSsrcs { primary: session as u32, rtx: None }],
    })
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
