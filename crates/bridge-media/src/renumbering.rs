//! Numbers without the gaps of what the bridge dropped.

use bridge_rtp::SequenceUnwrapper;

/// Renumbers a sequence so that dropped items leave no gap and lost ones do.
///
/// An item's new number is its own minus the dropped ones before it: a rank. Whatever the order of
/// arrival, numbers are therefore unique and keep the order of the originals. To keep what was sent
/// true, only items above the highest one forwarded can still be taken out; a drop that is found out
/// later leaves its number unused. Items never seen keep their numbers for when they arrive.
///
/// Remembers `BLOCKS * 64` items; older ones have no number.
#[derive(Clone, Debug)]
pub struct Renumbering<const BLOCKS: usize> {
    blocks: [Block; BLOCKS],
    newest_block: Option<i64>,
    /// Items below have no number.
    floor: i64,
    highest_forwarded: Option<i64>,
    shift: i64,
}

/// 64 consecutive items.
#[derive(Clone, Copy, Debug, Default)]
struct Block {
    /// Dropped items before this block, since the beginning.
    dropped_before: i64,
    /// Items that have no number.
    dropped: u64,
    /// Items that arrived.
    seen: u64,
}

impl Block {
    /// The number of `index` in this block, not shifted.
    fn rank(&self, index: i64) -> i64 {
        let dropped = match self.dropped {
            0 => 0,
            dropped => i64::from((dropped & below(index)).count_ones()),
        };
        index - self.dropped_before - dropped
    }
}

impl<const BLOCKS: usize> Renumbering<BLOCKS> {
    /// Every item keeps its number until one is dropped.
    pub const fn new() -> Self {
        Self {
            blocks: [Block { dropped_before: 0, dropped: 0, seen: 0 }; BLOCKS],
            newest_block: None,
            floor: i64::MIN,
            highest_forwarded: None,
            shift: 0,
        }
    }

    /// Notes that an item is forwarded; answers its number. `None` if it has none: it is too old, or
    /// it was taken out before.
    pub fn forward(&mut self, index: i64) -> Option<i64> {
        self.advance(index);
        let (floor, shift) = (self.floor, self.shift);
        let block = self.block_mut(index)?;
        if index < floor || block.dropped & bit(index) != 0 {
            return None;
        }
        block.seen |= bit(index);
        let number = block.rank(index) + shift;
        self.highest_forwarded = self.highest_forwarded.max(Some(index));
        Some(number)
    }

    /// Notes that an item arrived and is not forwarded.
    pub fn discard(&mut self, index: i64) {
        self.advance(index);
        if let Some(block) = self.block_mut(index) {
            block.seen |= bit(index);
            self.take_out(index);
        }
    }

    /// Takes out the items of `from..to` that did not arrive: they are known to be dropped if they do.
    pub fn presume_discarded(&mut self, from: i64, to: i64) {
        let oldest = self.newest_block.map_or(from, |newest| self.oldest_block(newest) * BLOCK_LEN);
        for index in from.max(oldest)..to.min(from.saturating_add(Self::WINDOW)) {
            if self.block(index).is_some_and(|block| block.seen & bit(index) == 0) {
                self.take_out(index);
            }
        }
    }

    /// Starts a new stretch: `index` gets `number`, the items before it none, except the `reserve`
    /// next to it. Items that arrived beyond it and were dropped stay so.
    pub fn anchor(&mut self, index: i64, number: i64, reserve: u32) {
        self.advance(index);
        self.highest_forwarded = None;
        self.floor = index - i64::from(reserve);
        if self.newest_block.is_some_and(|newest| block_of(index) < self.oldest_block(newest)) {
            // Too old to be known: everything that is remembered of it is void.
            *self = Self { floor: self.floor, ..Self::new() };
            self.advance(index);
        }
        let mut dropped_before = None;
        let newest = self.newest_block.unwrap_or_default();
        for number in block_of(index)..=newest {
            let Some(block) = self.block_at_mut(number) else { continue };
            let keep = if number == block_of(index) { below(index) } else { 0 };
            block.dropped &= block.seen | keep;
            if number == block_of(index) {
                block.dropped &= !bit(index);
            }
            block.dropped_before = dropped_before.unwrap_or(block.dropped_before);
            dropped_before = Some(block.dropped_before + i64::from(block.dropped.count_ones()));
        }
        self.shift = 0;
        self.shift = number - self.rank(index).unwrap_or(number);
    }

