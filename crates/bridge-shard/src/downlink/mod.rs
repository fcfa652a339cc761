//! What one receiver gets: projected video, audio, reports, repairs, all within what its link takes
//! (JVB: the send half of `Transceiver`, `PacketHandler`, `BandwidthProbing`).
//!
//! The control plane's program says which layer of each source; the packets come from the batches of
//! all shards. Nothing here allocates for a packet.

mod audio;
mod departure;
mod estimate;
mod feedback;
mod forwarding;
mod outlet;
mod padding;
mod repair;
mod repair_budget;
mod reports;
mod source;

pub(crate) use estimate::DownlinkNews;
pub(crate) use forwarding::KeepOnce;
pub(crate) use outlet::Outlet;

use crate::control::{AudioSelection, ForwardingProgram, MediaDescription};
use crate::payload_types::PayloadTypes;
use crate::shard_group::MediaSettings;
use bridge_cc::{
    BandwidthEstimator, EstimateSource, EstimatorConfig, Pacer, PaddingController, PaddingStream,
    ProbeClusterId, RoundTripTimes,
};
use bridge_media::{
    LayerIndex, RedConfig, RewritableSource, RtxNumbers, SsrcRewriting, SsrcRewritingConfig,
};
use bridge_rtp::HeaderExtensionIds;
use bridge_units::{SessionId, SourceId, Timestamp};
use estimate::Told;
use repair::Paced;
use repair_budget::RepairBudget;
use rustc_hash::FxHashMap;
use source::{AudioSource, VideoSource};
use std::sync::Arc;

/// Sources of which one receiver remembers what it was sent: all that a conference may have.
const MAX_SOURCES: usize = 2_048;

/// The state of one receiver. Moves with its session.
pub(crate) struct Downlink {
    estimator: BandwidthEstimator,
    source: EstimateSource,
    config: EstimatorConfig,
    pacer: Pacer<Paced>,
    padding: PaddingController,
    padding_stream: PaddingStream,
    /// The probe to which what is sent now belongs.
    probe: Option<ProbeClusterId>,
    round_trips: RoundTripTimes,
    rtx_numbers: RtxNumbers,
    repair_budget: RepairBudget,
    // Keyed by the bridge's own numbers.
    videos: FxHashMap<SourceId, VideoSource>,
    audios: FxHashMap<SourceId, AudioSource>,
    trusts_estimate: bool,
    /// The SSRCs of the bridge's choice, if the receiver wants such.
    rewriting: Option<Box<SsrcRewriting>>,
    ssrcs: SsrcChoice,
    red: RedConfig,
    targets: FxHashMap<SourceId, LayerIndex>,
    program: Box<ForwardingProgram>,
    audio: Option<Arc<AudioSelection>>,
    payload_types: DownlinkTypes,
    extensions: DownlinkExtensions,
    /// When media or padding was sent last.
    last_sent: Timestamp,
    told: Told,
}

/// The payload types that the receiver takes.
struct DownlinkTypes {
    /// RTX by the payload type that it repairs.
    rtx: [Option<u8>; 128],
    accepted: [bool; 128],
    /// Audio with redundancy.
    red: Option<u8>,
    /// With which padding goes.
    padding: Option<u8>,
}

/// The receiver's ids of what the bridge adds to headers.
#[derive(Clone, Copy, Debug, Default)]
struct DownlinkExtensions {
    transport_cc: Option<u8>,
    /// Only if it takes no transport-wide numbers.
    abs_send_time: Option<u8>,
    mid: Option<u8>,
}

/// Where SSRCs come from: they must differ, not be secret.
#[derive(Clone, Copy, Debug)]
struct SsrcChoice(u64);

impl SsrcChoice {
    /// SplitMix64, of which the upper half is taken.
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 32) as u32
    }
}

impl Downlink {
    /// Of a receiver of which nothing is negotiated yet.
    pub(crate) fn new(
        now: Timestamp,
        session: SessionId,
        rewriting: Option<SsrcRewritingConfig>,
        settings: &MediaSettings,
    ) -> Self {
        let config = &settings.estimator;
        Self {
            estimator: BandwidthEstimator::new(now, config, EstimateSource::None),
            source: EstimateSource::None,
            config: *config,
            pacer: Pacer::new(now),
            padding: PaddingController::with_interval(now, settings.padding_interval),
            padding_stream: PaddingStream::new(0, 1, 1),
            probe: None,
            round_trips: RoundTripTimes::new(),
            rtx_numbers: RtxNumbers::default(),
            repair_budget: RepairBudget::new(now),
            videos: FxHashMap::default(),
            audios: FxHashMap::default(),
            trusts_estimate: settings.trusts_estimate,
            rewriting: rewriting.map(|config| Box::new(SsrcRewriting::new(config))),
            ssrcs: SsrcChoice(session.0 ^ now.as_nanos()),
            red: settings.red,
            targets: FxHashMap::default(),
            program: Box::default(),
            audio: None,
            payload_types: DownlinkTypes::default(),
            extensions: DownlinkExtensions::default(),
            last_sent: Timestamp::ZERO,
            told: Told::default(),
        }
    }

