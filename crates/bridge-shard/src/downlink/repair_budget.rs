use bridge_units::{Bitrate, DataSize, Timestamp};
use std::time::Duration;

/// How much may be sent again, so that a link that lost packets because it is full does not get
/// more of what it lost. libwebrtc limits retransmissions to the target rate; JVB does not.
#[derive(Clone, Copy, Debug)]
pub(super) struct RepairBudget {
    /// Bytes.
    left: f64,
    updated: Timestamp,
}

impl RepairBudget {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { left: 0.0, updated: now }
    }

    /// Whether `size` may be sent again now on a link that takes `estimate` and carries `media`; if so
    /// it counts as sent. Without an estimate everything may.
    pub(super) fn take(
        &mut self,
        now: Timestamp,
        size: DataSize,
        estimate: Option<Bitrate>,
        media: Bitrate,
    ) -> bool {
        let Some(estimate) = estimate else { return true };
        let estimate = estimate.max(MIN_RATE);
        let free = estimate.minus(media).bps() as f64;
        let most = estimate.bps() as f64 * MAX_SHARE;
        let bytes_per_second = free.clamp(estimate.bps() as f64 * MIN_SHARE, most) / 8.0;
        let gained = (now - self.updated).as_secs_f64() * bytes_per_second;
        self.left = (self.left + gained).min(bytes_per_second * BURST.as_secs_f64());
        self.updated = now;
        // The last packet may overdraw it, so that a slow link gets any at all.
        if self.left <= 0.0 {
            return false;
        }
        self.left -= size.bytes() as f64;
        true
    }
}

/// Of the estimate, however little is free: a loss that is not repaired costs a key frame.
const MIN_SHARE: f64 = 0.05;
/// Of the estimate. Twice what repairs one packet in ten.
const MAX_SHARE: f64 = 0.25;
/// A link that takes less cannot carry video.
const MIN_RATE: Bitrate = Bitrate::from_kbps(100);
/// What may go at once: a burst of losses while nothing else was lost for as long.
const BURST: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: DataSize = DataSize::from_bytes(1_250);

    fn sent(kbps: (u64, u64), from: u64, millis: u64, budget: &mut RepairBudget) -> usize {
        let (estimate, media) = (Bitrate::from_kbps(kbps.0), Bitrate::from_kbps(kbps.1));
        let times = (from..from + millis).map(Timestamp::from_millis);
        times.filter(|now| budget.take(*now, PACKET, Some(estimate), media)).count()
    }

    #[test]
    fn a_flood_gets_its_share_and_no_more() {
        let mut budget = RepairBudget::new(Timestamp::ZERO);
        // 250 kbit/s: 25 packets a second.
        assert!((49..=52).contains(&sent((1_000, 100), 0, 2_000, &mut budget)));
        // What was saved is a second's worth.
        assert!((49..=52).contains(&sent((1_000, 100), 60_000, 1_000, &mut budget)));
        // A full link gets 50 kbit/s.
        let mut budget = RepairBudget::new(Timestamp::ZERO);
        assert!((9..=12).contains(&sent((1_000, 1_200), 0, 2_000, &mut budget)));
    }

    #[test]
    fn a_slow_link_gets_some_and_an_unknown_one_all() {
        let mut budget = RepairBudget::new(Timestamp::ZERO);
        assert!((2..=4).contains(&sent((1, 0), 0, 1_000, &mut budget)));
        let now = Timestamp::from_millis(1_000);
        assert!((0..1_000).all(|_| budget.take(now, PACKET, None, Bitrate::ZERO)));
    }
}