    /// The number of an item, if it has one.
    pub fn number(&self, index: i64) -> Option<i64> {
        let block = self.block(index)?;
        let is_taken_out = block.dropped & bit(index) != 0;
        (index >= self.floor && !is_taken_out).then(|| block.rank(index) + self.shift)
    }

    /// The item that has a number, if it is remembered.
    pub fn index_of(&self, number: i64) -> Option<i64> {
        let newest = self.newest_block?;
        for position in (self.oldest_block(newest)..=newest).rev() {
            let start = position * BLOCK_LEN;
            let block = self.block(start)?;
            let first = start - block.dropped_before + self.shift;
            if number < first {
                continue;
            }
            let wanted = u32::try_from(number - first).ok()?;
            return nth_zero(block.dropped, wanted)
                .map(|offset| start + i64::from(offset))
                .filter(|index| *index >= self.floor);
        }
        None
    }

    /// Whether the item arrived before, as far as is remembered.
    pub fn has_seen(&self, index: i64) -> bool {
        self.block(index).is_some_and(|block| block.seen & bit(index) != 0)
    }

    /// The newest item that was forwarded in this stretch.
    pub const fn highest_forwarded(&self) -> Option<i64> {
        self.highest_forwarded
    }

    /// How many items are remembered.
    pub const WINDOW: i64 = BLOCKS as i64 * BLOCK_LEN;

    fn rank(&self, index: i64) -> Option<i64> {
        Some(self.block(index)?.rank(index) + self.shift)
    }

    fn take_out(&mut self, index: i64) {
        if self.highest_forwarded.is_some_and(|highest| index <= highest) || index < self.floor {
            return;
        }
        let Some(block) = self.block_mut(index) else { return };
        if block.dropped & bit(index) != 0 {
            return;
        }
        block.dropped |= bit(index);
        for later in block_of(index) + 1..=self.newest_block.unwrap_or_default() {
            if let Some(block) = self.block_at_mut(later) {
                block.dropped_before += 1;
            }
        }
    }

    /// Makes room for an item that is newer than everything remembered.
    fn advance(&mut self, index: i64) {
        let target = block_of(index);
        let Some(newest) = self.newest_block else {
            self.newest_block = Some(target);
            return;
        };
        if target <= newest {
            return;
        }
        let dropped_before = self
            .block_at(newest)
            .map_or(0, |block| block.dropped_before + i64::from(block.dropped.count_ones()));
        self.newest_block = Some(target);
        for position in (newest + 1).max(self.oldest_block(target))..=target {
            if let Some(block) = self.block_at_mut(position) {
                *block = Block { dropped_before, dropped: 0, seen: 0 };
            }
        }
    }

    /// Blocks before the first item are there, too: with nothing dropped and nothing seen.
    fn oldest_block(&self, newest: i64) -> i64 {
        newest - BLOCKS as i64 + 1
    }

    fn block(&self, index: i64) -> Option<&Block> {
        self.block_at(block_of(index))
    }

    fn block_mut(&mut self, index: i64) -> Option<&mut Block> {
        self.block_at_mut(block_of(index))
    }

    fn block_at(&self, position: i64) -> Option<&Block> {
        let newest = self.newest_block?;
        if position > newest || position < self.oldest_block(newest) {
            return None;
        }
        self.blocks.get(slot::<BLOCKS>(position))
    }

    fn block_at_mut(&mut self, position: i64) -> Option<&mut Block> {
        self.block_at(position)?;
        self.blocks.get_mut(slot::<BLOCKS>(position))
    }
}

impl<const BLOCKS: usize> Default for Renumbering<BLOCKS> {
    fn default() -> Self {
        Self::new()
    }
}

/// Renumbers the packets of one stream after some were removed for all receivers: padding-only
/// packets, silence (JVB: `ResumableStreamRewriter` with history).
#[derive(Clone, Debug, Default)]
pub struct StreamRenumbering {
    unwrapper: SequenceUnwrapper,
    renumbering: Renumbering<STREAM_BLOCKS>,
}

impl StreamRenumbering {
    /// Nothing seen yet.
    pub const fn new() -> Self {
        Self { unwrapper: SequenceUnwrapper::new(), renumbering: Renumbering::new() }
    }

