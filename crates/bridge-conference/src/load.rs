//! What is done about the load of a bridge (JVB: `JvbLoadManager`, `LastNReducer`).

use bridge_media::LastN;
use bridge_units::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

/// `videobridge.load-management`: when a bridge is full, and what is done then.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LoadConfig {
    /// `load-threshold` of the measurement in use: the load at which the bridge is full.
    pub load_threshold: f64,
    /// `recovery-threshold`: below it a reduction is taken back.
    pub recovery_threshold: f64,
    /// `load-reducers.last-n`, if `reducer-enabled`.
    pub reducer: Option<LastNReduction>,
}

/// `videobridge.load-management.load-reducers.last-n`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LastNReduction {
    /// `reduction-scale`: of the most that any receiver gets.
    pub reduction_scale: f64,
    /// `recover-scale`: of the limit in force.
    pub recover_scale: f64,
    /// `impact-time`: between two actions.
    pub impact_time: Duration,
    /// `minimum-last-n-value`: the lowest limit.
    pub minimum: u32,
    /// `maximum-enforced-last-n-value`: from here on there is no limit.
    pub maximum_enforced: u32,
}

/// The load of a bridge as it is measured now and then, and the last-n that is in force because of it.
///
/// The load is in the unit of its thresholds: a share of the processors, or packets a second.
#[derive(Clone, Debug)]
pub struct BridgeLoad {
    config: LoadConfig,
    /// `videobridge.cc.jvb-last-n`.
    configured: LastN,
    last_n: LastN,
    load: Option<f64>,
    last_action: Option<Timestamp>,
}

impl BridgeLoad {
    /// Nothing measured yet; last-n is as configured.
    pub fn new(config: LoadConfig, configured: LastN) -> Self {
        Self { config, configured, last_n: configured, load: None, last_action: None }
    }

    /// Whether [`Self::handle_load`] would ask how much receivers get, which is expensive to tell.
    pub fn reduces_at(&self, now: Timestamp, load: f64) -> bool {
        load >= self.config.load_threshold && self.reducer_due(now).is_some()
    }

    /// Takes a measurement. `most_forwarded` is how many video sources that endpoint gets which gets
    /// most, `None` without endpoints; it only counts where [`Self::reduces_at`]. Answers the last-n of
    /// the bridge if it is another one from now on.
    pub fn handle_load(
        &mut self,
        now: Timestamp,
        load: f64,
        most_forwarded: Option<u32>,
    ) -> Option<LastN> {
        self.load = Some(load);
        let reducer = self.reducer_due(now)?;
        let wanted = if load >= self.config.load_threshold {
            // Also if there is nothing to reduce.
            self.last_action = Some(now);
            self.reduced(&reducer, most_forwarded?)
        } else if load < self.config.recovery_threshold && self.last_n != self.configured {
            self.last_action = Some(now);
            self.recovered(&reducer)
        } else {
            return None;
        };
        let is_change = wanted != self.last_n;
        self.last_n = wanted;
        is_change.then_some(wanted)
    }

    /// The load as a part of its threshold: 0 before the first measurement, more than 1 if there is
    /// too much of it.
    pub fn stress(&self) -> f64 {
        self.load.map_or(0.0, |load| load / self.config.load_threshold)
    }

    /// Whether the last measurement reached the threshold.
    pub fn is_overloaded(&self) -> bool {
        self.load.is_some_and(|load| load >= self.config.load_threshold)
    }

    /// The last-n of all receivers.
    pub fn last_n(&self) -> LastN {
        self.last_n
    }

    /// `load_management` of the debug state: numbers and flags as strings, as in JVB.
    pub fn to_json(&self) -> Value {
        let state = if self.is_overloaded() { "OVERLOADED" } else { "NOT_OVERLOADED" };
        let mut json = json!({
            "state": state,
            "stress": self.stress().to_string(),
            "reducer_enabled": self.config.reducer.is_some().to_string(),
        });
        if self.config.reducer.is_some() {
            json["reducer"] = json!({ "jvbLastN": self.last_n.to_signaled() });
        }
        json
    }

    fn reducer_due(&self, now: Timestamp) -> Option<LastNReduction> {
        let reducer = self.config.reducer?;
        let is_due = self.last_action.is_none_or(|last| now - last >= reducer.impact_time);
        is_due.then_some(reducer)
    }

    fn reduced(&self, reducer: &LastNReduction, most_forwarded: u32) -> LastN {
        let scaled = scaled(most_forwarded, reducer.reduction_scale);
        // Differs from JVB, whose reduction can lift a limit that is configured, or the one in force if
        // what is forwarded was counted before it.
        LastN::new(scaled.max(reducer.minimum)).min(self.configured).min(self.last_n)
    }

    /// Differs from JVB, which recovers beyond the limit that is configured.
    fn recovered(&self, reducer: &LastNReduction) -> LastN {
        let Ok(current) = u32::try_from(self.last_n.to_signaled()) else { return self.configured };
        let more = scaled(current, reducer.recover_scale).max(current.saturating_add(1));
        let limit =
            if more >= reducer.maximum_enforced { LastN::UNLIMITED } else { LastN::new(more) };
        limit.min(self.configured)
    }
}

