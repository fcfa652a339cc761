//! The receiver's view of a stream, number by number: what "transparent switching" promises.

use super::codec::SimulatedCodec;
use super::frame_stamp::FrameStamp;
use super::violation::{ViolationKind, Violations};
use bridge_units::Timestamp;
use std::collections::BTreeMap;

/// What is remembered of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReceivedNumber {
    /// `None` for padding.
    pub(crate) stamp: Option<FrameStamp>,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    pub(crate) wire_id: u16,
    pub(crate) tl0_picture_index: u8,
}

/// Holds each packet against its neighbours.
#[derive(Debug)]
pub(crate) struct StreamCheck {
    ssrc: u32,
    codec: SimulatedCodec,
    numbers: BTreeMap<i64, ReceivedNumber>,
    /// Numbers that never came, and are too old to come.
    unreceived: Vec<u16>,
    duplicates: u64,
    switches: u64,
    /// Changes of the source.
    remaps: u64,
    /// By how much a switch's timestamp step differs from the time between the two captures.
    worst_switch_error: i32,
    pub(crate) violations: Violations,
}

impl StreamCheck {
    pub(crate) fn new(ssrc: u32, codec: SimulatedCodec) -> Self {
        Self {
            ssrc,
            codec,
            numbers: BTreeMap::new(),
            unreceived: Vec::new(),
            duplicates: 0,
            switches: 0,
            remaps: 0,
            worst_switch_error: 0,
            violations: Violations::default(),
        }
    }

    /// Whether the packet is new.
    pub(crate) fn add(&mut self, now: Timestamp, index: i64, packet: ReceivedNumber) -> bool {
        if let Some(known) = self.numbers.get(&index) {
            self.duplicates += 1;
            if *known != packet {
                self.note(now, ViolationKind::RepeatedNumber(number(index)));
            }
            return false;
        }
        self.numbers.insert(index, packet);
        if let Some(before) = self.numbers.get(&(index - 1)).copied() {
            self.check_pair(now, index, before, packet);
        }
        if let Some(after) = self.numbers.get(&(index + 1)).copied() {
            self.check_pair(now, index + 1, packet, after);
        }
        while self.numbers.len() > MAX_NUMBERS {
            self.forget_oldest();
        }
        true
    }

    /// All numbers between the first and the last that did not come.
    pub(crate) fn unreceived(&self) -> Vec<u16> {
        let mut all = self.unreceived.clone();
        let pairs = self.numbers.keys().zip(self.numbers.keys().skip(1));
        for (before, after) in pairs {
            all.extend((before + 1..*after).map(number));
        }
        all
    }

    pub(crate) fn is_padding(&self, index: i64) -> bool {
        self.numbers.get(&index).is_some_and(|packet| packet.stamp.is_none())
    }

    pub(crate) fn duplicates(&self) -> u64 {
        self.duplicates
    }

    pub(crate) fn switches(&self) -> u64 {
        self.switches
    }

    pub(crate) fn remaps(&self) -> u64 {
        self.remaps
    }

    pub(crate) fn worst_switch_error(&self) -> i32 {
        self.worst_switch_error
    }

    fn forget_oldest(&mut self) {
        let Some((oldest, _)) = self.numbers.pop_first() else { return };
        if let Some((next, _)) = self.numbers.first_key_value() {
            self.unreceived.extend((oldest + 1..*next).map(number));
        }
    }

    fn check_pair(
        &mut self,
        now: Timestamp,
        index: i64,
        before: ReceivedNumber,
        after: ReceivedNumber,
    ) {
        let (Some(a), Some(b)) = (before.stamp, after.stamp) else { return };
        let number = number(index);
        if a.source != b.source {
            return self.check_remap(now, number, before, after);
        }
        if (a.encoding, a.frame) == (b.encoding, b.frame) {
            if b.part != a.part + 1 {
                self.note_misplaced(now, number, a, b);
            }
            if before.timestamp != after.timestamp {
                self.note(now, ViolationKind::TimestampWithinPicture(number));
            }
            return;
        }
        if a.part + 1 != a.parts || b.part != 0 {
            self.note_misplaced(now, number, a, b);
        }
        if a.encoding != b.encoding {
            self.check_switch(now, number, before, after);
        } else if a.picture == b.picture {
            if before.timestamp != after.timestamp {
                self.note(now, ViolationKind::TimestampWithinPicture(number));
            }
            return;
        } else if b.picture.wrapping_sub(a.picture).cast_signed() < 0 {
            self.note(now, ViolationKind::OlderPicture(number));
        } else {
            self.check_pictures(now, number, before, after);
        }
        if !before.marker && !a.cut {
            self.note(now, ViolationKind::MissingMarker(number));
        }
    }

