//! One endpoint's session: its transport and what is known of the streams it sends.

use crate::control::{ConferenceSnapshot, MediaDescription, SessionCommand, SessionSetup};
use crate::downlink::Downlink;
use crate::early_media::EarlyMedia;
use crate::egress::LocalIndex;
use crate::keyframe_requests::KeyframeThrottle;
use crate::payload_types::PayloadTypes;
use crate::shard_group::ShardSettings;
use bridge_cc::{ReceiverReports, ReferenceTimes, RemoteEstimator, TransportFeedbackGenerator};
use bridge_media::{
    EndpointReception, ReceivedEncoding, ReceivedPayloadType, ReceivedSource, SsrcRewritingConfig,
};
use bridge_rtp::HeaderExtensionIds;
use bridge_transport::{PeerTransport, TransportSettings};
use bridge_units::{ConferenceId, EndpointId, SessionId, ShardId, Timestamp};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Remote addresses that a session may claim: ice4j forms at most 100 pairs.
pub(crate) const MAX_REMOTES: usize = 100;

/// Commands that wait for an earlier one which is still on its way through another shard.
pub(crate) const MAX_PARKED_COMMANDS: usize = 64;

/// How often activity is told to the control plane.
pub(crate) const ACTIVITY_INTERVAL: Duration = Duration::from_secs(1);

/// One endpoint's session. Owned by exactly one shard; moves as a whole.
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) conference: ConferenceId,
    pub(crate) endpoint: EndpointId,
    pub(crate) transport: PeerTransport,
    pub(crate) local_ufrag: String,
    pub(crate) visitor: bool,
    /// Where media goes: the selected pair.
    pub(crate) path: Option<(LocalIndex, SocketAddr)>,
    /// Keys are there.
    pub(crate) connected: bool,
    pub(crate) payload_types: PayloadTypes,
    pub(crate) extension_ids: HeaderExtensionIds,
    pub(crate) reports: ReceiverReports,
    /// What the peer wants to measure the round trip with.
    pub(crate) references: ReferenceTimes,
    pub(crate) feedback: Option<TransportFeedbackGenerator>,
    /// What a peer without transport-wide feedback may send.
    pub(crate) uplink: Option<Box<RemoteEstimator>>,
    /// What came before the keys.
    pub(crate) early: EarlyMedia,
    pub(crate) keyframes: KeyframeThrottle,
    pub(crate) remotes: Vec<SocketAddr>,
    /// What the endpoint sends.
    pub(crate) reception: EndpointReception,
    /// What the endpoint gets.
    pub(crate) downlink: Box<Downlink>,
    /// The deadline for which the shard's timers hold an entry.
    pub(crate) scheduled: Timestamp,
    /// When receiver reports are due; never while nothing arrives, so that silence costs nothing.
    pub(crate) next_report: Timestamp,
    pub(crate) next_activity: Timestamp,
    /// The last round of each shard's batches that it got before it moved; empty if it never did.
    pub(crate) rounds: Vec<u64>,
    next_fir: u8,
    next_order: u32,
    parked: Vec<SessionCommand>,
}

impl Session {
    pub(crate) fn new(
        now: Timestamp,
        id: SessionId,
        setup: SessionSetup,
        settings: &ShardSettings,
    ) -> Self {
        let local_ufrag = setup.ice.ufrag.clone();
        let limits = settings.media.ssrc_limits;
        let rewriting = setup.rewrites_ssrcs.then_some(SsrcRewritingConfig {
            audio_limit: limits.audio,
            video_limit: limits.video,
            mid_demux: setup.mid_demux,
        });
        let transport = PeerTransport::new(
            now,
            TransportSettings {
                context: Arc::clone(&settings.context),
                local: setup.ice,
                local_addresses: Arc::clone(&settings.local_addresses),
                certificate: setup.certificate,
                sctp: setup.sctp,
            },
        );
        Self {
            id,
            conference: setup.conference,
            endpoint: setup.endpoint,
            transport,
            local_ufrag,
            visitor: setup.visitor,
            path: None,
            connected: false,
            payload_types: PayloadTypes::default(),
            extension_ids: HeaderExtensionIds::default(),
            reports: ReceiverReports::new(now),
            references: ReferenceTimes::default(),
            feedback: None,
            uplink: None,
            early: EarlyMedia::default(),
            keyframes: KeyframeThrottle::new(settings.media.keyframes),
            remotes: Vec::new(),
            reception: EndpointReception::with_silence(settings.media.silence),
            downlink: Box::new(Downlink::new(now, id, rewriting, &settings.media)),
            scheduled: Timestamp::FAR_FUTURE,
            next_report: Timestamp::FAR_FUTURE,
            next_activity: Timestamp::ZERO,
            rounds: Vec::new(),
            next_fir: 0,
            next_order: 1,
            parked: Vec::new(),
        }
    }