    /// The number of a packet that is kept; `None` if it comes too late to have one.
    pub fn accept(&mut self, sequence_number: u16) -> Option<u16> {
        let index = self.unwrapper.update(sequence_number);
        self.renumbering.forward(index).map(low_16_bits)
    }

    /// Takes a packet out.
    pub fn discard(&mut self, sequence_number: u16) {
        let index = self.unwrapper.update(sequence_number);
        self.renumbering.discard(index);
    }
}

/// The number on the wire.
pub(crate) fn low_16_bits(number: i64) -> u16 {
    u16::try_from(number.rem_euclid(1 << 16)).expect("a remainder of 2^16 fits 16 bits")
}

/// 1024 packets; JVB keeps 1000.
const STREAM_BLOCKS: usize = 16;

const BLOCK_LEN: i64 = 64;

const fn block_of(index: i64) -> i64 {
    index.div_euclid(BLOCK_LEN)
}

const fn bit(index: i64) -> u64 {
    1 << index.rem_euclid(BLOCK_LEN)
}

/// The items of a block before `index`.
const fn below(index: i64) -> u64 {
    bit(index) - 1
}

fn slot<const BLOCKS: usize>(position: i64) -> usize {
    usize::try_from(position.rem_euclid(BLOCKS as i64)).expect("a remainder is not negative")
}

fn nth_zero(bits: u64, n: u32) -> Option<u32> {
    let mut zeros = !bits;
    for _ in 0..n {
        zeros &= zeros.checked_sub(1)?;
    }
    (zeros != 0).then(|| zeros.trailing_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contracts_examples() {
        let mut in_order = StreamRenumbering::new();
        let accepted = |stream: &mut StreamRenumbering, seq| stream.accept(seq).unwrap();
        assert_eq!([1, 2, 3].map(|seq| accepted(&mut in_order, seq)), [1, 2, 3]);
        in_order.discard(4);
        in_order.discard(5);
        assert_eq!(accepted(&mut in_order, 6), 4);

        let mut reordered = StreamRenumbering::new();
        assert_eq!(accepted(&mut reordered, 1), 1);
        reordered.discard(2);
        assert_eq!(accepted(&mut reordered, 4), 3);
        assert_eq!(accepted(&mut reordered, 3), 2);
    }

    #[test]
    fn dropping_a_whole_cycle_ends_where_it_began() {
        let mut stream = StreamRenumbering::new();
        assert_eq!(stream.accept(65_533), Some(65_533));
        assert_eq!(stream.accept(65_533), Some(65_533));
        stream.discard(65_534);
        stream.discard(65_532);
        assert_eq!(stream.accept(65_535), Some(65_534));
        stream.discard(0);
        assert_eq!(stream.accept(1), Some(65_535));
        (2..=65_535).for_each(|seq| stream.discard(seq));
        assert_eq!(stream.accept(0), Some(0));
    }

    #[test]
    fn a_drop_found_out_late_leaves_its_number_unused() {
        let mut stream = StreamRenumbering::new();
        assert_eq!(stream.accept(10), Some(10));
        assert_eq!(stream.accept(12), Some(12));
        stream.discard(11);
        assert_eq!(stream.accept(13), Some(13));
    }

    #[test]
    fn anchoring_keeps_what_was_dropped_beyond() {
        let mut numbers = Renumbering::<4>::new();
        numbers.discard(101);
        numbers.discard(103);
        numbers.presume_discarded(102, 103);
        numbers.anchor(100, 7, 0);
        assert_eq!(numbers.forward(100), Some(7));
        assert_eq!(numbers.forward(102), Some(8));
        assert_eq!(numbers.forward(104), Some(9));
        assert_eq!(numbers.forward(99), None);
        assert_eq!(numbers.index_of(9), Some(104));
        assert_eq!(numbers.index_of(8), Some(102));
        assert_eq!(numbers.index_of(6), None);
    }

    #[test]
    fn a_reserve_is_numbered_downwards() {
        let mut numbers = Renumbering::<4>::new();
        numbers.anchor(1_000, 46, 15);
        assert_eq!(numbers.forward(1_000), Some(46));
        assert_eq!(numbers.forward(997), Some(43));
        assert_eq!(numbers.forward(984), None);
    }
}
