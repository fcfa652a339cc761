use super::super::bridge::SimulationError;
use super::super::conference::{Participant, SimulatedConference};
use super::super::report::{Chart, ScenarioReport};
use super::measurement::{
    height_curve, key_frame_requests, stage, tell_receiver, tell_violations, time_to_height,
};
use std::time::Duration;

pub(super) fn run(seed: u64) -> Result<ScenarioReport, SimulationError> {
    let mut conference = SimulatedConference::new(seed, 2)?;
    let people = [1, 2, 3].map(|number| Participant::new(number).with_camera());
    let joined = conference.join(&people)?;
    let begin = conference.now();
    let names = [0, 1, 2].map(|index: usize| people[index].videos[0].name.as_str());
    conference.client_mut(0).audio_mut().set_level(Some(25));
    for &client in &joined {
        let on_stage = names[usize::from(client == 0)];
        conference.say(client, &stage(&[on_stage], 720, 180));
    }
    conference.run_for(Duration::from_secs(10));
    let asked_before = key_frame_requests(conference.clients());
    let [late] = *conference.join(&[Participant::new(4)])? else {
        return Err(SimulationError::Incomplete("participants"));
    };
    let there = conference.now();
    conference.say(late, &stage(&[names[0]], 720, 180));
    conference.run_for(Duration::from_secs(15));

    let mut report = ScenarioReport::new(
        "late receiver",
        "Three cameras are in a call; after ten seconds somebody joins who only looks.",
    );
    let client = conference.client(late);
    let mut curves = Vec::new();
    for name in names {
        let receiver = client.receiver(name);
        let first = time_to_height(receiver, there, 1);
        report.within("a camera is seen", first, Duration::from_millis(1_500));
        curves.extend(receiver.map(|receiver| height_curve(name, receiver, begin)));
    }
    let on_stage = time_to_height(client.receiver(names[0]), there, 720);
    report.within("720p on stage", on_stage, Duration::from_secs(15));
    let asked = key_frame_requests(conference.clients()) - asked_before;
    report.at_most("key frames asked because of it", asked as f64, 8.0, "");
    report.charts.push(Chart { title: "height".into(), unit: "px", curves });
    tell_receiver(&mut report, &conference, late);
    let mut worst = Duration::ZERO;
    for &other in &joined {
        for receiver in conference.client(other).receivers() {
            let end = conference.now();
            worst = worst.max(receiver.playback().longest_freeze(there, end));
        }
        tell_violations(&mut report, &conference, other);
    }
    report.within("longest freeze of the others", Some(worst), Duration::from_millis(300));
    Ok(report)
}
