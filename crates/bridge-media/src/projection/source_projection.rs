use super::context::{Context, ContextClass};
use super::dependency::DependencyState;
use super::output::Output;
use super::{Refusal, Rewrite};
use crate::layer_index::LayerIndex;
use crate::video_packet::{FrameDescription, VideoPacket};

/// One video source as one receiver gets it (JVB: `AdaptiveSourceProjection`).
///
/// Turns the packets of all encodings and layers into one stream on the SSRC of the first encoding:
/// numbers without the gaps of what is left out, timestamps and codec ids that go on over switches.
/// Its decisions are a function of the packets and targets it was given.
#[derive(Clone, Debug)]
pub struct SourceProjection {
    target: LayerIndex,
    context: Option<(ContextClass, Context)>,
    /// Left by the last context with dependency descriptors, for when the codec comes back.
    saved: Option<DependencyState>,
    output: Output,
    counters: ProjectionCounters,
}

/// What became of a packet, and whether the source must send a key frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// How the receiver's copy is rewritten, or why there is none.
    pub outcome: Result<Rewrite, Refusal>,
    /// A key frame of the source is needed. Told with every packet until one comes; the limits of
    /// key-frame requests apply.
    pub request_keyframe: bool,
}

/// The packet of the source that a receiver was sent under some number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentPacket {
    /// The encoding it was of.
    pub encoding: u8,
    /// Its SSRC.
    pub ssrc: u32,
    /// The sender's number.
    pub sequence_number: u16,
}

/// What a projection has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProjectionCounters {
    /// Packets forwarded.
    pub forwarded: u64,
    /// Packets left out by selection, also while suspended.
    pub not_selected: u64,
    /// Packets that had no place or number: late, contradictory or repeated.
    pub refused: u64,
    /// Changes of the codec or the form of its packets.
    pub codec_changes: u64,
}

impl SourceProjection {
    /// Of a source whose first encoding has this SSRC. Suspended until a target is set.
    pub fn new(primary_ssrc: u32) -> Self {
        Self {
            target: LayerIndex::SUSPENDED,
            context: None,
            saved: None,
            output: Output::new(primary_ssrc),
            counters: ProjectionCounters::default(),
        }
    }

    /// Sets what the receiver shall get. Takes effect with the next packets: at once for less, on
    /// the next suitable key frame for another encoding.
    pub fn set_target(&mut self, target: LayerIndex) {
        self.target = target;
    }

    /// Decides on a packet of the source.
    pub fn accept(&mut self, packet: &VideoPacket) -> Decision {
        let outcome = self.accept_in_context(packet);
        match outcome {
            Ok(_) => self.counters.forwarded += 1,
            Err(Refusal::NotWanted | Refusal::NotSelected) => self.counters.not_selected += 1,
            Err(_) => self.counters.refused += 1,
        }
        let request_keyframe = self.needs_keyframe() || outcome == Err(Refusal::OtherCodec);
        Decision { outcome, request_keyframe }
    }

    /// Whether the receiver waits for a key frame of the source.
    pub fn needs_keyframe(&self) -> bool {
        !self.target.is_suspended()
            && self.context.as_ref().is_none_or(|(_, context)| context.needs_keyframe())
    }

    /// What the receiver shall get.
    pub const fn target(&self) -> LayerIndex {
        self.target
    }

    /// The encoding that is forwarded now.
    pub fn current_encoding(&self) -> Option<u8> {
        self.context.as_ref().and_then(|(_, context)| context.current())
    }

    /// The SSRC that the receiver sees: that of the source's first encoding.
    pub const fn ssrc(&self) -> u32 {
        self.output.ssrc
    }

    /// The newest sequence number and timestamp sent; `None` before the first.
    pub fn progress(&self) -> Option<(u16, u32)> {
        self.output.has_begun().then_some((self.output.sequence_number, self.output.timestamp))
    }

    /// Finds the packet that the receiver reports lost, to look it up in the source's history.
    /// `None` if nothing was sent under this number or it is no longer known.
    pub fn source_of(&self, sequence_number: u16) -> Option<SentPacket> {
        let (encoding, ssrc, sequence_number) =
            self.context.as_ref()?.1.source_of(sequence_number)?;
        Some(SentPacket { encoding, ssrc, sequence_number })
    }

    /// The same rewriting that a packet got when it was forwarded; `None` if it was not, or if its
    /// frame is no longer known.
    pub fn rewrite_again(&self, packet: &VideoPacket) -> Option<Rewrite> {
        let (class, context) = self.context.as_ref()?;
        if *class != ContextClass::of(packet) {
            return None;
        }
        context.rewrite_again(packet, &self.output)
    }

    /// The SSRC and RTP timestamp that the receiver's copy of a sender report gets; `None` if the
    /// report is not of the encoding that is being forwarded, and not to be sent.
    ///
    /// Differs from JVB, which forwards the first encoding's reports unchanged and no others.
    pub fn rewrite_sender_report(&self, ssrc: u32, rtp_timestamp: u32) -> Option<(u32, u32)> {
        let offset = self.context.as_ref()?.1.timestamp_offset(ssrc)?;
        Some((self.output.ssrc, rtp_timestamp.wrapping_add(offset)))
    }

    /// What happened so far.
    pub const fn counters(&self) -> ProjectionCounters {
        self.counters
    }

    fn accept_in_context(&mut self, packet: &VideoPacket) -> Result<Rewrite, Refusal> {
        let class = ContextClass::of(packet);
        if let Some((current, context)) = &self.context
            && *current != class
        {
            if self.target.is_suspended() {
                return Err(Refusal::NotWanted);
            }
            // Differs from JVB, which changes over at any packet: a stray one would then cost the
            // receiver its picture. Codecs that tell no key frames still change over at once.
            let may_start = packet.frame.is_keyframe()
                || matches!(
                    packet.frame,
                    FrameDescription::Unparsed | FrameDescription::KeyFrames { .. }
                );
            if !may_start {
                return Err(Refusal::OtherCodec);
            }
            self.counters.codec_changes += 1;
            self.saved = context.state().or(self.saved);
            self.context = None;
        }
        let saved = self.saved;
        let (_, context) = self.context.get_or_insert_with(|| (class, Context::new(class, saved)));
        context.accept(packet, self.target, &mut self.output)
    }
}
