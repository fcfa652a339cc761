use std::time::Duration;

use bridge_rtp::SequenceUnwrapper;
use bridge_units::Timestamp;

/// How long packets can be sent again. A receiver that has waited longer has asked for a key frame.
pub const HISTORY_TIME: Duration = Duration::from_secs(2);
/// Packets that one encoding keeps at most: two seconds of a thousand a second.
pub const MAX_HISTORY_PACKETS: usize = 2_048;
/// Bytes that one encoding keeps at most: two seconds of 8 Mbit/s.
pub const MAX_HISTORY_BYTES: usize = 2 << 20;

const FIRST_PACKETS: usize = 128;
const FIRST_BYTES: usize = 64 << 10;

/// The recent packets of one encoding, kept once for all receivers and found by the sender's number.
///
/// Memory grows with the encoding's rate up to [`MAX_HISTORY_PACKETS`] and [`MAX_HISTORY_BYTES`];
/// then, and once it spans [`HISTORY_TIME`], new packets take the place of the oldest without
/// allocation. Differs from JVB, which keeps 500 packets for each receiver.
#[derive(Debug)]
pub struct SourceHistory<M> {
    unwrapper: SequenceUnwrapper,
    slots: Vec<Option<Slot<M>>>,
    bytes: Vec<u8>,
    /// Bytes ever used; where the next packet goes, unless it would not be in one piece there.
    written: u64,
    /// Where in `bytes` that is.
    position: usize,
    /// When the present round began; `None` before the first packet.
    turned: Option<Timestamp>,
    /// What was written before was written over, though the buffer is large enough by now to have
    /// kept it.
    kept_from: u64,
    refused: u64,
}

#[derive(Debug)]
struct Slot<M> {
    index: i64,
    start: usize,
    len: usize,
    written: u64,
    received: Timestamp,
    description: M,
}

/// A packet of the past.
#[derive(Clone, Copy, Debug)]
pub struct HistoryEntry<'a, M> {
    /// What was said of it when it was kept.
    pub description: &'a M,
    /// The plain packet.
    pub bytes: &'a [u8],
    /// When it arrived.
    pub received: Timestamp,
}

impl<M> SourceHistory<M> {
    /// Keeps nothing and uses no memory yet.
    pub const fn new() -> Self {
        Self {
            unwrapper: SequenceUnwrapper::new(),
            slots: Vec::new(),
            bytes: Vec::new(),
            written: 0,
            position: 0,
            turned: None,
            kept_from: 0,
            refused: 0,
        }
    }

    /// Keeps a packet. Empty ones and those larger than any datagram are not kept.
    pub fn insert(&mut self, now: Timestamp, sequence_number: u16, packet: &[u8], description: M) {
        if packet.is_empty() || packet.len() > MAX_PACKET_LEN {
            self.refused += 1;
            return;
        }
        let mut index = self.unwrapper.interpret(sequence_number);
        let behind = self.unwrapper.highest().map_or(0, |highest| highest - index);
        if behind > MAX_REORDERING {
            // After a pause of more than half the range what is new seems to be old.
            index = self.unwrapper.reset_at(sequence_number);
        } else if behind >= MAX_HISTORY_PACKETS as i64 {
            self.refused += 1;
            return;
        }
        self.unwrapper.update(sequence_number);
        let start = self.make_room(now, packet.len());
        let Some(target) = self.bytes.get_mut(start..start + packet.len()) else { return };
        target.copy_from_slice(packet);
        let slot = Slot {
            index,
            start,
            len: packet.len(),
            written: self.written,
            received: now,
            description,
        };
        self.written += packet.len() as u64;
        self.position = start + packet.len();
        self.put(now, slot);
    }

    /// The packet that the sender numbered so, unless it is too old.
    pub fn get(&self, now: Timestamp, sequence_number: u16) -> Option<HistoryEntry<'_, M>> {
        let index = self.unwrapper.interpret(sequence_number);
        let slot = self.slots.get(slot_of(index, self.slots.len())?)?.as_ref()?;
        let is_kept = slot.index == index
            && slot.written >= self.kept_from
            && slot.written + self.bytes.len() as u64 >= self.written
            && now - slot.received <= HISTORY_TIME;
        let bytes = self.bytes.get(slot.start..slot.start + slot.len).filter(|_| is_kept)?;
        Some(HistoryEntry { description: &slot.description, bytes, received: slot.received })
    }

    /// Bytes of memory in use for packets.
    pub fn memory(&self) -> usize {
        self.bytes.len()
    }

    /// Packets that were not kept: empty, too large, or too old.
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    /// Finds a place for `len` bytes in one piece, growing if what is there does not span the time.
    fn make_room(&mut self, now: Timestamp, len: usize) -> usize {
        if self.position + len <= self.bytes.len() {
            return self.position;
        }
        let capacity = self.bytes.len();
        let turned = *self.turned.get_or_insert(now);
        let spans_too_little = now - turned < HISTORY_TIME;
        if capacity == 0 || (spans_too_little && capacity < MAX_HISTORY_BYTES) {
            self.kept_from = self.written - self.position as u64;
            self.bytes.resize((capacity * 2).clamp(FIRST_BYTES, MAX_HISTORY_BYTES), 0);
            return self.position;
        }
        // The end stays unused in this round.
        self.written += (capacity - self.position) as u64;
        self.turned = Some(now);
        self.position = 0;
        0
    }

    fn put(&mut self, now: Timestamp, slot: Slot<M>) {
        if self.slots.is_empty() {
            self.slots.resize_with(FIRST_PACKETS, || None);
        }
        let is_young =
            |other: &Slot<M>| other.index != slot.index && now - other.received < HISTORY_TIME;
        while let Some(place) = slot_of(slot.index, self.slots.len()) {
            let taken = self.slots.get(place).and_then(Option::as_ref).is_some_and(is_young);
            if taken && self.slots.len() < MAX_HISTORY_PACKETS {
                self.double_slots();
                continue;
            }
            if let Some(target) = self.slots.get_mut(place) {
                *target = Some(slot);
            }
            return;
        }
    }

    fn double_slots(&mut self) {
        let doubled = self.slots.len() * 2;
        let old = std::mem::take(&mut self.slots);
        self.slots.resize_with(doubled, || None);
        for slot in old.into_iter().flatten() {
            if let Some(target) =
                slot_of(slot.index, doubled).and_then(|place| self.slots.get_mut(place))
            {
                *target = Some(slot);
            }
        }
    }
}

impl<M> Default for SourceHistory<M> {
    fn default() -> Self {
        Self::new()
    }
}

/// No datagram of a sender is larger; one of the history must not hold a place for what cannot be sent.
const MAX_PACKET_LEN: usize = 2_048;

/// Packets that can overtake one another.
const MAX_REORDERING: i64 = 3_000;

fn slot_of(index: i64, slots: usize) -> Option<usize> {
    let slots = i64::try_from(slots).ok().filter(|slots| *slots > 0)?;
    usize::try_from(index.rem_euclid(slots)).ok()
}
