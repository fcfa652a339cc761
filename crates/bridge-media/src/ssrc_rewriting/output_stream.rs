use super::codec_state::CodecState;
use super::mid::Mid;
use crate::renumbering::low_16_bits;

/// What a receiver gets on one pair of SSRCs, whatever sources they stand for one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct OutputStream {
    pub(super) ssrc: u32,
    pub(super) rtx: u32,
    pub(super) mid: Option<Mid>,
    /// The newest packet; `None` before the first.
    last: Option<Sent>,
    /// Of the last packet with a dependency descriptor, for when the codec comes back.
    last_dependency: CodecState,
}

/// The newest packet sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    /// Its number, which does not wrap.
    pub(super) index: i64,
    pub(super) timestamp: u32,
    pub(super) codec: CodecState,
}

impl OutputStream {
    pub(super) const fn new(ssrc: u32, rtx: u32, mid: Option<Mid>) -> Self {
        Self { ssrc, rtx, mid, last: None, last_dependency: CodecState::None }
    }

    pub(super) const fn last(&self) -> Option<Sent> {
        self.last
    }

    /// Notes a packet as it is sent.
    pub(super) fn note(&mut self, sent: Sent) {
        if self.last.is_none_or(|last| sent.index > last.index) {
            let before = self.last.map_or(CodecState::None, |last| last.codec);
            let codec = if sent.codec == CodecState::None { before } else { sent.codec };
            self.last = Some(Sent { codec, ..sent });
            if matches!(sent.codec, CodecState::Dependency(_)) {
                self.last_dependency = sent.codec;
            }
        }
    }

    /// The newest state of the same codec, as far as it is remembered; otherwise some other.
    pub(super) fn codec_like(&self, packet: CodecState) -> CodecState {
        match packet {
            CodecState::Dependency(_) => self.last_dependency,
            _ => self.last.map_or(CodecState::None, |last| last.codec),
        }
    }

    /// The number meant by the low 16 bits of one sent lately.
    pub(super) fn index_of(&self, sequence_number: u16) -> Option<i64> {
        let newest = self.last?.index;
        let behind = low_16_bits(newest).wrapping_sub(sequence_number);
        Some(newest - i64::from(behind)).filter(|_| i64::from(behind) <= MAX_REORDERING)
    }
}

/// Packets that can overtake one another, or that are reported lost after so many others.
pub(super) const MAX_REORDERING: i64 = 3_000;
