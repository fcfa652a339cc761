//! Full WebRTC endpoints in the place of the thin ones, to prove that those do not flatter.

use std::net::SocketAddr;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bridge_demo::{Answer, BridgeTransport, GroupSemantics, Offer, Source, SsrcGroup};
use bridge_dtls::Setup;
use bridge_io::Clock;
use bridge_signaling::ice_udp::{DtlsFingerprint, DtlsSetup, IceUdpTransport};
use bridge_transport::{RemoteCandidate, RemoteTransport};
use bridge_units::MediaType;
use tokio::runtime::Runtime;
use webrtc::peer_connection::PeerConnection;

use crate::arguments::Arguments;
use crate::command::{Durations, ReceiverSnapshot, SenderCommand};
use crate::endpoint::State;
use crate::error::LoadError;
use crate::incoming_media::Tally;
use crate::reception::ReceptionCounts;
use crate::scenario::{self, EndpointPlan};
use crate::stream_id::{StreamId, StreamKind};
use crate::webrtc_peer::{WebrtcPeer, WebrtcPeerParts};

/// All full endpoints of a run, and the threads that they live on.
pub(crate) struct WebrtcPeers {
    /// Ends first.
    peers: Mutex<Vec<Connected>>,
    runtime: Option<Runtime>,
    shared: Arc<Shared>,
    /// What everybody sends; each is offered the others'.
    sources: Vec<(u32, Source)>,
}

struct Connected {
    peer: Arc<WebrtcPeer>,
    _connection: Box<dyn PeerConnection>,
}

/// What all endpoints' tasks share.
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) to_sender: SyncSender<SenderCommand>,
    tally: Mutex<Tally>,
}

impl Shared {
    pub(crate) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WebrtcPeers {
    pub(crate) fn start(
        arguments: &Arguments,
        clock: Clock,
        to_sender: SyncSender<SenderCommand>,
    ) -> Result<Self, LoadError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .thread_name("load-webrtc")
            .enable_all()
            .build()
            .map_err(LoadError::io("threads"))?;
        let tally = Tally { counts: ReceptionCounts::default(), durations: Durations::new() };
        Ok(Self {
            peers: Mutex::new(Vec::new()),
            runtime: Some(runtime),
            shared: Arc::new(Shared { clock, to_sender, tally: Mutex::new(tally) }),
            sources: scenario::endpoints(arguments).iter().flat_map(sources).collect(),
        })
    }

    pub(crate) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Lets an endpoint answer what the bridge said; what the bridge is to know of it.
    pub(crate) fn connect(
        &self,
        parts: WebrtcPeerParts,
        bridge: &RemoteTransport,
    ) -> Result<IceUdpTransport, LoadError> {
        let unusable = |why: String| LoadError::Setup(format!("webrtc-rs: {why}"));
        let runtime = self.runtime.as_ref().ok_or(LoadError::ThreadEnded)?;
        let candidate = bridge.candidates.first().map(|candidate| candidate.address);
        let local = local_address(candidate.ok_or(LoadError::ThreadEnded)?)?;
        let number = parts.plan.number;
        let offer = self.offer(number, &parts.bridge_ssrcs, bridge);
        let peer = WebrtcPeer::new(parts);
        let connecting = async {
            let connecting = peer.connect(local.to_string(), offer.to_string());
            tokio::time::timeout(NEGOTIATION, connecting).await
        };
        let (connection, answer) = runtime
            .block_on(connecting)
            .map_err(|_| unusable("no answer in time".to_owned()))?
            .map_err(|error| unusable(error.to_string()))?;
        let answer = Answer::parse(&answer, "load").map_err(|error| unusable(error.to_string()))?;
        self.peers().push(Connected { peer, _connection: connection });
        Ok(transport(answer))
    }

    pub(crate) fn snapshot(&self) -> ReceiverSnapshot {
        let peers = self.peers();
        let count = |of: fn(&WebrtcPeer) -> bool| peers.iter().filter(|p| of(&p.peer)).count();
        let connected = count(|peer| peer.state() == State::Connected);
        let silent = count(WebrtcPeer::is_silent);
        let without_video = count(WebrtcPeer::lacks_video);
        let without_channel = count(WebrtcPeer::lacks_channel);
        // Endpoints lock themselves before the tally.
        let mut tally = self.shared.tally();
        let snapshot = ReceiverSnapshot {
            endpoints: peers.len(),
            connected,
            silent,
            without_channel,
            without_video,
            // What webrtc-rs does about consent is its own.
            disconnected: 0,
            oldest_consent: Duration::ZERO,
            counts: tally.counts,
            durations: tally.durations.clone(),
        };
        tally.durations.clear();
        snapshot
    }

