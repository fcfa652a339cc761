use bridge_units::Timestamp;

/// A promise of the bridge that was broken at a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// When.
    pub at: Timestamp,
    /// On which SSRC.
    pub ssrc: u32,
    /// Which.
    pub kind: ViolationKind,
}

/// What a receiver must never see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViolationKind {
    /// Two different packets under one number.
    RepeatedNumber(u16),
    /// A payload that was cut or changed behind the codec's headers.
    DamagedPayload(u16),
    /// Media on an SSRC that stands for nothing.
    UnknownSsrc,
    /// Media of another source on this SSRC.
    OtherSource,
    /// Neighbours by number that are not neighbours in the sender's stream: something was left out
    /// without a gap, or put into a wrong place.
    Misplaced {
        /// The later of the two.
        number: u16,
        /// Part of the earlier.
        before: (u32, u16),
        /// Frame and part of the later.
        after: (u32, u16),
    },
    /// Packets of one picture differ in their timestamps.
    TimestampWithinPicture(u16),
    /// Within an encoding the distance of two pictures is not the sender's.
    TimestampSpacing {
        /// Number of the later.
        number: u16,
        /// The sender's distance in ticks.
        sent: i32,
        /// The receiver's.
        received: i32,
    },
    /// Over a switch the timestamp did not grow by at least 3,000.
    TimestampOverSwitch(i32),
    /// The picture id or frame number does not go on as it must.
    PictureId {
        /// Number of the later packet.
        number: u16,
        /// The distance that is right.
        wanted: i32,
        /// The distance seen.
        found: i32,
    },
    /// tl0picidx does not go on as it must.
    Tl0PictureIndex {
        /// Number of the later packet.
        number: u16,
        /// The distance that is right.
        wanted: u8,
        /// The distance seen.
        found: u8,
    },
    /// Another encoding began with something else than a key frame.
    SwitchWithoutKeyFrame(u16),
    /// A picture of an encoding follows a later one of the same encoding.
    OlderPicture(u16),
    /// The last packet of a picture has no marker.
    MissingMarker(u16),
    /// Headers call a frame a key frame that is none.
    FalseKeyFrame(u16),
    /// Headers say that a frame can be decoded, but what it refers to was never decoded.
    CorruptFrame {
        /// The sender's frame.
        frame: u32,
        /// The one that is missing.
        missing: u32,
    },
    /// Numbers that never came though nothing was lost.
    UnexplainedGaps(u64),
    /// A packet that did not open: a replay or an index used twice.
    NotOpened,
    /// Transport-wide feedback for a number that was never sent.
    FeedbackForUnsent(u16),
    /// Transport-wide feedback that calls a packet received that was lost.
    FeedbackForLost(u16),
    /// Sender reports that place the same picture at times that differ by so many milliseconds.
    SenderReportOff(i64),
    /// RTCP that does not parse.
    MalformedRtcp,
    /// The source with this SSRC came on one that was not announced for it.
    Unannounced(u32),
    /// A source was announced on several SSRCs at a time.
    SeveralSsrcs,
    /// An SSRC was announced with other retransmissions than before.
    OtherRtxSsrc,
    /// A packet has another MID than its SSRC was announced with, or one that was not negotiated.
    WrongMid,
    /// A payload type that was not negotiated.
    UnknownPayloadType(u8),
}

/// Collects violations, the first ones in full.
#[derive(Clone, Debug, Default)]
pub struct Violations {
    list: Vec<Violation>,
    count: u64,
}

impl Violations {
    pub(crate) fn note(&mut self, at: Timestamp, ssrc: u32, kind: ViolationKind) {
        self.count += 1;
        if self.list.len() < MAX_LISTED {
            self.list.push(Violation { at, ssrc, kind });
        }
    }

    pub(crate) fn append(&mut self, other: &Self) {
        self.count += other.count;
        let room = MAX_LISTED.saturating_sub(self.list.len());
        self.list.extend(other.list.iter().take(room));
    }

    /// The first of them.
    pub fn list(&self) -> &[Violation] {
        &self.list
    }

    /// How many there were.
    pub const fn count(&self) -> u64 {
        self.count
    }
}

/// More do not tell more.
const MAX_LISTED: usize = 50;
