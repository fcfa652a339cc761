use std::collections::VecDeque;

use super::inter_arrival::GroupDelta;
use crate::sent_packets::ReceiveTime;

/// What the delay says about how much of the link is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BandwidthUsage {
    /// The delay is constant.
    #[default]
    Normal,
    /// The delay grows: a queue builds up.
    Overusing,
    /// The delay shrinks: a queue drains.
    Underusing,
}

/// Finds out whether the delay grows: the slope of a line through the last delays against a
/// threshold that adapts to how much they vary anyway.
///
/// Answers to JVB's `TrendlineEstimator`.
#[derive(Clone, Debug)]
pub(crate) struct Trendline {
    deltas: u32,
    first_arrival: Option<ReceiveTime>,
    accumulated_millis: f64,
    smoothed_millis: f64,
    points: VecDeque<Point>,
    previous_slope: f64,
    modified_slope: f64,
    threshold: f64,
    last_adapted: Option<ReceiveTime>,
    overusing_millis: Option<f64>,
    overuses: u32,
    state: BandwidthUsage,
}

#[derive(Clone, Copy, Debug)]
struct Point {
    arrival_millis: f64,
    delay_millis: f64,
}

impl Trendline {
    pub(crate) fn new() -> Self {
        Self {
            deltas: 0,
            first_arrival: None,
            accumulated_millis: 0.0,
            smoothed_millis: 0.0,
            points: VecDeque::with_capacity(WINDOW + 1),
            previous_slope: 0.0,
            modified_slope: 0.0,
            threshold: INITIAL_THRESHOLD,
            last_adapted: None,
            overusing_millis: None,
            overuses: 0,
            state: BandwidthUsage::Normal,
        }
    }

    /// Takes the distance of two groups; `arrival` is that of the packet that ended the second.
    pub(crate) fn update(&mut self, delta: GroupDelta, arrival: ReceiveTime) {
        self.deltas = (self.deltas + 1).min(MAX_DELTAS);
        let first = *self.first_arrival.get_or_insert(arrival);
        self.accumulated_millis += in_millis(delta.arrival_micros - delta.send_micros);
        self.smoothed_millis =
            SMOOTHING * self.smoothed_millis + (1.0 - SMOOTHING) * self.accumulated_millis;
        self.points.push_back(Point {
            arrival_millis: in_millis(arrival.micros_since(first)),
            delay_millis: self.smoothed_millis,
        });
        if self.points.len() > WINDOW {
            self.points.pop_front();
        }
        let slope = if self.points.len() == WINDOW { self.slope() } else { None };
        self.detect(slope.unwrap_or(self.previous_slope), delta, arrival);
    }

    pub(crate) fn state(&self) -> BandwidthUsage {
        self.state
    }

    /// What is compared with the threshold.
    pub(crate) fn modified_slope(&self) -> f64 {
        self.modified_slope
    }

    pub(crate) fn threshold(&self) -> f64 {
        self.threshold
    }

    /// The least squares line; `None` if all points have one time.
    fn slope(&self) -> Option<f64> {
        let count = self.points.len() as f64;
        let mean_arrival =
            self.points.iter().map(|point| point.arrival_millis).sum::<f64>() / count;
        let mean_delay = self.points.iter().map(|point| point.delay_millis).sum::<f64>() / count;
        let mut covariance = 0.0;
        let mut variance = 0.0;
        for point in &self.points {
            let distance = point.arrival_millis - mean_arrival;
            covariance += distance * (point.delay_millis - mean_delay);
            variance += distance * distance;
        }
        (variance > 0.0).then(|| covariance / variance)
    }

    fn detect(&mut self, slope: f64, delta: GroupDelta, arrival: ReceiveTime) {
        if self.deltas < MIN_DELTAS {
            self.state = BandwidthUsage::Normal;
            return;
        }
        let modified = f64::from(self.deltas.min(GAIN_DELTAS)) * slope * GAIN;
        if modified > self.threshold {
            let sent_millis = in_millis(delta.send_micros);
            let overusing =
                self.overusing_millis.map_or(sent_millis / 2.0, |millis| millis + sent_millis);
            self.overusing_millis = Some(overusing);
            self.overuses += 1;
            if overusing > OVERUSE_MILLIS && self.overuses > 1 && slope >= self.previous_slope {
                self.overusing_millis = Some(0.0);
                self.overuses = 0;
                self.state = BandwidthUsage::Overusing;
            }
        } else {
            self.overusing_millis = None;
            self.overuses = 0;
            self.state = if modified < -self.threshold {
                BandwidthUsage::Underusing
            } else {
                BandwidthUsage::Normal
            };
        }
        self.previous_slope = slope;
        self.modified_slope = modified;
        self.adapt(modified.abs(), arrival);
    }