    fn peers(&self) -> MutexGuard<'_, Vec<Connected>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn offer(&self, number: u32, bridge_ssrcs: &[u32], bridge: &RemoteTransport) -> Offer {
        let (ufrag, pwd) = bridge.credentials.clone().unwrap_or_default();
        let transport = BridgeTransport {
            ufrag,
            pwd,
            fingerprints: bridge
                .fingerprints
                .iter()
                .map(|f| (format!("{} {f}", f.hash().name()), "actpass".to_owned()))
                .collect(),
            candidates: bridge.candidates.iter().map(candidate_line).collect(),
            sctp_port: None,
        };
        let kinds = [(MediaType::Audio, "jvb-a0"), (MediaType::Video, "jvb-v0")];
        // The bridge announces them in this order.
        let own = kinds.into_iter().zip(bridge_ssrcs).map(|((media_type, name), ssrc)| Source {
            media_type,
            owner: "jvb".to_owned(),
            name: name.to_owned(),
            ssrcs: vec![*ssrc],
            groups: Vec::new(),
        });
        let mut offer = Offer::new(transport, own.collect());
        let others = self.sources.iter().filter(|(owner, _)| *owner != number);
        let others: Vec<Source> = others.map(|(_, source)| source.clone()).collect();
        offer.set_remote_sources(&others);
        offer
    }
}

impl Drop for WebrtcPeers {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(ENDING);
        }
    }
}

/// What an endpoint sends, as its session description would say.
fn sources(plan: &EndpointPlan) -> Vec<(u32, Source)> {
    let ssrc = |kind| StreamId { endpoint: plan.number, kind }.ssrc();
    let owner = format!("{:08x}", plan.number);
    let source = |stream: StreamKind| match stream {
        StreamKind::Audio => Source {
            media_type: MediaType::Audio,
            owner: owner.clone(),
            name: format!("{owner}-a0"),
            ssrcs: vec![ssrc(stream)],
            groups: Vec::new(),
        },
        StreamKind::Video(encoding) | StreamKind::Rtx(encoding) => {
            let ssrcs = vec![ssrc(stream), ssrc(StreamKind::Rtx(encoding))];
            let semantics = GroupSemantics::Retransmission;
            Source {
                media_type: MediaType::Video,
                owner: owner.clone(),
                name: format!("{owner}-v0"),
                groups: vec![SsrcGroup { semantics, ssrcs: ssrcs.clone() }],
                ssrcs,
            }
        }
    };
    plan.streams.iter().map(|stream| (plan.number, source(stream.id.kind))).collect()
}

fn candidate_line(candidate: &RemoteCandidate) -> String {
    let RemoteCandidate { address, priority, foundation, .. } = candidate;
    format!("{foundation} 1 udp {priority} {} {} typ host", address.ip(), address.port())
}

fn transport(answer: Answer) -> IceUdpTransport {
    let (hash, fingerprint) = answer.fingerprint;
    let is_active = answer.setup == Setup::Active.name();
    let setup = Some(if is_active { DtlsSetup::Active } else { DtlsSetup::Passive });
    IceUdpTransport {
        ufrag: Some(answer.ufrag),
        pwd: Some(answer.pwd),
        rtcp_mux: true,
        fingerprints: vec![DtlsFingerprint { hash, fingerprint, setup, cryptex: false }],
        ..IceUdpTransport::default()
    }
}

/// The address from which `target` is reached, any port.
fn local_address(target: SocketAddr) -> Result<SocketAddr, LoadError> {
    let socket = crate::join::socket_towards(target);
    let address = socket.and_then(|socket| socket.local_addr());
    let address = address.map_err(LoadError::io(format!("UDP to {target}")))?;
    Ok(SocketAddr::new(address.ip(), 0))
}

/// As many as the thin endpoints have.
const WORKERS: usize = 2;
/// For descriptions alone; nothing is sent meanwhile.
const NEGOTIATION: Duration = Duration::from_secs(10);
const ENDING: Duration = Duration::from_secs(1);
