//! One full WebRTC endpoint, of webrtc-rs: nothing of its ICE, DTLS, SRTP, RTCP and SCTP is ours.

use std::sync::{Arc, Mutex, PoisonError};

use bridge_units::Timestamp;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::media_engine::{
    MIME_TYPE_OPUS, MIME_TYPE_RTX, MIME_TYPE_VP8,
};
use rtc::rtp;
use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters,
    RTCRtpEncodingParameters, RTCRtpHeaderExtensionCapability, RTCRtpRtxParameters, RtpCodecKind,
};
use rtc::shared::marshal::Unmarshal as _;
use tokio::sync::{mpsc, watch};
use webrtc::data_channel::{DataChannel, DataChannelEvent, RTCDataChannelInit};
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_local::{TrackLocal, TrackLocalEvent};
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler,
    RTCConfigurationBuilder, RTCIceGatheringState, RTCPeerConnectionState, RTCSessionDescription,
    Registry, register_default_interceptors,
};

use crate::arrival::{Arrival, check_media, check_retransmission};
use crate::bridge_channel::{CHANNEL_LABEL, CHANNEL_PROTOCOL, VideoWish};
use crate::colibri_client::AUDIO_LEVEL_URI;
use crate::command::{SenderCommand, SendingEndpoint, SendingPath};
use crate::endpoint::State;
use crate::key_frame_requests::{self, KeyFrameRequests};
use crate::media_stream::{AUDIO_PAYLOAD_TYPE, RTX_PAYLOAD_TYPE, VIDEO_PAYLOAD_TYPE};
use crate::reception::{Reception, Wrong};
use crate::scenario::{EndpointPlan, Speakers};
use crate::stream_id::{StreamId, StreamKind};
use crate::webrtc_peers::Shared;

/// What the tasks of one endpoint share.
pub(crate) struct WebrtcPeer {
    plan: EndpointPlan,
    speakers: Speakers,
    bridge_ssrcs: Vec<u32>,
    requested: Timestamp,
    wish: Option<VideoWish>,
    shared: Arc<Shared>,
    tracks: Vec<(u32, Arc<dyn TrackLocal>)>,
    gathered: watch::Sender<bool>,
    progress: Mutex<Progress>,
}

/// What an endpoint is made of.
pub(crate) struct WebrtcPeerParts {
    pub(crate) plan: EndpointPlan,
    pub(crate) speakers: Speakers,
    /// Those that the bridge announced for itself.
    pub(crate) bridge_ssrcs: Vec<u32>,
    /// When the bridge was asked for it.
    pub(crate) requested: Timestamp,
    /// What is said on the bridge channel, if there is one.
    pub(crate) wish: Option<VideoWish>,
    pub(crate) shared: Arc<Shared>,
}

/// How far it has come. Locked before the tally of all, never behind it.
struct Progress {
    state: State,
    channel_open: bool,
    reception: Reception,
}

impl WebrtcPeer {
    pub(crate) fn new(parts: WebrtcPeerParts) -> Arc<Self> {
        let WebrtcPeerParts { plan, speakers, bridge_ssrcs, requested, wish, shared } = parts;
        let tracks = plan.streams.iter().map(|stream| (stream.id.ssrc(), track(stream.id)));
        let progress = Progress {
            state: State::Connecting,
            channel_open: false,
            reception: Reception::default(),
        };
        Arc::new(Self {
            tracks: tracks.collect(),
            plan,
            speakers,
            bridge_ssrcs,
            requested,
            wish,
            shared,
            gathered: watch::Sender::new(false),
            progress: Mutex::new(progress),
        })
    }

    /// Answers the offer; the connection lives as long as what is returned.
    pub(crate) async fn connect(
        self: &Arc<Self>,
        local: String,
        offer: String,
    ) -> webrtc::error::Result<(Box<dyn PeerConnection>, String)> {
        let mut media = media_engine()?;
        let registry = register_default_interceptors(Registry::new(), &mut media)?
            .with(LAST_SLOT.into(), KeyFrameRequests::default());
        let connection = PeerConnectionBuilder::new()
            .with_configuration(RTCConfigurationBuilder::new().build())
            .with_media_engine(media)
            .with_interceptor_registry(registry)
            .with_handler(Arc::new(Events(Arc::clone(self))))
            .with_udp_addrs(vec![local])
            .build()
            .await?;
        for (_, track) in &self.tracks {
            connection.add_track(Arc::clone(track)).await?;
        }
        if self.wish.is_some() {
            let init = RTCDataChannelInit {
                ordered: true,
                protocol: CHANNEL_PROTOCOL.to_owned(),
                ..Default::default()
            };
            let channel = connection.create_data_channel(CHANNEL_LABEL, Some(init)).await?;
            tokio::spawn(Arc::clone(self).listen(channel));
        }
        connection.set_remote_description(RTCSessionDescription::offer(offer)?).await?;
        let answer = connection.create_answer(None).await?;
        connection.set_local_description(answer).await?;
        let mut gathered = self.gathered.subscribe();
        // Fails only if the connection is gone.
        let _ = gathered.wait_for(|done| *done).await;
        let sdp = connection.local_description().await.map(|description| description.sdp);
        Ok((Box::new(connection), sdp.unwrap_or_default()))
    }

