use super::super::bridge::SimulationError;
use super::super::codec::{Layering, SimulatedCodec};
use super::super::conference::{Participant, SimulatedConference};
use super::super::link::{LinkSettings, LossModel};
use super::super::rate_profile::RateProfile;
use super::super::report::{Chart, ScenarioReport};
use super::super::video_sender::VideoSettings;
use super::measurement::{
    estimate_curve, height_curve, link_chart, stage, tell_violations, time_to_height,
};
use bridge_units::Bitrate;
use std::time::Duration;

pub(super) fn run_down(seed: u64) -> Result<ScenarioReport, SimulationError> {
    let mut report = ScenarioReport::new(
        "burst loss to the receiver",
        "One camera on stage at 720p, for each codec; the receiver's link of 10 Mbps loses 5 % in \
         bursts of three.",
    );
    for codec in CODECS {
        measure(&mut report, seed, codec, true)?;
    }
    Ok(report)
}

pub(super) fn run_up(seed: u64) -> Result<ScenarioReport, SimulationError> {
    let mut report = ScenarioReport::new(
        "burst loss from the sender",
        "One camera on stage at 720p, for each codec; the sender's link loses 5 % in bursts of \
         three, which the bridge has repaired.",
    );
    for codec in CODECS {
        measure(&mut report, seed, codec, false)?;
    }
    Ok(report)
}

fn measure(
    report: &mut ScenarioReport,
    seed: u64,
    (codec, layering): (SimulatedCodec, Layering),
    down: bool,
) -> Result<(), SimulationError> {
    let mut conference = SimulatedConference::new(seed, 1)?;
    let lossy = LinkSettings::ideal()
        .with_rate(RateProfile::constant(Bitrate::from_kbps(10_000)))
        .with_delay(Duration::from_millis(20))
        .with_loss(LossModel::bursts(0.05, 3.0));
    let camera = |name: &str, ssrc| VideoSettings::camera(name, ssrc, codec, layering);
    let (mut from, mut to) = (Participant::new(1).with_video(camera), Participant::new(2));
    if down {
        to = to.with_downlink(lossy);
    } else {
        from = from.with_uplink(lossy);
    }
    let people = [from, to];
    let [sender, receiver] = *conference.join(&people)? else {
        return Err(SimulationError::Incomplete("participants"));
    };
    let begin = conference.now();
    conference.client_mut(sender).audio_mut().set_level(Some(25));
    let source = people[0].videos[0].name.as_str();
    conference.say(receiver, &stage(&[source], 720, 180));
    conference.run_until(begin + END);

    let client = conference.client(receiver);
    let Some(video) = client.receiver(source) else { return Ok(()) };
    let name = |what: &str| format!("{codec:?} {layering:?}: {what}");
    let first = time_to_height(Some(video), begin, 720);
    report.within(&name("720p"), first, Duration::from_secs(15));
    let playback = video.playback();
    let settled = begin + END / 2;
    let rate = playback.frame_rate(settled, begin + END);
    report.at_least(&name("pictures a second"), rate, 27.0, "fps");
    let frozen = playback.longest_freeze(settled, begin + END);
    report.within(&name("longest freeze"), Some(frozen), Duration::from_millis(500));
    report.at_most(&name("freezes"), playback.freezes().len() as f64, 6.0, "");
    let counters = video.counters();
    let requests = conference.client(sender).videos()[0].counters();
    if down {
        let lost = client.downlink().missing_rtp(video.ssrc()).count() as f64;
        let gone = video.unreceived().len() as f64;
        report.at_most(&name("not repaired"), gone / lost.max(1.0) * 100.0, 3.0, "% of lost");
        report.tell(&name("recovered"), counters.recovered as f64, "packets");
    } else {
        report.at_least(&name("asked of the sender"), requests.nacked as f64, 50.0, "packets");
        report.tell(&name("repeated by the sender"), requests.retransmitted as f64, "packets");
    }
    report.at_most(&name("key frames asked"), requests.key_frame_requests as f64, 12.0, "");
    let mut chart = link_chart(client.downlink(), begin);
    chart.title = name("the receiver's link");
    chart.curves.push(estimate_curve(&conference, receiver, begin));
    report.charts.push(chart);
    let curves = vec![height_curve("shown", video, begin)];
    report.charts.push(Chart { title: name("height"), unit: "px", curves });
    tell_violations(report, &conference, receiver);
    Ok(())
}

const CODECS: [(SimulatedCodec, Layering); 4] = [
    (SimulatedCodec::Vp8, Layering::Simulcast),
    (SimulatedCodec::Vp9, Layering::Svc),
    (SimulatedCodec::Av1, Layering::Svc),
    (SimulatedCodec::H264, Layering::Simulcast),
];
const END: Duration = Duration::from_secs(15);
