use bridge_rtp::RtpHeader;
use bridge_units::{MediaType, SourceId};

use super::codec_state::CodecState;
use super::mapped_source::{MappedSource, RewritableSource};
use super::rewritten_packet::{
    OriginalPacket, RewritingCounters, RewritingRefusal, RewrittenPacket,
};
use super::slot::{Progress, Slot, Stamp};
use super::slot_table::SlotTable;
use crate::projection::{PayloadRewrite, Rewrite};
use crate::video_packet::{FrameDescription, VideoPacket};

/// The SSRCs that one receiver sees, and the sources that they stand for (JVB: `SsrcCache`).
///
/// Each media type has at most as many slots as configured: two SSRCs and perhaps a MID each. A source
/// without slot takes that of the one that was not used for longest, and goes on where that one was:
/// the receiver sees no number of an SSRC twice and, but for reordering, none backwards.
///
/// SSRCs come from a function that the caller passes in, which may exclude those that it uses itself.
#[derive(Clone, Debug)]
pub struct SsrcRewriting {
    audio: SlotTable,
    video: SlotTable,
    counters: RewritingCounters,
}

/// Settings of one receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SsrcRewritingConfig {
    /// Slots for audio (`videobridge.ssrc-limit.audio`).
    pub audio_limit: usize,
    /// Slots for video (`videobridge.ssrc-limit.video`).
    pub video_limit: usize,
    /// The receiver tells slots apart by MID, too.
    pub mid_demux: bool,
}

impl SsrcRewriting {
    /// Without any slot yet.
    pub fn new(config: SsrcRewritingConfig) -> Self {
        let SsrcRewritingConfig { audio_limit, video_limit, mid_demux } = config;
        Self {
            audio: SlotTable::new(MediaType::Audio, audio_limit, mid_demux),
            video: SlotTable::new(MediaType::Video, video_limit, mid_demux),
            counters: RewritingCounters::default(),
        }
    }

    /// Gives slots to the video sources that the receiver may get, by falling priority; as many as
    /// there are slots. Those that have one keep it.
    pub fn set_video_sources(
        &mut self,
        sources: &[RewritableSource],
        mut random: impl FnMut() -> u32,
    ) {
        let limit = self.video.limit();
        let keys = || sources.iter().take(limit).map(|source| source.key());
        for key in keys() {
            self.video.use_slot(key);
        }
        for key in keys() {
            if self.video.slot(key).is_none() {
                let audio = &self.audio;
                self.video.map(key, |video| fresh_pair(&[audio, video], &mut random));
            }
        }
    }

    /// Frees the slots of a source that is gone. The receiver is not told.
    pub fn remove_source(&mut self, source: SourceId) {
        self.audio.remove(source);
        self.video.remove(source);
    }

    /// The numbers of a source begin anew with its next packet: its projection is another one.
    pub fn restart_source(&mut self, source: SourceId) {
        let slots = self.audio.slot_mut_of(source).chain(self.video.slot_mut_of(source));
        slots.for_each(Slot::restart);
    }

    /// Rewrites an audio packet, giving its source a slot if it has none.
    ///
    /// # Errors
    /// [`RewritingRefusal`]: the packet is not to be sent. Differs from JVB, which sends packets of
    /// unknown sources unchanged.
    pub fn rewrite_audio(
        &mut self,
        source: Option<SourceId>,
        header: &RtpHeader,
        random: impl FnMut() -> u32,
    ) -> Result<RewrittenPacket, RewritingRefusal> {
        let outcome = match source {
            Some(source) => self.rewrite_audio_of(source, header, random),
            None => Err(RewritingRefusal::UnknownSource),
        };
        self.counters.note(&outcome);
        outcome
    }

    /// Rewrites a video packet as its source's projection made it.
    ///
    /// # Errors
    /// [`RewritingRefusal`]: the packet is not to be sent. With
    /// [`RewritingRefusal::AwaitsKeyframe`] a key frame is to be asked for, within the limits of
    /// that.
    pub fn rewrite_video(
        &mut self,
        source: SourceId,
        packet: &VideoPacket,
        projected: &Rewrite,
    ) -> Result<RewrittenPacket, RewritingRefusal> {
        let progress = Progress::of_video(packet, projected);
        let outcome = match self.video.use_slot((source, projected.ssrc)) {
            Some(slot) => slot
                .rewrite(progress, starts(packet), VIDEO_TICKS)
                .map(|stamp| slot.packet(stamp, projected, Some(packet))),
            None => Err(RewritingRefusal::NotMapped),
        };
        self.counters.note(&outcome);
        outcome
    }

    /// The slots of a media type that changed since this was last asked, to be announced before
    /// anything else is sent on them.
    pub fn poll_mapped(&mut self) -> Option<(MediaType, Vec<MappedSource>)> {
        let (media, table) = if self.audio.has_news() {
            (MediaType::Audio, &mut self.audio)
        } else {
            (MediaType::Video, &mut self.video)
        };
        let mapped: Vec<_> = table.take_news().map(Slot::mapped).collect();
        (!mapped.is_empty()).then_some((media, mapped))
    }

    /// All slots of a media type, to be announced when the receiver's channel is a new one.
    pub fn mapped(&self, media: MediaType) -> Vec<MappedSource> {
        self.table(media).slots().iter().map(Slot::mapped).collect()
    }

    /// The same rewriting that a video packet got when it was sent; `None` if it was not sent on
    /// the slot that its source has now.
    pub fn rewrite_again(
        &self,
        source: SourceId,
        packet: &VideoPacket,
        projected: &Rewrite,
    ) -> Option<RewrittenPacket> {
        let slot = self.video.slot((source, projected.ssrc))?;
        let stamp = slot.rewrite_again(Progress::of_video(packet, projected))?;
        Some(slot.packet(stamp, projected, Some(packet)))
    }

