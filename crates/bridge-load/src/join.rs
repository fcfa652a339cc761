//! Bringing endpoints into the conference.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::mpsc::{self, Receiver, SyncSender, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use bridge_dtls::{Certificate, DtlsContext, DtlsSettings, Fingerprint, FingerprintHash};
use bridge_io::Clock;
use bridge_transport::{IceSettings, LocalIce, PeerTransport, TransportContext, TransportSettings};

use crate::arguments::Arguments;
use crate::bridge_channel::{CHANNEL_LABEL, CHANNEL_PROTOCOL, VideoWish};
use crate::colibri_client::{
    ColibriClient, NewEndpoint, bridge_ssrcs, has_sctp, own_transport, remote_transport,
};
use crate::command::{MAX_WAITING_COMMANDS, ReceiverCommand, ReceiverSnapshot};
use crate::destination::Destination;
use crate::endpoint::{Endpoint, EndpointParts};
use crate::error::LoadError;
use crate::random;
use crate::receiver::ReceiverThread;
use crate::scenario::{EndpointPlan, Speakers};
use crate::wall_clock::wall_clock;
use crate::webrtc_peer::WebrtcPeerParts;
use crate::webrtc_peers::WebrtcPeers;

/// What all endpoints share.
pub(crate) struct Joiner {
    clock: Clock,
    bridge: SocketAddr,
    destination: Destination,
    speakers: Speakers,
    /// What is asked for on bridge channels, if there are any.
    wish: Option<VideoWish>,
    meeting_id: String,
    context: Arc<TransportContext>,
    certificate: Arc<Certificate>,
    woken: ReceiverThread,
    sweeping: ReceiverThread,
    webrtc: Option<WebrtcPeers>,
}

/// Threads that ask the bridge for endpoints, several at a time.
pub(crate) struct JoinPool {
    plans: Option<SyncSender<EndpointPlan>>,
    failures: Receiver<LoadError>,
    threads: Vec<JoinHandle<()>>,
}

impl Joiner {
    pub(crate) fn new(
        arguments: &Arguments,
        clock: Clock,
        [woken, sweeping]: [ReceiverThread; 2],
        webrtc: Option<WebrtcPeers>,
    ) -> Result<Self, LoadError> {
        let setup = |error: &dyn std::fmt::Display| LoadError::Setup(error.to_string());
        let dtls = DtlsContext::new(DtlsSettings::default(), clock.origin());
        let dtls = dtls.map_err(|error| setup(&error))?;
        let settings = IceSettings { software: String::new(), ..IceSettings::default() };
        let certificate = Certificate::generate(wall_clock()).map_err(|error| setup(&error))?;
        Ok(Self {
            clock,
            bridge: arguments.bridge.address,
            destination: Destination::new(arguments.bridge, arguments.connect_to)?,
            speakers: Speakers::new(arguments),
            wish: arguments.channel.then(|| VideoWish::new(arguments)),
            meeting_id: format!("load-{}", random::hex(8)),
            context: TransportContext::new(dtls, settings, clock.origin()),
            certificate: Arc::new(certificate),
            woken,
            sweeping,
            webrtc,
        })
    }

    /// A connection to the bridge for this conference.
    pub(crate) fn client(&self) -> ColibriClient {
        ColibriClient::new(self.bridge, self.meeting_id.clone())
    }

    /// Brings one endpoint in.
    pub(crate) fn join(
        &self,
        client: &mut ColibriClient,
        plan: EndpointPlan,
        create_conference: bool,
    ) -> Result<(), LoadError> {
        match &self.webrtc {
            None => self.join_thin(client, plan, create_conference),
            Some(peers) => self.join_webrtc(peers, client, plan, create_conference),
        }
    }

    /// The bridge's side has to be known before a full endpoint says its own.
    fn join_webrtc(
        &self,
        peers: &WebrtcPeers,
        client: &mut ColibriClient,
        plan: EndpointPlan,
        create_conference: bool,
    ) -> Result<(), LoadError> {
        let number = plan.number;
        let requested = self.clock.now();
        let new = NewEndpoint { plan: &plan, transport: None, sctp: self.wish.is_some() };
        let answer = client.create_endpoint(new, create_conference)?;
        let remote = remote_transport(&answer, number, self.destination)?;
        let parts = WebrtcPeerParts {
            plan,
            speakers: self.speakers,
            bridge_ssrcs: bridge_ssrcs(&answer),
            requested,
            wish: self.wish.filter(|_| has_sctp(&answer, number)),
            shared: peers.shared(),
        };
        client.update_transport(number, peers.connect(parts, &remote)?)
    }

