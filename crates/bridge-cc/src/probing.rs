use std::time::Duration;

use bridge_units::{Bitrate, DataSize, Timestamp};

use crate::rates::RateMath;

/// How often padding is looked at, if not configured otherwise (`videobridge.cc.padding-period`).
pub const PADDING_INTERVAL: Duration = Duration::from_millis(15);
/// More often would cost more than it is good for: the pacer sends by the millisecond.
pub const MIN_PADDING_INTERVAL: Duration = Duration::from_millis(5);
/// Less often, what is due at a time would be a burst.
pub const MAX_PADDING_INTERVAL: Duration = Duration::from_millis(250);
/// The longest packet of padding alone: the header and as much as the last byte can count (RFC 3550
/// section 5.1). Longer ones are retransmissions of packets that were sent.
pub const MAX_PADDING_PACKET_LEN: usize = HEADER_LEN + 255;

/// What the allocation gives a peer, and what it would like to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AllocationSnapshot {
    /// The bitrate of the layers that are sent.
    pub target: Bitrate,
    /// The bitrate of the layers that would be sent on an unlimited link.
    pub ideal: Bitrate,
    /// What is sent besides these layers with transport-wide numbers, which the estimate counts:
    /// audio. Zero if it has none.
    pub besides: Bitrate,
    /// Some source is sent in a lower layer than that.
    pub has_non_ideal_layer: bool,
}

/// Fills the estimate with padding while the peer should get more than it does: only a link that is
/// used shows what it takes.
///
/// Answers to JVB's `BandwidthProbing`.
#[derive(Clone, Debug)]
pub struct PaddingController {
    interval: Duration,
    next_tick: Timestamp,
    /// Bytes that were due and not sent.
    leftover: f64,
}

/// A stream of packets that are nothing but padding.
///
/// Answers to the second half of JVB's `ProbingDataSender`.
#[derive(Clone, Copy, Debug)]
pub struct PaddingStream {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
}

impl PaddingController {
    /// Looks first at `now`, and every [`PADDING_INTERVAL`].
    pub fn new(now: Timestamp) -> Self {
        Self::with_interval(now, PADDING_INTERVAL)
    }

    /// Looks first at `now`, and every `interval`, within [`MIN_PADDING_INTERVAL`] and
    /// [`MAX_PADDING_INTERVAL`].
    pub fn with_interval(now: Timestamp, interval: Duration) -> Self {
        let interval = interval.clamp(MIN_PADDING_INTERVAL, MAX_PADDING_INTERVAL);
        Self { interval, next_tick: now, leftover: 0.0 }
    }

    /// How much to send `now`; nothing before [`Self::poll_timeout`]. Tell what was sent with
    /// [`Self::on_sent`].
    pub fn handle_timeout(
        &mut self,
        now: Timestamp,
        allocation: &AllocationSnapshot,
        estimate: Option<Bitrate>,
    ) -> DataSize {
        if now < self.next_tick {
            return DataSize::ZERO;
        }
        let next = self.next_tick + self.interval;
        // Missed ticks are not made up for.
        self.next_tick = if next > now { next } else { now + self.interval };
        let AllocationSnapshot { target, ideal, besides, has_non_ideal_layer } = *allocation;
        if ideal <= target || !has_non_ideal_layer {
            self.leftover = 0.0;
            return DataSize::ZERO;
        }
        let Some(estimate) = estimate.map(|estimate| estimate.minus(besides)) else {
            return DataSize::ZERO;
        };
        if ideal <= estimate {
            return DataSize::ZERO;
        }
        // Negative while more is sent than the link takes.
        let free = estimate.bps_f64() - target.bps_f64();
        let padding = free.min(ideal.bps_f64() - target.bps_f64());
        let due = padding * self.interval.as_secs_f64() / 8.0 + self.leftover;
        self.leftover = due.max(0.0);
        DataSize::from_bytes(self.leftover as u64)
    }

    /// How much of it was sent.
    pub fn on_sent(&mut self, size: DataSize) {
        self.leftover = (self.leftover - size.bytes() as f64).max(0.0);
    }

    /// How often to look.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// When to look next.
    pub fn poll_timeout(&self) -> Timestamp {
        self.next_tick
    }
}

