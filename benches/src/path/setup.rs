//! How a shard and its participants come to be connected.

use super::feedback::Feedback;
use super::traffic::Traffic;
use super::wire::Wire;
use super::{
    AUDIO, AUDIO_SSRC, Due, EXTENSIONS, PacketPath, Participant, PathSettings, RTX, RTX_SSRC, TICK,
    VIDEO, VIDEO_SSRC, bridge_address, participant_address, traffic,
};
use crate::clock;
use anyhow::{Context, Result, anyhow, ensure};
use bridge_dtls::{Certificate, ClientBackend, DtlsContext, DtlsSettings, FingerprintHash, Setup};
use bridge_media::{LayerIndex, VideoType};
use bridge_rtp::ExtensionType;
use bridge_shard::{
    ConferenceSnapshot, EncodingSsrcs, EventSink, ForwardingProgram, Inbox, MediaDescription,
    MediaSettings, PayloadType, SessionAction, SessionCommand, SessionEvent, SessionSetup, Shard,
    ShardCommand, ShardGroup, ShardSettings, ShardWaker, SourceDescription, StreamDescription,
    StreamRole,
};
use bridge_srtp::Profile;
use bridge_transport::{IceSettings, LocalIce, RemoteTransport, TransportContext};
use bridge_units::{
    Bitrate, ConferenceId, EndpointId, MediaType, SessionId, ShardId, SourceId, Timestamp,
};
use rustc_hash::FxHashMap;
use std::sync::Arc;
use std::time::Duration;

/// A path whose participants all have keys.
pub(super) fn connected(settings: PathSettings) -> Result<PacketPath> {
    let now = Timestamp::from_millis(10_000);
    let setup = GroupSetup::new()?;
    let participants = 1 + settings.receivers;
    let group = setup.group();
    let shard = Shard::new(ShardId(0), Arc::clone(&group));
    let inbox = group.inbox(ShardId(0)).context("the group has one shard")?;
    let mut joined = Vec::new();
    for index in 0..participants {
        joined.push(setup.join(now, inbox, index, settings)?);
    }
    command(inbox, ShardCommand::SetConference(Arc::new(conference()?)))?;
    let transport_cc = traffic::extension_id(ExtensionType::TransportCc);
    let mut path = PacketPath {
        now,
        shard,
        wire: Wire::new(participants, settings.transport_cc.then_some(transport_cc)),
        participants: joined,
        traffic: Traffic::new(),
        feedback: Feedback::new(now, participants),
        settings,
        due: Due { frame: now, sound: now, report: now, signals: now },
        arriving: Vec::new(),
        arriving_count: 0,
        packets_in: 0,
    };
    path.connect()?;
    Ok(path)
}

impl PacketPath {
    /// Until everybody has keys, in both directions.
    fn connect(&mut self) -> Result<()> {
        let end = self.now + CONNECT_TIMEOUT;
        while !self.participants.iter().all(|participant| participant.is_connected) {
            ensure!(self.now < end, "not everybody is connected");
            self.signal_turn();
        }
        // The shard's side ends a little later.
        for _ in 0..100 {
            self.signal_turn();
        }
        let profile = self.sender().srtp()?.sender.profile();
        ensure!(profile == Profile::AeadAes128Gcm, "the profile is {}", profile.name());
        self.due = Due { frame: self.now, sound: self.now, report: self.now, signals: self.now };
        self.feedback = Feedback::new(self.now, self.participants.len());
        self.traffic.request_keyframe();
        Ok(())
    }

    fn signal_turn(&mut self) {
        self.wire.now = self.now;
        self.arriving_count = 0;
        self.due.signals = self.now;
        self.exchange_signals();
        let (now, wire) = (self.now, &mut self.wire);
        for datagram in &mut self.arriving[..self.arriving_count] {
            let from = datagram.from;
            self.shard.handle_datagram(now, 0, from, datagram.content(), wire);
        }
        self.shard.end_batch(now, wire);
        self.shard.handle_inbox(now, wire);
        self.shard.handle_timeout(now, wire);
        self.shard.end_batch(now, wire);
        self.now = now + TICK;
    }
}

/// What all sessions share.
struct GroupSetup {
    context: Arc<TransportContext>,
    bridge_certificate: Arc<Certificate>,
    certificate: Arc<Certificate>,
}

impl GroupSetup {
    fn new() -> Result<Self> {
        // OpenSSL on both sides: dimpl prefers AES-256-GCM.
        let settings = DtlsSettings {
            srtp_profiles: vec![Profile::AeadAes128Gcm],
            dtls13: false,
            client_backend: ClientBackend::OpenSsl,
            ..DtlsSettings::default()
        };
        let origin = clock::wall();
        let dtls = DtlsContext::new(settings, origin)?;
        let generate = || Certificate::generate(clock::calendar()).map(Arc::new);
        Ok(Self {
            context: TransportContext::new(dtls, IceSettings::default(), origin),
            bridge_certificate: generate()?,
            certificate: generate()?,
        })
    }

    fn group(&self) -> Arc<ShardGroup> {
        let settings = ShardSettings {
            local_addresses: [bridge_address()].into(),
            context: Arc::clone(&self.context),
            media: MediaSettings::default(),
        };
        Arc::new(ShardGroup::new(settings, vec![Inbox::new(Box::new(Awake))], Arc::new(Ignored)))
    }

