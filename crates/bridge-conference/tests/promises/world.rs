//! A bridge without data plane: the driver's part played by the test, and a ledger that checks
//! every command as it comes.

use bridge_conference::*;
use bridge_dtls::Certificate;
use bridge_media::{LayerIndex, LayerState, SourceLayers};
use bridge_shard::{
    AudioLevel, AudioSelection, ConferenceSnapshot, ForwardingProgram, MediaDescription,
    SessionAction, SessionEvent, SessionEventKind, ShardCommand, StreamDescription,
};
use bridge_signaling::colibri2::{
    Capability, ConferenceModified, ConferenceModify, Endpoint, Media, MediaKind, MediaSource,
    PayloadType, Sctp, Source, Sources, SsrcGroup, SsrcGroupSemantics, Transport,
};
use bridge_transport::{LocalIce, RemoteTransport};
use bridge_units::{Bitrate, ConferenceId, EndpointId, SessionId, ShardId, SourceId, Timestamp};
use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU16;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

pub(crate) const MEETING: &str = "5e0b2a1c-7d40-4b6e-9c58-0f4a1be2d913";

pub(crate) struct World {
    pub(crate) now: Timestamp,
    pub(crate) index: ConferenceIndex<()>,
    pub(crate) conferences: HashMap<ConferenceId, Conference>,
    pub(crate) ledger: Ledger,
    environment: Arc<ConferenceEnvironment>,
    seed: u64,
}

/// What the data plane would know.
#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) sessions: BTreeMap<SessionId, Session>,
    pub(crate) snapshots: HashMap<ConferenceId, Arc<ConferenceSnapshot>>,
    pub(crate) snapshots_seen: usize,
    pub(crate) commands_seen: usize,
    /// Who is heard, as the shards were told each time.
    pub(crate) loudest: Vec<Option<Vec<SessionId>>>,
}

pub(crate) struct Session {
    pub(crate) endpoint: EndpointId,
    pub(crate) ice: LocalIce,
    pub(crate) certificate: Arc<Certificate>,
    pub(crate) sctp: bool,
    pub(crate) visitor: bool,
    pub(crate) mid_demux: bool,
    pub(crate) shard: ShardId,
    pub(crate) expired: bool,
    pub(crate) remote: Vec<RemoteTransport>,
    pub(crate) media: Vec<Arc<MediaDescription>>,
    pub(crate) force_mutes: Vec<(bool, bool)>,
    pub(crate) messages: Vec<serde_json::Value>,
    pub(crate) programs: Vec<ForwardingProgram>,
    pub(crate) audio_selections: Vec<Arc<AudioSelection>>,
    pub(crate) keyframe_requests: Vec<SourceId>,
    next_order: u32,
}