    pub(crate) fn state(&self) -> State {
        self.progress().state
    }

    /// Whether it is connected and got no media.
    pub(crate) fn is_silent(&self) -> bool {
        let progress = self.progress();
        progress.state == State::Connected && progress.reception.is_empty()
    }

    /// Whether it is connected, hears somebody and sees nobody.
    pub(crate) fn lacks_video(&self) -> bool {
        let progress = self.progress();
        !progress.reception.is_empty() && !progress.reception.has_video()
    }

    /// Whether it may ask for video on a channel, but cannot yet.
    pub(crate) fn lacks_channel(&self) -> bool {
        self.wish.is_some() && !self.progress().channel_open
    }

    fn progress(&self) -> std::sync::MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connected(self: &Arc<Self>) {
        let now = self.shared.clock.now();
        {
            let mut progress = self.progress();
            if progress.state != State::Connecting {
                return;
            }
            progress.state = State::Connected;
        }
        self.shared.tally().durations.join.record(now.since(self.requested));
        if self.tracks.is_empty() {
            return;
        }
        let (packets, outgoing) = mpsc::channel(MAX_OUTGOING);
        tokio::spawn(Arc::clone(self).send(outgoing));
        for (_, track) in &self.tracks {
            tokio::spawn(Arc::clone(self).heed(Arc::clone(track)));
        }
        let sending = SendingEndpoint {
            number: self.plan.number,
            path: SendingPath::Webrtc(packets),
            streams: self.plan.streams.clone(),
        };
        // Fails only when the run ends.
        let _ = self.shared.to_sender.send(SenderCommand::Add(Box::new(sending)));
    }

    fn failed(&self) {
        let mut progress = self.progress();
        if progress.state == State::Connecting {
            progress.state = State::Failed;
            self.shared.tally().counts.wrong.count(Wrong::NotConnected);
        }
    }

    /// Hands out what the thread that sends has written.
    async fn send(self: Arc<Self>, mut outgoing: mpsc::Receiver<Vec<u8>>) {
        while let Some(bytes) = outgoing.recv().await {
            let Ok(packet) = rtp::Packet::unmarshal(&mut &bytes[..]) else { continue };
            let track = self.tracks.iter().find(|(ssrc, _)| *ssrc == packet.header.ssrc);
            if let Some((_, track)) = track {
                // What is not taken is missed by the receivers.
                let _ = track.write_rtp(packet).await;
            }
        }
    }

    /// Passes requests for key frames on.
    async fn heed(self: Arc<Self>, track: Arc<dyn TrackLocal>) {
        while let Some(event) = track.poll().await {
            let TrackLocalEvent::OnRtcpPacket(packets) = event else { continue };
            for ssrc in key_frame_requests::wanted(&packets) {
                // Whoever waits for the key frame asks again.
                let _ = self.shared.to_sender.try_send(SenderCommand::KeyFrame(ssrc));
            }
        }
    }

    async fn listen(self: Arc<Self>, channel: Arc<dyn DataChannel>) {
        while let Some(event) = channel.poll().await {
            match (event, self.wish) {
                (DataChannelEvent::OnOpen, Some(wish)) => {
                    self.progress().channel_open = channel.send_text(&wish.message()).await.is_ok();
                }
                (DataChannelEvent::OnMessage(_), _) => self.shared.tally().counts.messages += 1,
                _ => {}
            }
        }
    }

    async fn receive(self: Arc<Self>, track: Arc<dyn TrackRemote>) {
        while let Some(event) = track.poll().await {
            if let TrackRemoteEvent::OnRtpPacket(packet) = event {
                self.handle_packet(self.shared.clock.now(), &packet);
            }
        }
    }