    /// A session of the shard and its client.
    fn join(
        &self,
        now: Timestamp,
        inbox: &Inbox,
        index: usize,
        settings: PathSettings,
    ) -> Result<Participant> {
        let session = SessionId(1 + index as u64);
        let ice = LocalIce {
            ufrag: format!("bridge{}", session.0),
            password: format!("bridge-password-{:012}", session.0),
            controlling: true,
        };
        let credentials = Participant::credentials(session);
        let remote = RemoteTransport {
            credentials: Some((credentials.ufrag, credentials.password)),
            candidates: Vec::new(),
            fingerprints: vec![self.certificate.fingerprint(FingerprintHash::Sha256)],
            setup: Some(Setup::Active),
        };
        let actions = [
            SessionAction::Create(Box::new(self.session(session, ice.clone())?)),
            SessionAction::SetMedia(Arc::new(media(settings.transport_cc))),
            SessionAction::SetForwarding(Box::new(program())),
            SessionAction::SetRemoteTransport(Box::new(remote)),
        ];
        for (order, action) in (0..).zip(actions) {
            let order = SessionCommand { session, order, action };
            command(inbox, ShardCommand::Session(order))?;
        }
        let context = Arc::clone(&self.context);
        let certificate = Arc::clone(&self.certificate);
        let address = participant_address(index);
        let mut participant = Participant::new(now, session, address, context, certificate);
        participant.signal(now, ice, &self.bridge_certificate);
        Ok(participant)
    }

    fn session(&self, session: SessionId, ice: LocalIce) -> Result<SessionSetup> {
        Ok(SessionSetup {
            conference: CONFERENCE,
            endpoint: endpoint(session)?,
            ice,
            sctp: false,
            visitor: false,
            rewrites_ssrcs: false,
            mid_demux: false,
            certificate: Arc::clone(&self.bridge_certificate),
        })
    }
}

fn command(inbox: &Inbox, command: ShardCommand) -> Result<()> {
    inbox.command(command).map_err(|_| anyhow!("the shard's inbox is full"))
}

fn endpoint(session: SessionId) -> Result<EndpointId> {
    EndpointId::new(&format!("{:08x}", session.0)).context("eight digits are an id")
}

/// The sender's one encoding, to everybody.
fn program() -> ForwardingProgram {
    ForwardingProgram {
        targets: vec![(VIDEO_SOURCE, LayerIndex::new(0, 0, 7))],
        target_bitrate: Bitrate::from_kbps(2_500),
        ideal_bitrate: Bitrate::from_kbps(2_500),
        ..ForwardingProgram::default()
    }
}

/// The sender's two sources.
fn conference() -> Result<ConferenceSnapshot> {
    let owner = SessionId(1);
    let endpoint = endpoint(owner)?;
    let source = |id, media, name: &str, primary, rtx| {
        Arc::new(SourceDescription {
            id,
            owner,
            endpoint: endpoint.clone(),
            name: name.into(),
            media,
            video_type: VideoType::Camera,
            synthetic: false,
            encodings: vec![EncodingSsrcs { primary, rtx }],
        })
    };
    let stream = |source, media, role| StreamDescription { owner, source, media, role };
    let primary = StreamRole::Primary { encoding: 0 };
    let rtx = StreamRole::Rtx { encoding: 0, primary: VIDEO_SSRC };
    let mut streams = FxHashMap::default();
    streams.insert(AUDIO_SSRC, stream(AUDIO_SOURCE, MediaType::Audio, primary));
    streams.insert(VIDEO_SSRC, stream(VIDEO_SOURCE, MediaType::Video, primary));
    streams.insert(RTX_SSRC, stream(VIDEO_SOURCE, MediaType::Video, rtx));
    Ok(ConferenceSnapshot {
        conference: CONFERENCE,
        local_video_ssrc: BRIDGE_SSRC,
        sources: vec![
            source(AUDIO_SOURCE, MediaType::Audio, "sender-a0", AUDIO_SSRC, None),
            source(VIDEO_SOURCE, MediaType::Video, "sender-v0", VIDEO_SSRC, Some(RTX_SSRC)),
        ],
        streams,
    })
}

/// What everybody negotiated.
fn media(transport_cc: bool) -> MediaDescription {
    let payload_type = |number, name: &str, media, feedback: &[&str]| PayloadType {
        number,
        name: name.into(),
        clock_rate: if media == MediaType::Audio { 48_000 } else { 90_000 },
        media,
        apt: (name == "rtx").then_some(VIDEO),
        feedback: feedback
            .iter()
            .filter(|kind| transport_cc || **kind != "transport-cc")
            .map(ToString::to_string)
            .collect(),
    };
    let wanted = |kind| transport_cc || kind != ExtensionType::TransportCc;
    MediaDescription {
        payload_types: vec![
            payload_type(AUDIO, "opus", MediaType::Audio, &["transport-cc"]),
            payload_type(VIDEO, "vp8", MediaType::Video, VIDEO_FEEDBACK),
            payload_type(RTX, "rtx", MediaType::Video, &[]),
        ],
        header_extensions: EXTENSIONS
            .iter()
            .filter(|(_, kind)| wanted(*kind))
            .map(|(id, kind)| (*id, kind.uri().to_owned()))
            .collect(),
        extmap_allow_mixed: true,
    }
}

/// The shard takes its turn whenever it has one.
struct Awake;

/// Nobody decides on what the shard tells.
struct Ignored;

impl ShardWaker for Awake {
    fn wake(&self) {}
}

impl EventSink for Ignored {
    fn event(&self, _: SessionEvent) -> Result<(), SessionEvent> {
        Ok(())
    }
}

const VIDEO_FEEDBACK: &[&str] = &["nack", "nack pli", "ccm fir", "transport-cc"];
const CONFERENCE: ConferenceId = ConferenceId(1);
const BRIDGE_SSRC: u32 = 0xb81d_6e00;
const AUDIO_SOURCE: SourceId = SourceId(1);
const VIDEO_SOURCE: SourceId = SourceId(2);
/// Of virtual time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
