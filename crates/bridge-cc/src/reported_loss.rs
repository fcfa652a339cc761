use std::collections::BTreeMap;

use bridge_rtp::rtcp::ReportBlock;

/// The most streams whose reports are followed. More than a receiver gets; blocks of further ones are
/// not looked at.
pub const MAX_REPORTED_STREAMS: usize = 256;

/// What the report blocks of one peer say about the loss since the ones before.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReportedLoss {
    last: BTreeMap<u32, Reported>,
}

/// Packets of an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IntervalLoss {
    /// Negative if late packets made up for more.
    pub(crate) lost: i64,
    pub(crate) expected: u64,
}

#[derive(Clone, Copy, Debug)]
struct Reported {
    highest: u32,
    lost: i32,
}

impl ReportedLoss {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Takes the blocks of one report; the first of a stream is only remembered.
    pub(crate) fn update(
        &mut self,
        blocks: impl Iterator<Item = ReportBlock>,
    ) -> Option<IntervalLoss> {
        let mut expected = 0_i64;
        let mut lost = 0_i64;
        for block in blocks {
            let fresh =
                Reported { highest: block.extended_highest_sequence, lost: block.cumulative_lost };
            let is_full = self.last.len() >= MAX_REPORTED_STREAMS;
            if is_full && !self.last.contains_key(&block.ssrc) {
                continue;
            }
            if let Some(last) = self.last.insert(block.ssrc, fresh) {
                expected += i64::from(fresh.highest.wrapping_sub(last.highest).cast_signed());
                lost += i64::from(fresh.lost) - i64::from(last.lost);
            }
        }
        let is_usable = expected > 0 && expected - lost >= 1;
        let expected = u64::try_from(expected).ok().filter(|_| is_usable)?;
        Some(IntervalLoss { lost, expected })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(ssrc: u32, highest: u32, lost: i32) -> ReportBlock {
        ReportBlock {
            ssrc,
            extended_highest_sequence: highest,
            cumulative_lost: lost,
            ..ReportBlock::default()
        }
    }

    #[test]
    fn differences_of_all_streams_add_up() {
        let mut loss = ReportedLoss::new();
        assert_eq!(loss.update([block(1, 100, 5)].into_iter()), None);
        let blocks = [block(1, 150, 7), block(2, 5, 5)];
        assert_eq!(loss.update(blocks.into_iter()), Some(IntervalLoss { lost: 2, expected: 50 }));
        let blocks = [block(1, 160, 6), block(2, 15, 8)];
        assert_eq!(loss.update(blocks.into_iter()), Some(IntervalLoss { lost: 2, expected: 20 }));
        // Nothing new, all lost, and going backwards say nothing.
        assert_eq!(loss.update([block(1, 160, 6)].into_iter()), None);
        assert_eq!(loss.update([block(1, 170, 16)].into_iter()), None);
        assert_eq!(loss.update([block(1, 100, 16)].into_iter()), None);
    }

    #[test]
    fn streams_are_bounded() {
        let mut loss = ReportedLoss::new();
        for ssrc in 0..10_000 {
            loss.update([block(ssrc, 1, 0)].into_iter());
        }
        assert_eq!(loss.last.len(), MAX_REPORTED_STREAMS);
        assert!(loss.update([block(3, 2, 0)].into_iter()).is_some());
    }
}
