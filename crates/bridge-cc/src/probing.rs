use std::time::Duration;

use bridge_units::{Bitrate, DataSize, Timestamp};

/// How often padding is looked at.
pub const PADDING_INTERVAL: Duration = Duration::from_millis(15);
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
    /// Some source is sent in a lower layer than that.
    pub has_non_ideal_layer: bool,
}

/// Fills the estimate with padding while the peer should get more than it does: only a link that is
/// used shows what it takes.
///
/// Answers to JVB's `BandwidthProbing`.
#[derive(Clone, Debug)]
pub struct PaddingController {
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
    /// Looks first at `now`.
    pub fn new(now: Timestamp) -> Self {
        Self { next_tick: now, leftover: 0.0 }
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
        let next = self.next_tick + PADDING_INTERVAL;
        // Missed ticks are not made up for.
        self.next_tick = if next > now { next } else { now + PADDING_INTERVAL };
        let AllocationSnapshot { target, ideal, has_non_ideal_layer } = *allocation;
        if ideal <= target || !has_non_ideal_layer {
            self.leftover = 0.0;
            return DataSize::ZERO;
        }
        let Some(estimate) = estimate.filter(|estimate| ideal > *estimate) else {
            return DataSize::ZERO;
        };
        // Negative while more is sent than the link takes.
        let free = estimate.bps() as f64 - target.bps() as f64;
        let padding = free.min(ideal.bps() as f64 - target.bps() as f64);
        let due = padding * PADDING_INTERVAL.as_secs_f64() / 8.0 + self.leftover;
        self.leftover = due.max(0.0);
        DataSize::from_bytes(self.leftover as u64)
    }

    /// How much of it was sent.
    pub fn on_sent(&mut self, size: DataSize) {
        self.leftover = (self.leftover - size.bytes() as f64).max(0.0);
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