    /// The source that the receiver means by an SSRC of media or retransmissions, with the SSRC before
    /// rewriting: where a request for a key frame goes.
    pub fn source_of(&self, ssrc: u32) -> Option<RewritableSource> {
        let slot = self.video.slot_with(ssrc).or_else(|| self.audio.slot_with(ssrc))?;
        Some(RewritableSource { id: slot.source, ssrc: slot.ssrc })
    }

    /// The video packet that the receiver reports lost, if it was sent for the source that has the
    /// slot now.
    pub fn original_of(&self, ssrc: u32, sequence_number: u16) -> Option<OriginalPacket> {
        let slot = self.video.slots().iter().find(|slot| slot.output.ssrc == ssrc)?;
        let sequence_number = slot.original(sequence_number)?;
        Some(OriginalPacket { source: slot.source, ssrc: slot.ssrc, sequence_number })
    }

    /// SSRC and RTP timestamp of a sender report for the receiver, from those after projection;
    /// `None` if nothing of the source was sent on its slot.
    pub fn rewrite_sender_report(
        &self,
        media: MediaType,
        source: SourceId,
        ssrc: u32,
        rtp_timestamp: u32,
    ) -> Option<(u32, u32)> {
        let slot = self.table(media).slot((source, ssrc))?;
        Some((slot.output.ssrc, rtp_timestamp.wrapping_add(slot.timestamp_offset()?)))
    }

    /// How often a slot was taken from one source for another.
    pub const fn remaps(&self) -> u64 {
        self.audio.remaps() + self.video.remaps()
    }

    /// What happened so far.
    pub const fn counters(&self) -> &RewritingCounters {
        &self.counters
    }

    fn rewrite_audio_of(
        &mut self,
        source: SourceId,
        header: &RtpHeader,
        mut random: impl FnMut() -> u32,
    ) -> Result<RewrittenPacket, RewritingRefusal> {
        let video = &self.video;
        let slot = self
            .audio
            .use_or_map((source, header.ssrc), |audio| fresh_pair(&[audio, video], &mut random))
            .ok_or(RewritingRefusal::NotMapped)?;
        let progress = Progress {
            sequence_number: header.sequence_number,
            timestamp: header.timestamp,
            codec: CodecState::None,
        };
        let stamp = slot.rewrite(progress, true, AUDIO_TICKS)?;
        let plain = Rewrite {
            ssrc: header.ssrc,
            sequence_number: header.sequence_number,
            timestamp: header.timestamp,
            marker: header.marker,
            payload: PayloadRewrite::None,
        };
        Ok(slot.packet(stamp, &plain, None))
    }

    const fn table(&self, media: MediaType) -> &SlotTable {
        match media {
            MediaType::Audio => &self.audio,
            MediaType::Video => &self.video,
        }
    }
}

impl Progress {
    fn of_video(packet: &VideoPacket, projected: &Rewrite) -> Self {
        Self {
            sequence_number: projected.sequence_number,
            timestamp: projected.timestamp,
            codec: CodecState::of(packet, projected),
        }
    }
}

impl Slot {
    fn mapped(&self) -> MappedSource {
        let output = &self.output;
        MappedSource { source: self.source, ssrc: output.ssrc, rtx: output.rtx, mid: output.mid }
    }

    fn packet(
        &self,
        stamp: Stamp,
        projected: &Rewrite,
        packet: Option<&VideoPacket>,
    ) -> RewrittenPacket {
        let payload = packet
            .map_or(projected.payload, |packet| stamp.codec.rewrite(packet, projected.payload));
        let rewrite = Rewrite {
            ssrc: self.output.ssrc,
            sequence_number: stamp.sequence_number,
            timestamp: stamp.timestamp,
            marker: projected.marker,
            payload,
        };
        RewrittenPacket { rewrite, rtx: self.output.rtx, mid: self.output.mid }
    }
}

/// Whether a receiver can begin with this packet. Of codecs whose key frames cannot be told it is any,
/// as in JVB; their projection waits as far as it can.
fn starts(packet: &VideoPacket) -> bool {
    match &packet.frame {
        FrameDescription::Vp8(vp8) => vp8.is_keyframe && vp8.is_start_of_frame,
        FrameDescription::Vp9(vp9) => vp9.is_keyframe() && vp9.is_start_of_frame,
        FrameDescription::Dependency(descriptor) => {
            descriptor.is_keyframe && descriptor.is_start_of_frame
        }
        FrameDescription::KeyFrames { .. } | FrameDescription::Unparsed => true,
    }
}

/// Two SSRCs that no slot has.
fn fresh_pair(tables: &[&SlotTable; 2], random: &mut impl FnMut() -> u32) -> (u32, u32) {
    let ssrc = fresh(tables, None, random());
    (ssrc, fresh(tables, Some(ssrc), random()))
}

/// The first one from `candidate` on that is free. Zero and -1 stand for none in signalling.
fn fresh(tables: &[&SlotTable; 2], other: Option<u32>, candidate: u32) -> u32 {
    let mut ssrc = candidate;
    let is_taken = |ssrc| {
        [0, u32::MAX].contains(&ssrc)
            || other == Some(ssrc)
            || tables.iter().any(|table| table.slot_with(ssrc).is_some())
    };
    // Ends: there are far more SSRCs than slots.
    while is_taken(ssrc) {
        ssrc = ssrc.wrapping_add(1);
    }
    ssrc
}

/// What the first packet of a source is taken to be later than the last one of its slot: 20 ms of 48
/// kHz, as in JVB.
const AUDIO_TICKS: u32 = 960;

/// A frame of 33 ms. Differs from JVB, which takes 960 ticks for video, too.
const VIDEO_TICKS: u32 = 3_000;