    fn handle_packet(&self, now: Timestamp, packet: &rtp::Packet) {
        let header = &packet.header;
        let (ssrc, payload_type) = (header.ssrc, header.payload_type);
        let has_padding = packet.payload.is_empty();
        let arrival =
            Arrival::of(ssrc, payload_type, has_padding, self.plan.number, &self.bridge_ssrcs);
        let (mut progress, mut tally) = (self.progress(), self.shared.tally());
        let tally = &mut *tally;
        match arrival {
            // webrtc-rs puts what it asked for again back into the stream; replays do not get here.
            Ok(Arrival::Media(_)) if progress.reception.knows(ssrc, header.sequence_number) => {
                tally.counts.retransmissions += 1;
            }
            Ok(Arrival::Media(stream)) => {
                if progress.reception.is_empty() {
                    tally.durations.first_media.record(now.since(self.requested));
                }
                tally.counts.packets += 1;
                tally.counts.bytes += (packet.payload.len() + USUAL_OVERHEAD) as u64;
                let tolerant =
                    stream.kind == StreamKind::Audio && !self.speakers.include(stream.endpoint);
                let (lost, counts) = (tally.counts.lost, &mut tally.counts);
                progress.reception.note(ssrc, header.sequence_number, tolerant, counts);
                if stream.kind == StreamKind::Audio {
                    counts.note_audio(lost);
                }
                match check_media(payload_type, &packet.payload, stream) {
                    Ok(stamp) => {
                        tally.counts.opened += 1;
                        tally.durations.record_delay(self.plan.place, now.since(stamp.sent));
                    }
                    Err(wrong) => tally.counts.wrong.count(wrong),
                }
            }
            Ok(Arrival::Retransmission { from, encoding }) => {
                tally.counts.retransmissions += 1;
                let original = StreamId { kind: StreamKind::Video(encoding), ..from };
                match check_retransmission(&packet.payload, from) {
                    Ok(Some(sequence)) => {
                        let counts = &mut tally.counts;
                        progress.reception.recover(original.ssrc(), sequence, counts);
                    }
                    Ok(None) => tally.counts.padding += 1,
                    Err(wrong) => tally.counts.wrong.count(wrong),
                }
            }
            Ok(Arrival::Padding(_)) => {
                tally.counts.padding += 1;
                progress.reception.note(ssrc, header.sequence_number, false, &mut tally.counts);
            }
            Ok(Arrival::OwnPadding) => tally.counts.padding += 1,
            Err(wrong) => tally.counts.wrong.count(wrong),
        }
    }
}

/// The events of an endpoint's connection.
struct Events(Arc<WebrtcPeer>);

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Events {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.0.gathered.send_replace(true);
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        match state {
            RTCPeerConnectionState::Connected => self.0.connected(),
            RTCPeerConnectionState::Failed => self.0.failed(),
            _ => {}
        }
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        tokio::spawn(Arc::clone(&self.0).receive(track));
    }
}

fn media_engine() -> webrtc::error::Result<MediaEngine> {
    let mut media = MediaEngine::default();
    for (kind, codec, payload_type) in [
        (RtpCodecKind::Audio, opus(), AUDIO_PAYLOAD_TYPE),
        (RtpCodecKind::Video, vp8(), VIDEO_PAYLOAD_TYPE),
        (RtpCodecKind::Video, rtx(), RTX_PAYLOAD_TYPE),
    ] {
        let parameters = RTCRtpCodecParameters { rtp_codec: codec, payload_type };
        media.register_codec(parameters, kind)?;
    }
    let audio_level = RTCRtpHeaderExtensionCapability { uri: AUDIO_LEVEL_URI.to_owned() };
    media.register_header_extension(audio_level, RtpCodecKind::Audio, None)?;
    Ok(media)
}

fn track(id: StreamId) -> Arc<dyn TrackLocal> {
    let (kind, codec, rtx) = match id.kind {
        StreamKind::Audio => (RtpCodecKind::Audio, opus(), None),
        StreamKind::Video(encoding) | StreamKind::Rtx(encoding) => {
            let rtx = StreamId { kind: StreamKind::Rtx(encoding), ..id };
            (RtpCodecKind::Video, vp8(), Some(RTCRtpRtxParameters { ssrc: rtx.ssrc() }))
        }
    };
    let ssrc = Some(id.ssrc());
    let encoding = RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters { ssrc, rtx, ..Default::default() },
        codec,
        ..Default::default()
    };
    let name = format!("load-{}-{kind}", id.endpoint);
    let track = MediaStreamTrack::new(name.clone(), name.clone(), name, kind, vec![encoding]);
    Arc::new(TrackLocalStaticRTP::new(track))
}

fn opus() -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: MIME_TYPE_OPUS.to_owned(),
        clock_rate: 48_000,
        channels: 2,
        ..Default::default()
    }
}

fn vp8() -> RTCRtpCodec {
    let feedback = |typ: &str, parameter: &str| RTCPFeedback {
        typ: typ.to_owned(),
        parameter: parameter.to_owned(),
    };
    RTCRtpCodec {
        mime_type: MIME_TYPE_VP8.to_owned(),
        clock_rate: 90_000,
        rtcp_feedback: vec![feedback("ccm", "fir"), feedback("nack", ""), feedback("nack", "pli")],
        ..Default::default()
    }
}

fn rtx() -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: MIME_TYPE_RTX.to_owned(),
        clock_rate: 90_000,
        sdp_fmtp_line: format!("apt={VIDEO_PAYLOAD_TYPE}"),
        ..Default::default()
    }
}

/// Behind all of webrtc-rs's own interceptors.
const LAST_SLOT: usize = 14_000;
/// Packets that may wait for an endpoint's connection: a second of fast video.
const MAX_OUTGOING: usize = 2_048;
/// Header, extension and authentication tag, which are gone when a packet gets here.
const USUAL_OVERHEAD: usize = 36;