impl PaddingStream {
    /// `sequence` and `timestamp` are random.
    pub const fn new(ssrc: u32, sequence: u16, timestamp: u32) -> Self {
        Self { ssrc, sequence, timestamp }
    }

    /// On which SSRC it goes.
    pub const fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Hands packets of at most `size` together to `emit`, which answers whether to go on. Answers
    /// how much they are. What is too small for a packet is left.
    pub fn write(
        &mut self,
        payload_type: u8,
        size: DataSize,
        mut emit: impl FnMut(&[u8]) -> bool,
    ) -> DataSize {
        self.timestamp = self.timestamp.wrapping_add(TIMESTAMP_STEP);
        let mut left = usize::try_from(size.bytes()).unwrap_or(usize::MAX).min(MAX_RUN_LEN);
        let mut written = 0;
        let mut buffer = [0; MAX_PADDING_PACKET_LEN];
        while left > HEADER_LEN {
            let len = left.min(MAX_PADDING_PACKET_LEN);
            let packet = buffer.get_mut(..len).unwrap_or_default();
            self.fill(payload_type, packet);
            left -= len;
            written += len;
            if !emit(packet) {
                break;
            }
        }
        DataSize::from_bytes(written as u64)
    }

    fn fill(&mut self, payload_type: u8, packet: &mut [u8]) {
        let Some((header, padding)) = packet.split_first_chunk_mut::<HEADER_LEN>() else { return };
        let [first, second, rest @ ..] = header;
        *first = VERSION_WITH_PADDING;
        *second = payload_type & 0x7f;
        let (sequence, rest) = rest.split_at_mut(2);
        sequence.copy_from_slice(&self.sequence.to_be_bytes());
        let (timestamp, ssrc) = rest.split_at_mut(4);
        timestamp.copy_from_slice(&self.timestamp.to_be_bytes());
        ssrc.copy_from_slice(&self.ssrc.to_be_bytes());
        padding.fill(0);
        let count = u8::try_from(padding.len()).unwrap_or(u8::MAX);
        if let Some(last) = padding.last_mut() {
            *last = count;
        }
        self.sequence = self.sequence.wrapping_add(1);
    }
}

const HEADER_LEN: usize = 12;
const VERSION_WITH_PADDING: u8 = 0xa0;
/// A frame of 30 a second at 90 kHz.
const TIMESTAMP_STEP: u32 = 3_000;
/// What a tick of 100 Mbit/s takes: no caller means more.
const MAX_RUN_LEN: usize = 200_000;

#[cfg(test)]
mod tests {
    use bridge_rtp::RtpHeader;

    use super::*;

    fn kbps(kbps: u64) -> Bitrate {
        Bitrate::from_kbps(kbps)
    }

    fn allocation(target: u64, ideal: u64) -> AllocationSnapshot {
        AllocationSnapshot {
            target: kbps(target),
            ideal: kbps(ideal),
            besides: Bitrate::ZERO,
            has_non_ideal_layer: true,
        }
    }

    fn due(allocation: AllocationSnapshot, estimate: Option<u64>) -> u64 {
        let mut controller = PaddingController::new(Timestamp::ZERO);
        let estimate = estimate.map(Bitrate::from_kbps);
        controller.handle_timeout(Timestamp::ZERO, &allocation, estimate).bytes()
    }

    #[test]
    fn padding_fills_the_estimate_and_no_more() {
        let all_ideal = AllocationSnapshot { has_non_ideal_layer: false, ..allocation(340, 1_200) };
        let with_audio = AllocationSnapshot { besides: kbps(40), ..allocation(340, 1_200) };
        for (allocation, estimate, expected) in [
            (allocation(340, 1_200), Some(500), 300),
            (allocation(340, 400), Some(390), 93),
            // the ideal fits
            (allocation(340, 400), Some(400), 0),
            (allocation(340, 400), Some(500), 0),
            // more is sent than the link takes
            (allocation(600, 1_200), Some(500), 0),
            // nothing better to send
            (allocation(340, 340), Some(300), 0),
            (all_ideal, Some(500), 0),
            // nothing known
            (allocation(340, 1_200), None, 0),
            (with_audio, Some(500), 225),
        ] {
            assert_eq!(due(allocation, estimate), expected, "{allocation:?} {estimate:?}");
        }
    }

