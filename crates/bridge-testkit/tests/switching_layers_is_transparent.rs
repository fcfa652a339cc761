//! Whatever layers a receiver is given, one after another, it sees one flawless stream: the shards
//! with a script in the place of the allocation.

use bridge_media::LayerIndex;
use bridge_testkit::simulation::{
    Layering, Participant, SimulatedCodec, SimulatedConference, VideoSettings,
};
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
fn av1_svc() {
    switch_layers(SimulatedCodec::Av1, Layering::Svc);
}

#[test]
fn av1_simulcast() {
    switch_layers(SimulatedCodec::Av1, Layering::Simulcast);
}

fn switch_layers(codec: SimulatedCodec, layering: Layering) {
    let mut conference = SimulatedConference::new(1, 2).unwrap();
    let camera = |name: &str, ssrc| VideoSettings::camera(name, ssrc, codec, layering);
    let people = [1, 2].map(|number| Participant::new(number).with_video(camera));
    let joined = conference.join(&people).unwrap();
    for &client in &joined {
        conference.client_mut(client).audio_mut().set_level(Some(30));
    }
    // The bridge asks a source for at most three key frames in 10 s on behalf of one receiver.
    for (layer, temporal) in [(1, 2), (2, 1), (0, 0), (2, 2)] {
        for (receiver, sender) in [(0, 1), (1, 0)] {
            let source = people[sender].videos[0].name.clone();
            conference
                .force_forwarding(receiver, &[(source, index(codec, layering, layer, temporal))]);
        }
        conference.run_for(Duration::from_secs(2));
        for &client in &joined {
            let playback = conference.client(client).receivers().next().unwrap().playback();
            let wanted = people[0].videos[0].layers[usize::from(layer)].height;
            assert_eq!(playback.height_at(conference.now()), Some(wanted), "layer {layer}");
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
            assert!(audio.received() > 370);
        }
        let (feedbacks, reported, silence) = client.transport_feedback();
        assert!(feedbacks > 75 && reported > 2_000, "{feedbacks} with {reported}");
        assert!(silence < Duration::from_millis(150), "{silence:?}");
    }
}

fn index(codec: SimulatedCodec, layering: Layering, layer: u8, temporal: u8) -> LayerIndex {
    match (codec, layering) {
        (SimulatedCodec::H264, _) => LayerIndex::new(layer, 0, 0),
        (SimulatedCodec::Av1, Layering::Simulcast) => {
            LayerIndex::with_decode_target(layer, temporal)
        }
        (SimulatedCodec::Av1, _) => LayerIndex::with_decode_target(0, layer * 3 + temporal),
        (_, Layering::Simulcast) => LayerIndex::new(layer, 0, temporal),
        _ => LayerIndex::new(0, layer, temporal),
    }
}
