use super::super::audio_receiver::AudioReceiver;
use super::super::bridge::{BridgeSettings, SimulationError};
use super::super::conference::{Participant, SimulatedConference};
use super::super::link::{LinkSettings, LossModel};
use super::super::rate_profile::RateProfile;
use super::super::report::ScenarioReport;
use super::measurement::tell_violations;
use bridge_media::{RedConfig, RedPolicy};
use bridge_units::Bitrate;
use std::time::Duration;

pub(super) fn run(seed: u64) -> Result<ScenarioReport, SimulationError> {
    let mut report = ScenarioReport::new(
        "redundant audio",
        "Two people speak, one with redundancy and one without; both links of everybody lose 8 %. \
         Two listen, one takes redundancy and one does not. For each policy of the bridge.",
    );
    for policy in [RedPolicy::Noop, RedPolicy::Strip, RedPolicy::ProtectAll] {
        measure(&mut report, seed, policy)?;
    }
    Ok(report)
}

fn measure(
    report: &mut ScenarioReport,
    seed: u64,
    policy: RedPolicy,
) -> Result<(), SimulationError> {
    let red = RedConfig { policy, ..RedConfig::default() };
    let settings = BridgeSettings { red, ..BridgeSettings::default() };
    let mut conference = SimulatedConference::with_settings(seed, 2, settings)?;
    let link = LinkSettings::ideal()
        .with_rate(RateProfile::constant(Bitrate::from_kbps(2_000)))
        .with_loss(LossModel::Random(0.08));
    let people = [
        Participant::new(1).with_redundant_audio(2),
        Participant::new(2),
        Participant::new(3).with_redundant_audio(2),
        Participant::new(4),
    ]
    .map(|one| one.with_uplink(link.clone()).with_downlink(link.clone()));
    let joined = conference.join(&people)?;
    for &speaker in &joined[..2] {
        conference.client_mut(speaker).audio_mut().set_level(Some(25));
    }
    conference.run_for(END);
    for (sender, of) in joined[..2].iter().zip([true, false]) {
        for (receiver, takes) in joined[2..].iter().zip([true, false]) {
            let case = Case { policy, of, takes };
            case.tell(report, &conference, *sender, *receiver);
        }
    }
    for &index in &joined {
        tell_violations(report, &conference, index);
    }
    Ok(())
}

/// Audio of one sender at one receiver.
#[derive(Clone, Copy)]
struct Case {
    policy: RedPolicy,
    /// The sender's audio has redundancy.
    of: bool,
    /// The receiver takes it.
    takes: bool,
}

impl Case {
    fn tell(
        self,
        report: &mut ScenarioReport,
        conference: &SimulatedConference,
        sender: usize,
        receiver: usize,
    ) {
        let name = |what: &str| self.name(what);
        let ssrc = conference.client(sender).audio().ssrc();
        let mut heard = conference.client(receiver).audio_receivers();
        let Some((_, heard)) = heard.find(|(of, _)| *of == ssrc) else { return };
        let sent = f64::from(conference.client(sender).audio().packets());
        let share = |count: u64| count as f64 / sent * 100.0;
        report.at_least(&name("sent"), sent, 500.0, "packets");
        let missing = sent - heard.received() as f64;
        // Of links that each lose 8 %: redundancy of two repairs all but three in a row.
        let (least, most) = match (self.is_protected_up(), self.is_protected_down()) {
            (false, false) => (11.0, 20.0),
            (true, true) | (_, true) if self.of => (0.0, 3.0),
            (_, true) => (6.0, 12.0),
            (true, false) => (5.0, 11.0),
        };
        report.at_least(&name("missing"), missing / sent * 100.0, least, "%");
        report.at_most(&name("missing"), missing / sent * 100.0, most, "%");
        let plain = if self.is_protected_down() { 0.0 } else { f64::INFINITY };
        let counters = heard.counters();
        report.at_most(&name("plain"), counters.plain as f64, plain, "packets");
        let redundant = if self.is_protected_down() { f64::INFINITY } else { 0.0 };
        report.at_most(&name("redundant"), counters.redundant as f64, redundant, "packets");
        if self.is_protected_down() {
            report.at_least(&name("recovered"), share(counters.recovered), 5.0, "%");
        }
        Self::check(report, &name, heard);
        let gaps = conference.unexplained_audio_gaps(sender, receiver);
        report.at_most(&name("unexplained gaps"), gaps as f64, 0.0, "");
    }

    fn check(report: &mut ScenarioReport, name: &impl Fn(&str) -> String, heard: &AudioReceiver) {
        report.at_most(&name("damaged"), heard.contradictions() as f64, 0.0, "packets");
        report.at_most(&name("twice"), heard.counters().duplicates as f64, 0.0, "packets");
        let gap = Some(heard.longest_gap());
        report.within(&name("longest silence"), gap, Duration::from_millis(150));
    }

    /// Whether the bridge can repair what it does not get.
    const fn is_protected_up(self) -> bool {
        self.of
    }

    /// Whether the receiver can repair what it does not get.
    fn is_protected_down(self) -> bool {
        let is_kept = self.of && self.policy != RedPolicy::Strip;
        self.takes && (is_kept || !self.of && self.policy == RedPolicy::ProtectAll)
    }

    fn name(self, what: &str) -> String {
        let has = |with: bool| if with { "redundant" } else { "plain" };
        let Self { policy, of, takes } = self;
        format!("{policy:?}, {} to {}: {what}", has(of), has(takes))
    }
}

const END: Duration = Duration::from_secs(15);
