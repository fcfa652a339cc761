use super::super::bridge::SimulationError;
use super::super::conference::{Participant, SimulatedConference};
use super::super::link::LinkSettings;
use super::super::rate_profile::RateProfile;
use super::super::report::{Chart, ScenarioReport};
use super::super::video_receiver::VideoReceiver;
use super::super::video_sender::VideoSettings;
use super::measurement::{
    estimate_curve, height_curve, link_chart, longest_queue, queue_chart, stage, tell_receiver,
    time_down_to_height, time_to_height, utilisation,
};
use bridge_units::{Bitrate, Timestamp};
use std::time::Duration;

pub(super) fn run(seed: u64) -> Result<ScenarioReport, SimulationError> {
    let mut conference = SimulatedConference::new(seed, 1)?;
    let profile = RateProfile::unlimited().then(FALL, LIMIT).then(RISE, FREE);
    let link = LinkSettings::ideal().with_rate(profile);
    let camera =
        |name: &str, ssrc| VideoSettings { frame_rate: 15.0, ..VideoSettings::vp8(name, ssrc) };
    let people = [
        Participant::new(1).with_video(camera),
        Participant::new(2).with_downlink(link),
        Participant::new(3),
    ];
    let [sender, slow, fast] = *conference.join(&people)? else {
        return Err(SimulationError::Incomplete("participants"));
    };
    let begin = conference.now();
    conference.client_mut(sender).audio_mut().set_level(Some(25));
    let source = people[0].videos[0].name.as_str();
    for receiver in [slow, fast] {
        conference.say(receiver, &stage(&[source], 720, 180));
    }
    conference.run_until(begin + FALL);
    let lost_before = audio_lost(&conference, slow);
    conference.run_until(begin + RISE);
    let lost_limited = audio_lost(&conference, slow) - lost_before;
    conference.run_until(begin + END);

    let mut report = ScenarioReport::new(
        "slow receiver",
        "Two receivers of one camera at 720p, 15 pictures a second. The link of one carries \
         everything, from 15 s on 500 kbps, and from 40 s on everything again.",
    );
    judge_estimate(&mut report, &conference, slow, begin);
    judge_slow(&mut report, &conference, slow, source, begin);
    report.at_most("audio lost at 500 kbps", lost_limited as f64, MAX_AUDIO_LOST, "packets");
    if let Some(video) = conference.client(fast).receiver(source) {
        let frozen = video.playback().longest_freeze(begin + FALL, begin + END);
        report.within("longest freeze of the other", Some(frozen), Duration::ZERO);
        // A key frame comes in all encodings, the lowest first, and that is shown until the next one.
        let low = longest_below(video, begin + FALL, 720);
        report.within("the other's longest time below 720p", Some(low), Duration::from_millis(250));
    }
    tell_receiver(&mut report, &conference, slow);
    Ok(report)
}

fn judge_estimate(
    report: &mut ScenarioReport,
    conference: &SimulatedConference,
    slow: usize,
    begin: Timestamp,
) {
    let (from, to) = (begin + FALL, begin + RISE);
    let estimates = conference.estimates(slow);
    let limited = || estimates.iter().filter(|(at, _)| (from..to).contains(at));
    let kbps = |rate: Option<Bitrate>| rate.map_or(0.0, |rate| rate.kbps() as f64);
    let lowest = kbps(limited().map(|(_, rate)| *rate).min());
    report.at_least("lowest estimate at 500 kbps", lowest, MIN_ESTIMATE_KBPS, "kbps");
    let reaction = limited().find(|(_, rate)| *rate <= LIMIT).map(|(at, _)| at.since(from));
    report.within("estimate below 500 kbps", reaction, Duration::from_millis(1_500));
}

fn judge_slow(
    report: &mut ScenarioReport,
    conference: &SimulatedConference,
    slow: usize,
    source: &str,
    begin: Timestamp,
) {
    let client = conference.client(slow);
    let link = client.downlink();
    let Some(video) = client.receiver(source) else { return };
    let playback = video.playback();
    let settled = FALL + ADAPTATION;
    let down = time_down_to_height(Some(video), begin + FALL, 360);
    report.within("down to 360p or 180p", down, Duration::from_millis(1_500));
    let back = time_to_height(Some(video), begin + RISE, 720);
    report.within("720p again", back, Duration::from_secs(15));
    let freeze = playback.longest_freeze(begin + FALL, begin + settled);
    report.within("longest freeze at the fall", Some(freeze), Duration::from_millis(1_100));
    let freeze = playback.longest_freeze(begin + settled, begin + END);
    report.within("longest freeze after it", Some(freeze), Duration::from_millis(500));
    let rate = playback.frame_rate(begin + settled, begin + RISE);
    report.at_least("pictures a second at 500 kbps", rate, 7.0, "fps");
    let queue = longest_queue(link, settled, RISE).as_secs_f64() * 1_000.0;
    report.at_most("longest queue once settled", queue, 200.0, "ms");
    report.at_least("use of 500 kbps", utilisation(link, begin, settled, RISE), 50.0, "%");
    report.tell("dropped at the bottleneck", link.counters().overflowed as f64, "");
    let height = height_curve("shown", video, begin);
    report.charts.push(Chart { title: "height".into(), unit: "px", curves: vec![height] });
    let mut chart = link_chart(link, begin);
    chart.curves.push(estimate_curve(conference, slow, begin));
    report.charts.push(chart);
    report.charts.push(queue_chart(link));
}

fn longest_below(video: &VideoReceiver, from: Timestamp, height: u16) -> Duration {
    let mut since = None;
    let mut longest = Duration::ZERO;
    for picture in video.playback().shown().iter().filter(|picture| picture.at >= from) {
        if picture.height < height {
            since.get_or_insert(picture.at);
        } else if let Some(since) = since.take() {
            longest = longest.max(picture.at.since(since));
        }
    }
    longest
}

fn audio_lost(conference: &SimulatedConference, index: usize) -> u64 {
    conference.client(index).audio_receivers().map(|(_, audio)| audio.lost()).sum()
}

const LIMIT: Bitrate = Bitrate::from_kbps(500);
/// As good as no limit.
const FREE: Bitrate = Bitrate::from_kbps(100_000);
const FALL: Duration = Duration::from_secs(15);
const RISE: Duration = Duration::from_secs(40);
const END: Duration = Duration::from_secs(60);
/// What is on its way when the link falls is lost, and takes a moment to be known.
const ADAPTATION: Duration = Duration::from_secs(4);
/// Half of what the link takes.
const MIN_ESTIMATE_KBPS: f64 = 250.0;
/// Of 1,250; as long as nobody can know yet that the link has fallen.
const MAX_AUDIO_LOST: f64 = 12.0;
