use super::super::bridge::SimulationError;
use super::super::conference::{Participant, SimulatedConference};
use super::super::report::{Chart, Curve, ScenarioReport};
use super::super::video_sender::{LayerSettings, VideoSettings};
use super::measurement::{
    height_curve, key_frame_requests, seconds, tell_violations, tiles, time_to_height,
};
use bridge_signaling::bridge_channel::BridgeChannelMessage;
use bridge_units::{Bitrate, Timestamp};
use std::time::Duration;

pub(super) fn run(seed: u64) -> Result<ScenarioReport, SimulationError> {
    let mut conference = SimulatedConference::new(seed, 2)?;
    let people: Vec<Participant> =
        (1..=PEOPLE).map(|number| Participant::new(number).with_video(camera)).collect();
    let joined = conference.join(&people)?;
    let begin = conference.now();
    for &client in &joined {
        conference.say(client, &tiles(LAST_N, 180));
    }
    conference.run_for(SETTLING);
    let mut changes: Vec<(Timestamp, usize)> = Vec::new();
    // Speakers that have not been seen before, so that each must be brought in.
    for speaker in [20, 30, 40] {
        for (_, before) in &changes {
            conference.client_mut(*before).audio_mut().set_level(None);
        }
        conference.client_mut(speaker).audio_mut().set_level(Some(20));
        changes.push((conference.now(), speaker));
        conference.run_for(TURN);
    }
    Ok(report(&mut conference, &people, begin, &changes))
}

fn report(
    conference: &mut SimulatedConference,
    people: &[Participant],
    begin: Timestamp,
    changes: &[(Timestamp, usize)],
) -> ScenarioReport {
    let mut report = ScenarioReport::new(
        "fifty senders",
        "Fifty cameras, everybody gets the last five speakers at 180p, and every four seconds \
         somebody speaks who was not seen before.",
    );
    let mut slowest = Duration::ZERO;
    let mut unseen = 0;
    for (at, speaker) in changes {
        let source = &people[*speaker].videos[0].name;
        for (index, client) in conference.clients().iter().enumerate() {
            if index != *speaker {
                let shown = time_to_height(client.receiver(source), *at, 1);
                slowest = slowest.max(shown.unwrap_or_default());
                unseen += u32::from(shown.is_none());
            }
        }
    }
    report.within("a new speaker is seen by everybody", Some(slowest), Duration::from_secs(3));
    report.at_most("people who never saw a speaker", f64::from(unseen), 0.0, "");
    let mut most = 0;
    let mut worst = Duration::ZERO;
    for client in conference.clients() {
        for (_, message) in client.messages() {
            if let BridgeChannelMessage::ForwardedSources(forwarded) = message {
                most = most.max(forwarded.forwarded_sources.len());
            }
        }
        for receiver in client.receivers() {
            let freezes = receiver.playback().freezes().iter();
            worst = freezes.map(|freeze| freeze.duration).fold(worst, Duration::max);
        }
    }
    report.within("longest freeze of anybody", Some(worst), Duration::from_millis(500));
    report.at_most("sources forwarded to anybody", most as f64, f64::from(LAST_N), "");
    let asked = key_frame_requests(conference.clients()) as f64;
    report.at_most("key frames asked", asked, 120.0, "");
    let sending = conference.clients().iter().flat_map(|client| client.videos());
    let packets: u64 = sending.map(|video| video.counters().packets).sum();
    report.tell("video packets sent to the bridge", packets as f64, "");
    let counters = conference.counters();
    report.tell("packets sent by the bridge", counters.rtp_out as f64, "");
    for index in 0..conference.clients().len() {
        tell_violations(&mut report, conference, index);
    }
    report.violations.truncate(20);
    let curves = conference.client(0).receivers().filter(|r| !r.playback().shown().is_empty());
    let curves: Vec<Curve> =
        curves.map(|receiver| height_curve(&receiver.source().name, receiver, begin)).collect();
    report.charts.push(Chart {
        title: "what the first participant saw".into(),
        unit: "px",
        curves,
    });
    for (at, _) in changes {
        report.tell("a speaker began at", seconds(begin, *at), "s");
    }
    report
}

/// Two layers of less than usual, so that fifty fit into a simulation.
fn camera(name: &str, ssrc: u32) -> VideoSettings {
    let layer = |height, kbps| LayerSettings { height, bitrate: Bitrate::from_kbps(kbps) };
    let layers = vec![layer(180, 150), layer(360, 300)];
    VideoSettings { layers, frame_rate: 15.0, ..VideoSettings::vp8(name, ssrc) }
}

const PEOPLE: u32 = 50;
const LAST_N: i32 = 5;
const SETTLING: Duration = Duration::from_secs(3);
const TURN: Duration = Duration::from_secs(4);
