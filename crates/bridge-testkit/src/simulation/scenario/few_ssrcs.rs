use super::super::bridge::{BridgeSettings, SimulationError};
use super::super::codec::{Layering, SimulatedCodec};
use super::super::conference::{Participant, SimulatedConference};
use super::super::link::{LinkSettings, LossModel};
use super::super::rate_profile::RateProfile;
use super::super::report::{Chart, Curve, ScenarioReport};
use super::super::video_sender::{LayerSettings, VideoSettings};
use super::measurement::{height_curve, tell_receiver, tiles};
use bridge_shard::SsrcLimits;
use bridge_units::{Bitrate, Timestamp};
use std::time::Duration;

pub(super) fn run(seed: u64) -> Result<ScenarioReport, SimulationError> {
    let mut report = ScenarioReport::new(
        "few SSRCs",
        "Fifty cameras of VP8, then 25 of AV1; receivers with five SSRCs for video and ten for audio, \
         over links that lose 3 %; sixteen people speak, one after another, then some of them again.",
    );
    measure(&mut report, seed, SimulatedCodec::Vp8, PEOPLE)?;
    measure(&mut report, seed, SimulatedCodec::Av1, PEOPLE / 2)?;
    Ok(report)
}

fn measure(
    report: &mut ScenarioReport,
    seed: u64,
    codec: SimulatedCodec,
    count: u32,
) -> Result<(), SimulationError> {
    let ssrc_limits = SsrcLimits { audio: AUDIO_SSRCS, video: VIDEO_SSRCS };
    let settings = BridgeSettings { ssrc_limits, ..BridgeSettings::default() };
    let mut conference = SimulatedConference::with_settings(seed, 2, settings)?;
    let mut people: Vec<Participant> = (1..=count)
        .map(|number| Participant::new(number).with_video(|name, ssrc| camera(name, ssrc, codec)))
        .collect();
    let link = LinkSettings::ideal()
        .with_rate(RateProfile::constant(Bitrate::from_kbps(20_000)))
        .with_loss(LossModel::bursts(0.03, 2.0));
    let receivers = [(true, count + 1), (false, count + 2)].map(|(mids, number)| {
        let receiver = Participant::new(number).with_few_ssrcs(mids).with_downlink(link.clone());
        people.push(receiver);
        people.len() - 1
    });
    let joined = conference.join(&people)?;
    let begin = conference.now();
    for &client in &joined {
        let wanted = if receivers.contains(&client) { VIDEO_SSRCS as i32 } else { 0 };
        conference.say(client, &tiles(wanted, 180));
    }
    conference.run_for(SETTLING);
    let mut changes: Vec<(Timestamp, usize)> = Vec::new();
    for speaker in SPEAKERS.map(|speaker| speaker * count as usize / PEOPLE as usize) {
        for (_, before) in &changes {
            conference.client_mut(*before).audio_mut().set_level(None);
        }
        conference.client_mut(speaker).audio_mut().set_level(Some(20));
        changes.push((conference.now(), speaker));
        conference.run_for(TURN);
    }
    // An announcement that was lost comes again after a second.
    conference.run_for(SETTLING);
    for (receiver, mids) in receivers.into_iter().zip(["with MIDs", "without MIDs"]) {
        let name = format!("{codec:?} {mids}");
        tell(report, &name, &conference, receiver, (&people, &changes));
    }
    let receivers = conference.client(receivers[0]).receivers();
    let curves: Vec<Curve> =
        receivers.map(|slot| height_curve(&format!("SSRC {}", slot.ssrc()), slot, begin)).collect();
    report.charts.push(Chart { title: format!("{codec:?}: height"), unit: "px", curves });
    Ok(())
}

fn tell(
    report: &mut ScenarioReport,
    name: &str,
    conference: &SimulatedConference,
    receiver: usize,
    (people, changes): (&[Participant], &[(Timestamp, usize)]),
) {
    let name = |what: &str| format!("{name}: {what}");
    let client = conference.client(receiver);
    let announcements = client.announcements();
    let (video, audio) = announcements.counts();
    report.at_most(&name("SSRCs of video"), video as f64, VIDEO_SSRCS as f64, "");
    report.at_most(&name("SSRCs of audio"), audio as f64, AUDIO_SSRCS as f64, "");
    report.at_least(&name("SSRCs given to others"), announcements.remaps() as f64, 15.0, "");
    let early = Some(announcements.longest_early());
    report.within(&name("received before it was announced"), early, Duration::from_secs(2));
    let mut slowest = Duration::ZERO;
    let mut unseen = 0;
    for (at, speaker) in changes.iter().skip(VIDEO_SSRCS).take(NEW_SPEAKERS) {
        match client.first_shown(&people[*speaker].videos[0].name, *at) {
            Some(shown) => slowest = slowest.max(shown.since(*at)),
            None => unseen += 1,
        }
    }
    report.within(&name("a new speaker is seen"), Some(slowest), Duration::from_secs(3));
    report.at_most(&name("speakers never seen"), f64::from(unseen), 0.0, "");
    let heard = client.audio_receivers().map(|(_, audio)| audio);
    let (mut packets, mut lost, mut changed, mut contradictions) = (0, 0, 0, 0);
    for audio in heard {
        packets += audio.received();
        lost += audio.lost();
        changed += audio.counters().changes;
        contradictions += audio.contradictions();
    }
    report.at_least(&name("changes of an SSRC's speaker"), changed as f64, 5.0, "");
    report.at_most(&name("damaged or misplaced audio"), contradictions as f64, 0.0, "");
    report.at_most(&name("audio lost"), lost as f64 / packets as f64 * 100.0, 5.0, "%");
    let repaired: u64 = client.receivers().map(|slot| slot.counters().recovered).sum();
    report.at_least(&name("packets repaired on announced SSRCs"), repaired as f64, 20.0, "");
    tell_receiver(report, conference, receiver);
}

/// Small, so that many fit into a simulation.
fn camera(name: &str, ssrc: u32, codec: SimulatedCodec) -> VideoSettings {
    let layer = LayerSettings { height: 180, bitrate: Bitrate::from_kbps(200) };
    let camera = VideoSettings::camera(name, ssrc, codec, Layering::Simulcast);
    VideoSettings { layers: vec![layer], frame_rate: 15.0, ..camera }
}

const PEOPLE: u32 = 50;
const VIDEO_SSRCS: usize = 5;
const AUDIO_SSRCS: usize = 10;
const SETTLING: Duration = Duration::from_secs(2);
const TURN: Duration = Duration::from_millis(1_200);

/// Who speaks, one after another; the last ones come back after their SSRCs were given away.
const SPEAKERS: [usize; 18] =
    [20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 42, 44, 46, 48, 18, 20, 24];
/// Those that cannot have been seen before.
const NEW_SPEAKERS: usize = 11;
