//! When a shard lets the rest of a burst arrive before it begins to forward it.
//!
//! Senders pace video in bursts (libwebrtc: every 5 ms), and the first packet of one wakes the shard.
//! Forwarded at once, each receiver gets it as a message of its own; a moment later the whole burst
//! is one UDP_SEGMENT message for each receiver, which costs the kernel a fraction.

use bridge_units::Timestamp;
use std::time::Duration;

/// What the operator decides about waiting for the rest of a burst.
///
/// Differs from JVB: it forwards each packet by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoalescingSettings {
    /// How long the first datagram after an idle phase may wait for others; zero turns it off, and
    /// more than [`MAX_COALESCING_WINDOW`] is as much as that.
    pub window: Duration,
    /// RTP packets sent for each one received, over all shards, from which on the shards wait: what
    /// is forwarded to a few costs little and shall not pay in delay.
    pub min_fan_out: u32,
}

/// The longest delay that is added to any datagram.
pub const MAX_COALESCING_WINDOW: Duration = Duration::from_millis(1);

/// Decides when to wait, without sockets and clocks.
#[derive(Debug)]
pub(crate) struct CoalescingWindow {
    settings: CoalescingSettings,
    seen: Traffic,
    large: bool,
    /// RTP messages that a window brought lately, times [`YIELD_UNIT`].
    yielded: u32,
    /// Windows that were not opened since the last one, because they brought too little.
    skipped: u32,
}

/// RTP packets of all shards since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) received: u64,
    pub(crate) sent: u64,
}

impl Default for CoalescingSettings {
    fn default() -> Self {
        Self { window: DEFAULT_WINDOW, min_fan_out: DEFAULT_MIN_FAN_OUT }
    }
}

impl CoalescingWindow {
    pub(crate) fn new(settings: CoalescingSettings) -> Self {
        let window = settings.window.min(MAX_COALESCING_WINDOW);
        Self {
            settings: CoalescingSettings { window, ..settings },
            seen: Traffic::default(),
            large: false,
            yielded: MIN_YIELD,
            skipped: 0,
        }
    }

    /// Takes the totals, now and then.
    pub(crate) fn note_traffic(&mut self, totals: Traffic) {
        let received = totals.received.saturating_sub(self.seen.received);
        if received < MIN_SAMPLE {
            return;
        }
        let sent = totals.sent.saturating_sub(self.seen.sent);
        let wanted = received.saturating_mul(u64::from(self.settings.min_fan_out));
        self.large = if self.large { sent >= wanted / 4 * 3 } else { sent >= wanted };
        self.seen = totals;
    }

    /// Until when the shard shall wait which waited for work since `idle_since` and found datagrams
    /// at `now`. Never after it was busy: what arrived meanwhile is a batch already.
    pub(crate) fn open(&mut self, idle_since: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let idle = now - idle_since >= MIN_IDLE;
        if !self.large || !idle || self.settings.window.is_zero() {
            return None;
        }
        if self.yielded < MIN_YIELD && self.skipped < PROBE_INTERVAL {
            self.skipped += 1;
            return None;
        }
        self.skipped = 0;
        Some(now + self.settings.window)
    }

    /// Takes how many RTP messages were there at the end of the window. One without any (feedback, for
    /// example) says nothing about bursts.
    pub(crate) fn close(&mut self, messages: usize) {
        if messages == 0 {
            return;
        }
        let messages = u32::try_from(messages).unwrap_or(u32::MAX).min(MAX_YIELD);
        self.yielded = (self.yielded * 7 + messages * YIELD_UNIT).div_ceil(8);
    }
}

/// Half a millisecond is the gap between two packets of a burst that comes through 20 Mb/s.
const DEFAULT_WINDOW: Duration = Duration::from_micros(500);

const DEFAULT_MIN_FAN_OUT: u32 = 5;

/// RTP packets after which the fan-out is judged anew.
const MIN_SAMPLE: u64 = 16;

/// A wait that ended sooner found its work there already.
const MIN_IDLE: Duration = Duration::from_micros(5);

const YIELD_UNIT: u32 = 64;

/// Four windows in which one brought a second message: below, packets come one by one.
const MIN_YIELD: u32 = YIELD_UNIT * 5 / 4;

/// One good window shall not outweigh many that brought nothing.
const MAX_YIELD: u32 = 8;

/// Windows that are left out before one is tried again.
const PROBE_INTERVAL: u32 = 15;

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Timestamp = Timestamp::from_millis(1);
    const NOW: Timestamp = Timestamp::from_millis(3);

    fn window(fan_out: u64) -> CoalescingWindow {
        let mut window = CoalescingWindow::new(CoalescingSettings {
            window: Duration::from_micros(300),
            min_fan_out: 8,
        });
        window.note_traffic(Traffic { received: 100, sent: 100 * fan_out });
        window
    }

    #[test]
    fn a_large_fan_out_waits_and_a_small_one_does_not() {
        assert_eq!(window(8).open(IDLE, NOW), Some(NOW + Duration::from_micros(300)));
        assert_eq!(window(7).open(IDLE, NOW), None);
        assert_eq!(window(0).open(IDLE, NOW), None);
    }

    #[test]
    fn nothing_is_known_of_a_few_packets() {
        let mut window = window(0);
        window.note_traffic(Traffic { received: 110, sent: 10_000 });
        assert_eq!(window.open(IDLE, NOW), None);
        window.note_traffic(Traffic { received: 116, sent: 10_000 });
        assert!(window.open(IDLE, NOW).is_some());
    }

    #[test]
    fn waiting_goes_on_until_the_fan_out_is_clearly_smaller() {
        let mut window = window(8);
        window.note_traffic(Traffic { received: 200, sent: 1_400 });
        assert!(window.open(IDLE, NOW).is_some());
        window.note_traffic(Traffic { received: 300, sent: 1_900 });
        assert_eq!(window.open(IDLE, NOW), None);
    }

    #[test]
    fn a_busy_shard_never_waits() {
        let mut window = window(100);
        assert_eq!(window.open(NOW, NOW), None);
        assert_eq!(window.open(NOW - Duration::from_micros(4), NOW), None);
        assert!(window.open(NOW - Duration::from_micros(5), NOW).is_some());
    }

    #[test]
    fn the_window_is_off_at_zero_and_never_longer_than_a_millisecond() {
        for (wanted, given) in [
            (Duration::ZERO, None),
            (Duration::from_millis(900), Some(NOW + MAX_COALESCING_WINDOW)),
        ] {
            let settings = CoalescingSettings { window: wanted, min_fan_out: 0 };
            let mut window = CoalescingWindow::new(settings);
            window.note_traffic(Traffic { received: 100, sent: 100 });
            assert_eq!(window.open(IDLE, NOW), given);
        }
    }

    #[test]
    fn single_packets_are_soon_forwarded_at_once_and_bursts_are_noticed_again() {
        let mut window = window(100);
        let mut opened = |messages: usize| {
            (0..160)
                .filter(|_| window.open(IDLE, NOW).map(|_| window.close(messages)).is_some())
                .count()
        };
        assert!(opened(1) < 30);
        assert_eq!(opened(1), 10, "only probes");
        assert!(opened(8) > 140);
        assert_eq!(opened(0), 160, "feedback says nothing");
        assert_eq!(opened(8), 160);
    }
}
