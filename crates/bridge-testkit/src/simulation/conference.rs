//! Clients over links to the engines of the bridge, in virtual time.

use super::audio_sender::AudioSender;
use super::bridge::{
    BridgeSettings, CLIENT_CERTIFICATE, CONTEXT, SimulatedBridge, SimulationError, bridge_address,
};
use super::client::{Abilities, SimulatedClient};
use super::link::{Link, LinkOutcome, LinkSettings};
use super::random::SimulationRandom;
use super::rtp_writer::OutgoingRtp;
use super::signaling;
use super::video_sender::{VideoSender, VideoSettings};
use super::violation::Violations;
use bridge_conference::Conference;
use bridge_metrics::ShardCounters;
use bridge_signaling::bridge_channel::BridgeChannelMessage;
use bridge_transport::{LocalIce, PeerTransport, TransportSettings};
use bridge_units::{Bitrate, EndpointId, Timestamp};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// How a participant comes in.
#[derive(Clone, Debug)]
pub struct Participant {
    /// Of 8 hex digits, as Jicofo has it; its sources' names begin with it.
    pub id: String,
    /// The cameras and screens.
    pub videos: Vec<VideoSettings>,
    /// To the bridge.
    pub uplink: LinkSettings,
    /// From the bridge.
    pub downlink: LinkSettings,
    /// What it negotiates besides what all have.
    pub abilities: Abilities,
    /// How many packets before it each packet of its audio repeats.
    pub audio_redundancy: usize,
}

/// A conference in virtual time. One seed, one result.
pub struct SimulatedConference {
    now: Timestamp,
    bridge: SimulatedBridge,
    clients: Vec<SimulatedClient>,
    by_address: BTreeMap<SocketAddr, usize>,
    random: SimulationRandom,
    agenda: BTreeMap<(Timestamp, u64), Due>,
    order: u64,
    /// When each client and the bridge come up next by themselves.
    client_due: Vec<Timestamp>,
    bridge_due: Timestamp,
}

/// What happens at a time.
enum Due {
    ToBridge { client: usize, datagram: Vec<u8> },
    ToClient { client: usize, datagram: Vec<u8> },
    Client(usize),
    Bridge,
}

impl Participant {
    /// The `number`-th participant: sends no video, over ideal links.
    pub fn new(number: u32) -> Self {
        Self {
            id: format!("{:08x}", 0xa000_0000_u32 + number),
            videos: Vec::new(),
            uplink: LinkSettings::ideal(),
            downlink: LinkSettings::ideal(),
            abilities: Abilities::default(),
            audio_redundancy: 0,
        }
    }

    /// With a VP8 camera.
    #[must_use]
    pub fn with_camera(self) -> Self {
        self.with_video(VideoSettings::vp8)
    }

    /// With one more source.
    #[must_use]
    pub fn with_video(mut self, make: impl FnOnce(&str, u32) -> VideoSettings) -> Self {
        let index = self.videos.len() as u32;
        let name = format!("{}-v{index}", self.id);
        self.videos
            .push(make(&name, self.first_ssrc() + FIRST_VIDEO_SSRC + index * SSRCS_PER_VIDEO));
        self
    }

    /// Receiving over this link.
    #[must_use]
    pub fn with_downlink(self, downlink: LinkSettings) -> Self {
        Self { downlink, ..self }
    }

    /// Sending over this link.
    #[must_use]
    pub fn with_uplink(self, uplink: LinkSettings) -> Self {
        Self { uplink, ..self }
    }

    /// Letting the bridge choose a few SSRCs, with MIDs or not.
    #[must_use]
    pub fn with_few_ssrcs(mut self, mids: bool) -> Self {
        self.abilities.few_ssrcs = true;
        self.abilities.mids = mids;
        self
    }

    /// Taking audio with redundancy, and sending so much of it.
    #[must_use]
    pub fn with_redundant_audio(mut self, redundancy: usize) -> Self {
        self.abilities.redundant_audio = true;
        self.audio_redundancy = redundancy;
        self
    }