    /// It connects on its receiving thread.
    fn join_thin(
        &self,
        client: &mut ColibriClient,
        plan: EndpointPlan,
        create_conference: bool,
    ) -> Result<(), LoadError> {
        let local =
            LocalIce { ufrag: random::hex(4), password: random::hex(16), controlling: false };
        let fingerprint = self.certificate.fingerprint(FingerprintHash::Sha256);
        let requested = self.clock.now();
        let own = Some(own_transport(&local, &fingerprint));
        let new = NewEndpoint { plan: &plan, transport: own, sctp: self.wish.is_some() };
        let answer = client.create_endpoint(new, create_conference)?;
        let remote = remote_transport(&answer, plan.number, self.destination)?;
        let target = remote.candidates.first().map(|candidate| candidate.address);
        let target = target.ok_or_else(|| LoadError::Answer("no candidate".into()))?;
        let socket = socket_towards(target).map_err(LoadError::io(format!("UDP to {target}")))?;
        let local_address = socket.local_addr().map_err(LoadError::io("a socket"))?;
        let now = self.clock.now();
        let has_channel = self.wish.is_some() && has_sctp(&answer, plan.number);
        let mut transport = PeerTransport::new(
            now,
            TransportSettings {
                context: Arc::clone(&self.context),
                local,
                local_addresses: [local_address].into(),
                certificate: Arc::clone(&self.certificate),
                sctp: has_channel,
            },
        );
        if has_channel {
            transport.open_channel(now, CHANNEL_LABEL, CHANNEL_PROTOCOL);
        }
        transport.set_remote(now, &remote);
        let thread = if plan.sampled { &self.woken } else { &self.sweeping };
        let parts = EndpointParts {
            plan,
            socket,
            local: local_address,
            destination: self.destination,
            transport,
            requested,
            speakers: self.speakers,
            bridge_ssrcs: bridge_ssrcs(&answer),
            wish: self.wish.filter(|_| has_channel),
        };
        let endpoint = Endpoint::new(now, parts).map_err(LoadError::io("a socket"))?;
        thread.command(ReceiverCommand::Add(Box::new(endpoint)))
    }

    /// Of the certificate that all thin endpoints share.
    pub(crate) fn fingerprint(&self, hash: FingerprintHash) -> Fingerprint {
        self.certificate.fingerprint(hash)
    }

    /// Takes an endpoint out again.
    pub(crate) fn leave(&self, client: &mut ColibriClient, number: u32) -> Result<(), LoadError> {
        client.expire_endpoint(number)?;
        self.woken.command(ReceiverCommand::Remove(number))?;
        self.sweeping.command(ReceiverCommand::Remove(number))
    }

    /// What all endpoints received.
    pub(crate) fn snapshots(&self) -> Result<Vec<ReceiverSnapshot>, LoadError> {
        let thin = [&self.woken, &self.sweeping].into_iter().map(ReceiverThread::snapshot);
        thin.chain(self.webrtc.iter().map(|peers| Ok(peers.snapshot()))).collect()
    }
}

impl JoinPool {
    pub(crate) fn start(joiner: &Arc<Joiner>) -> Result<Self, LoadError> {
        let (plans, waiting) = mpsc::sync_channel(MAX_WAITING_COMMANDS);
        let waiting = Arc::new(Mutex::new(waiting));
        let (failed, failures) = mpsc::sync_channel(MAX_WAITING_COMMANDS);
        let mut threads = Vec::new();
        for _ in 0..CONNECTIONS {
            let (joiner, waiting) = (Arc::clone(joiner), Arc::clone(&waiting));
            let failed = failed.clone();
            let thread = std::thread::Builder::new().name("load-join".into());
            let thread = thread.spawn(move || work(&joiner, &waiting, &failed));
            threads.push(thread.map_err(LoadError::io("a thread"))?);
        }
        Ok(Self { plans: Some(plans), failures, threads })
    }

    /// Brings an endpoint in as soon as a connection is free.
    pub(crate) fn request(&self, plan: EndpointPlan) -> Result<(), LoadError> {
        let plans = self.plans.as_ref().ok_or(LoadError::ThreadEnded)?;
        plans.send(plan).map_err(|_| LoadError::ThreadEnded)
    }

    /// The first failure since the last time, if any.
    pub(crate) fn failure(&self) -> Option<LoadError> {
        match self.failures.try_recv() {
            Ok(error) => Some(error),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(LoadError::ThreadEnded),
        }
    }
}

impl Drop for JoinPool {
    fn drop(&mut self) {
        self.plans = None;
        for thread in self.threads.drain(..) {
            // A panic has been reported by the thread itself.
            let _ = thread.join();
        }
    }
}

fn work(joiner: &Joiner, waiting: &Mutex<Receiver<EndpointPlan>>, failed: &SyncSender<LoadError>) {
    let mut client = joiner.client();
    loop {
        let plan = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(plan) = plan else { return };
        if let Err(error) = joiner.join(&mut client, plan, false) {
            // The first ones tell enough.
            let _ = failed.try_send(error);
        }
    }
}

/// A socket of its own, at the address from which `target` is reached.
pub(crate) fn socket_towards(target: SocketAddr) -> std::io::Result<UdpSocket> {
    let any: IpAddr = match target {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let address = if target.ip().is_loopback() {
        target.ip()
    } else {
        // Only asks the routing table; nothing is sent.
        let route = UdpSocket::bind((any, 0))?;
        route.connect(target)?;
        route.local_addr()?.ip()
    };
    let socket = UdpSocket::bind((address, 0))?;
    rustix::net::sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER)?;
    Ok(socket)
}

/// Connections to the bridge's HTTP interface.
const CONNECTIONS: usize = 4;
/// Bytes: many milliseconds of everything that a bridge forwards to one endpoint.
const RECEIVE_BUFFER: usize = 1 << 20;
