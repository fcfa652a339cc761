use super::super::bridge::SimulationError;
use super::super::codec::{Layering, SimulatedCodec};
use super::super::conference::{Participant, SimulatedConference};
use super::super::link::LinkSettings;
use super::super::rate_profile::RateProfile;
use super::super::report::{Chart, ScenarioReport};
use super::super::video_sender::VideoSettings;
use super::measurement::{
    estimate_curve, height_curve, link_chart, stage, tell_violations, time_to_height,
};
use bridge_units::{Bitrate, Timestamp};
use std::time::Duration;

pub(super) fn run(seed: u64) -> Result<ScenarioReport, SimulationError> {
    let mut report = ScenarioReport::new(
        "uneven delay",
        "One camera on stage at 720p. Both links of both people delay each packet by up to 30 ms more \
         and keep the order; or 2 % come 15 ms late, behind others; or both.",
    );
    for case in CASES {
        measure(&mut report, seed, case)?;
    }
    Ok(report)
}

#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    codec: SimulatedCodec,
    layering: Layering,
    jitter: Duration,
    reordering: f64,
}

fn measure(report: &mut ScenarioReport, seed: u64, case: Case) -> Result<(), SimulationError> {
    let mut conference = SimulatedConference::new(seed, 2)?;
    let link = LinkSettings::ideal()
        .with_rate(RateProfile::constant(Bitrate::from_kbps(10_000)))
        .with_delay(Duration::from_millis(20))
        .with_jitter(case.jitter)
        .with_reordering(case.reordering, LATE);
    let camera = |name: &str, ssrc| VideoSettings::camera(name, ssrc, case.codec, case.layering);
    let people = [Participant::new(1).with_video(camera), Participant::new(2)]
        .map(|one| one.with_uplink(link.clone()).with_downlink(link.clone()));
    let [sender, receiver] = *conference.join(&people)? else {
        return Err(SimulationError::Incomplete("participants"));
    };
    let begin = conference.now();
    conference.client_mut(sender).audio_mut().set_level(Some(25));
    let source = people[0].videos[0].name.as_str();
    conference.say(receiver, &stage(&[source], 720, 180));
    conference.run_until(begin + END);
    tell(report, case, &conference, (sender, receiver), (source, begin));
    tell_violations(report, &conference, receiver);
    tell_violations(report, &conference, sender);
    Ok(())
}

fn tell(
    report: &mut ScenarioReport,
    case: Case,
    conference: &SimulatedConference,
    (sender, receiver): (usize, usize),
    (source, begin): (&str, Timestamp),
) {
    let name = |what: &str| format!("{}: {what}", case.name);
    let client = conference.client(receiver);
    let Some(video) = client.receiver(source) else { return };
    let first = time_to_height(Some(video), begin, 720);
    report.within(&name("720p"), first, Duration::from_secs(4));
    let playback = video.playback();
    let settled = begin + SETTLED;
    let rate = playback.frame_rate(settled, begin + END);
    report.at_least(&name("pictures a second"), rate, 28.0, "fps");
    let frozen = playback.longest_freeze(settled, begin + END);
    report.within(&name("longest freeze"), Some(frozen), Duration::from_millis(250));
    let lowest = playback.shown().iter().filter(|p| p.at >= settled).map(|p| p.height).min();
    let lowest = f64::from(lowest.unwrap_or_default());
    report.at_least(&name("lowest height once settled"), lowest, 720.0, "px");
    let estimates = conference.estimates(receiver).iter().filter(|(at, _)| *at >= settled);
    let least = estimates.map(|(_, rate)| rate.kbps()).min();
    let before = conference.estimates(receiver).iter().rfind(|(at, _)| *at < settled);
    let least = least.into_iter().chain(before.map(|(_, rate)| rate.kbps())).min();
    report.at_least(&name("least estimate"), least.unwrap_or_default() as f64, 2_650.0, "kbps");
    let requests = conference.client(sender).videos()[0].counters();
    report.at_most(&name("key frames asked"), requests.key_frame_requests as f64, 4.0, "");
    let counters = video.counters();
    let share = |count: u64, of: u64| count as f64 / of.max(1) as f64 * 100.0;
    let asked = share(requests.nacked, requests.packets);
    report.at_most(&name("asked of the sender in vain"), asked, 10.0, "% of packets");
    let useless = share(counters.useless_retransmissions, counters.packets);
    report.at_most(&name("sent again in vain"), useless, 10.0, "% of packets");
    let ssrc = conference.client(sender).audio().ssrc();
    let heard = client.audio_receivers().find(|(of, _)| *of == ssrc);
    let (lost, wrong) = heard.map_or((1, 1), |(_, heard)| (heard.lost(), heard.contradictions()));
    report.at_most(&name("audio lost"), lost as f64, 2.0, "packets");
    report.at_most(&name("audio damaged or misplaced"), wrong as f64, 0.0, "packets");
    let mut chart = link_chart(client.downlink(), begin);
    chart.title = name("the receiver's link");
    chart.curves.push(estimate_curve(conference, receiver, begin));
    report.charts.push(chart);
    let curves = vec![height_curve("shown", video, begin)];
    report.charts.push(Chart { title: name("height"), unit: "px", curves });
}

const CASES: [Case; 3] = [
    Case {
        name: "jitter, VP8",
        codec: SimulatedCodec::Vp8,
        layering: Layering::Simulcast,
        jitter: JITTER,
        reordering: 0.0,
    },
    Case {
        name: "reordering, VP9 K-SVC",
        codec: SimulatedCodec::Vp9NonFlexible,
        layering: Layering::KeySvc,
        jitter: Duration::ZERO,
        reordering: SHARE,
    },
    Case {
        name: "both, AV1 SVC",
        codec: SimulatedCodec::Av1,
        layering: Layering::Svc,
        jitter: JITTER,
        reordering: SHARE,
    },
];
const JITTER: Duration = Duration::from_millis(30);
const SHARE: f64 = 0.02;
const LATE: Duration = Duration::from_millis(15);
const SETTLED: Duration = Duration::from_secs(5);
const END: Duration = Duration::from_secs(12);
