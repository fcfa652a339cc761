use super::super::bridge::SimulationError;
use super::super::conference::{Participant, SimulatedConference};
use super::super::link::LinkSettings;
use super::super::rate_profile::RateProfile;
use super::super::report::{Chart, ScenarioReport};
use super::measurement::{
    estimate_curve, height_curve, key_frame_requests, link_chart, longest_queue, queue_chart,
    stage, tell_receiver, time_down_to_height, time_to_height, utilisation,
};
use bridge_units::Bitrate;
use std::time::Duration;

pub(super) fn run(seed: u64) -> Result<ScenarioReport, SimulationError> {
    let mut conference = SimulatedConference::new(seed, 1)?;
    let profile = RateProfile::constant(Bitrate::from_kbps(3_000))
        .then(FALL, Bitrate::from_kbps(300))
        .then(RISE, Bitrate::from_kbps(3_000));
    let link = LinkSettings::ideal().with_rate(profile).with_delay(Duration::from_millis(25));
    let people = [Participant::new(1).with_camera(), Participant::new(2).with_downlink(link)];
    let [sender, receiver] = *conference.join(&people)? else {
        return Err(SimulationError::Incomplete("participants"));
    };
    let begin = conference.now();
    conference.client_mut(sender).audio_mut().set_level(Some(25));
    let source = people[0].videos[0].name.as_str();
    conference.say(receiver, &stage(&[source], 720, 180));
    conference.run_until(begin + END);

    let mut report = ScenarioReport::new(
        "falling link",
        "One camera on stage at 720p; the receiver's link carries 3 Mbps, from 20 s on 300 kbps, \
         and from 50 s on 3 Mbps again.",
    );
    let client = conference.client(receiver);
    let video = client.receiver(source);
    let link = client.downlink();
    report.within("720p at the start", time_to_height(video, begin, 720), Duration::from_secs(15));
    let down = time_down_to_height(video, begin + FALL, 180);
    report.within("down to 180p after the fall", down, Duration::from_secs(3));
    let back = time_to_height(video, begin + RISE, 720);
    report.within("720p again after the rise", back, Duration::from_secs(15));
    let settled = FALL + Duration::from_secs(6);
    report.at_most(
        "longest queue once settled at 300 kbps",
        longest_queue(link, settled, RISE).as_secs_f64() * 1_000.0,
        300.0,
        "ms",
    );
    report.at_least("use of 300 kbps", utilisation(link, begin, settled, RISE), 50.0, "%");
    if let Some(video) = video {
        let playback = video.playback();
        let frozen = playback.longest_freeze(begin + settled, begin + END);
        let limit = Duration::from_millis(500);
        report.within("longest freeze after settling", Some(frozen), limit);
        let worst = playback.longest_freeze(begin, begin + settled);
        report.within("longest freeze at the fall", Some(worst), Duration::from_millis(2_500));
        let rate = playback.frame_rate(begin + settled, begin + RISE);
        report.at_least("pictures a second at 300 kbps", rate, 7.0, "fps");
        let height = height_curve("shown", video, begin);
        report.charts.push(Chart { title: "height".into(), unit: "px", curves: vec![height] });
    }
    let lost: u64 = client.audio_receivers().map(|(_, audio)| audio.lost()).sum();
    let sent = f64::from(conference.client(sender).audio().packets());
    report.at_most("audio lost", lost as f64 / sent * 100.0, 4.0, "%");
    report.at_most("key frames asked", key_frame_requests(conference.clients()) as f64, 25.0, "");
    report.tell("dropped at the bottleneck", link.counters().overflowed as f64, "");
    let mut chart = link_chart(link, begin);
    chart.curves.push(estimate_curve(&conference, receiver, begin));
    report.charts.push(chart);
    report.charts.push(queue_chart(link));
    tell_receiver(&mut report, &conference, receiver);
    Ok(report)
}

const FALL: Duration = Duration::from_secs(20);
const RISE: Duration = Duration::from_secs(50);
const END: Duration = Duration::from_secs(75);
