use std::collections::VecDeque;

use bridge_units::{MediaType, SourceId};

use super::mid::Mid;
use super::output_stream::OutputStream;
use super::slot::{Progress, Slot};

/// Sources without a slot whose last numbers are remembered, so that they go on at their own distance
/// when they return: a few times the slots. JVB remembers all.
pub const MAX_REMEMBERED_PROGRESS: usize = 256;

/// Slots of one media type for one receiver, whatever the configuration; a packet looks through them.
const MAX_SLOTS: usize = 512;

/// The slots of one media type (JVB: `SsrcCache`): the least recently used one makes room.
#[derive(Clone, Debug)]
pub(super) struct SlotTable {
    media: MediaType,
    limit: usize,
    mid_demux: bool,
    /// Those of `slots` in the same order, close together because every packet looks through them.
    keys: Vec<SlotKey>,
    slots: Vec<Slot>,
    /// Oldest first.
    remembered: VecDeque<(SlotKey, Progress)>,
    /// Counts uses.
    clock: u64,
    /// Slots ever made.
    made: u32,
    remaps: u64,
    has_news: bool,
}

/// A source with the SSRC of its packets: one source can have several of audio.
pub(super) type SlotKey = (SourceId, u32);

impl SlotTable {
    pub(super) fn new(media: MediaType, limit: usize, mid_demux: bool) -> Self {
        Self {
            media,
            limit: limit.min(MAX_SLOTS),
            mid_demux,
            keys: Vec::new(),
            slots: Vec::new(),
            remembered: VecDeque::new(),
            clock: 0,
            made: 0,
            remaps: 0,
            has_news: false,
        }
    }

    /// The source's slot, which counts as used.
    pub(super) fn use_slot(&mut self, key: SlotKey) -> Option<&mut Slot> {
        self.touch(self.position(key)?)
    }

    /// The source's slot, which counts as used; a new one as by [`Self::map`] if it has none.
    pub(super) fn use_or_map(
        &mut self,
        key: SlotKey,
        fresh_ssrcs: impl FnOnce(&Self) -> (u32, u32),
    ) -> Option<&mut Slot> {
        match self.position(key) {
            Some(position) => self.touch(position),
            None => self.map(key, fresh_ssrcs),
        }
    }

    /// Gives the source, which has none, a slot; `fresh_ssrcs` is asked if there is room for another one. Answers
    /// `None` if there may be none at all.
    pub(super) fn map(
        &mut self,
        key: SlotKey,
        fresh_ssrcs: impl FnOnce(&Self) -> (u32, u32),
    ) -> Option<&mut Slot> {
        if self.limit == 0 {
            return None;
        }
        let output = if self.slots.len() < self.limit {
            let (ssrc, rtx) = fresh_ssrcs(self);
            let mid = self.mid_demux.then(|| Mid::new(self.media, self.made));
            self.made += 1;
            OutputStream::new(ssrc, rtx, mid)
        } else {
            self.evict()?
        };
        let known = self.remembered.iter().position(|(known, _)| *known == key);
        let progress = known.and_then(|place| self.remembered.remove(place));
        let (source, ssrc) = key;
        self.keys.push(key);
        self.slots.push(Slot::new(source, ssrc, output, progress.map(|(_, progress)| progress)));
        self.has_news = true;
        self.touch(self.slots.len() - 1)
    }

    /// Frees the slots of a source that is gone.
    pub(super) fn remove(&mut self, source: SourceId) {
        self.keys.retain(|(known, _)| *known != source);
        self.slots.retain(|slot| slot.source != source);
        self.remembered.retain(|((known, _), _)| *known != source);
    }

    /// Slots made or remapped since the last time; their order is that of making.
    pub(super) fn take_news(&mut self) -> impl Iterator<Item = &Slot> {
        let has_news = std::mem::take(&mut self.has_news);
        let slots = if has_news { self.slots.as_mut_slice() } else { &mut [] };
        slots
            .iter_mut()
            .filter_map(|slot| std::mem::take(&mut slot.to_be_announced).then_some(&*slot))
    }

    pub(super) const fn has_news(&self) -> bool {
        self.has_news
    }

    pub(super) fn slot(&self, key: SlotKey) -> Option<&Slot> {
        self.slots.get(self.position(key)?)
    }

    pub(super) fn slot_mut_of(&mut self, source: SourceId) -> impl Iterator<Item = &mut Slot> {
        self.slots.iter_mut().filter(move |slot| slot.source == source)
    }

    /// The slot with an outgoing SSRC, of media or of retransmissions.
    pub(super) fn slot_with(&self, ssrc: u32) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.output.ssrc == ssrc || slot.output.rtx == ssrc)
    }

    pub(super) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    pub(super) const fn limit(&self) -> usize {
        self.limit
    }

    pub(super) const fn remaps(&self) -> u64 {
        self.remaps
    }

    fn touch(&mut self, position: usize) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(position)?;
        self.clock += 1;
        slot.last_used = self.clock;
        Some(slot)
    }

    fn position(&self, key: SlotKey) -> Option<usize> {
        self.keys.iter().position(|known| *known == key)
    }

    /// Takes the least recently used slot away from its source.
    fn evict(&mut self) -> Option<OutputStream> {
        let (place, _) = self.slots.iter().enumerate().min_by_key(|(_, slot)| slot.last_used)?;
        let key = self.keys.remove(place);
        let slot = self.slots.remove(place);
        if let Some(progress) = slot.progress() {
            if self.remembered.len() >= MAX_REMEMBERED_PROGRESS {
                self.remembered.pop_front();
            }
            self.remembered.push_back((key, progress));
        }
        self.remaps += 1;
        Some(slot.output)
    }
}