    fn first_ssrc(&self) -> u32 {
        let number = u32::from_str_radix(&self.id, 16).unwrap_or(0) & 0xffff;
        (number + 1) * SSRCS_PER_PARTICIPANT
    }
}

impl SimulatedConference {
    /// An empty conference on a bridge of so many shards.
    pub fn new(seed: u64, shards: usize) -> Result<Self, SimulationError> {
        Self::with_settings(seed, shards, BridgeSettings::default())
    }

    /// As [`Self::new`], on a bridge that is configured so.
    pub fn with_settings(
        seed: u64,
        shards: usize,
        settings: BridgeSettings,
    ) -> Result<Self, SimulationError> {
        let mut random = SimulationRandom::new(seed);
        let now = Timestamp::from_millis(10_000);
        let bridge = SimulatedBridge::new(now, shards, settings, random.fork())?;
        Ok(Self {
            now,
            bridge,
            clients: Vec::new(),
            by_address: BTreeMap::new(),
            random,
            agenda: BTreeMap::new(),
            order: 0,
            client_due: Vec::new(),
            bridge_due: Timestamp::FAR_FUTURE,
        })
    }

    /// Brings participants in, lets them connect, and then lets them send. Their places in
    /// [`Self::client`].
    pub fn join(&mut self, participants: &[Participant]) -> Result<Vec<usize>, SimulationError> {
        let joined: Vec<usize> =
            participants.iter().map(|p| self.admit(p)).collect::<Result<_, _>>()?;
        let end = self.now + CONNECT_TIME;
        while !joined.iter().all(|&index| self.clients[index].is_ready()) {
            if self.now > end {
                let waiting = joined.iter().filter(|&&index| !self.clients[index].is_ready());
                let names: Vec<_> = waiting.map(|&i| self.clients[i].id().to_string()).collect();
                return Err(SimulationError::Late(format!("connected: {names:?}")));
            }
            self.run_for(Duration::from_millis(20));
        }
        for &index in &joined {
            self.clients[index].begin(self.now);
            self.schedule_client(index);
        }
        Ok(joined)
    }

    /// Lets time pass.
    pub fn run_for(&mut self, time: Duration) {
        self.run_until(self.now + time);
    }

    /// Lets time pass until then.
    pub fn run_until(&mut self, end: Timestamp) {
        while let Some((&(at, _), _)) = self.agenda.first_key_value() {
            if at > end {
                break;
            }
            let Some((_, due)) = self.agenda.pop_first() else { break };
            self.now = self.now.max(at);
            self.take(at, due);
        }
        self.now = self.now.max(end);
    }

    /// A participant leaves.
    pub fn leave(&mut self, client: usize) -> Result<(), SimulationError> {
        let request = signaling::expire(self.clients[client].id());
        self.bridge.request(self.now, &request)?;
        self.flush_bridge();
        Ok(())
    }

    /// A participant says something over its bridge channel.
    pub fn say(&mut self, client: usize, message: &BridgeChannelMessage) {
        self.clients[client].say(self.now, message);
        self.advance_client(client);
    }

    /// A participant sends a packet that its script does not have.
    pub fn inject_rtp(&mut self, client: usize, packet: &OutgoingRtp) {
        self.clients[client].send_rtp(self.now, packet);
        self.advance_client(client);
    }

    /// A participant sends this as RTCP, whatever it is.
    pub fn inject_rtcp(&mut self, client: usize, bytes: &[u8]) {
        self.clients[client].send_sealed_rtcp(self.now, bytes.to_vec());
        self.advance_client(client);
    }

