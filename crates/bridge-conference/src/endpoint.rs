//! One local endpoint: what signalling, the data plane and the endpoint itself said of it.

use crate::allocation::VideoReception;
use crate::candidate::LocalCandidate;
use crate::conference::Target;
use crate::description;
use crate::media::NegotiatedMedia;
use crate::receiver::ReceiverWishes;
use crate::source_maps::SourceMaps;
use crate::sources::EndpointSources;
use bridge_dtls::{Certificate, DtlsRole, FingerprintHash};
use bridge_media::AllocationConfig;
use bridge_shard::{AudioSelection, SessionAction, SessionCommand, ShardCommand};
use bridge_signaling::colibri2::{Capability, ForceMute, MucRole};
use bridge_signaling::ice_udp::IceUdpTransport;
use bridge_signaling::{bridge_channel::BridgeChannelMessage, colibri2};
use bridge_transport::LocalIce;
use bridge_units::{EndpointId, SessionId, ShardId, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A local endpoint and its session.
pub(crate) struct Endpoint {
    pub(crate) id: EndpointId,
    pub(crate) session: SessionId,
    pub(crate) traits: EndpointTraits,
    pub(crate) ice: LocalIce,
    pub(crate) candidates: Vec<LocalCandidate>,
    pub(crate) certificate: Arc<Certificate>,
    /// Our DTLS role, once the peer said its own.
    pub(crate) role: Option<DtlsRole>,
    pub(crate) sctp: bool,
    pub(crate) media: NegotiatedMedia,
    pub(crate) sources: EndpointSources,
    pub(crate) force_mute: ForceMute,
    pub(crate) wishes: ReceiverWishes,
    pub(crate) video: VideoReception,
    /// What its shard was told of its audio subscription; `None` without one.
    pub(crate) audio_selection: Option<Arc<AudioSelection>>,
    pub(crate) source_maps: SourceMaps,
    pub(crate) progress: Progress,
    pub(crate) messages: MessageCounts,
    shard: ShardId,
    next_order: u32,
}

/// What is said on create and cannot be changed later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EndpointTraits {
    pub(crate) stats_id: Option<String>,
    pub(crate) visitor: bool,
    pub(crate) diarize: bool,
    pub(crate) ssrc_rewriting: bool,
    /// Packets on rewritten SSRCs are stamped with a MID.
    pub(crate) mid_demux: bool,
    pub(crate) private_addresses: bool,
}

