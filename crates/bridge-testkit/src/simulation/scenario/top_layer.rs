use super::super::bridge::SimulationError;
use super::super::codec::{Layering, SimulatedCodec};
use super::super::conference::{Participant, SimulatedConference};
use super::super::report::{Chart, ScenarioReport};
use super::super::video_sender::VideoSettings;
use super::measurement::{height_curve, stage, tell_violations, time_to_height};
use std::time::Duration;

pub(super) fn run(seed: u64) -> Result<ScenarioReport, SimulationError> {
    let mut report = ScenarioReport::new(
        "top layer drops",
        "One camera on stage at 720p, for each codec; from 6 s to 12 s its sender cannot send the \
         highest layer.",
    );
    for codec in CODECS {
        measure(&mut report, seed, codec)?;
    }
    Ok(report)
}

fn measure(
    report: &mut ScenarioReport,
    seed: u64,
    (codec, layering): (SimulatedCodec, Layering),
) -> Result<(), SimulationError> {
    let mut conference = SimulatedConference::new(seed, 1)?;
    let camera = |name: &str, ssrc| VideoSettings::camera(name, ssrc, codec, layering);
    let people = [Participant::new(1).with_video(camera), Participant::new(2)];
    let [sender, receiver] = *conference.join(&people)? else {
        return Err(SimulationError::Incomplete("participants"));
    };
    let begin = conference.now();
    let source = people[0].videos[0].name.as_str();
    conference.say(receiver, &stage(&[source], 720, 180));
    conference.run_until(begin + DROP);
    limit(&mut conference, sender, 2);
    conference.run_until(begin + BACK);
    limit(&mut conference, sender, 3);
    conference.run_until(begin + END);

    let Some(video) = conference.client(receiver).receiver(source) else { return Ok(()) };
    let name = |what: &str| format!("{codec:?} {layering:?}: {what}");
    let playback = video.playback();
    let height = playback.height_at(begin + DROP).unwrap_or(0);
    report.at_least(&name("height before"), f64::from(height), 720.0, "px");
    let lower = playback.first(begin + DROP, |height| height == 360);
    let lower = lower.map(|at| at.since(begin + DROP));
    report.within(&name("360p after the layer is gone"), lower, Duration::from_secs(3));
    let again = time_to_height(Some(video), begin + BACK, 720);
    report.within(&name("720p after it is back"), again, Duration::from_secs(4));
    let frozen = playback.longest_freeze(begin + DROP, begin + END);
    report.within(&name("longest freeze"), Some(frozen), Duration::from_millis(1_500));
    let requests = conference.client(sender).videos()[0].counters().key_frame_requests;
    report.at_most(&name("key frames asked"), requests as f64, 10.0, "");
    let curves = vec![height_curve("shown", video, begin)];
    report.charts.push(Chart { title: name("height"), unit: "px", curves });
    tell_violations(report, &conference, receiver);
    Ok(())
}

fn limit(conference: &mut SimulatedConference, sender: usize, layers: usize) {
    if let Some(video) = conference.client_mut(sender).video_mut(0) {
        video.set_layer_limit(layers);
    }
}

const CODECS: [(SimulatedCodec, Layering); 4] = [
    (SimulatedCodec::Vp8, Layering::Simulcast),
    (SimulatedCodec::Vp9, Layering::Svc),
    (SimulatedCodec::Av1, Layering::Svc),
    (SimulatedCodec::H264, Layering::Simulcast),
];
const DROP: Duration = Duration::from_secs(6);
const BACK: Duration = Duration::from_secs(12);
const END: Duration = Duration::from_secs(17);
