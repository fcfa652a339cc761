//! Wrapping sequence number and timestamp arithmetic.

/// Extends 16-bit sequence numbers to an index that does not wrap.
///
/// The first number has cycle 0; an older one before it has a negative index. Answers to JVB's
/// `RtpSequenceIndexTracker`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SequenceUnwrapper {
    highest: Option<i64>,
}

impl SequenceUnwrapper {
    /// Nothing seen yet.
    pub const fn new() -> Self {
        Self { highest: None }
    }

    /// The index of `seq`, which becomes the reference for later numbers if it is the newest.
    pub fn update(&mut self, seq: u16) -> i64 {
        let index = self.interpret(seq);
        if self.highest.is_none_or(|highest| index > highest) {
            self.highest = Some(index);
        }
        index
    }

    /// Takes `seq` as newer than everything seen, whatever its distance: the start of a new run of
    /// numbers. An apparently older number therefore moves to the next cycle.
    pub fn reset_at(&mut self, seq: u16) -> i64 {
        let Some(highest) = self.highest else { return self.update(seq) };
        let index = self.interpret(seq);
        let index = if index < highest {
            cycle_start(highest) + SEQUENCE_CYCLE + i64::from(seq)
        } else {
            index
        };
        self.highest = Some(index);
        index
    }

    /// The index that `seq` would get, without remembering it.
    pub fn interpret(&self, seq: u16) -> i64 {
        match self.highest {
            None => i64::from(seq),
            Some(highest) => highest + i64::from(seq_delta(seq, low_bits(highest))),
        }
    }

    /// The highest index so far.
    pub const fn highest(&self) -> Option<i64> {
        self.highest
    }
}

/// `a - b` as the shorter way round. A distance of exactly 32768 reads as older.
pub const fn seq_delta(a: u16, b: u16) -> i16 {
    a.wrapping_sub(b).cast_signed()
}

/// Whether sequence number `a` comes after `b`.
pub const fn is_newer_seq(a: u16, b: u16) -> bool {
    seq_delta(a, b) > 0
}

/// Whether sequence number `a` comes before `b`.
pub const fn is_older_seq(a: u16, b: u16) -> bool {
    seq_delta(a, b) < 0
}

/// `a - b` of two RTP timestamps as the shorter way round, in ticks.
pub const fn timestamp_delta(a: u32, b: u32) -> i32 {
    a.wrapping_sub(b).cast_signed()
}

/// Whether RTP timestamp `a` comes after `b`.
pub const fn is_newer_timestamp(a: u32, b: u32) -> bool {
    timestamp_delta(a, b) > 0
}

fn cycle_start(index: i64) -> i64 {
    index.div_euclid(SEQUENCE_CYCLE) * SEQUENCE_CYCLE
}

fn low_bits(index: i64) -> u16 {
    u16::try_from(index.rem_euclid(SEQUENCE_CYCLE)).expect("a remainder of 2^16 fits 16 bits")
}

const SEQUENCE_CYCLE: i64 = 1 << 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn index_tracker_vector() {
        let mut tracker = SequenceUnwrapper::new();
        assert_eq!(tracker.update(65_000), 65_000);
        assert_eq!(tracker.update(65_001), 65_001);
        assert_eq!(tracker.interpret(2), 65_538);
        assert_eq!(tracker.highest(), Some(65_001));
        assert_eq!(tracker.update(2), 65_538);
        assert_eq!(tracker.update(65_002), 65_002);
        assert_eq!(tracker.highest(), Some(65_538));
        assert_eq!(tracker.reset_at(65_002), 2 * 65_536 + 65_002);
        assert_eq!(tracker.update(65_003), 2 * 65_536 + 65_003);
    }

    #[test]
    fn a_number_before_the_first_is_negative() {
        let mut tracker = SequenceUnwrapper::new();
        assert_eq!(tracker.update(5), 5);
        assert_eq!(tracker.update(65_530), -6);
        assert_eq!(tracker.update(6), 6);
    }

    #[test]
    fn half_the_circle_is_older() {
        assert_eq!(seq_delta(32_768, 0), -32_768);
        assert!(is_older_seq(32_768, 0));
        assert!(is_newer_seq(0, 65_535));
        assert!(!is_newer_seq(7, 7));
        assert!(is_newer_timestamp(1, u32::MAX));
        assert_eq!(timestamp_delta(0, 3_000), -3_000);
    }

    proptest! {
        #[test]
        fn unwrapping_follows_any_walk(steps in prop::collection::vec(-30_000_i64..30_000, 1..200)) {
            let mut tracker = SequenceUnwrapper::new();
            let mut highest = 40_000_i64;
            tracker.update(40_000);
            for step in steps {
                let index = highest + step;
                let seq = u16::try_from(index.rem_euclid(65_536)).unwrap();
                prop_assert_eq!(tracker.update(seq), index);
                highest = highest.max(index);
            }
        }
    }
}