    pub(crate) fn set_media(&mut self, now: Timestamp, media: &MediaDescription) {
        self.payload_types = PayloadTypes::new(&media.payload_types);
        self.extension_ids = HeaderExtensionIds::from_pairs(
            media.header_extensions.iter().map(|(id, uri)| (*id, uri.as_str())),
        );
        let wanted = self.payload_types.transport_cc && self.extension_ids.transport_cc.is_some();
        if !wanted {
            self.feedback = None;
        } else if self.feedback.is_none() {
            self.feedback = Some(TransportFeedbackGenerator::new());
        }
        let wants_estimate = self.payload_types.remb
            && !self.payload_types.transport_cc
            && self.extension_ids.abs_send_time.is_some();
        if !wants_estimate {
            self.uplink = None;
        } else if self.uplink.is_none() {
            self.uplink = Some(Box::default());
        }
        self.downlink.set_media(now, media, &self.payload_types, &self.extension_ids);
        self.reception.set_extension_ids(self.extension_ids);
        self.reception.set_payload_types(media.payload_types.iter().map(|payload_type| {
            ReceivedPayloadType {
                number: payload_type.number,
                name: &payload_type.name,
                media: payload_type.media,
                apt: payload_type.apt,
            }
        }));
    }

    /// Takes what the conference consists of now.
    pub(crate) fn set_conference(&mut self, snapshot: &ConferenceSnapshot) {
        let own = snapshot.sources.iter().filter(|source| source.owner == self.id);
        let own: Vec<_> = own
            .map(|source| ReceivedSource {
                id: source.id,
                media: source.media,
                video_type: source.video_type,
                encodings: source
                    .encodings
                    .iter()
                    .map(|ssrcs| ReceivedEncoding { primary: ssrcs.primary, rtx: ssrcs.rtx })
                    .collect(),
            })
            .collect();
        self.reception.set_sources(&own);
        self.downlink.retain_sources(|id| snapshot.source(id).is_some());
        self.downlink.set_padding_ssrc(snapshot.local_video_ssrc);
    }

    /// Puts `command` in its place: the commands that are to be carried out now, in order, and how
    /// many were lost. An earlier one for which too many wait does not come any more.
    pub(crate) fn in_order(&mut self, command: SessionCommand) -> (Vec<SessionCommand>, u32) {
        if command.order < self.next_order {
            return (Vec::new(), 1);
        }
        self.parked.push(command);
        let mut lost = 0;
        if self.parked.len() > MAX_PARKED_COMMANDS {
            let first = self.parked.iter().map(|parked| parked.order).min();
            lost = first.map_or(0, |first| first - self.next_order);
            self.next_order += lost;
        }
        let mut ready = Vec::new();
        while let Some(i) = self.parked.iter().position(|parked| parked.order == self.next_order) {
            ready.push(self.parked.swap_remove(i));
            self.next_order += 1;
        }
        (ready, lost)
    }

    /// The number of the next full intra request (RFC 5104 section 4.3.1.1).
    pub(crate) fn next_fir(&mut self) -> u8 {
        self.next_fir = self.next_fir.wrapping_add(1);
        self.next_fir
    }

    /// Has receiver reports sent when they are due; whether nothing was expected before.
    pub(crate) fn expect_report(&mut self, now: Timestamp) -> bool {
        let begins = self.next_report == Timestamp::FAR_FUTURE && self.path.is_some();
        if begins {
            self.next_report = self.reports.poll_timeout().max(now);
        }
        begins
    }

    /// Whether the session got this batch where it was before.
    pub(crate) fn has_got(&self, origin: ShardId, round: u64) -> bool {
        self.rounds.get(usize::from(origin.0)).is_some_and(|got| round <= *got)
    }

    /// When the session wants to be called next.
    pub(crate) fn deadline(&mut self, now: Timestamp) -> Timestamp {
        let transport = self.transport.poll_timeout().min(self.next_report);
        if self.path.is_none() || !self.connected {
            return transport;
        }
        let media = self.reception.poll_timeout().min(self.downlink.poll_timeout(now));
        transport.min(media)
    }
}