pub(crate) fn settings() -> ConferenceSettings {
    ConferenceSettings::default()
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(settings(), |environment| environment)
    }

    pub(crate) fn with(
        settings: ConferenceSettings,
        change: impl FnOnce(ConferenceEnvironment) -> ConferenceEnvironment,
    ) -> Self {
        let host = "10.0.0.5:10000".parse().unwrap();
        let mapping = AddressMapping {
            local: "10.0.0.5".parse().unwrap(),
            public: "203.0.113.10".parse().unwrap(),
            ports: None,
        };
        let environment = change(ConferenceEnvironment {
            shards: NonZeroU16::new(4).unwrap(),
            placement: Placement::RoundRobin,
            certificate: CurrentCertificate::new(Arc::clone(&CERTIFICATE)),
            addresses: LocalAddresses::new([host], vec![mapping], true),
            settings,
            session_ids: SessionIds::default(),
        });
        Self {
            now: Timestamp::from_millis(5_000),
            index: ConferenceIndex::new(ShutdownTimes::default(), false, random(1)),
            conferences: HashMap::new(),
            ledger: Ledger::default(),
            environment: Arc::new(environment),
            seed: 1,
        }
    }

    /// A bridge with a conference and these endpoints, all with audio, video and SCTP.
    pub(crate) fn with_endpoints(ids: &[&str]) -> Self {
        let mut world = Self::new();
        world.create_conference();
        for id in ids {
            world.create(id);
        }
        world
    }

    pub(crate) fn request(
        &mut self,
        request: &ConferenceModify,
    ) -> Result<ConferenceModified, RequestError> {
        let mut made = None;
        self.index.get_or_create(request, |new| made = Some(new.clone()))?;
        if let Some(new) = made {
            self.seed += 1;
            let environment = Arc::clone(&self.environment);
            let id = new.id;
            let conference = Conference::new(new, self.now, environment, random(self.seed));
            self.conferences.insert(id, conference);
        }
        let id = self.index.by_meeting_id(&request.meeting_id).unwrap().0.id;
        let answer = self.conferences.get_mut(&id).unwrap().handle_request(self.now, request);
        self.settle(id);
        answer
    }

    pub(crate) fn create_conference(&mut self) -> ConferenceModified {
        self.request(&create_conference()).unwrap()
    }

    pub(crate) fn modify(
        &mut self,
        endpoint: Endpoint,
    ) -> Result<ConferenceModified, RequestError> {
        self.request(&modify(vec![endpoint]))
    }

    /// Creates a full endpoint and returns its part of the answer.
    pub(crate) fn create(&mut self, id: &str) -> Endpoint {
        self.modify(new_endpoint(id)).unwrap().endpoints.remove(0)
    }

    pub(crate) fn event(&mut self, id: &str, kind: SessionEventKind) {
        let session = self.session_id(id);
        self.session_event(session, kind);
    }

    pub(crate) fn session_event(&mut self, session: SessionId, kind: SessionEventKind) {
        let conference = self.conference_id();
        let event = SessionEvent { conference, session, kind };
        self.conferences.get_mut(&conference).unwrap().handle_event(self.now, event);
        self.settle(conference);
    }

    pub(crate) fn open_channel(&mut self, id: &str) {
        self.event(id, SessionEventKind::ChannelOpened);
    }

    pub(crate) fn say(&mut self, id: &str, text: &str) {
        self.event(id, SessionEventKind::ChannelMessage(text.to_owned()));
    }

    /// Lets time pass, with every time-out on the way.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        let mut ids: Vec<_> = self.conferences.keys().copied().collect();
        ids.sort();
        for id in ids {
            while let Some(conference) = self.conferences.get_mut(&id)
                && let Some(at) = conference.poll_timeout()
                && at <= end
            {
                conference.handle_timeout(at);
                self.settle_at(id, at);
            }
        }
        self.now = end;
    }

    /// The bridge has another last-n for all receivers.
    pub(crate) fn limit(&mut self, last_n: LastN) {
        let id = self.conference_id();
        self.conferences.get_mut(&id).unwrap().set_bridge_last_n(last_n);
        self.settle_at(id, self.now);
    }

    /// The only conference.
    pub(crate) fn conference(&self) -> &Conference {
        &self.conferences[&self.conference_id()]
    }

    pub(crate) fn exists(&self) -> bool {
        self.index.by_meeting_id(MEETING).is_some()
    }

    pub(crate) fn endpoint_ids(&self) -> Vec<String> {
        self.conference().endpoint_ids().map(ToString::to_string).collect()
    }

    pub(crate) fn environment(&self) -> &ConferenceEnvironment {
        &self.environment
    }

    pub(crate) fn session(&self, id: &str) -> &Session {
        &self.ledger.sessions[&self.session_id(id)]
    }

    pub(crate) fn session_id(&self, id: &str) -> SessionId {
        self.conference().session_of(&endpoint_id(id)).unwrap()
    }

    pub(crate) fn streams(&self) -> BTreeMap<u32, StreamDescription> {
        let snapshot = &self.ledger.snapshots[&self.conference_id()];
        snapshot.streams.iter().map(|(ssrc, stream)| (*ssrc, *stream)).collect()
    }

    /// What was sent to an endpoint since the last look, by class.
    pub(crate) fn heard(&mut self, id: &str, class: &str) -> Vec<serde_json::Value> {
        let session = self.session_id(id);
        let messages = &mut self.ledger.sessions.get_mut(&session).unwrap().messages;
        let (of_class, other) =
            messages.drain(..).partition(|message| message["colibriClass"] == class);
        *messages = other;
        of_class
    }

    /// Says what a receiver wants; the class is added.
    pub(crate) fn wish(&mut self, id: &str, mut constraints: serde_json::Value) {
        constraints["colibriClass"] = "ReceiverVideoConstraints".into();
        self.say(id, &constraints.to_string());
    }

    /// A source's number, by its name.
    pub(crate) fn source_id(&self, name: &str) -> SourceId {
        let snapshot = &self.ledger.snapshots[&self.conference_id()];
        snapshot.sources.iter().find(|source| &*source.name == name).unwrap().id
    }

    /// An endpoint's shard reports what a source consists of.
    pub(crate) fn layers(&mut self, id: &str, name: &str, layers: SourceLayers) {
        let source = self.source_id(name);
        self.event(id, SessionEventKind::SourceLayers(source, Box::new(layers)));
    }

    pub(crate) fn estimate(&mut self, id: &str, kbps: u64) {
        self.event(id, SessionEventKind::Estimate(Some(Bitrate::from_kbps(kbps))));
    }

    /// What an endpoint is to get: `a-v0 E1S0T2`, most wanted first.
    pub(crate) fn forwarded(&self, id: &str) -> Vec<String> {
        let snapshot = &self.ledger.snapshots[&self.conference_id()];
        let name = |id: SourceId| snapshot.sources.iter().find(|source| source.id == id);
        let program = self.session(id).programs.last();
        let targets = program.iter().flat_map(|program| &program.targets);
        targets.map(|(id, layer)| format!("{} {layer}", name(*id).unwrap().name)).collect()
    }

    /// Twenty milliseconds of sound of each, 127 being the loudest; time passes.
    pub(crate) fn hear(&mut self, sounds: &[(&str, u8)]) {
        let level = |&(id, loudness): &(&str, u8)| AudioLevel {
            session: self.session_id(id),
            source: None,
            level: 127 - loudness,
            received: self.now,
        };
        let levels = sounds.iter().map(level).collect();
        self.event(sounds[0].0, SessionEventKind::AudioLevels(levels));
        self.pass(Duration::from_millis(20));
    }

    /// One speaks for long enough to be noticed while the others are quiet.
    pub(crate) fn speak(&mut self, id: &str) {
        self.hear(&[(id, 20)]);
        for _ in 0..100 {
            self.hear(&[(id, 100)]);
        }
    }

    pub(crate) fn forget_messages(&mut self) {
        for session in self.ledger.sessions.values_mut() {
            session.messages.clear();
        }
    }

    fn conference_id(&self) -> ConferenceId {
        let mut ids = self.conferences.keys();
        let id = *ids.next().expect("the test has a conference");
        assert!(ids.next().is_none(), "the test has several conferences");
        id
    }

    fn settle(&mut self, id: ConferenceId) {
        self.settle_at(id, self.now);
    }

    fn settle_at(&mut self, id: ConferenceId, at: Timestamp) {
        let conference = self.conferences.get_mut(&id).unwrap();
        while let Some((target, command)) = conference.poll_command() {
            self.ledger.note(target, command);
        }
        self.index.set_endpoint_count(at, id, conference.endpoint_count());
        if conference.is_expired() {
            assert_eq!(conference.entry_counts(), EntryCounts::default());
            assert_eq!(conference.poll_timeout(), None);
            self.conferences.remove(&id);
            self.index.remove(at, id);
        }
    }
}

