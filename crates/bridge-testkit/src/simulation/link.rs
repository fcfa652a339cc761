//! One direction of a path: a bottleneck with a queue, then delay, jitter, loss and reordering.

use super::random::SimulationRandom;
use super::rate_profile::RateProfile;
use bridge_units::Timestamp;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// What a link does to datagrams.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkSettings {
    /// What the bottleneck carries.
    pub rate: RateProfile,
    /// How long a datagram may wait at the bottleneck; one that would wait longer is dropped.
    pub max_queue: Duration,
    /// Propagation.
    pub delay: Duration,
    /// At most this is added to the delay of each datagram; the order stays.
    pub jitter: Duration,
    /// What is lost on the way.
    pub loss: LossModel,
    /// The share of datagrams that are late by `reordering_delay`, behind others.
    pub reordering: f64,
    /// How late those are.
    pub reordering_delay: Duration,
}

/// Which datagrams are lost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LossModel {
    /// None.
    None,
    /// Each with the same probability.
    Random(f64),
    /// Gilbert and Elliott's: a good state that loses nothing and a bad one that loses in bursts.
    Burst {
        /// Probability to go from good to bad, with each datagram.
        to_bad: f64,
        /// Probability to go from bad to good.
        to_good: f64,
        /// What is lost in the bad state.
        loss_when_bad: f64,
    },
}

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkOutcome {
    /// It arrives then.
    Arrives(Timestamp),
    /// The queue was full.
    Overflowed,
    /// It was lost on the way.
    Lost,
}

/// What a link has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounters {
    /// Datagrams offered.
    pub offered: u64,
    /// Those that arrive.
    pub delivered: u64,
    /// Their bytes, headers of UDP and IP included.
    pub delivered_bytes: u64,
    /// Those that found the queue full.
    pub overflowed: u64,
    /// Those lost on the way.
    pub lost: u64,
}

/// What a link did within one [`SAMPLE_INTERVAL`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LinkSample {
    /// Bytes that left the bottleneck.
    pub bytes: u64,
    /// Datagrams lost or dropped.
    pub dropped: u64,
    /// The longest wait at the bottleneck.
    pub queue: Duration,
}

/// One direction between a client and the bridge. Until its profile begins it only delays, so that
/// connections are up when the scenario starts.
#[derive(Clone, Debug)]
pub struct Link {
    settings: LinkSettings,
    origin: Option<Timestamp>,
    random: SimulationRandom,
    busy_until: Timestamp,
    latest_arrival: Timestamp,
    in_bad_state: bool,
    counters: LinkCounters,
    samples: Vec<LinkSample>,
    /// RTP datagrams that did not arrive: their SSRC and number are in the clear.
    missing_rtp: BTreeMap<u32, VecDeque<u16>>,
}

impl LinkSettings {
    /// Carries everything after 10 ms.
    pub const fn ideal() -> Self {
        Self {
            rate: RateProfile::unlimited(),
            max_queue: Duration::from_millis(300),
            delay: Duration::from_millis(10),
            jitter: Duration::ZERO,
            loss: LossModel::None,
            reordering: 0.0,
            reordering_delay: Duration::ZERO,
        }
    }

    /// With this bottleneck.
    #[must_use]
    pub fn with_rate(self, rate: RateProfile) -> Self {
        Self { rate, ..self }
    }

    /// With this propagation delay.
    #[must_use]
    pub fn with_delay(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// With losses.
    #[must_use]
    pub fn with_loss(self, loss: LossModel) -> Self {
        Self { loss, ..self }
    }

    /// With jitter that keeps the order.
    #[must_use]
    pub fn with_jitter(self, jitter: Duration) -> Self {
        Self { jitter, ..self }
    }

    /// With a share of datagrams that come late.
    #[must_use]
    pub fn with_reordering(self, share: f64, late: Duration) -> Self {
        Self { reordering: share, reordering_delay: late, ..self }
    }
}

impl LossModel {
    /// Bursts of this mean length, of which everything is lost, with this share lost in all.
    pub fn bursts(share: f64, mean_length: f64) -> Self {
        let to_good = 1.0 / mean_length;
        Self::Burst { to_bad: to_good * share / (1.0 - share), to_good, loss_when_bad: 1.0 }
    }
}

impl Link {
    /// An idle link.
    pub fn new(settings: LinkSettings, random: SimulationRandom) -> Self {
        Self {
            settings,
            origin: None,
            random,
            busy_until: Timestamp::ZERO,
            latest_arrival: Timestamp::ZERO,
            in_bad_state: false,
            counters: LinkCounters::default(),
            samples: Vec::new(),
            missing_rtp: BTreeMap::new(),
        }
    }

