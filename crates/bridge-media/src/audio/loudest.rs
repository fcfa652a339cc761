use std::collections::BTreeMap;
use std::time::Duration;

use bridge_units::Timestamp;

use super::{MAX_SPEAKERS, REPORT_DELAY};

/// Which endpoints are among the loudest (JVB: the energy ranking of
/// `DominantSpeakerIdentification`).
///
/// JVB ranks each packet before it decides about it. Here the levels come in batches, and shards
/// decide by the [`LoudestRouting`] of the last change.
#[derive(Clone, Debug)]
pub struct LoudestSpeakers<K> {
    config: LoudestConfig,
    /// The loudest first, at most `num_loudest`.
    loudest: Vec<Loud<K>>,
    energies: BTreeMap<K, u8>,
    dominant: Option<K>,
    published: LoudestRouting<K>,
}

/// Settings, `videobridge.loudest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoudestConfig {
    /// Whether only the loudest are forwarded. If not, everybody is, and no ranks are kept.
    pub route_loudest_only: bool,
    /// How many.
    pub num_loudest: usize,
    /// Whether the dominant speaker is always forwarded.
    pub always_route_dominant: bool,
    /// Without a report for this long an endpoint is not loud any more.
    pub energy_expire_time: Duration,
    /// The weight of a new level, 0 to 100.
    pub energy_alpha_pct: u32,
}

impl Default for LoudestConfig {
    fn default() -> Self {
        Self {
            route_loudest_only: false,
            num_loudest: 3,
            always_route_dominant: true,
            energy_expire_time: Duration::from_millis(150),
            energy_alpha_pct: 50,
        }
    }
}

/// How loud an endpoint is among the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ranking {
    /// How many of the loudest are at least as loud.
    pub rank: usize,
    /// The smoothed level, 0 to 127.
    pub energy: u8,
}

/// Whose audio is forwarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoudestRouting<K> {
    /// Fewer than the limit are loud: whoever begins is forwarded at once. Always so if the feature
    /// is off.
    pub has_room: bool,
    /// The loudest and, if wanted, the dominant speaker; in order, each once.
    pub speakers: Vec<K>,
}

impl<K: Ord> LoudestRouting<K> {
    /// Whether packets of the endpoint are forwarded. Sources that somebody's subscription includes
    /// are, too.
    pub fn routes(&self, endpoint: &K) -> bool {
        self.has_room || self.speakers.binary_search(endpoint).is_ok()
    }
}

impl<K: Clone + Ord> LoudestSpeakers<K> {
    /// Nobody is loud yet.
    pub fn new(config: LoudestConfig) -> Self {
        Self {
            config,
            loudest: Vec::with_capacity(config.num_loudest.min(MAX_SPEAKERS)),
            energies: BTreeMap::new(),
            dominant: None,
            published: LoudestRouting { has_room: true, speakers: Vec::new() },
        }
    }

    /// Takes a level as [`SpeechActivity::handle_level`](super::SpeechActivity::handle_level)
    /// answered it.
    pub fn handle_level(&mut self, endpoint: &K, cooked: u8, received: Timestamp) -> Ranking {
        if !self.config.route_loudest_only {
            return Ranking { rank: 0, energy: 0 };
        }
        let known = self.energies.get(endpoint).copied();
        if known.is_none() && self.energies.len() >= MAX_SPEAKERS {
            return Ranking { rank: self.loudest.len(), energy: 0 };
        }
        let energy = self.smoothed(known.unwrap_or_default(), cooked);
        self.energies.insert(endpoint.clone(), energy);
        let expire = self.config.energy_expire_time;
        self.loudest
            .retain(|loud| loud.endpoint != *endpoint && received.since(loud.reported) <= expire);
        let rank = self.loudest.iter().take_while(|loud| loud.energy >= energy).count();
        if rank < self.num_loudest() {
            self.loudest.truncate(self.num_loudest() - 1);
            let loud = Loud { endpoint: endpoint.clone(), energy, reported: received };
            self.loudest.insert(rank, loud);
        }
        Ranking { rank, energy }
    }

    /// Says who the dominant speaker is.
    pub fn set_dominant(&mut self, dominant: Option<K>) {
        self.dominant = dominant;
    }

    /// An endpoint left.
    pub fn remove_endpoint(&mut self, endpoint: &K) {
        self.energies.remove(endpoint);
        self.loudest.retain(|loud| loud.endpoint != *endpoint);
        if self.dominant.as_ref() == Some(endpoint) {
            self.dominant = None;
        }
    }

    /// Ends the loudness of those that sent nothing for too long.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        let expire = self.config.energy_expire_time + REPORT_DELAY;
        self.loudest.retain(|loud| now.since(loud.reported) < expire);
    }

    /// When the next one may cease to be loud.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let oldest = self.loudest.iter().map(|loud| loud.reported).min()?;
        Some(oldest + self.config.energy_expire_time + REPORT_DELAY)
    }

    /// Whose audio is forwarded, if that changed since it was last asked for. To be called after
    /// each batch of levels, each change of the dominant speaker and each timeout.
    pub fn poll_change(&mut self) -> Option<&LoudestRouting<K>> {
        if !self.config.route_loudest_only {
            return None;
        }
        let routing = self.routing();
        if routing == self.published {
            return None;
        }
        self.published = routing;
        Some(&self.published)
    }

    /// Whether the endpoint is among the loudest now, which decides who gets its statistics.
    /// Everybody is if the feature is off.
    pub fn is_ranked(&self, endpoint: &K) -> bool {
        !self.config.route_loudest_only
            || self.loudest.iter().any(|loud| loud.endpoint == *endpoint)
    }

    fn routing(&self) -> LoudestRouting<K> {
        let dominant = self.dominant.as_ref().filter(|_| self.config.always_route_dominant);
        let loudest = self.loudest.iter().map(|loud| &loud.endpoint);
        let mut speakers: Vec<K> = loudest.chain(dominant).cloned().collect();
        speakers.sort_unstable();
        speakers.dedup();
        LoudestRouting { has_room: self.loudest.len() < self.num_loudest(), speakers }
    }

    fn smoothed(&self, energy: u8, cooked: u8) -> u8 {
        let alpha = self.config.energy_alpha_pct.min(100);
        let sum = alpha * u32::from(cooked) + (100 - alpha) * u32::from(energy);
        u8::try_from((sum + 50) / 100).unwrap_or(u8::MAX)
    }

    fn num_loudest(&self) -> usize {
        self.config.num_loudest.clamp(1, MAX_SPEAKERS)
    }
}

#[derive(Clone, Debug)]
struct Loud<K> {
    endpoint: K,
    energy: u8,
    reported: Timestamp,
}
