//! Who gets which layers of whose video: tells each receiver's allocator what happens, and shards,
//! receivers and senders what came of it (JVB: `BitrateController`).

use crate::conference::Conference;
use crate::endpoint::Endpoint;
use crate::timers::Timer;
use crate::video_sources::VideoSources;
use bridge_media::{
    Allocation, AllocationConfig, AllocationReason, BandwidthAllocator, CandidateSource, LastN,
    LayerIndex, MaxHeight, SourceAllocation, SourceLayers,
};
use bridge_shard::{ForwardingProgram, SessionAction};
use bridge_signaling::bridge_channel::{BridgeChannelMessage, ForwardedSources};
use bridge_units::{Bitrate, EndpointId, MediaType, SessionId, SourceId, Timestamp};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The video that one endpoint gets.
pub(crate) struct VideoReception {
    pub(crate) allocator: BandwidthAllocator,
    /// What the downlink takes, as last reported.
    pub(crate) estimate: Option<Bitrate>,
    /// How many video SSRCs it may get.
    ssrc_limit: LastN,
    /// What the shard was told last.
    program: ForwardingProgram,
}

/// Receivers that something happened to. Each is allocated for once, whatever it was.
#[derive(Debug, Default)]
pub(crate) struct AllocationsDue(BTreeSet<EndpointId>);

/// What a run came to, to be passed on once all have run.
struct Outcome {
    receiver: EndpointId,
    program: Option<Box<ForwardingProgram>>,
    forwarded_sources_changed: bool,
    /// By name of the source; `None` if nothing changed.
    wanted: Option<Vec<(Arc<str>, MaxHeight)>>,
}

impl VideoReception {
    pub(crate) fn new(receiver: EndpointId, config: Arc<AllocationConfig>, now: Timestamp) -> Self {
        Self {
            ssrc_limit: config.ssrc_limit,
            allocator: BandwidthAllocator::new(receiver, config, now),
            estimate: None,
            program: ForwardingProgram::default(),
        }
    }

    /// Whether the receiver wants anything of a source.
    pub(crate) fn wants(&self, source: SourceId) -> bool {
        let allocated = self.allocator.allocation().source(source);
        allocated.is_some_and(|source| !source.effective_constraints.is_disabled())
    }
}

impl AllocationsDue {
    pub(crate) fn add(&mut self, receiver: &EndpointId) {
        self.0.insert(receiver.clone());
    }

    fn take(&mut self) -> BTreeSet<EndpointId> {
        std::mem::take(&mut self.0)
    }
}

impl Conference {
    /// The receiver said or signalled what it wants, or what it understands.
    pub(crate) fn apply_wishes(&mut self, id: &EndpointId) {
        let Some(endpoint) = self.endpoints.get_mut(id) else { return };
        let allocator = &mut endpoint.video.allocator;
        if allocator.set_settings(endpoint.wishes.video().clone()) {
            self.allocations_due.add(id);
        }
    }

    /// Payload types came: whether estimates count, and whether there is to be video at all.
    pub(crate) fn apply_capabilities(&mut self, id: &EndpointId) {
        let Some(endpoint) = self.endpoints.get_mut(id) else { return };
        endpoint.video.allocator.set_supports_rtx(endpoint.media.has_payload_type("rtx"));
        endpoint.video.allocator.handle_sources_changed();
        self.allocations_due.add(id);
    }

    pub(crate) fn set_estimate(
        &mut self,
        now: Timestamp,
        id: &EndpointId,
        estimate: Option<Bitrate>,
    ) {
        let Some(endpoint) = self.endpoints.get_mut(id) else { return };
        endpoint.video.estimate = estimate;
        let Some(estimate) = estimate else { return };
        endpoint.video.allocator.handle_estimate(estimate);
        if endpoint.video.allocator.poll_timeout() <= now {
            self.allocations_due.add(id);
        }
    }

    pub(crate) fn note_first_video(&mut self, now: Timestamp, id: &EndpointId) {
        if let Some(endpoint) = self.endpoints.get_mut(id) {
            endpoint.video.allocator.handle_video_forwarded(now);
        }
    }

    /// Limits how many sources every receiver gets. Takes effect with each receiver's next run, which
    /// comes within seconds: all at once would be the load that it is to take away.
    pub fn set_bridge_last_n(&mut self, last_n: LastN) {
        self.bridge_last_n = last_n;
        for endpoint in self.endpoints.values_mut() {
            endpoint.video.allocator.set_bridge_last_n(last_n);
        }
    }

    /// How many video sources that endpoint gets which gets most; `None` without endpoints.
    pub fn most_forwarded_sources(&self) -> Option<usize> {
        let allocations = self.endpoints.values().map(|e| e.video.allocator.allocation());
        allocations.map(|allocation| allocation.forwarded_sources().count()).max()
    }

    /// A source has other layers: those who want it think again.
    pub(crate) fn set_layers(&mut self, source: SourceId, layers: SourceLayers) {
        match self.video.set_layers(source, layers) {
            None => self.counters.stale_events += 1,
            Some(false) => {}
            Some(true) => {
                let endpoints = self.endpoints.values_mut();
                for endpoint in endpoints.filter(|endpoint| endpoint.video.wants(source)) {
                    endpoint.video.allocator.handle_layering_changed();
                    self.allocations_due.add(&endpoint.id);
                }
            }
        }
    }

    /// Nothing else happened for a while, and rates have changed.
    pub(crate) fn allocate_again(&mut self, session: SessionId) {
        if let Some(id) = self.sessions.get(&session) {
            self.allocations_due.add(id);
        }
    }