    /// From now on the settings hold, and the profile's time counts.
    pub fn begin(&mut self, now: Timestamp) {
        self.origin = Some(now);
    }

    /// Takes a datagram.
    pub fn send(&mut self, now: Timestamp, datagram: &[u8]) -> LinkOutcome {
        self.counters.offered += 1;
        let Some(origin) = self.origin else {
            return self.deliver(now + self.settings.delay, datagram.len());
        };
        let wait = self.busy_until.since(now);
        let is_full = wait > self.settings.max_queue;
        let sample = self.sample(origin, now);
        sample.queue = sample.queue.max(wait);
        if is_full {
            sample.dropped += 1;
            self.counters.overflowed += 1;
            self.note_missing(datagram);
            return LinkOutcome::Overflowed;
        }
        let start = now.max(self.busy_until);
        let bits = (datagram.len() + UDP_AND_IP_BYTES) as f64 * 8.0;
        let left = self.settings.rate.finish(origin, start, bits);
        self.busy_until = left;
        self.sample(origin, left).bytes += (datagram.len() + UDP_AND_IP_BYTES) as u64;
        if self.is_lost() {
            self.sample(origin, now).dropped += 1;
            self.counters.lost += 1;
            self.note_missing(datagram);
            return LinkOutcome::Lost;
        }
        let arrival = left + self.settings.delay;
        if self.random.chance(self.settings.reordering) {
            self.note_delivered(datagram.len());
            return LinkOutcome::Arrives(arrival + self.settings.reordering_delay);
        }
        let jitter = self.settings.jitter;
        let arrival =
            if jitter.is_zero() { arrival } else { arrival + jitter.mul_f64(self.random.unit()) };
        self.deliver(arrival, datagram.len())
    }

    /// What it has done.
    pub const fn counters(&self) -> LinkCounters {
        self.counters
    }

    /// What it did in each [`SAMPLE_INTERVAL`] since it began.
    pub fn samples(&self) -> &[LinkSample] {
        &self.samples
    }

    /// Numbers of the RTP datagrams of an SSRC that did not arrive, in the order of sending.
    pub fn missing_rtp(&self, ssrc: u32) -> impl Iterator<Item = u16> {
        self.missing_rtp.get(&ssrc).into_iter().flatten().copied()
    }

    /// What it carries at this time; `None` without a limit.
    pub fn rate(&self, now: Timestamp) -> Option<bridge_units::Bitrate> {
        self.settings.rate.at(now.since(self.origin?))
    }

    /// The time for a datagram through an idle link.
    pub const fn delay(&self) -> Duration {
        self.settings.delay
    }

    fn is_lost(&mut self) -> bool {
        match self.settings.loss {
            LossModel::None => false,
            LossModel::Random(share) => self.random.chance(share),
            LossModel::Burst { to_bad, to_good, loss_when_bad } => {
                let change = if self.in_bad_state { to_good } else { to_bad };
                self.in_bad_state ^= self.random.chance(change);
                self.in_bad_state && self.random.chance(loss_when_bad)
            }
        }
    }

    fn deliver(&mut self, arrival: Timestamp, len: usize) -> LinkOutcome {
        self.note_delivered(len);
        self.latest_arrival = arrival.max(self.latest_arrival);
        LinkOutcome::Arrives(self.latest_arrival)
    }

    fn note_delivered(&mut self, len: usize) {
        self.counters.delivered += 1;
        self.counters.delivered_bytes += (len + UDP_AND_IP_BYTES) as u64;
    }

    fn note_missing(&mut self, datagram: &[u8]) {
        if bridge_rtp::PacketKind::classify(datagram) == bridge_rtp::PacketKind::Rtp
            && let Ok(header) = bridge_rtp::RtpHeader::parse(datagram)
        {
            let numbers = self.missing_rtp.entry(header.ssrc).or_default();
            numbers.push_back(header.sequence_number);
        }
    }

    fn sample(&mut self, origin: Timestamp, at: Timestamp) -> &mut LinkSample {
        let index = at.since(origin).as_nanos() / SAMPLE_INTERVAL.as_nanos();
        let index = usize::try_from(index).unwrap_or(usize::MAX).min(MAX_SAMPLES - 1);
        if self.samples.len() <= index {
            self.samples.resize(index + 1, LinkSample::default());
        }
        &mut self.samples[index]
    }
}

/// The time of one [`LinkSample`].
pub const SAMPLE_INTERVAL: Duration = Duration::from_millis(100);

/// An hour of samples: no scenario is longer.
const MAX_SAMPLES: usize = 36_000;

/// Headers of UDP and IPv4, which the bottleneck carries too.
pub const UDP_AND_IP_BYTES: usize = 28;

#[cfg(test)]
mod tests {
    use super::*;
    use bridge_units::Bitrate;