impl Ledger {
    /// Every promise about the order and balance of commands.
    fn note(&mut self, target: Target, command: ShardCommand) {
        self.commands_seen += 1;
        let copy = Target::duplicate(&command);
        assert_eq!(copy.is_some(), target == Target::AllShards);
        match command {
            ShardCommand::SetConference(snapshot) => {
                self.snapshots_seen += 1;
                for (ssrc, stream) in &snapshot.streams {
                    let owner = self.sessions.get(&stream.owner).expect("a stream has an owner");
                    assert!(!owner.expired, "stream {ssrc} of an expired session");
                }
                self.snapshots.insert(snapshot.conference, snapshot);
            }
            ShardCommand::SetLoudest(id, sessions) => {
                assert!(self.snapshots.contains_key(&id));
                self.loudest.push(sessions.map(|sessions| sessions.to_vec()));
            }
            ShardCommand::RemoveConference(id) => {
                assert!(self.snapshots.remove(&id).is_some(), "removed a conference twice");
            }
            ShardCommand::Session(command) => {
                let Target::Shard(shard) = target else { panic!("a session command for all") };
                if let SessionAction::Create(setup) = command.action {
                    assert!(self.snapshots.contains_key(&setup.conference));
                    assert_eq!(command.order, 0);
                    let session = Session {
                        endpoint: setup.endpoint,
                        ice: setup.ice,
                        certificate: setup.certificate,
                        sctp: setup.sctp,
                        visitor: setup.visitor,
                        mid_demux: setup.mid_demux,
                        shard,
                        expired: false,
                        remote: Vec::new(),
                        media: Vec::new(),
                        force_mutes: Vec::new(),
                        messages: Vec::new(),
                        programs: Vec::new(),
                        audio_selections: Vec::new(),
                        keyframe_requests: Vec::new(),
                        next_order: 1,
                    };
                    assert!(self.sessions.insert(command.session, session).is_none());
                    return;
                }
                let session = self.sessions.get_mut(&command.session).expect("created first");
                assert!(!session.expired, "a command after the end");
                assert_eq!(command.order, session.next_order);
                session.next_order += 1;
                session.shard = shard;
                for source in named(&command.action) {
                    let mut known = self.snapshots.values().flat_map(|snapshot| &snapshot.sources);
                    assert!(known.any(|known| known.id == source), "{source:?} is not signalled");
                }
                session.note(command.action);
            }
        }
    }

