use super::audio_sender::counter_of;
use bridge_rtp::SequenceUnwrapper;
use bridge_units::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// What arrived of one audio source.
#[derive(Clone, Debug, Default)]
pub struct AudioReceiver {
    numbers: SequenceUnwrapper,
    /// The sender's counter by number, the newest ones.
    recent: BTreeMap<i64, u32>,
    first: Option<i64>,
    highest: i64,
    received: u64,
    duplicates: u64,
    contradictions: u64,
    last: Option<Timestamp>,
    longest_gap: Duration,
}

impl AudioReceiver {
    pub(crate) fn handle_packet(&mut self, now: Timestamp, number: u16, payload: &[u8]) {
        let Some(counter) = counter_of(payload) else {
            self.contradictions += 1;
            return;
        };
        let index = self.numbers.update(number);
        if let Some(known) = self.recent.insert(index, counter) {
            self.duplicates += 1;
            self.contradictions += u64::from(known != counter);
            return;
        }
        if self.recent.len() > MAX_RECENT {
            self.recent.pop_first();
        }
        let before = self.recent.range(..index).next_back();
        // Numbers and counters go on by the same steps.
        if before.is_some_and(|(n, c)| index - n != i64::from(counter.wrapping_sub(*c))) {
            self.contradictions += 1;
        }
        self.first.get_or_insert(index);
        self.highest = self.highest.max(index);
        self.received += 1;
        if let Some(last) = self.last.replace(now) {
            self.longest_gap = self.longest_gap.max(now.since(last));
        }
    }

    /// Packets received, once each.
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// Numbers between the first and the last that did not come.
    pub fn lost(&self) -> u64 {
        let expected = self.first.map_or(0, |first| self.highest - first + 1);
        (expected as u64).saturating_sub(self.received)
    }

    /// Packets that came twice.
    pub const fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Packets whose numbers do not fit their content: skipped or repeated by the bridge.
    pub const fn contradictions(&self) -> u64 {
        self.contradictions
    }

    /// The longest time between two packets.
    pub const fn longest_gap(&self) -> Duration {
        self.longest_gap
    }
}

const MAX_RECENT: usize = 500;