    fn adapt(&mut self, magnitude: f64, arrival: ReceiveTime) {
        let last = self.last_adapted.replace(arrival).unwrap_or(arrival);
        if magnitude > self.threshold + MAX_ADAPT_OFFSET {
            // A spike, as of a route change, is no reason to become deaf.
            return;
        }
        let gain = if magnitude < self.threshold { GAIN_DOWN } else { GAIN_UP };
        let elapsed = in_millis(arrival.micros_since(last)).min(MAX_ADAPT_MILLIS);
        self.threshold += gain * (magnitude - self.threshold) * elapsed;
        self.threshold = self.threshold.clamp(MIN_THRESHOLD, MAX_THRESHOLD);
    }
}

fn in_millis(micros: i64) -> f64 {
    micros as f64 / 1_000.0
}

const WINDOW: usize = 20;
const SMOOTHING: f64 = 0.9;
const GAIN: f64 = 4.0;
const MIN_DELTAS: u32 = 2;
const GAIN_DELTAS: u32 = 60;
const MAX_DELTAS: u32 = 1_000;
const OVERUSE_MILLIS: f64 = 10.0;
const INITIAL_THRESHOLD: f64 = 12.5;
const MIN_THRESHOLD: f64 = 6.0;
const MAX_THRESHOLD: f64 = 600.0;
const MAX_ADAPT_OFFSET: f64 = 15.0;
const MAX_ADAPT_MILLIS: f64 = 100.0;
const GAIN_UP: f64 = 0.0087;
const GAIN_DOWN: f64 = 0.039;

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet each 20 ms of sending, which arrives after `factor` times that.
    fn run(trendline: &mut Trendline, groups: usize, factor: f64) {
        let mut arrival = trendline.points.back().map_or(0.0, |point| point.arrival_millis * 1e3);
        for _ in 0..groups {
            arrival += 20_000.0 * factor;
            let arrival_micros = (20_000.0 * factor) as i64;
            let delta = GroupDelta { send_micros: 20_000, arrival_micros, size: 0 };
            trendline.update(delta, ReceiveTime::from_micros(arrival as i64));
        }
    }

    #[test]
    fn delay_decides() {
        for (factor, expected) in [
            (1.0, BandwidthUsage::Normal),
            (1.1, BandwidthUsage::Overusing),
            (0.85, BandwidthUsage::Underusing),
        ] {
            let mut trendline = Trendline::new();
            run(&mut trendline, 25, factor);
            assert_eq!(trendline.state(), expected, "{factor}");
            // Then it settles.
            run(&mut trendline, 400, 1.0);
            assert_eq!(trendline.state(), BandwidthUsage::Normal);
        }
    }

    #[test]
    fn small_drifts_are_normal() {
        let mut trendline = Trendline::new();
        run(&mut trendline, 200, 1.000_1);
        assert_eq!(trendline.state(), BandwidthUsage::Normal);
    }

    #[test]
    fn one_late_group_is_no_overuse() {
        let mut trendline = Trendline::new();
        run(&mut trendline, 60, 1.0);
        run(&mut trendline, 1, 1.5);
        run(&mut trendline, 1, 0.5);
        run(&mut trendline, 1, 1.0);
        assert_eq!(trendline.state(), BandwidthUsage::Normal);
    }

    #[test]
    fn threshold_stays_within_bounds() {
        let mut trendline = Trendline::new();
        for round in 0..50 {
            run(&mut trendline, 40, 1.0 + f64::from(round % 7) * 0.02);
            assert!((MIN_THRESHOLD..=MAX_THRESHOLD).contains(&trendline.threshold()));
        }
    }
}
