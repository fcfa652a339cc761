use std::collections::VecDeque;

use crate::googcc2::BandwidthUsage;

/// How the delay between two groups depends on their sizes, and what of it is a growing queue.
///
/// Answers to JVB's `OveruseEstimator`.
#[derive(Clone, Debug)]
pub(crate) struct Kalman {
    deltas: u32,
    /// Milliseconds a byte: the inverse of the capacity.
    slope: f64,
    /// Milliseconds that the queue grows between two groups.
    offset: f64,
    previous_offset: f64,
    covariance: [[f64; 2]; 2],
    mean_noise: f64,
    noise_variance: f64,
    send_deltas: VecDeque<f64>,
}

impl Kalman {
    pub(crate) fn new() -> Self {
        Self {
            deltas: 0,
            slope: 8.0 / 512.0,
            offset: 0.0,
            previous_offset: 0.0,
            covariance: [[100.0, 0.0], [0.0, 0.1]],
            mean_noise: 0.0,
            noise_variance: 50.0,
            send_deltas: VecDeque::with_capacity(FRAME_HISTORY + 1),
        }
    }

    /// Takes the distance of two groups in milliseconds and bytes, and what the detector said before.
    pub(crate) fn update(
        &mut self,
        arrival_millis: f64,
        send_millis: f64,
        size: f64,
        usage: BandwidthUsage,
    ) {
        let period = self.min_frame_period(send_millis);
        self.deltas = (self.deltas + 1).min(MAX_DELTAS);
        self.predict(usage);
        let [[size_variance, cross], [cross_back, offset_variance]] = self.covariance;
        let gained = [size_variance * size + cross, cross_back * size + offset_variance];
        let residual = arrival_millis - send_millis - self.slope * size - self.offset;
        if usage == BandwidthUsage::Normal {
            let limit = 3.0 * self.noise_variance.sqrt();
            self.update_noise(residual.clamp(-limit, limit), period);
        }
        let uncertainty = self.noise_variance + size * gained[0] + gained[1];
        let gain = gained.map(|gained| gained / uncertainty);
        self.correct(gain, size);
        self.slope += gain[0] * residual;
        self.previous_offset = self.offset;
        self.offset += gain[1] * residual;
    }

    pub(crate) fn deltas(&self) -> u32 {
        self.deltas
    }

    pub(crate) fn offset(&self) -> f64 {
        self.offset
    }

    /// The queue may have changed since, more so when it obviously does.
    fn predict(&mut self, usage: BandwidthUsage) {
        self.covariance[0][0] += SLOPE_NOISE;
        self.covariance[1][1] += OFFSET_NOISE;
        let is_turning = match usage {
            BandwidthUsage::Overusing => self.offset < self.previous_offset,
            BandwidthUsage::Underusing => self.offset > self.previous_offset,
            BandwidthUsage::Normal => false,
        };
        if is_turning {
            self.covariance[1][1] += 10.0 * OFFSET_NOISE;
        }
    }

    /// (1 - gain * observation) * covariance, with the observation (size, 1).
    fn correct(&mut self, gain: [f64; 2], size: f64) {
        let [top, bottom] = self.covariance;
        let column = |index: usize| {
            let seen = size * top[index] + bottom[index];
            [top[index] - gain[0] * seen, bottom[index] - gain[1] * seen]
        };
        let (left, right) = (column(0), column(1));
        self.covariance = [[left[0], right[0]], [left[1], right[1]]];
    }

    fn min_frame_period(&mut self, send_millis: f64) -> f64 {
        if self.send_deltas.len() >= FRAME_HISTORY {
            self.send_deltas.pop_front();
        }
        let min = self.send_deltas.iter().copied().fold(send_millis, f64::min);
        self.send_deltas.push_back(send_millis);
        min
    }

    fn update_noise(&mut self, residual: f64, period_millis: f64) {
        let alpha = if self.deltas > SETTLED_DELTAS { 0.002 } else { 0.01 };
        // The factors are made for 30 frames a second.
        let keep = f64::powf(1.0 - alpha, period_millis * 30.0 / 1_000.0);
        self.mean_noise = keep * self.mean_noise + (1.0 - keep) * residual;
        let error = self.mean_noise - residual;
        self.noise_variance =
            (keep * self.noise_variance + (1.0 - keep) * error * error).max(MIN_NOISE);
    }
}

const MAX_DELTAS: u32 = 1_000;
const SETTLED_DELTAS: u32 = 300;
const FRAME_HISTORY: usize = 60;
const SLOPE_NOISE: f64 = 1e-10;
const OFFSET_NOISE: f64 = 1e-2;
const MIN_NOISE: f64 = 1.0;