/// Without its fraction; a float conversion saturates.
fn scaled(count: u32, scale: f64) -> u32 {
    (f64::from(count) * scale) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reducing(reducer: LastNReduction) -> LoadConfig {
        LoadConfig { load_threshold: 0.9, recovery_threshold: 0.72, reducer: Some(reducer) }
    }

    fn by_default() -> LastNReduction {
        LastNReduction {
            reduction_scale: 0.75,
            recover_scale: 1.25,
            impact_time: Duration::from_secs(60),
            minimum: 1,
            maximum_enforced: 40,
        }
    }

    fn unlimited(config: LoadConfig) -> BridgeLoad {
        BridgeLoad::new(config, LastN::UNLIMITED)
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    #[test]
    fn stress_is_the_load_by_its_threshold() {
        let mut load = unlimited(reducing(by_default()));
        assert_eq!((load.stress(), load.is_overloaded()), (0.0, false));
        load.handle_load(at(0), 0.5, None);
        assert!((load.stress() - 0.555_6).abs() < 0.000_1);
        load.handle_load(at(10), 0.9, None);
        assert!(load.is_overloaded());
        let packets =
            LoadConfig { load_threshold: 50_000.0, recovery_threshold: 40_000.0, reducer: None };
        let mut load = unlimited(packets);
        load.handle_load(at(0), 60_000.0, None);
        assert_eq!((load.stress(), load.is_overloaded()), (1.2, true));
    }

    #[test]
    fn without_a_reducer_nothing_changes() {
        let mut load = unlimited(LoadConfig { reducer: None, ..reducing(by_default()) });
        assert!(!load.reduces_at(at(0), 2.0));
        assert_eq!(load.handle_load(at(0), 2.0, Some(20)), None);
        assert_eq!(load.last_n(), LastN::UNLIMITED);
        let expected = json!({
            "state": "OVERLOADED", "stress": "2.2222222222222223", "reducer_enabled": "false",
        });
        assert_eq!(load.to_json(), expected);
    }

    #[test]
    fn overload_reduces_and_calm_recovers_a_step_a_minute() {
        let mut load = unlimited(reducing(by_default()));
        for (seconds, measured, forwarded, changed, last_n) in [
            (0, 0.95, 20, true, 15),
            // Too soon for anything.
            (10, 0.95, 15, false, 15),
            (59, 0.1, 15, false, 15),
            (60, 0.95, 15, true, 11),
            // Neither full nor calm.
            (120, 0.8, 11, false, 11),
            (130, 0.71, 11, true, 13),
            (140, 0.71, 11, false, 13),
            (190, 0.1, 13, true, 16),
            (250, 0.1, 13, true, 20),
            (310, 0.1, 13, true, 25),
            (370, 0.1, 13, true, 31),
            (430, 0.1, 13, true, 38),
            (490, 0.1, 13, true, -1),
            (550, 0.1, 13, false, -1),
            // Recovery had nothing to do, so that a reduction need not wait.
            (560, 1.0, 1, true, 1),
            (620, 0.1, 1, true, 2),
            (680, 0.1, 1, true, 3),
        ] {
            let got = load.handle_load(at(seconds), measured, Some(forwarded));
            let expected = LastN::from_signaled(last_n);
            assert_eq!((got, load.last_n()), (changed.then_some(expected), expected), "{seconds}");
        }
        assert_eq!(load.to_json()["reducer"], json!({ "jvbLastN": 3 }));
        assert_eq!(load.to_json()["reducer_enabled"], "true");
    }

    #[test]
    fn the_most_that_anybody_gets_is_halved_if_so_configured() {
        let halving = LastNReduction { reduction_scale: 0.5, recover_scale: 2.0, ..by_default() };
        let mut load = unlimited(reducing(halving));
        let most = [4, 8, 12, 2, 4, 10].into_iter().max();
        assert_eq!(load.handle_load(at(0), 1.0, most), Some(LastN::new(6)));
        assert_eq!(load.handle_load(at(60), 0.0, None), Some(LastN::new(12)));
    }

    #[test]
    fn a_bridge_without_endpoints_has_nothing_to_reduce() {
        let mut load = unlimited(reducing(by_default()));
        assert!(load.reduces_at(at(0), 1.0));
        assert_eq!(load.handle_load(at(0), 1.0, None), None);
        assert!(!load.reduces_at(at(59), 1.0), "an action nevertheless");
        assert_eq!(load.handle_load(at(60), 1.0, Some(0)), Some(LastN::new(1)));
    }

    #[test]
    fn a_configured_limit_holds() {
        let mut load = BridgeLoad::new(reducing(by_default()), LastN::new(10));
        assert_eq!(load.handle_load(at(0), 0.0, Some(9)), None, "nothing to recover from");
        assert_eq!(load.handle_load(at(0), 1.0, Some(10)), Some(LastN::new(7)));
        assert_eq!(load.handle_load(at(60), 0.0, None), Some(LastN::new(8)));
        assert_eq!(load.handle_load(at(120), 0.0, None), Some(LastN::new(10)));
        assert_eq!(load.handle_load(at(180), 0.0, None), None);
        let floor = LastNReduction { minimum: 30, ..by_default() };
        let mut load = BridgeLoad::new(reducing(floor), LastN::new(10));
        assert_eq!(load.handle_load(at(0), 1.0, Some(10)), None);
        assert_eq!(load.last_n(), LastN::new(10));
    }
}
