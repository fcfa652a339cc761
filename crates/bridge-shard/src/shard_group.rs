use crate::control::SessionEvent;
use crate::directory::Directory;
use crate::inbox::Inbox;
use crate::keyframe_requests::KeyframeLimits;
use bridge_cc::{EstimatorConfig, PADDING_INTERVAL};
use bridge_media::{RedConfig, SilenceConfig};
use bridge_metrics::{ShardCounters, SharedShardCounters};
use bridge_transport::TransportContext;
use bridge_units::ShardId;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// What is the same for all shards.
pub struct ShardSettings {
    /// The bound local addresses; a datagram's `local` is an index into this list.
    pub local_addresses: Arc<[SocketAddr]>,
    /// What all transports share: DTLS and ICE as configured.
    pub context: Arc<TransportContext>,
    /// What is the same for all receivers.
    pub media: MediaSettings,
}

/// How media is received and sent.
#[derive(Clone, Debug)]
pub struct MediaSettings {
    /// What finds out what each receiver's link takes: `jmt.bwe`.
    pub estimator: EstimatorConfig,
    /// Whether what it finds out limits what is sent: `videobridge.cc.trust-bwe`.
    pub trusts_estimate: bool,
    /// What is done with redundant audio: `jmt.audio.red`.
    pub red: RedConfig,
    /// How much silence is forwarded: `jmt.audio.level`.
    pub silence: SilenceConfig,
    /// How often padding is looked at: `videobridge.cc.padding-period`.
    pub padding_interval: Duration,
    /// How many requests for key frames a sender gets: `jmt.keyframe`.
    pub keyframes: KeyframeLimits,
    /// SSRCs that a receiver who lets the bridge choose them gets at a time.
    pub ssrc_limits: SsrcLimits,
}

impl Default for MediaSettings {
    /// As JVB's `reference.conf`.
    fn default() -> Self {
        Self {
            estimator: EstimatorConfig::default(),
            trusts_estimate: true,
            red: RedConfig::default(),
            silence: SilenceConfig::default(),
            padding_interval: PADDING_INTERVAL,
            keyframes: KeyframeLimits::default(),
            ssrc_limits: SsrcLimits::default(),
        }
    }
}

/// `videobridge.ssrc-limit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SsrcLimits {
    /// Of audio.
    pub audio: usize,
    /// Of video.
    pub video: usize,
}

impl Default for SsrcLimits {
    fn default() -> Self {
        Self { audio: 50, video: 50 }
    }
}

/// Takes events to the control plane. Called from shard threads: must not block.
pub trait EventSink: Send + Sync {
    /// Takes the event, or gives it back if there is no room.
    fn event(&self, event: SessionEvent) -> Result<(), SessionEvent>;
}

/// What the shards of a process share.
pub struct ShardGroup {
    settings: ShardSettings,
    inboxes: Vec<Inbox>,
    counters: Vec<SharedShardCounters>,
    directory: Directory,
    events: Arc<dyn EventSink>,
}

impl ShardGroup {
    /// A group with one shard per inbox.
    pub fn new(settings: ShardSettings, inboxes: Vec<Inbox>, events: Arc<dyn EventSink>) -> Self {
        let counters = inboxes.iter().map(|_| SharedShardCounters::default()).collect();
        Self { settings, inboxes, counters, directory: Directory::new(), events }
    }

    /// The inboxes, by shard index.
    pub fn inboxes(&self) -> &[Inbox] {
        &self.inboxes
    }

    /// The inbox of one shard.
    pub fn inbox(&self, shard: ShardId) -> Option<&Inbox> {
        self.inboxes.get(usize::from(shard.0))
    }

    /// Who owns what.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The last published counters of each shard.
    pub fn counters(&self) -> impl Iterator<Item = ShardCounters> {
        self.counters.iter().map(SharedShardCounters::load)
    }

    /// What is the same for all shards.
    pub fn settings(&self) -> &ShardSettings {
        &self.settings
    }

    pub(crate) fn publish_counters(&self, shard: ShardId, counters: &ShardCounters) {
        if let Some(shared) = self.counters.get(usize::from(shard.0)) {
            shared.store(counters);
        }
    }

    pub(crate) fn event(&self, event: SessionEvent) -> Result<(), SessionEvent> {
        self.events.event(event)
    }
}
