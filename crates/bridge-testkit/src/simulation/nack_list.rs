use bridge_units::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// The numbers that a receiver waits for and asks for again, as libwebrtc's `NackRequester` does: at
/// once, then once a round trip, ten times.
#[derive(Debug, Default)]
pub(crate) struct NackList {
    highest: Option<i64>,
    missing: BTreeMap<i64, Missing>,
    asked: u64,
    given_up: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Missing {
    asked_at: Option<Timestamp>,
    times: u32,
}

impl NackList {
    /// A packet came; whether so many are missing that only a key frame helps.
    pub(crate) fn add(&mut self, index: i64) -> bool {
        self.missing.remove(&index);
        let Some(highest) = self.highest else {
            self.highest = Some(index);
            return false;
        };
        if index <= highest {
            return false;
        }
        self.highest = Some(index);
        if index - highest > MAX_MISSING {
            self.missing.clear();
            return true;
        }
        self.missing.extend((highest + 1..index).map(|n| (n, Missing::default())));
        if self.missing.len() > MAX_MISSING as usize {
            self.missing.clear();
            return true;
        }
        false
    }

    /// What is behind a frame that was decoded is not needed any more.
    pub(crate) fn forget_until(&mut self, index: i64) {
        self.missing = self.missing.split_off(&(index + 1));
    }

    /// What is to be asked for now.
    pub(crate) fn due(&mut self, now: Timestamp, round_trip: Duration) -> Vec<u16> {
        let mut numbers = Vec::new();
        let before = self.missing.len();
        self.missing.retain(|index, missing| {
            if missing.asked_at.is_none_or(|at| at + round_trip <= now) {
                if missing.times == MAX_TIMES {
                    return false;
                }
                missing.asked_at = Some(now);
                missing.times += 1;
                numbers.push((index & 0xffff) as u16);
            }
            true
        });
        self.given_up += (before - self.missing.len()) as u64;
        self.asked += numbers.len() as u64;
        numbers
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.missing.is_empty()
    }

    /// Numbers asked for, each time.
    pub(crate) fn asked(&self) -> u64 {
        self.asked
    }
}

const MAX_MISSING: i64 = 1_000;
const MAX_TIMES: u32 = 10;
