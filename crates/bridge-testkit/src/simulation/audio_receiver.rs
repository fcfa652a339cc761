use super::audio_payload::{AudioStamp, OPUS, RED, read_redundant};
use bridge_rtp::{RtpHeader, SequenceUnwrapper};
use bridge_units::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// What arrived on one SSRC of audio. With SSRC rewriting it may be one source after another.
#[derive(Clone, Debug, Default)]
pub struct AudioReceiver {
    numbers: SequenceUnwrapper,
    /// What came under each number, the newest ones.
    recent: BTreeMap<i64, Heard>,
    first: Option<i64>,
    highest: i64,
    received: u64,
    /// Numbers left out where another source began.
    left_out: u64,
    counters: AudioReceiverCounters,
    last: Option<Timestamp>,
    longest_gap: Duration,
}

/// What a receiver of audio has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AudioReceiverCounters {
    /// Packets of plain Opus.
    pub plain: u64,
    /// Packets with redundancy, or with room for it.
    pub redundant: u64,
    /// Redundant blocks in them.
    pub blocks: u64,
    /// Lost packets that came in the redundancy of others.
    pub recovered: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// What does not fit its content: damaged, skipped, repeated or misplaced by the bridge.
    pub contradictions: u64,
    /// Changes from one source to another.
    pub changes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Heard {
    stamp: AudioStamp,
    timestamp: u32,
}

impl AudioReceiver {
    pub(crate) fn handle_packet(&mut self, now: Timestamp, header: &RtpHeader, payload: &[u8]) {
        match header.payload_type {
            OPUS => self.counters.plain += 1,
            RED => self.counters.redundant += 1,
            _ => self.counters.contradictions += 1,
        }
        let blocks = match header.payload_type {
            RED => read_redundant(payload),
            _ => AudioStamp::read(payload).map(|stamp| vec![stamp.into()]),
        };
        let Some((own, earlier)) = blocks.as_deref().and_then(<[_]>::split_last) else {
            self.counters.contradictions += 1;
            return;
        };
        let index = self.numbers.update(header.sequence_number);
        let timestamp = header.timestamp;
        let is_new = self.take(index, Heard { stamp: own.stamp, timestamp });
        self.counters.blocks += earlier.len() as u64;
        for block in earlier {
            let distance = i64::from(own.stamp.counter.wrapping_sub(block.stamp.counter));
            let heard =
                Heard { stamp: block.stamp, timestamp: timestamp.wrapping_sub(block.offset) };
            let is_older = self.first.is_none_or(|first| index - distance < first);
            let is_known = self.recent.get(&(index - distance));
            if let Some(known) = is_known {
                self.counters.contradictions += u64::from(*known != heard);
            } else if !is_older && self.take(index - distance, heard) {
                self.counters.recovered += 1;
            }
        }
        if is_new && let Some(last) = self.last.replace(now) {
            self.longest_gap = self.longest_gap.max(now.since(last));
        }
    }

    /// The source that was heard last, by its sender's SSRC.
    pub fn source(&self) -> Option<u32> {
        self.recent.last_key_value().map(|(_, heard)| heard.stamp.source)
    }

    /// Packets that came, or that came in others' redundancy, once each.
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// Numbers between the first and the last that did not come.
    pub fn lost(&self) -> u64 {
        let expected = self.first.map_or(0, |first| self.highest - first + 1);
        (expected as u64).saturating_sub(self.received + self.left_out)
    }

    /// What was counted.
    pub const fn counters(&self) -> AudioReceiverCounters {
        self.counters
    }

    /// What does not fit its content: damaged, skipped, repeated or misplaced by the bridge.
    pub const fn contradictions(&self) -> u64 {
        self.counters.contradictions
    }

    /// The longest time between two packets.
    pub const fn longest_gap(&self) -> Duration {
        self.longest_gap
    }

    /// Whether it is new.
    fn take(&mut self, index: i64, heard: Heard) -> bool {
        if let Some(known) = self.recent.get(&index) {
            self.counters.duplicates += 1;
            self.counters.contradictions += u64::from(*known != heard);
            return false;
        }
        let before = self.recent.range(..index).next_back().map(|(n, heard)| (*n, *heard));
        let after = self.recent.range(index..).next().map(|(n, heard)| (*n, *heard));
        if let Some(before) = before {
            self.check(before, (index, heard), after.is_none());
        }
        if let Some(after) = after {
            self.check((index, heard), after, false);
        }
        self.recent.insert(index, heard);
        if self.recent.len() > MAX_RECENT {
            self.recent.pop_first();
        }
        self.first = Some(self.first.map_or(index, |first| first.min(index)));
        self.highest = if self.received == 0 { index } else { self.highest.max(index) };
        self.received += 1;
        true
    }

    /// Within a source numbers and timestamps go on as the sender's; another source begins later.
    fn check(&mut self, (a, before): (i64, Heard), (b, after): (i64, Heard), is_newest: bool) {
        let ticks = after.timestamp.wrapping_sub(before.timestamp);
        if before.stamp.source == after.stamp.source {
            let counted = after.stamp.counter.wrapping_sub(before.stamp.counter);
            let sent = after.stamp.timestamp.wrapping_sub(before.stamp.timestamp);
            let is_right = b - a == i64::from(counted) && ticks == sent;
            self.counters.contradictions += u64::from(!is_right);
        } else {
            let goes_on = ticks > 0 && ticks < u32::MAX / 2;
            self.counters.contradictions += u64::from(!goes_on);
            if is_newest {
                self.counters.changes += 1;
                self.left_out += (b - a - 1) as u64;
            }
        }
    }
}

const MAX_RECENT: usize = 500;
