use std::collections::VecDeque;
use std::time::Duration;

use bridge_units::{Bitrate, DataSize};

use crate::rates::RateMath;

/// How many bytes may be on the way, and what of the rate is left when more are.
///
/// Only statistics, as in JVB (`CongestionWindowPushbackController`): the target is not changed.
#[derive(Clone, Debug)]
pub(crate) struct CongestionWindow {
    feedback_rtts: VecDeque<Duration>,
    /// The shortest of them.
    shortest: Option<Duration>,
    window: Option<DataSize>,
    ratio: f64,
}

impl CongestionWindow {
    pub(crate) fn new() -> Self {
        Self {
            feedback_rtts: VecDeque::with_capacity(MAX_RTTS + 1),
            shortest: None,
            window: None,
            ratio: 1.0,
        }
    }

    pub(crate) fn on_feedback_rtt(&mut self, rtt: Duration) {
        self.feedback_rtts.push_back(rtt);
        self.shortest = Some(self.shortest.map_or(rtt, |shortest| shortest.min(rtt)));
        if self.feedback_rtts.len() > MAX_RTTS && self.feedback_rtts.pop_front() == self.shortest {
            self.shortest = self.feedback_rtts.iter().min().copied();
        }
    }

    pub(crate) fn update(&mut self, target: Bitrate) {
        let Some(rtt) = self.shortest else { return };
        let fresh = target.over(rtt + ACCEPTED_QUEUE).bytes();
        let window = self.window.map_or(fresh, |window| u64::midpoint(window.bytes(), fresh));
        self.window = Some(DataSize::from_bytes(window.max(MIN_WINDOW)));
    }

    #[cfg(test)]
    pub(crate) fn set_window(&mut self, window: DataSize) {
        self.window = Some(window);
    }

    /// The rate that is left of `target` when `in_flight` is on the way. Each call is one step.
    pub(crate) fn push_back(&mut self, target: Bitrate, in_flight: DataSize) -> Bitrate {
        let Some(window) = self.window.filter(|window| *window > DataSize::ZERO) else {
            return target;
        };
        // Whole windows, as in JVB.
        self.ratio = match in_flight.bytes() / window.bytes() {
            0 => 1.0,
            1 => (self.ratio * 1.05).min(1.0),
            _ => self.ratio * 0.9,
        };
        let left = target.scaled(self.ratio);
        if left < MIN_RATE { target.min(MIN_RATE) } else { left }
    }

    pub(crate) fn window(&self) -> Option<DataSize> {
        self.window
    }
}

const MAX_RTTS: usize = 32;
const ACCEPTED_QUEUE: Duration = Duration::from_millis(350);
/// Two full packets.
const MIN_WINDOW: u64 = 3_000;
const MIN_RATE: Bitrate = Bitrate::from_kbps(30);

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(bytes: u64) -> DataSize {
        DataSize::from_bytes(bytes)
    }

    fn bps(bps: u64) -> Bitrate {
        Bitrate::from_bps(bps)
    }

    #[test]
    fn a_full_window_pushes_back_step_by_step() {
        let mut window = CongestionWindow::new();
        window.set_window(bytes(50_000));
        assert_eq!(window.push_back(bps(80_000), bytes(100_000)), bps(72_000));
        assert_eq!(window.push_back(bps(72_000), bytes(100_000)), bps(58_320));
    }

    #[test]
    fn an_empty_window_pushes_nothing_back() {
        let mut window = CongestionWindow::new();
        assert_eq!(window.push_back(bps(80_000), bytes(1_000_000)), bps(80_000), "no window");
        window.set_window(bytes(200_000));
        assert_eq!(window.push_back(bps(80_000), bytes(199_999)), bps(80_000));
    }

    #[test]
    fn a_floor_holds() {
        let mut window = CongestionWindow::new();
        window.set_window(bytes(50_000));
        assert_eq!(window.push_back(bps(35_000), bytes(100_000)), bps(31_500));
        window.set_window(bytes(20_000));
        assert_eq!(window.push_back(bps(35_000), bytes(100_000)), bps(30_000));
        assert_eq!(window.push_back(bps(20_000), bytes(100_000)), bps(20_000));
    }

    #[test]
    fn window_follows_rate_and_round_trip() {
        let mut window = CongestionWindow::new();
        window.update(bps(800_000));
        assert_eq!(window.window(), None);
        window.on_feedback_rtt(Duration::from_millis(150));
        window.on_feedback_rtt(Duration::from_millis(50));
        window.update(bps(800_000));
        assert_eq!(window.window(), Some(bytes(40_000)));
        window.update(bps(0));
        assert_eq!(window.window(), Some(bytes(20_000)));
        (0..10).for_each(|_| window.update(bps(0)));
        assert_eq!(window.window(), Some(bytes(MIN_WINDOW)));
    }
}
