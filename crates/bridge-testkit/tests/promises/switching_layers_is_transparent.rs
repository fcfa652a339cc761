//! Whatever layers a receiver asks for, one after another, it sees one flawless stream.

use bridge_signaling::bridge_channel::{
    BridgeChannelMessage, ReceiverVideoConstraints, VideoConstraints,
};
use bridge_testkit::simulation::{
    LayerSettings, Layering, Participant, SimulatedCodec, SimulatedConference, VideoSettings,
};
use bridge_units::Bitrate;
use std::time::Duration;

#[test]
fn vp8_simulcast() {
    switch_layers(SimulatedCodec::Vp8, Layering::Simulcast);
}

#[test]
fn h264_simulcast() {
    switch_layers(SimulatedCodec::H264, Layering::Simulcast);
}

#[test]
fn vp9_svc() {
    switch_layers(SimulatedCodec::Vp9, Layering::Svc);
}

#[test]
fn vp9_k_svc() {
    switch_layers(SimulatedCodec::Vp9, Layering::KeySvc);
}

#[test]
fn vp9_simulcast() {
    switch_layers(SimulatedCodec::Vp9, Layering::Simulcast);
}

#[test]
fn vp9_non_flexible_svc() {
    switch_layers(SimulatedCodec::Vp9NonFlexible, Layering::Svc);
}

#[test]
fn vp9_non_flexible_k_svc() {
    switch_layers(SimulatedCodec::Vp9NonFlexible, Layering::KeySvc);
}

#[test]
fn av1_svc() {
    switch_layers(SimulatedCodec::Av1, Layering::Svc);
}

#[test]
fn av1_simulcast() {
    switch_layers(SimulatedCodec::Av1, Layering::Simulcast);
}

fn switch_layers(codec: SimulatedCodec, layering: Layering) {
    let mut conference = SimulatedConference::new(1, 2).unwrap();
    let people = [
        Participant::new(1).with_video(|name, ssrc| camera(name, ssrc, codec, layering)),
        Participant::new(2),
    ];
    let joined = conference.join(&people).unwrap();
    for &client in &joined {
        conference.client_mut(client).audio_mut().set_level(Some(30));
    }
    // The bridge asks a source for at most three key frames in 10 s on behalf of one receiver.
    for layer in [1, 2, 0, 2] {
        let wanted = people[0].videos[0].layers[layer].height;
        for &client in &joined {
            conference.say(client, &at_most(wanted));
        }
        conference.run_for(Duration::from_secs(4));
        for &client in &joined {
            for receiver in conference.client(client).receivers() {
                let shown = receiver.playback().height_at(conference.now());
                assert_eq!(shown, Some(wanted), "layer {layer}");
            }
        }
    }
    for &client in &joined {
        assert_eq!(conference.violations(client).list(), []);
        let client = conference.client(client);
        for receiver in client.receivers() {
            assert_eq!(receiver.playback().freezes(), []);
            assert_eq!(receiver.counters().key_frame_requests, 0);
            assert!(receiver.counters().sender_reports > 5);
        }
        for (_, audio) in client.audio_receivers() {
            assert_eq!((audio.lost(), audio.contradictions()), (0, 0));
            assert!(audio.received() > 750);
        }
        let (feedbacks, reported, silence) = client.transport_feedback();
        assert!(feedbacks > 150 && reported > 700, "{feedbacks} with {reported}");
        assert!(silence < Duration::from_millis(150), "{silence:?}");
    }
}

/// Of less than usual, so that a simulation takes less, too.
fn camera(name: &str, ssrc: u32, codec: SimulatedCodec, layering: Layering) -> VideoSettings {
    let layer = |height, kbps| LayerSettings { height, bitrate: Bitrate::from_kbps(kbps) };
    let layers = vec![layer(180, 100), layer(360, 250), layer(720, 600)];
    VideoSettings { layers, ..VideoSettings::camera(name, ssrc, codec, layering) }
}

fn at_most(height: u16) -> BridgeChannelMessage {
    BridgeChannelMessage::ReceiverVideoConstraints(ReceiverVideoConstraints {
        last_n: Some(-1),
        default_constraints: Some(VideoConstraints::from_max_height(height.into())),
        ..ReceiverVideoConstraints::default()
    })
}
