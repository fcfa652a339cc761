//! What a turn of the shard costs.

use crate::allocator;
use crate::clock;
use std::time::Duration;

/// What a turn is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Packets of the sender are forwarded.
    Media,
    /// Reports, timers, pacing and ICE.
    Upkeep,
}

/// Something told apart by what turns were for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Cost {
    /// Of forwarding.
    pub(crate) media: f64,
    /// Of everything else.
    pub(crate) upkeep: f64,
}

/// Measures turns.
pub(crate) trait Meter {
    /// Does `work` and notes what it cost.
    fn around(&mut self, part: Part, work: impl FnOnce());
}

/// Measures nothing.
pub(crate) struct NoMeter;

/// Marks turns for callgrind, which counts what happens in `counted_turn`.
pub(crate) struct InstructionMeter;

/// Measures the thread's CPU time.
pub(crate) struct Stopwatch {
    media: Duration,
    upkeep: Duration,
    reading: Duration,
}

/// Counts allocations on the heap.
#[derive(Default)]
pub(crate) struct AllocationMeter {
    media: usize,
    upkeep: usize,
}

impl Cost {
    /// All of it.
    pub(crate) fn total(self) -> f64 {
        self.media + self.upkeep
    }

    /// A packet's share.
    pub(crate) fn per(self, packets: u64) -> Self {
        let packets = packets.max(1) as f64;
        Self { media: self.media / packets, upkeep: self.upkeep / packets }
    }
}

impl Stopwatch {
    /// Nothing measured yet.
    pub(crate) fn new() -> Self {
        let reading = clock::reading_time();
        Self { media: Duration::ZERO, upkeep: Duration::ZERO, reading }
    }

    /// In nanoseconds, since it was asked last.
    pub(crate) fn take(&mut self) -> Cost {
        let media = std::mem::take(&mut self.media).as_nanos() as f64;
        let upkeep = std::mem::take(&mut self.upkeep).as_nanos() as f64;
        Cost { media, upkeep }
    }
}

impl AllocationMeter {
    /// Since it was asked last.
    pub(crate) fn take(&mut self) -> Cost {
        let Self { media, upkeep } = std::mem::take(self);
        Cost { media: media as f64, upkeep: upkeep as f64 }
    }
}

impl Meter for NoMeter {
    fn around(&mut self, _: Part, work: impl FnOnce()) {
        work();
    }
}

impl Meter for InstructionMeter {
    fn around(&mut self, _: Part, work: impl FnOnce()) {
        counted_turn(work);
    }
}

impl Meter for Stopwatch {
    fn around(&mut self, part: Part, work: impl FnOnce()) {
        let before = clock::thread_cpu();
        work();
        let time = (clock::thread_cpu() - before).saturating_sub(self.reading);
        match part {
            Part::Media => self.media += time,
            Part::Upkeep => self.upkeep += time,
        }
    }
}

impl Meter for AllocationMeter {
    fn around(&mut self, part: Part, work: impl FnOnce()) {
        let before = allocator::allocations();
        work();
        let count = allocator::allocations() - before;
        match part {
            Part::Media => self.media += count,
            Part::Upkeep => self.upkeep += count,
        }
    }
}

/// Callgrind finds it by its name.
#[inline(never)]
fn counted_turn(work: impl FnOnce()) {
    work();
    // Keeps the call above from becoming a jump, at whose end nothing would return to here.
    std::hint::black_box(());
}