    pub(crate) fn living(&self) -> usize {
        self.sessions.values().filter(|session| !session.expired).count()
    }
}

impl Session {
    fn note(&mut self, action: SessionAction) {
        match action {
            SessionAction::Create(_) => panic!("created twice"),
            SessionAction::SetRemoteTransport(remote) => self.remote.push(*remote),
            SessionAction::SetMedia(media) => self.media.push(media),
            SessionAction::SetForceMute { audio, video } => self.force_mutes.push((audio, video)),
            SessionAction::SetForwarding(program) => self.programs.push(*program),
            SessionAction::SetAudioSelection(selection) => self.audio_selections.push(selection),
            SessionAction::RequestKeyframe(source) => self.keyframe_requests.push(source),
            SessionAction::SendMessage(text) => {
                self.messages.push(serde_json::from_str(&text).expect("messages are JSON"));
            }
            SessionAction::Expire => self.expired = true,
        }
    }
}

/// The sources that an order speaks of.
fn named(action: &SessionAction) -> Vec<SourceId> {
    match action {
        SessionAction::SetForwarding(program) => {
            let targets = program.targets.iter().map(|(source, _)| *source);
            targets.chain(program.mapped.iter().copied()).collect()
        }
        SessionAction::SetAudioSelection(selection) => {
            selection.include.iter().chain(&selection.exclude).copied().collect()
        }
        SessionAction::RequestKeyframe(source) => vec![*source],
        _ => Vec::new(),
    }
}

static CERTIFICATE: LazyLock<Arc<Certificate>> = LazyLock::new(|| {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000);
    Arc::new(Certificate::generate(now).unwrap())
});

pub(crate) fn certificate() -> &'static Certificate {
    &CERTIFICATE
}

/// SplitMix64: another output for each state.
pub(crate) fn random(seed: u64) -> Random {
    let mut state = seed << 32;
    Box::new(move |target: &mut [u8]| {
        for chunk in target.chunks_mut(8) {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(z ^ (z >> 31)).to_be_bytes()[..chunk.len()]);
        }
    })
}

pub(crate) fn endpoint_id(id: &str) -> EndpointId {
    EndpointId::new(id).unwrap()
}

pub(crate) fn create_conference() -> ConferenceModify {
    let name = Some("standup@conference.example.net".to_owned());
    ConferenceModify { create: true, name, ..ConferenceModify::new(MEETING) }
}

pub(crate) fn modify(endpoints: Vec<Endpoint>) -> ConferenceModify {
    ConferenceModify { endpoints, ..ConferenceModify::new(MEETING) }
}

pub(crate) fn update(id: &str) -> Endpoint {
    Endpoint::new(endpoint_id(id))
}

pub(crate) fn expire(id: &str) -> Endpoint {
    Endpoint::expired(endpoint_id(id))
}

