use std::collections::VecDeque;

/// Frames of one encoding that are remembered: four seconds at 30 a second, longer than any sender
/// answers loss reports. JVB keeps 500; here a receiver's memory for a source is a few kilobytes.
pub(super) const MAX_FRAMES: usize = 128;

/// A frame of an encoding and what was decided about it.
#[derive(Clone, Copy, Debug)]
pub(super) struct FrameRecord<D> {
    /// Its place among the frames of its encoding.
    pub(super) index: i64,
    pub(super) timestamp: u32,
    /// Lowest and highest sequence index seen of it.
    pub(super) earliest: i64,
    pub(super) latest: i64,
    pub(super) has_start: bool,
    pub(super) has_end: bool,
    pub(super) accepted: bool,
    pub(super) is_keyframe: bool,
    /// What its codec adds.
    pub(super) detail: D,
}

/// The newest frames of one encoding in their order.
#[derive(Clone, Debug)]
pub(super) struct FrameRing<D> {
    frames: VecDeque<FrameRecord<D>>,
}

impl<D> FrameRing<D> {
    pub(super) fn new() -> Self {
        Self { frames: VecDeque::new() }
    }

    pub(super) fn clear(&mut self) {
        self.frames.clear();
    }

    /// Puts a frame into its place; answers the place. `None` if there is no room for one so old.
    pub(super) fn insert(&mut self, frame: FrameRecord<D>) -> Option<usize> {
        if self.frames.capacity() < MAX_FRAMES {
            self.frames.reserve_exact(MAX_FRAMES - self.frames.len());
        }
        let mut place = self.place_of(frame.index);
        if self.frames.len() >= MAX_FRAMES {
            place = place.checked_sub(1)?;
            self.frames.pop_front();
        }
        self.frames.insert(place, frame);
        Some(place)
    }

    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut FrameRecord<D>> {
        self.frames.get_mut(place)
    }

    /// Where the frame with this index is.
    pub(super) fn find(&self, index: i64) -> Option<usize> {
        let place = self.place_of(index);
        self.frames.get(place).filter(|frame| frame.index == index).map(|_| place)
    }

    pub(super) fn get(&self, place: usize) -> Option<&FrameRecord<D>> {
        self.frames.get(place)
    }

    pub(super) fn newest(&self) -> Option<&FrameRecord<D>> {
        self.frames.back()
    }

    /// The frames before a place, newest first.
    pub(super) fn before(&self, place: usize) -> impl Iterator<Item = &FrameRecord<D>> {
        self.frames.iter().take(place).rev()
    }

    /// The frames after a place, oldest first.
    pub(super) fn after(&self, place: usize) -> impl Iterator<Item = &FrameRecord<D>> {
        self.frames.iter().skip(place + 1)
    }

    pub(super) fn is_newest(&self, place: usize) -> bool {
        place + 1 == self.frames.len()
    }

    /// Where a frame with this index is or belongs. Nearly always the end, so looked for from there.
    fn place_of(&self, index: i64) -> usize {
        match self.frames.back() {
            None => 0,
            Some(newest) if newest.index < index => self.frames.len(),
            Some(newest) if newest.index == index => self.frames.len() - 1,
            Some(_) => self.frames.partition_point(|frame| frame.index < index),
        }
    }
}
