use crate::control::AudioLevel;
use crossbeam_queue::ArrayQueue;
use std::ops::Deref;
use std::sync::Arc;

/// Emptied lists that wait to be filled again: 100 conferences with speakers, each of which tells 20
/// times a second and has its list back within 50 ms.
const MAX_SPARE_LISTS: usize = 128;

/// Levels that a spare list has room for; larger ones are freed, since they were filled in a storm.
const MAX_SPARE_LEVELS: usize = 256;

/// How loud packets were, in the order of arrival. Goes back to the shard that filled it when it was
/// read, so that telling levels takes no memory from the heap.
#[derive(Debug, Default)]
pub struct AudioLevels {
    levels: Vec<AudioLevel>,
    spare: Option<Arc<SpareLevels>>,
}

/// A shard's emptied lists.
#[derive(Debug)]
pub(crate) struct SpareLevels(ArrayQueue<Vec<AudioLevel>>);

impl AudioLevels {
    /// An empty list that goes back to `spare` in the end: a used one if there is one.
    pub(crate) fn of(spare: &Arc<SpareLevels>) -> Self {
        let levels = spare.0.pop().unwrap_or_default();
        Self { levels, spare: Some(Arc::clone(spare)) }
    }

    /// Adds a level unless there are `limit`.
    pub(crate) fn push(&mut self, level: AudioLevel, limit: usize) {
        if self.levels.len() < limit {
            self.levels.push(level);
        }
    }
}

impl SpareLevels {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(ArrayQueue::new(MAX_SPARE_LISTS)))
    }
}

impl Deref for AudioLevels {
    type Target = [AudioLevel];

    fn deref(&self) -> &[AudioLevel] {
        &self.levels
    }
}

impl From<Vec<AudioLevel>> for AudioLevels {
    fn from(levels: Vec<AudioLevel>) -> Self {
        Self { levels, spare: None }
    }
}

impl FromIterator<AudioLevel> for AudioLevels {
    fn from_iter<I: IntoIterator<Item = AudioLevel>>(levels: I) -> Self {
        Self::from(levels.into_iter().collect::<Vec<_>>())
    }
}

impl Drop for AudioLevels {
    fn drop(&mut self) {
        let Some(spare) = self.spare.take() else { return };
        let mut levels = std::mem::take(&mut self.levels);
        if levels.capacity() <= MAX_SPARE_LEVELS {
            levels.clear();
            // Freed if there are enough.
            drop(spare.0.push(levels));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bridge_units::{SessionId, Timestamp};

    fn level() -> AudioLevel {
        AudioLevel { session: SessionId(1), source: None, level: 5, received: Timestamp::ZERO }
    }

    fn filled(spare: &Arc<SpareLevels>, count: usize) -> (AudioLevels, *const AudioLevel) {
        let mut levels = AudioLevels::of(spare);
        assert!(levels.is_empty());
        (0..count).for_each(|_| levels.push(level(), 1_000));
        let at = levels.as_ptr();
        (levels, at)
    }

    #[test]
    fn a_list_that_was_read_is_filled_again() {
        let spare = SpareLevels::new();
        let (first, at) = filled(&spare, 4);
        assert_eq!(first.len(), 4);
        drop(first);
        assert_eq!(filled(&spare, 3).1, at);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let spare = SpareLevels::new();
        drop(filled(&spare, MAX_SPARE_LEVELS + 1));
        assert!(spare.0.is_empty());
        let many: Vec<_> = (0..2 * MAX_SPARE_LISTS).map(|_| filled(&spare, 1)).collect();
        drop(many);
        assert_eq!(spare.0.len(), MAX_SPARE_LISTS);
        let (mut levels, _) = filled(&spare, 1);
        levels.push(level(), 1);
        assert_eq!(levels.len(), 1, "the limit holds");
    }
}