/// As Jicofo creates one.
pub(crate) fn new_endpoint(id: &str) -> Endpoint {
    Endpoint {
        create: true,
        stats_id: Some(format!("stats-{id}")),
        capabilities: vec![Capability::SourceNames],
        medias: vec![
            media(MediaKind::Audio, &[(111, "opus", 48_000)]),
            media(MediaKind::Video, &[(100, "VP8", 90_000)]),
        ],
        transport: Some(Transport {
            ice_controlling: true,
            sctp: Some(Sctp::default()),
            ..Transport::default()
        }),
        sources: Some(Sources::default()),
        ..update(id)
    }
}

pub(crate) fn media(kind: MediaKind, types: &[(u8, &str, u32)]) -> Media {
    let mut media = Media::new(kind);
    media.payload_types =
        types.iter().map(|&(id, name, rate)| PayloadType::new(id, name, rate)).collect();
    media
}

pub(crate) fn source(kind: MediaKind, name: &str, ssrcs: &[u32]) -> MediaSource {
    let mut source = MediaSource::new(kind, name);
    source.sources = ssrcs.iter().map(|&ssrc| Source::named(ssrc, name)).collect();
    source
}

pub(crate) fn audio(name: &str, ssrc: u32) -> MediaSource {
    source(MediaKind::Audio, name, &[ssrc])
}

pub(crate) fn video(name: &str, ssrc: u32) -> MediaSource {
    source(MediaKind::Video, name, &[ssrc])
}

pub(crate) fn with_group(
    mut source: MediaSource,
    semantics: SsrcGroupSemantics,
    ssrcs: &[u32],
) -> MediaSource {
    source.ssrc_groups.push(SsrcGroup { semantics, ssrcs: ssrcs.to_vec() });
    source
}

pub(crate) fn with_sources(id: &str, media_sources: Vec<MediaSource>) -> Endpoint {
    Endpoint { sources: Some(Sources { media_sources }), ..update(id) }
}

/// As [`new_endpoint`], and it understands retransmissions, without which no estimate counts.
pub(crate) fn full_endpoint(id: &str) -> Endpoint {
    let video = media(MediaKind::Video, &[(100, "VP8", 90_000), (96, "rtx", 90_000)]);
    let audio = media(MediaKind::Audio, &[(111, "opus", 48_000)]);
    Endpoint { medias: vec![audio, video], ..new_endpoint(id) }
}

/// A camera with encodings of 180, 360 and 720 pixels, each at 7.5, 15 and 30 frames per second.
pub(crate) fn camera(kbps: [u64; 9]) -> SourceLayers {
    let layer = |(n, kbps): (u8, u64)| LayerState {
        index: LayerIndex::new(n / 3, 0, n % 3),
        height: Some([180, 360, 720][usize::from(n / 3)]),
        frame_rate: Some([7.5, 15.0, 30.0][usize::from(n % 3)]),
        bitrate: Bitrate::from_kbps(kbps),
        target_bitrate: None,
    };
    SourceLayers { layers: (0..).zip(kbps).map(layer).collect() }
}

/// A usual camera.
pub(crate) fn usual_camera() -> SourceLayers {
    camera([40, 70, 110, 120, 210, 340, 400, 750, 1200])
}

/// Endpoints with channels, of which each sends a camera `<id>-v0` and a microphone `<id>-a0`, and
/// nobody said anything yet.
pub(crate) fn cameras_with(settings: ConferenceSettings, ids: &[&str]) -> World {
    let mut world = World::with(settings, |environment| environment);
    world.create_conference();
    for (n, id) in (0..).zip(ids) {
        let (voice, picture) = (format!("{id}-a0"), format!("{id}-v0"));
        world.modify(full_endpoint(id)).unwrap();
        world.open_channel(id);
        let sources = vec![audio(&voice, 10 + 2 * n), video(&picture, 11 + 2 * n)];
        world.modify(with_sources(id, sources)).unwrap();
    }
    for id in ids {
        world.layers(id, &format!("{id}-v0"), usual_camera());
    }
    world.forget_messages();
    world
}

pub(crate) fn cameras(ids: &[&str]) -> World {
    cameras_with(settings(), ids)
}