    #[test]
    fn ticks_are_every_15_milliseconds() {
        let mut controller = PaddingController::new(Timestamp::ZERO);
        let allocation = allocation(340, 1_200);
        let mut sent = 0;
        for millis in 0..1_500 {
            let now = Timestamp::from_millis(millis);
            let size = controller.handle_timeout(now, &allocation, Some(kbps(500)));
            controller.on_sent(size);
            sent += size.bytes();
        }
        assert_eq!(sent, 30_000, "160 kbit/s for 1.5 s");
        assert_eq!(controller.poll_timeout(), Timestamp::from_millis(1_500));
        // After a pause there is one tick, not many.
        let late = Timestamp::from_millis(9_000);
        assert_eq!(controller.handle_timeout(late, &allocation, Some(kbps(500))).bytes(), 300);
        assert_eq!(controller.handle_timeout(late, &allocation, Some(kbps(500))).bytes(), 0);
    }

    #[test]
    fn ticks_are_as_configured_within_reason() {
        for (configured, expected) in [(30, 30), (1, 5), (10_000, 250)] {
            let interval = Duration::from_millis(configured);
            let mut controller = PaddingController::with_interval(Timestamp::ZERO, interval);
            let due = controller.handle_timeout(
                Timestamp::ZERO,
                &allocation(340, 1_200),
                Some(kbps(500)),
            );
            assert_eq!(due.bytes(), 20 * expected, "160 kbit/s");
            assert_eq!(controller.poll_timeout(), Timestamp::from_millis(expected));
        }
    }

    #[test]
    fn what_was_not_sent_stays_due_until_it_is_pointless() {
        let mut controller = PaddingController::new(Timestamp::ZERO);
        let mut at = |tick: u64, allocation, sent| {
            let now = Timestamp::from_millis(tick * 15);
            let due = controller.handle_timeout(now, &allocation, Some(kbps(500))).bytes();
            controller.on_sent(DataSize::from_bytes(sent));
            due
        };
        assert_eq!(at(0, allocation(340, 1_200), 267), 300);
        assert_eq!(at(1, allocation(340, 1_200), 1_000), 333);
        assert_eq!(at(2, allocation(340, 1_200), 0), 300);
        assert_eq!(at(3, allocation(340, 400), 0), 0);
        assert_eq!(at(4, allocation(340, 1_200), 0), 600, "kept while the ideal fits");
        assert_eq!(at(5, allocation(340, 340), 0), 0);
        assert_eq!(at(6, allocation(340, 1_200), 0), 300, "gone when there is nothing better");
    }

    #[test]
    fn padding_packets_are_valid() {
        let mut stream = PaddingStream::new(7, 0xffff, 0xffff_ffff);
        let mut packets = vec![];
        let size = DataSize::from_bytes(267 * 2 + 30);
        let written = stream.write(100, size, |packet| {
            packets.push(packet.to_vec());
            true
        });
        assert_eq!(written, size);
        assert_eq!(packets.iter().map(Vec::len).collect::<Vec<_>>(), [267, 267, 30]);
        for (packet, sequence) in packets.iter().zip([0xffff, 0, 1]) {
            let header = RtpHeader::parse(packet).unwrap();
            assert_eq!((header.ssrc, header.sequence_number), (7, sequence));
            assert_eq!((header.timestamp, header.payload_type), (2_999, 100));
            assert_eq!(packet[0], 0xa0);
            assert_eq!(usize::from(*packet.last().unwrap()), packet.len() - 12);
        }
        let mut timestamps = vec![];
        stream.write(100, DataSize::from_bytes(100), |packet| {
            timestamps.push(RtpHeader::parse(packet).unwrap().timestamp);
            true
        });
        assert_eq!(timestamps, [5_999]);
    }

    #[test]
    fn too_little_for_a_packet_is_left() {
        let mut stream = PaddingStream::new(7, 0, 0);
        for (size, written) in [(0, 0), (12, 0), (13, 13), (267 + 12, 267)] {
            let size = DataSize::from_bytes(size);
            assert_eq!(stream.write(100, size, |_| true).bytes(), written);
        }
        let mut count = 0;
        let stopped = stream.write(100, DataSize::from_bytes(10_000), |_| {
            count += 1;
            count < 2
        });
        assert_eq!((stopped.bytes(), count), (534, 2));
    }
}
