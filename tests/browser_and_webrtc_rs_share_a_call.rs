//! A Chromium and a webrtc-rs participant in one call: webrtc-rs takes in the browser's pictures and
//! sound and sends them as its own, the browser decodes what comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bridge_testkit::{BridgeProcess, BridgeSettings, RestBridge, TestkitError};
use bridge_tests::{Call, ROOM, report, say};
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_OPUS, MIME_TYPE_VP8};
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters,
    RtpCodecKind,
};
use tokio::sync::watch;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler,
    RTCConfigurationBuilder, RTCIceGatheringState, RTCPeerConnectionState, RTCSessionDescription,
    Registry, register_default_interceptors,
};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the release binary and Chromium"]
async fn a_browser_hears_itself_through_webrtc_rs() -> Result<(), TestkitError> {
    // The mirror has no bridge channel to ask for video on.
    let extra = "videobridge.cc.initial-max-height-px = 720\n".to_owned();
    let settings = BridgeSettings { extra, ..BridgeSettings::default() };
    let bridge = BridgeProcess::start(settings).await?;
    let mut call = Call::start(Arc::new(RestBridge::new(bridge.http())), &[]).await?;
    call.guests = 1;
    call.add("Ada").await?;
    // The mirror answers one offer only: it has to have the browser's sources.
    call.wait_until_connected().await?;
    let demo = Arc::clone(call.focus.demo());
    let mirror = Arc::new(Mirror::new());
    let joined = demo.join(ROOM, "Mirror").await.map_err(failed)?;
    let connection = connect(&mirror).await.map_err(failed)?;
    let answer = negotiate(&mirror, &connection, joined.view.offer).await.map_err(failed)?;
    demo.answer(&joined.token, &answer).await.map_err(failed)?;
    // The focus takes a participant that does not look at the room for one that has vanished.
    let looking = tokio::spawn({
        let (demo, token) = (Arc::clone(&demo), joined.token.clone());
        async move { while demo.view(&token, u64::MAX).await.is_ok() {} }
    });

    call.wait_until_complete().await?;
    let (_, last) = call.watch(Duration::from_secs(15)).await?;
    report("a browser and webrtc-rs", &last, &[], None);
    for (kind, count) in [("video", &mirror.video_packets), ("audio", &mirror.audio_packets)] {
        let count = count.load(Ordering::Relaxed);
        println!("webrtc-rs received {count} {kind} packets");
        assert!(count > 100, "{kind}");
    }
    looking.abort();
    connection.close().await.map_err(failed)?;
    call.end().await
}

/// Sends what it receives.
struct Mirror {
    audio: Arc<dyn TrackLocal>,
    video: Arc<dyn TrackLocal>,
    audio_packets: AtomicU64,
    video_packets: AtomicU64,
    gathered: watch::Sender<bool>,
}

impl Mirror {
    fn new() -> Self {
        Self {
            audio: local_track(RtpCodecKind::Audio, AUDIO_SSRC, opus()),
            video: local_track(RtpCodecKind::Video, VIDEO_SSRC, vp8()),
            audio_packets: AtomicU64::new(0),
            video_packets: AtomicU64::new(0),
            gathered: watch::Sender::new(false),
        }
    }
}

/// The events of the mirror's connection.
struct Events(Arc<Mirror>);

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Events {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.0.gathered.send_replace(true);
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        say(format!("webrtc-rs: {state}"));
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let mirror = Arc::clone(&self.0);
        tokio::spawn(async move { reflect(&mirror, track).await });
    }
}

/// Sends the packets of `track` back until it ends; of pictures asks for a key frame each second,
/// since whoever sees the mirror has to start with one.
async fn reflect(mirror: &Mirror, track: Arc<dyn TrackRemote>) {
    let is_video = track.kind().await == RtpCodecKind::Video;
    let (output, ssrc, count) = match is_video {
        true => (&mirror.video, VIDEO_SSRC, &mirror.video_packets),
        false => (&mirror.audio, AUDIO_SSRC, &mirror.audio_packets),
    };
    let mut asked_at: Option<tokio::time::Instant> = None;
    while let Some(event) = track.poll().await {
        let TrackRemoteEvent::OnRtpPacket(mut packet) = event else { continue };
        count.fetch_add(1, Ordering::Relaxed);
        if is_video && asked_at.is_none_or(|at| at.elapsed() > KEY_FRAME_INTERVAL) {
            asked_at = Some(tokio::time::Instant::now());
            let request = PictureLossIndication { sender_ssrc: 0, media_ssrc: packet.header.ssrc };
            let _ = track.write_rtcp(vec![Box::new(request)]).await;
        }
        packet.header.ssrc = ssrc;
        // The bridge's numbers for transport-wide feedback are not ours.
        packet.header.extension = false;
        packet.header.extensions.clear();
        if output.write_rtp(packet).await.is_err() {
            return;
        }
    }
}

async fn connect(mirror: &Arc<Mirror>) -> webrtc::error::Result<impl PeerConnection + use<>> {
    let mut media = MediaEngine::default();
    for (kind, codec, payload_type) in
        [(RtpCodecKind::Audio, opus(), 111), (RtpCodecKind::Video, vp8(), 100)]
    {
        let parameters = RTCRtpCodecParameters { rtp_codec: codec, payload_type };
        media.register_codec(parameters, kind)?;
    }
    let registry = register_default_interceptors(Registry::new(), &mut media)?;
    let connection = PeerConnectionBuilder::new()
        .with_configuration(RTCConfigurationBuilder::new().build())
        .with_media_engine(media)
        .with_interceptor_registry(registry)
        .with_handler(Arc::new(Events(Arc::clone(mirror))))
        .with_udp_addrs(vec!["127.0.0.1:0"])
        .build()
        .await?;
    for track in [&mirror.audio, &mirror.video] {
        connection.add_track(Arc::clone(track)).await?;
    }
    Ok(connection)
}

async fn negotiate(
    mirror: &Mirror,
    connection: &impl PeerConnection,
    offer: String,
) -> webrtc::error::Result<String> {
    connection.set_remote_description(RTCSessionDescription::offer(offer)?).await?;
    let answer = connection.create_answer(None).await?;
    connection.set_local_description(answer).await?;
    let mut gathered = mirror.gathered.subscribe();
    let _ = tokio::time::timeout(GATHERING, gathered.wait_for(|done| *done)).await;
    let description = connection.local_description().await;
    Ok(description.map(|description| description.sdp).unwrap_or_default())
}

fn local_track(kind: RtpCodecKind, ssrc: u32, codec: RTCRtpCodec) -> Arc<dyn TrackLocal> {
    let encoding = RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters { ssrc: Some(ssrc), ..Default::default() },
        codec,
        ..Default::default()
    };
    let name = format!("mirror-{kind}");
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
    RTCRtpCodec { mime_type: MIME_TYPE_VP8.to_owned(), clock_rate: 90_000, ..Default::default() }
}

fn failed(error: impl ToString) -> TestkitError {
    TestkitError::Unexpected { peer: "webrtc-rs".to_owned(), detail: error.to_string() }
}

const AUDIO_SSRC: u32 = 0x0a0d_1001;
const VIDEO_SSRC: u32 = 0x0b1d_e001;
const KEY_FRAME_INTERVAL: Duration = Duration::from_secs(1);
const GATHERING: Duration = Duration::from_secs(5);