    /// The last RTP packet of a participant comes again, so often.
    pub fn replay_last_rtp(&mut self, client: usize, times: usize) {
        for _ in 0..times {
            self.clients[client].replay_last_rtp(self.now);
        }
        self.advance_client(client);
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// A participant, by its place.
    pub fn client(&self, index: usize) -> &SimulatedClient {
        &self.clients[index]
    }

    /// A participant, to be changed by a script.
    pub fn client_mut(&mut self, index: usize) -> &mut SimulatedClient {
        &mut self.clients[index]
    }

    /// All participants.
    pub fn clients(&self) -> &[SimulatedClient] {
        &self.clients
    }

    /// What the bridge believed a participant's link to take, whenever it changed.
    pub fn estimates(&self, client: usize) -> &[(Timestamp, Bitrate)] {
        self.bridge.estimates(self.clients[client].id())
    }

    /// The conference engine, for its debug state.
    pub fn engine(&self) -> &Conference {
        self.bridge.conference()
    }

    /// The sum of the shards' counters.
    pub fn counters(&mut self) -> ShardCounters {
        self.bridge.counters()
    }

    /// Numbers of a participant's audio that neither the link from its sender nor that to a receiver
    /// lost, and that did not come there nevertheless.
    pub fn unexplained_audio_gaps(&self, from: usize, to: usize) -> u64 {
        let (sender, receiver) = (&self.clients[from], &self.clients[to]);
        let ssrc = sender.audio().ssrc();
        let lost = sender.uplink().missing_rtp(ssrc).count()
            + receiver.downlink().missing_rtp(ssrc).count();
        let heard = receiver.audio_receivers().find(|(of, _)| *of == ssrc);
        heard.map_or(0, |(_, heard)| heard.lost().saturating_sub(lost as u64))
    }

    /// Everything that was broken at a client.
    pub fn violations(&self, client: usize) -> Violations {
        self.clients[client].violations(|source| {
            let owner = self.clients.iter().find(|client| {
                client.videos().iter().any(|video| video.settings().name == source.name)
            });
            let ssrcs = source.ssrcs();
            let missing = |ssrc| owner.map_or(0, |c| c.uplink().missing_rtp(ssrc).count() as u64);
            ssrcs.iter().map(|(media, _)| missing(*media)).sum()
        })
    }

    fn admit(&mut self, participant: &Participant) -> Result<usize, SimulationError> {
        let index = self.clients.len();
        let id = EndpointId::new(&participant.id).ok_or(SimulationError::Incomplete("id"))?;
        let address = client_address(index);
        let local = LocalIce {
            ufrag: format!("client{index}"),
            password: format!("client-password-{index:08}"),
            controlling: false,
        };
        let audio = participant.first_ssrc();
        let abilities = participant.abilities;
        let request = signaling::create(&id, audio, &participant.videos, abilities);
        let answer = self.bridge.request(self.now, &request)?;
        let remote = signaling::remote(&answer, &id)?;
        self.bridge.request(self.now, &signaling::update(&id, &local))?;
        let mut transport = PeerTransport::new(
            self.now,
            TransportSettings {
                context: CONTEXT.clone(),
                local,
                local_addresses: [address].into(),
                certificate: CLIENT_CERTIFICATE.clone(),
                sctp: true,
            },
        );
        transport.set_remote(self.now, &remote);
        transport.open_channel(self.now, CHANNEL_LABEL, CHANNEL_PROTOCOL);
        let links = (
            Link::new(participant.uplink.clone(), self.random.fork()),
            Link::new(participant.downlink.clone(), self.random.fork()),
        );
        let audio = AudioSender::new(audio, self.now, self.random.fork())
            .with_redundancy(participant.audio_redundancy);
        let videos = participant.videos.iter();
        let videos: Vec<VideoSender> = videos
            .map(|settings| VideoSender::new(settings.clone(), self.now, self.random.fork()))
            .collect();
        let addresses = (address, bridge_address());
        let own = self.bridge.conference().feedback_ssrcs();
        let media = (audio, videos);
        let ssrcs = [own.audio, own.video];
        let client = SimulatedClient::new(id, addresses, transport, links, media, ssrcs, abilities);
        self.introduce(client, participant);
        self.by_address.insert(address, index);
        self.client_due.push(Timestamp::FAR_FUTURE);
        self.flush_bridge();
        self.advance_client(index);
        Ok(index)
    }

    /// Tells everybody of the sources of everybody else, as Jicofo does.
    fn introduce(&mut self, mut client: SimulatedClient, participant: &Participant) {
        for other in &mut self.clients {
            other.expect_audio(audio_name(client.id()), client.audio().ssrc());
            client.expect_audio(audio_name(other.id()), other.audio().ssrc());
            for video in &participant.videos {
                other.expect_video(self.now, video);
            }
            for video in other.videos() {
                client.expect_video(self.now, video.settings());
            }
        }
        self.clients.push(client);
    }

    fn take(&mut self, at: Timestamp, due: Due) {
        match due {
            Due::ToBridge { client, datagram } => {
                let from = self.clients[client].address();
                self.bridge.handle_datagram(at, client, from, datagram);
                self.flush_bridge();
            }
            Due::ToClient { client, datagram } => {
                self.clients[client].handle_datagram(at, datagram);
                self.advance_client(client);
            }
            Due::Client(client) if self.client_due[client] == at => {
                self.client_due[client] = Timestamp::FAR_FUTURE;
                self.advance_client(client);
            }
            Due::Bridge if self.bridge_due == at => {
                self.bridge_due = Timestamp::FAR_FUTURE;
                self.flush_bridge();
            }
            // Something else made it come up earlier.
            Due::Client(_) | Due::Bridge => {}
        }
    }

    fn advance_client(&mut self, index: usize) {
        let client = &mut self.clients[index];
        client.advance(self.now);
        for (at, datagram) in client.take_departures() {
            self.plan(at, Due::ToBridge { client: index, datagram });
        }
        self.schedule_client(index);
    }

    fn schedule_client(&mut self, index: usize) {
        let next = self.clients[index].poll_timeout().max(self.now + SHORTEST_WAIT);
        if next < self.client_due[index] {
            self.client_due[index] = next;
            self.plan(next, Due::Client(index));
        }
    }

    fn flush_bridge(&mut self) {
        self.bridge.settle(self.now);
        for (to, datagram) in self.bridge.take_datagrams() {
            let Some(&client) = self.by_address.get(&to) else { continue };
            let link = self.clients[client].receive_link();
            if let LinkOutcome::Arrives(at) = link.send(self.now, &datagram) {
                self.plan(at, Due::ToClient { client, datagram });
            }
        }
        let next = self.bridge.poll_timeout().max(self.now + SHORTEST_WAIT);
        if next < self.bridge_due {
            self.bridge_due = next;
            self.plan(next, Due::Bridge);
        }
    }

    fn plan(&mut self, at: Timestamp, due: Due) {
        if at < Timestamp::FAR_FUTURE {
            self.order += 1;
            self.agenda.insert((at, self.order), due);
        }
    }
}

/// The name of a participant's audio, as Jicofo has it.
fn audio_name(id: &EndpointId) -> String {
    format!("{id}-a0")
}

fn client_address(index: usize) -> SocketAddr {
    let port = u16::try_from(index).unwrap_or(u16::MAX - FIRST_CLIENT_PORT);
    SocketAddr::from(([198, 51, 100, 7], FIRST_CLIENT_PORT + port))
}

const FIRST_CLIENT_PORT: u16 = 20_000;
const CHANNEL_LABEL: &str = "JVB data channel";
const CHANNEL_PROTOCOL: &str = "http://jitsi.org/protocols/colibri";

/// For DTLS and SCTP over links of some 10 ms.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// A deadline in the past must not stop the time.
const SHORTEST_WAIT: Duration = Duration::from_micros(100);

const SSRCS_PER_PARTICIPANT: u32 = 1_000;
const FIRST_VIDEO_SSRC: u32 = 100;
const SSRCS_PER_VIDEO: u32 = 100;
