use crate::keyframe_requests::KeyframeUrgency;
use crate::packet_batch::OutgoingStream;
use bridge_media::{LayerIndex, RedStream, Retransmissions, Rewrite, SourceProjection};
use bridge_rtp::is_newer_seq;
use bridge_rtp::rtcp::SenderInfo;
use bridge_units::{SessionId, Timestamp};
use std::time::Duration;

/// After how long one receiver's wish for a key frame is told again, the last one for ever. A wish
/// comes with every packet until the key frame does; a screen of few frames takes its time, and the
/// sender's shard lets a receiver ask three times in ten seconds.
const KEYFRAME_WISH_INTERVALS: [Duration; 3] =
    [Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(5)];

/// Some packets more than a picture of usual size on a link that takes it.
const MAX_BACKLOG_OF_LEFT: Duration = Duration::from_millis(100);

/// One video source as one receiver gets it.
pub(super) struct VideoSource {
    pub(super) sender: SessionId,
    pub(super) stream: OutgoingStream,
    pub(super) projection: SourceProjection,
    pub(super) retransmissions: Retransmissions,
    pub(super) sent: SentCounts,
    /// The newest number after projection that left the pacer.
    pub(super) departed: Option<u16>,
    /// Those that wait in it.
    waiting: WaitingNumbers,
    /// Number after projection and timestamp of the newest key frame's beginning.
    key_frame: Option<(u16, u32)>,
    /// The encoding that was forwarded until its packets waited for too long.
    left: Option<u8>,
    next_wish: Timestamp,
    /// Told since the last key frame.
    wishes: usize,
}

/// Numbers that wait, modulo 64 times [`WAITING_WORDS`]; takes memory with the first one.
#[derive(Default)]
struct WaitingNumbers(Option<Box<[u64; WAITING_WORDS]>>);

/// As many packets as the pacer holds of all sources.
const WAITING_WORDS: usize = 32;

/// One audio source as one receiver gets it.
#[derive(Default)]
pub(super) struct AudioSource {
    pub(super) sent: SentCounts,
    pub(super) red: RedStream,
    /// Some of its packets had redundancy that was taken out.
    pub(super) has_redundancy: bool,
}

/// What was sent on one SSRC, for sender reports.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SentCounts {
    packets: u32,
    octets: u32,
}

impl VideoSource {
    pub(super) fn new(sender: SessionId, stream: OutgoingStream) -> Self {
        Self {
            sender,
            stream,
            projection: SourceProjection::new(stream.primary),
            retransmissions: Retransmissions::new(),
            sent: SentCounts::default(),
            departed: None,
            waiting: WaitingNumbers::default(),
            key_frame: None,
            left: None,
            next_wish: Timestamp::ZERO,
            wishes: 0,
        }
    }

    pub(super) fn set_target(&mut self, target: LayerIndex) {
        self.projection.set_target(target);
    }

    /// Whether a packet is of an encoding that is left for a lower one, and would only keep that from
    /// coming: on a link that suddenly takes less, what waits of it in the pacer and in the network
    /// would let the key frame that everything waits for come late, or overflow. Once it is left,
    /// only a key frame brings it back.
    ///
    /// Differs from JVB, which sends the higher encoding until the key frame comes.
    pub(super) fn is_left(&mut self, encoding: u8, is_key_frame: bool, backlog: Duration) -> bool {
        let is_current = self.projection.current_encoding() == Some(encoding);
        if is_key_frame || !is_current {
            self.left = self.left.filter(|left| *left != encoding);
            return false;
        }
        if self.left == Some(encoding) {
            return true;
        }
        let is_too_much = self.projection.target().encoding().is_some_and(|to| to < encoding);
        if is_too_much && backlog >= MAX_BACKLOG_OF_LEFT {
            self.left = Some(encoding);
        }
        self.left == Some(encoding)
    }

    /// Notes a packet of a key frame that is being forwarded.
    pub(super) fn note_key_frame(&mut self, projected: &Rewrite) {
        let is_known = self.key_frame.is_some_and(|(_, known)| known == projected.timestamp);
        if !is_known {
            self.key_frame = Some((projected.sequence_number, projected.timestamp));
        }
    }

    /// Whether nothing that is decoded from now on needs the packet with this number.
    pub(super) fn is_before_key_frame(&self, number: u16) -> bool {
        self.key_frame.is_some_and(|(first, _)| is_newer_seq(first, number))
    }

    /// Notes that the packet with this number after projection waits in the pacer.
    pub(super) fn note_waiting(&mut self, number: u16) {
        self.waiting.set(number, true);
    }

    /// Whether it does: whoever misses it has to wait, too.
    pub(super) fn is_waiting(&self, number: u16) -> bool {
        self.waiting.has(number)
    }

    /// Notes that the packet with this number after projection has left.
    pub(super) fn note_departed(&mut self, number: u16) {
        self.waiting.set(number, false);
        if self.departed.is_none_or(|newest| is_newer_seq(number, newest)) {
            self.departed = Some(number);
        }
    }

    /// The wish to tell now that a key frame is needed, if it is time.
    pub(super) fn wish(&mut self, now: Timestamp) -> Option<KeyframeUrgency> {
        if now < self.next_wish {
            return None;
        }
        let last = KEYFRAME_WISH_INTERVALS.len() - 1;
        let interval = KEYFRAME_WISH_INTERVALS.get(self.wishes.min(last));
        self.next_wish = now + interval.copied().unwrap_or_default();
        self.wishes += 1;
        Some(match self.wishes {
            1 => KeyframeUrgency::Switch,
            _ => KeyframeUrgency::Repeated,
        })
    }

    /// Notes that none is needed now.
    pub(super) fn is_content(&mut self) {
        if self.wishes > 0 {
            self.wishes = 0;
            self.next_wish = Timestamp::ZERO;
        }
    }
}

impl WaitingNumbers {
    fn set(&mut self, number: u16, waits: bool) {
        if !waits && self.0.is_none() {
            return;
        }
        let words = self.0.get_or_insert_default();
        let (word, bit) = Self::place(number);
        if let Some(word) = words.get_mut(word) {
            *word = if waits { *word | bit } else { *word & !bit };
        }
    }

    fn has(&self, number: u16) -> bool {
        let (word, bit) = Self::place(number);
        let words = self.0.as_deref();
        words.and_then(|words| words.get(word)).is_some_and(|word| word & bit != 0)
    }

    const fn place(number: u16) -> (usize, u64) {
        ((number as usize / 64) % WAITING_WORDS, 1 << (number % 64))
    }
}

impl SentCounts {
    /// Counts payload without header and padding (RFC 3550 section 6.4.1; JVB counts whole packets).
    pub(super) fn note(&mut self, payload: usize) {
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(u32::try_from(payload).unwrap_or(0));
    }

    /// Puts the counts into a report; `None` if nothing was sent that it could be about.
    pub(super) fn report(&self, info: SenderInfo) -> Option<SenderInfo> {
        let SentCounts { packets: packet_count, octets: octet_count } = *self;
        (packet_count > 0).then_some(SenderInfo { packet_count, octet_count, ..info })
    }
}