    fn link(settings: LinkSettings) -> Link {
        let mut link = Link::new(settings, SimulationRandom::new(1));
        link.begin(Timestamp::ZERO);
        link
    }

    fn arrival(outcome: LinkOutcome) -> Timestamp {
        let LinkOutcome::Arrives(at) = outcome else { panic!("{outcome:?}") };
        at
    }

    #[test]
    fn a_bottleneck_spaces_datagrams_by_their_size() {
        let rate = RateProfile::constant(Bitrate::from_kbps(800));
        let mut link = link(LinkSettings::ideal().with_rate(rate));
        // 1,000 bytes with headers take 10 ms at 800 kbps.
        let first = arrival(link.send(Timestamp::ZERO, &[0; 972]));
        let second = arrival(link.send(Timestamp::ZERO, &[0; 972]));
        assert_eq!((first.as_millis(), second.as_millis()), (20, 30));
    }

    #[test]
    fn a_full_queue_drops_the_newest() {
        let rate = RateProfile::constant(Bitrate::from_kbps(800));
        let mut link = link(LinkSettings::ideal().with_rate(rate));
        let outcomes: Vec<_> = (0..40).map(|_| link.send(Timestamp::ZERO, &[0; 972])).collect();
        // 300 ms of queue are 30 datagrams, and one more is being sent.
        assert!(outcomes[..31].iter().all(|o| matches!(o, LinkOutcome::Arrives(_))));
        assert!(outcomes[31..].iter().all(|o| *o == LinkOutcome::Overflowed));
        assert_eq!(link.counters().overflowed, 9);
    }

    #[test]
    fn bursts_lose_the_share_that_was_asked_for_in_runs() {
        let mut link = link(LinkSettings::ideal().with_loss(LossModel::bursts(0.05, 4.0)));
        let lost: Vec<bool> = (0..100_000)
            .map(|_| link.send(Timestamp::ZERO, &[0; 100]) == LinkOutcome::Lost)
            .collect();
        let count = lost.iter().filter(|lost| **lost).count();
        let runs = lost.windows(2).filter(|pair| !pair[0] && pair[1]).count();
        assert!((4_500..5_500).contains(&count), "{count}");
        assert!((3.5..4.5).contains(&(count as f64 / runs as f64)), "{count} in {runs}");
    }

    #[test]
    fn jitter_keeps_the_order_and_reordering_does_not() {
        let jitter = Duration::from_millis(30);
        let mut ordered = link(LinkSettings::ideal().with_jitter(jitter));
        let late = Duration::from_millis(20);
        let mut mixed = link(LinkSettings::ideal().with_reordering(0.1, late));
        let times = |link: &mut Link| -> Vec<_> {
            let send = |n| arrival(link.send(Timestamp::from_millis(n), &[0; 100]));
            (0..1_000).map(send).collect()
        };
        assert!(times(&mut ordered).is_sorted());
        let mixed = times(&mut mixed);
        let backwards = mixed.windows(2).filter(|pair| pair[1] < pair[0]).count();
        assert!((50..150).contains(&backwards), "{backwards}");
    }

    #[test]
    fn the_same_seed_gives_the_same_fate() {
        let fate = |seed| {
            let settings = LinkSettings::ideal()
                .with_loss(LossModel::Random(0.3))
                .with_jitter(Duration::from_millis(5));
            let mut link = Link::new(settings, SimulationRandom::new(seed));
            link.begin(Timestamp::ZERO);
            (0..200).map(|n| link.send(Timestamp::from_millis(n), &[0; 60])).collect::<Vec<_>>()
        };
        assert_eq!(fate(7), fate(7));
        assert_ne!(fate(7), fate(8));
    }

    #[test]
    fn before_it_begins_it_only_delays() {
        let settings = LinkSettings::ideal().with_loss(LossModel::Random(1.0));
        let mut link = Link::new(settings, SimulationRandom::new(1));
        assert!(matches!(link.send(Timestamp::ZERO, &[0; 60]), LinkOutcome::Arrives(_)));
        link.begin(Timestamp::ZERO);
        assert_eq!(link.send(Timestamp::ZERO, &[0; 60]), LinkOutcome::Lost);
    }
}
