use super::super::bridge::SimulationError;
use super::super::conference::{Participant, SimulatedConference};
use super::super::link::LinkSettings;
use super::super::rate_profile::RateProfile;
use super::super::report::{Chart, ScenarioReport};
use super::super::video_sender::VideoSettings;
use super::measurement::{
    estimate_curve, height_curve, link_chart, queue_chart, stage, tell_receiver, time_to_height,
};
use bridge_units::Bitrate;
use std::time::Duration;

pub(super) fn run(seed: u64) -> Result<ScenarioReport, SimulationError> {
    let mut conference = SimulatedConference::new(seed, 1)?;
    let rate = RateProfile::constant(Bitrate::from_kbps(2_500));
    let link = LinkSettings::ideal().with_rate(rate).with_delay(Duration::from_millis(20));
    let people = [
        Participant::new(1).with_camera().with_video(VideoSettings::screen),
        Participant::new(2).with_camera(),
        Participant::new(3).with_downlink(link),
    ];
    let [presenter, _, receiver] = *conference.join(&people)? else {
        return Err(SimulationError::Incomplete("participants"));
    };
    let begin = conference.now();
    conference.client_mut(presenter).audio_mut().set_level(Some(25));
    let [camera, screen] = [0, 1].map(|index: usize| people[0].videos[index].name.as_str());
    conference.say(receiver, &stage(&[screen], 2_160, 180));
    conference.run_until(begin + END);

    let mut report = ScenarioReport::new(
        "screen on stage",
        "A screen of 1080 lines on stage and two cameras as thumbnails, over 2.5 Mbps.",
    );
    let client = conference.client(receiver);
    let shown = client.receiver(screen);
    let first = time_to_height(shown, begin, 1_080);
    // At five frames a second a key frame takes its time, and 150 packets of it fill the link.
    report.within("the screen is seen", first, Duration::from_secs(2));
    let settled = begin + Duration::from_secs(10);
    if let Some(shown) = shown {
        let rate = shown.playback().frame_rate(settled, begin + END);
        report.at_least("pictures a second of the screen", rate, 4.5, "fps");
        let freezes = shown.playback().freezes().iter().filter(|freeze| freeze.from >= settled);
        report.at_most("freezes of the screen", freezes.count() as f64, 0.0, "");
        report.at_most(
            "key frames asked of the screen",
            conference.client(presenter).videos()[1].counters().key_frame_requests as f64,
            3.0,
            "",
        );
    }
    let mut curves = Vec::new();
    for name in [camera, people[1].videos[0].name.as_str()] {
        let thumbnail = client.receiver(name);
        let first = time_to_height(thumbnail, begin, 180);
        report.within("a camera is seen besides", first, Duration::from_secs(10));
        if let Some(thumbnail) = thumbnail {
            let rate = thumbnail.playback().frame_rate(settled, begin + END);
            report.at_least("pictures a second of a camera", rate, 7.0, "fps");
            let above = thumbnail.playback().shown().iter().filter(|p| p.height > 180).count();
            report.at_most("pictures of a camera above 180p", above as f64, 0.0, "");
            curves.push(height_curve(name, thumbnail, begin));
        }
    }
    curves.extend(shown.map(|receiver| height_curve(screen, receiver, begin)));
    report.charts.push(Chart { title: "height".into(), unit: "px", curves });
    let mut chart = link_chart(client.downlink(), begin);
    chart.curves.push(estimate_curve(&conference, receiver, begin));
    report.charts.push(chart);
    report.charts.push(queue_chart(client.downlink()));
    tell_receiver(&mut report, &conference, receiver);
    Ok(report)
}

const END: Duration = Duration::from_secs(30);