    /// Another source begins on the SSRC: with a key frame, later than the one before, which may have
    /// stopped anywhere. Picture ids may jump.
    fn check_remap(
        &mut self,
        now: Timestamp,
        number: u16,
        before: ReceivedNumber,
        after: ReceivedNumber,
    ) {
        self.remaps += 1;
        if !after.stamp.is_some_and(|b| b.key && b.spatial == 0 && b.part == 0) {
            self.note(now, ViolationKind::SwitchWithoutKeyFrame(number));
        }
        let step = after.timestamp.wrapping_sub(before.timestamp).cast_signed();
        if step < 3_000 {
            self.note(now, ViolationKind::TimestampOverSwitch(step));
        }
        let found = after.tl0_picture_index.wrapping_sub(before.tl0_picture_index);
        if self.has_tl0() && !(1..128).contains(&found) {
            self.note(now, ViolationKind::Tl0PictureIndex { number, wanted: 1, found });
        }
    }

    fn check_switch(
        &mut self,
        now: Timestamp,
        number: u16,
        before: ReceivedNumber,
        after: ReceivedNumber,
    ) {
        let (Some(a), Some(b)) = (before.stamp, after.stamp) else { return };
        self.switches += 1;
        if !b.key {
            self.note(now, ViolationKind::SwitchWithoutKeyFrame(number));
        }
        let step = after.timestamp.wrapping_sub(before.timestamp).cast_signed();
        if step < 3_000 {
            self.note(now, ViolationKind::TimestampOverSwitch(step));
        }
        let captured = b.capture.wrapping_sub(a.capture).cast_signed();
        // A key frame of the other encoding may show a picture that was shown already.
        let error = step - captured.max(3_000);
        if error.abs() > self.worst_switch_error.abs() {
            self.worst_switch_error = error;
        }
        self.check_ids(now, number, before, after, (1, 1));
    }

    fn check_pictures(
        &mut self,
        now: Timestamp,
        number: u16,
        before: ReceivedNumber,
        after: ReceivedNumber,
    ) {
        let (Some(a), Some(b)) = (before.stamp, after.stamp) else { return };
        let received = after.timestamp.wrapping_sub(before.timestamp).cast_signed();
        let sent = b.timestamp.wrapping_sub(a.timestamp).cast_signed();
        // After a pause the stream goes on with a key frame and may go on at another distance.
        if received != sent && (!b.key || received < 3_000) {
            self.note(now, ViolationKind::TimestampSpacing { number, sent, received });
        }
        let ids = match self.codec {
            SimulatedCodec::Vp8 => 1,
            SimulatedCodec::Vp9 | SimulatedCodec::Vp9NonFlexible => {
                picture_id_delta(b.picture_id, a.picture_id)
            }
            SimulatedCodec::Av1 => b.frame.wrapping_sub(a.frame).cast_signed(),
            SimulatedCodec::H264 => 0,
        };
        let tl0 = b.tl0_picture_index.wrapping_sub(a.tl0_picture_index);
        self.check_ids(now, number, before, after, (ids, tl0));
    }

    fn check_ids(
        &mut self,
        now: Timestamp,
        number: u16,
        before: ReceivedNumber,
        after: ReceivedNumber,
        (wanted, wanted_tl0): (i32, u8),
    ) {
        let is_key = after.stamp.is_some_and(|stamp| stamp.key);
        let found = match self.codec {
            SimulatedCodec::H264 => return,
            SimulatedCodec::Av1 => i32::from(bridge_rtp::seq_delta(after.wire_id, before.wire_id)),
            SimulatedCodec::Vp8 | SimulatedCodec::Vp9 | SimulatedCodec::Vp9NonFlexible => {
                picture_id_delta(after.wire_id, before.wire_id)
            }
        };
        // A pause ends with a key frame whose number goes on by one.
        if found != wanted && !(is_key && found == 1) {
            self.note(now, ViolationKind::PictureId { number, wanted, found });
        }
        let found = after.tl0_picture_index.wrapping_sub(before.tl0_picture_index);
        let is_right = found == wanted_tl0 || is_key && found == 1;
        if self.has_tl0() && !is_right {
            let wanted = wanted_tl0;
            self.note(now, ViolationKind::Tl0PictureIndex { number, wanted, found });
        }
    }

    const fn has_tl0(&self) -> bool {
        matches!(self.codec, SimulatedCodec::Vp8 | SimulatedCodec::Vp9NonFlexible)
    }

    fn note_misplaced(&mut self, now: Timestamp, number: u16, a: FrameStamp, b: FrameStamp) {
        let (before, after) = ((a.frame, a.part), (b.frame, b.part));
        self.note(now, ViolationKind::Misplaced { number, before, after });
    }

    fn note(&mut self, now: Timestamp, kind: ViolationKind) {
        self.violations.note(now, self.ssrc, kind);
    }
}

/// The shorter way round in 15 bits.
fn picture_id_delta(after: u16, before: u16) -> i32 {
    let delta = i32::from(after.wrapping_sub(before) & 0x7fff);
    if delta >= 0x4000 { delta - 0x8000 } else { delta }
}

fn number(index: i64) -> u16 {
    (index & 0xffff) as u16
}

/// Some ten seconds of a high layer.
const MAX_NUMBERS: usize = 3_000;
