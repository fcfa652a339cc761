use std::collections::VecDeque;
use std::time::Duration;

use bridge_units::{Bitrate, Timestamp};

use super::delay_estimator::DelayEstimator;
use super::network_controller::{DEFAULT_MIN_OVERUSE, DEFAULT_OVERUSE_THRESHOLD};
use crate::rates::micros_between;
use crate::receiver_reports::MAX_REMB_SSRCS;
use crate::sent_packets::ReceiveTime;

/// What a peer may send, from the times at which its packets were sent and arrived: for a peer that
/// negotiated REMB (draft-alvestrand-rmcat-remb) and not transport-cc.
#[derive(Clone, Debug)]
pub struct RemoteEstimator {
    delay: DelayEstimator,
    clock: AbsSendTime,
    /// The newest last.
    ssrcs: VecDeque<u32>,
    told: Option<Bitrate>,
}

/// 24 bits of seconds with 18 behind the point, which wrap every 64 s.
#[derive(Clone, Copy, Debug, Default)]
struct AbsSendTime {
    last: Option<(u32, i64)>,
}

impl RemoteEstimator {
    /// Nothing received yet.
    pub fn new() -> Self {
        Self {
            delay: DelayEstimator::new(DEFAULT_OVERUSE_THRESHOLD, DEFAULT_MIN_OVERUSE),
            clock: AbsSendTime::default(),
            ssrcs: VecDeque::with_capacity(MAX_REMB_SSRCS),
            told: None,
        }
    }

    /// Takes a packet that arrived `now`, with the value of its abs-send-time extension and its
    /// length from the RTP header on.
    pub fn on_packet(&mut self, now: Timestamp, ssrc: u32, abs_send_time: u32, len: usize) {
        if !self.ssrcs.contains(&ssrc) {
            if self.ssrcs.len() >= MAX_REMB_SSRCS {
                self.ssrcs.pop_front();
            }
            self.ssrcs.push_back(ssrc);
        }
        let sent = self.clock.unwrap(abs_send_time);
        let received = ReceiveTime::from_micros(micros_between(Timestamp::ZERO, now));
        self.delay.on_packet(now, sent, received, len as u64);
        if let Some(estimate) = self.delay.estimate(now) {
            self.told = Some(estimate);
        }
    }

    /// Takes a round trip time of RTCP.
    pub fn on_rtt(&mut self, rtt: Duration) {
        self.delay.set_rtt(rtt);
    }

    /// What to tell the peer; `None` as long as it is not known.
    pub fn estimate(&self) -> Option<Bitrate> {
        self.told
    }

    /// The last streams that were received, at most [`MAX_REMB_SSRCS`].
    pub fn ssrcs(&mut self) -> &[u32] {
        self.ssrcs.make_contiguous()
    }
}

impl Default for RemoteEstimator {
    fn default() -> Self {
        Self::new()
    }
}

impl AbsSendTime {
    fn unwrap(&mut self, value: u32) -> Timestamp {
        let value = value & MASK;
        let ticks = match self.last {
            None => START_TICKS + i64::from(value),
            Some((last, ticks)) => {
                let forward = i64::from(value.wrapping_sub(last) & MASK);
                ticks + if forward > RANGE / 2 { forward - RANGE } else { forward }
            }
        };
        let ticks = ticks.max(0);
        self.last = Some((value, ticks));
        let micros = (ticks * 1_000_000) >> FRACTION_BITS;
        Timestamp::from_micros(u64::try_from(micros).unwrap_or_default())
    }
}

const FRACTION_BITS: u32 = 18;
const MASK: u32 = 0x00ff_ffff;
const RANGE: i64 = 1 << 24;
/// Room for packets that come before the first.
const START_TICKS: i64 = RANGE;

#[cfg(test)]
mod tests {
    use super::*;

    fn abs_send_time(micros: u64) -> u32 {
        u32::try_from(((micros << FRACTION_BITS) / 1_000_000) & u64::from(MASK)).unwrap()
    }

    #[test]
    fn send_times_wrap() {
        let mut clock = AbsSendTime::default();
        let mut last = clock.unwrap(abs_send_time(60_000_000));
        // Three times around, one step back each second.
        for second in 61..260_u64 {
            let back = clock.unwrap(abs_send_time(second * 1_000_000 - 1_010_000));
            assert!(back < last);
            let now = clock.unwrap(abs_send_time(second * 1_000_000));
            let step = (now - last).as_micros();
            assert!(step.abs_diff(1_000_000) <= 8, "{step}");
            last = now;
        }
    }

    #[test]
    fn a_link_is_estimated_from_what_arrives() {
        let mut estimator = RemoteEstimator::new();
        assert_eq!((estimator.estimate(), estimator.ssrcs()), (None, &[][..]));
        let mut busy_until = 0_u64;
        for n in 0..4_000_u64 {
            // 1 Mbit/s into 800 kbit/s.
            let sent = n * 8_000;
            busy_until = busy_until.max(sent) + 10_000;
            let ssrc = u32::try_from(n % 20).unwrap();
            let now = Timestamp::from_micros(busy_until);
            estimator.on_packet(now, ssrc, abs_send_time(sent), 1_000);
        }
        let estimate = estimator.estimate().unwrap();
        assert!(estimate < Bitrate::from_kbps(800), "{estimate:?}");
        assert_eq!(estimator.ssrcs().len(), MAX_REMB_SSRCS);
    }
}