/// What the data plane reported.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    pub(crate) created: Timestamp,
    pub(crate) last_activity: Option<Timestamp>,
    pub(crate) round_trip: Option<Duration>,
    pub(crate) ice: IceState,
    pub(crate) dtls: DtlsState,
    pub(crate) channel_open: bool,
    /// Whether 30 s without channel were already noted; it is noted once.
    pub(crate) channel_awaited: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IceState {
    Checking,
    Connected { relayed: bool },
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DtlsState {
    New,
    Connected { version: String, profile: String },
    Failed,
}

/// Bridge channel messages by class; the classes are few and fixed.
#[derive(Clone, Debug, Default)]
pub(crate) struct MessageCounts {
    pub(crate) received: BTreeMap<&'static str, u64>,
    pub(crate) sent: BTreeMap<&'static str, u64>,
    pub(crate) outgoing_dropped: u64,
}

/// What a new endpoint starts with.
pub(crate) struct NewEndpoint {
    pub(crate) id: EndpointId,
    pub(crate) session: SessionId,
    pub(crate) shard: ShardId,
    pub(crate) traits: EndpointTraits,
    pub(crate) ice: LocalIce,
    pub(crate) candidates: Vec<LocalCandidate>,
    pub(crate) certificate: Arc<Certificate>,
    pub(crate) sctp: bool,
    pub(crate) allocation: Arc<AllocationConfig>,
}

impl Endpoint {
    pub(crate) fn new(new: NewEndpoint, now: Timestamp) -> Self {
        Self {
            id: new.id.clone(),
            session: new.session,
            traits: new.traits,
            ice: new.ice,
            candidates: new.candidates,
            certificate: new.certificate,
            role: None,
            sctp: new.sctp,
            media: NegotiatedMedia::default(),
            sources: EndpointSources::default(),
            force_mute: ForceMute::default(),
            wishes: ReceiverWishes::new(&new.allocation),
            video: VideoReception::new(new.id, new.allocation, now),
            audio_selection: None,
            source_maps: SourceMaps::default(),
            progress: Progress {
                created: now,
                last_activity: None,
                round_trip: None,
                ice: IceState::Checking,
                dtls: DtlsState::New,
                channel_open: false,
                channel_awaited: false,
            },
            messages: MessageCounts::default(),
            shard: new.shard,
            next_order: 0,
        }
    }

    /// The next command of this session, for the shard where it lives now.
    pub(crate) fn command(&mut self, action: SessionAction) -> (Target, ShardCommand) {
        let order = self.next_order;
        // 2^32 messages to one endpoint take years; a shard compares orders for equality only.
        self.next_order = self.next_order.wrapping_add(1);
        let command = SessionCommand { session: self.session, order, action };
        (Target::Shard(self.shard), ShardCommand::Session(command))
    }

    pub(crate) fn move_to(&mut self, shard: ShardId) {
        self.shard = shard;
    }

    pub(crate) fn shard(&self) -> ShardId {
        self.shard
    }

    /// Our transport as signalled to the peer.
    pub(crate) fn describe(&self, hash: FingerprintHash) -> IceUdpTransport {
        let fingerprint = self.certificate.fingerprint(hash);
        description::local(&self.ice, &self.candidates, &fingerprint, self.role)
    }

    /// Whether the periodic check ends it (JVB: `Endpoint.shouldExpire`).
    pub(crate) fn is_due(&self, now: Timestamp, inactivity_timeout: Duration) -> bool {
        if self.progress.ice == IceState::Failed {
            return true;
        }
        match self.progress.last_activity {
            Some(last) => now.since(last) > inactivity_timeout,
            None => now.since(self.progress.created) > FIRST_ACTIVITY_TIMEOUT,
        }
    }
}

impl EndpointTraits {
    pub(crate) fn of(element: &colibri2::Endpoint) -> Self {
        let ssrc_rewriting = element.has_capability(&Capability::SsrcRewriting);
        Self {
            stats_id: element.stats_id.clone(),
            visitor: element.muc_role == Some(MucRole::Visitor),
            diarize: element.diarize == Some(true),
            ssrc_rewriting,
            mid_demux: ssrc_rewriting && element.has_capability(&Capability::RtpMidDemux),
            private_addresses: element.has_capability(&Capability::PrivateAddressConnectivity),
        }
    }
}

impl MessageCounts {
    pub(crate) fn note_received(&mut self, message: &BridgeChannelMessage) {
        *self.received.entry(class_name(message)).or_default() += 1;
    }

    pub(crate) fn note_sent(&mut self, message: &BridgeChannelMessage) {
        *self.sent.entry(class_name(message)).or_default() += 1;
    }
}

/// JVB's class of the message, which operators know from `/debug`.
fn class_name(message: &BridgeChannelMessage) -> &'static str {
    match message {
        BridgeChannelMessage::ClientHello => "ClientHelloMessage",
        BridgeChannelMessage::ServerHello(_) => "ServerHelloMessage",
        BridgeChannelMessage::LastNChangedEvent(_) => "LastNMessage",
        BridgeChannelMessage::ReceiverVideoConstraints(_) => "ReceiverVideoConstraintsMessage",
        BridgeChannelMessage::ReceiverAudioSubscription(_) => "ReceiverAudioSubscriptionMessage",
        BridgeChannelMessage::DominantSpeakerEndpointChangeEvent(_) => "DominantSpeakerMessage",
        BridgeChannelMessage::EndpointConnectivityStatusChangeEvent(_) => {
            "EndpointConnectionStatusMessage"
        }
        BridgeChannelMessage::ForwardedSources(_) => "ForwardedSourcesMessage",
        BridgeChannelMessage::SenderSourceConstraints(_) => "SenderSourceConstraintsMessage",
        BridgeChannelMessage::AddReceiver(_) => "AddReceiverMessage",
        BridgeChannelMessage::RemoveReceiver(_) => "RemoveReceiverMessage",
        other => other.colibri_class(),
    }
}

/// How long an endpoint may take to send anything at all (JVB: `EP_TIMEOUT`).
const FIRST_ACTIVITY_TIMEOUT: Duration = Duration::from_secs(120);