    /// Takes what was negotiated, all of it.
    pub(crate) fn set_media(
        &mut self,
        now: Timestamp,
        media: &MediaDescription,
        types: &PayloadTypes,
        ids: &HeaderExtensionIds,
    ) {
        self.payload_types = DownlinkTypes::new(media);
        let transport_cc = ids.transport_cc.filter(|_| types.transport_cc);
        self.extensions = DownlinkExtensions {
            transport_cc,
            abs_send_time: ids.abs_send_time.filter(|_| transport_cc.is_none()),
            mid: ids.mid,
        };
        let source = match (transport_cc, types.remb) {
            (Some(_), _) => EstimateSource::TransportFeedback,
            (None, true) => EstimateSource::Remb,
            (None, false) => EstimateSource::None,
        };
        if source != self.source {
            self.source = source;
            self.estimator = BandwidthEstimator::new(now, &self.config, source);
            self.pace(now);
        }
    }

    /// Lets the pacer send what the link takes. An estimate that is not trusted limits nothing.
    fn pace(&mut self, now: Timestamp) {
        let target = self.estimator.pacing_target().filter(|_| self.trusts_estimate);
        self.pacer.set_target(now, target);
    }

    /// Takes a new program: other sources than its own are suspended. `primary` tells the first SSRC of
    /// a video source. Answers how many sources were too many.
    pub(crate) fn set_program(
        &mut self,
        program: Box<ForwardingProgram>,
        primary: impl Fn(SourceId) -> Option<u32>,
    ) -> u64 {
        self.targets.clear();
        self.targets.extend(program.targets.iter().take(MAX_SOURCES).copied());
        for (id, source) in &mut self.videos {
            source.set_target(self.targets.get(id).copied().unwrap_or(LayerIndex::SUSPENDED));
        }
        if let Some(rewriting) = &mut self.rewriting {
            let rewritable =
                |id: &SourceId| Some(RewritableSource { id: *id, ssrc: primary(*id)? });
            let mapped: Vec<_> = program.mapped.iter().filter_map(rewritable).collect();
            rewriting.set_video_sources(&mapped, || self.ssrcs.next());
        }
        self.program = program;
        self.estimator.set_demand(self.program.ideal_bitrate);
        self.program.targets.len().saturating_sub(MAX_SOURCES) as u64
    }

    /// Takes which audio to send.
    pub(crate) fn set_audio(&mut self, selection: Arc<AudioSelection>) {
        self.audio = Some(selection);
    }

    /// Forgets sources for which `is_there` says no.
    pub(crate) fn retain_sources(&mut self, is_there: impl Fn(SourceId) -> bool) {
        if let Some(rewriting) = &mut self.rewriting {
            let known = self.videos.keys().chain(self.audios.keys()).chain(&self.program.mapped);
            known.filter(|id| !is_there(**id)).for_each(|id| rewriting.remove_source(*id));
        }
        self.videos.retain(|id, _| is_there(*id));
        self.audios.retain(|id, _| is_there(*id));
    }

    /// The bridge's own SSRC in the conference, on which padding goes.
    pub(crate) fn set_padding_ssrc(&mut self, ssrc: u32) {
        if self.padding_stream.ssrc() != ssrc {
            self.padding_stream = PaddingStream::new(ssrc, 1, 1);
        }
    }
}

impl DownlinkTypes {
    fn new(media: &MediaDescription) -> Self {
        let mut types = Self::default();
        for payload_type in &media.payload_types {
            let number = usize::from(payload_type.number);
            if let Some(accepted) = types.accepted.get_mut(number) {
                *accepted = true;
            }
            if payload_type.name.eq_ignore_ascii_case("red")
                && payload_type.media == bridge_units::MediaType::Audio
            {
                types.red = Some(payload_type.number);
            }
            let is_rtx = payload_type.name.eq_ignore_ascii_case("rtx");
            match payload_type.apt.filter(|_| is_rtx) {
                Some(apt) => {
                    if let Some(rtx) = types.rtx.get_mut(usize::from(apt)) {
                        *rtx = Some(payload_type.number);
                    }
                }
                None if !is_rtx && payload_type.media == bridge_units::MediaType::Video => {
                    types.padding.get_or_insert(payload_type.number);
                }
                None => {}
            }
        }
        types
    }

    fn accepts(&self, payload_type: u8) -> bool {
        self.accepted.get(usize::from(payload_type)).copied().unwrap_or(false)
    }

    fn rtx(&self, payload_type: u8) -> Option<u8> {
        self.rtx.get(usize::from(payload_type)).copied().flatten()
    }
}

impl Default for DownlinkTypes {
    fn default() -> Self {
        Self { rtx: [None; 128], accepted: [false; 128], red: None, padding: None }
    }
}