    /// Makes the list of sources anew; all receivers are concerned if it changed.
    pub(crate) fn refresh_video_sources(&mut self) {
        let Some(snapshot) = &self.published else { return };
        let muted = self.endpoints.values().filter(|endpoint| endpoint.force_mute.video);
        let muted = muted.map(|endpoint| endpoint.id.clone()).collect();
        let order = self.speakers.last_n_order(&self.endpoints);
        let (changed, left_out) = self.video.refresh(snapshot, &order, &muted);
        self.counters.sources_not_considered += u64::try_from(left_out).unwrap_or(u64::MAX);
        if changed {
            for endpoint in self.endpoints.values_mut() {
                endpoint.video.allocator.handle_sources_changed();
                self.allocations_due.add(&endpoint.id);
            }
        }
    }

    /// Runs the allocators that are due, then passes on what changed.
    pub(crate) fn allocate(&mut self, now: Timestamp) {
        let due = self.allocations_due.take();
        if due.is_empty() {
            return;
        }
        let candidates = self.video.candidates();
        let mut outcomes = Vec::with_capacity(due.len());
        for id in due {
            let Some(endpoint) = self.endpoints.get_mut(&id) else { continue };
            self.counters.allocations += 1;
            outcomes.push(run(endpoint, now, &candidates, &self.video));
            let again = endpoint.video.allocator.poll_timeout();
            self.timers.set(Timer::Allocation(endpoint.session), again);
        }
        for outcome in outcomes {
            self.pass_on(outcome);
        }
    }

    /// The complete set of what is forwarded to a client.
    pub(crate) fn send_forwarded_sources(&mut self, id: &EndpointId) {
        let Some(endpoint) = self.endpoints.get(id) else { return };
        let forwarded = endpoint.video.allocator.allocation().forwarded_sources();
        let names = forwarded.filter_map(|source| self.video.name(source));
        let forwarded_sources = names.map(|name| name.to_string()).collect();
        let message = ForwardedSources { forwarded_sources };
        self.send(id, &BridgeChannelMessage::ForwardedSources(message));
    }

    fn pass_on(&mut self, outcome: Outcome) {
        let id = &outcome.receiver;
        if let Some(program) = outcome.program {
            self.command(id, SessionAction::SetForwarding(program));
        }
        if outcome.forwarded_sources_changed && self.has_channel(id) {
            self.send_forwarded_sources(id);
        }
        if let Some(wanted) = outcome.wanted {
            self.senders.set_receiver(id, &wanted);
        }
    }
}

fn run(
    endpoint: &mut Endpoint,
    now: Timestamp,
    candidates: &[CandidateSource<'_>],
    video: &VideoSources,
) -> Outcome {
    // Without a payload type for it no video can be forwarded.
    let accepts_video = endpoint.media.accepts(MediaType::Video);
    let candidates = if accepts_video { candidates } else { &[] };
    let reception = &mut endpoint.video;
    let change = reception.allocator.allocate(now, candidates);
    let allocation = reception.allocator.allocation();
    let slots = endpoint.traits.ssrc_rewriting.then_some(reception.ssrc_limit);
    let program = program(allocation, slots);
    let is_new = program != reception.program;
    if is_new {
        reception.program = program.clone();
    }
    let wanted = || {
        let heights = allocation.effective_heights();
        heights.filter_map(|(id, height)| Some((video.name(id)?, height))).collect()
    };
    Outcome {
        receiver: endpoint.id.clone(),
        program: is_new.then(|| Box::new(program)),
        forwarded_sources_changed: change.forwarded_sources,
        wanted: change.effective_constraints.then(wanted),
    }
}

/// What the receiver's shard is to do; `slots` is how many sources get SSRCs of the bridge's choice.
fn program(allocation: &Allocation, slots: Option<LastN>) -> ForwardingProgram {
    let sources = allocation.sources.iter();
    let targets = sources.filter_map(|source| Some((source.source, target(source)?)));
    ForwardingProgram {
        targets: targets.collect(),
        mapped: slots.map(|slots| mapped(allocation, slots)).unwrap_or_default(),
        target_bitrate: allocation.target_bitrate,
        ideal_bitrate: allocation.ideal_bitrate,
        oversending: allocation.is_oversending,
    }
}

/// What is forwarded of a source. If nothing of it has come yet, that is its lowest layer: a receiver
/// gets the key frame with which it begins, and the allocation raises it as soon as layers are known.
/// JVB allocates before it forwards a source's first packet.
fn target(source: &SourceAllocation) -> Option<LayerIndex> {
    let is_awaited = source.reason == AllocationReason::NoLayers && source.video_type.is_enabled();
    match source.is_forwarded() {
        true => Some(source.target),
        false => is_awaited.then_some(LayerIndex::new(0, 0, 0)),
    }
}

/// Those that are wanted, most wanted first; where slots are left, others that may be wanted soon,
/// so that they are mapped already when they are (JVB: `SsrcCache.activate`).
fn mapped(allocation: &Allocation, slots: LastN) -> Vec<SourceId> {
    let is_wanted = |source: &&SourceAllocation| !source.effective_constraints.is_disabled();
    let enabled = || allocation.sources.iter().filter(|source| source.video_type.is_enabled());
    let wanted = enabled().filter(is_wanted);
    let others = enabled().filter(|source| !is_wanted(source));
    let slots = usize::try_from(slots.to_signaled()).unwrap_or(usize::MAX);
    wanted.chain(others).take(slots).map(|source| source.source).collect()
}
