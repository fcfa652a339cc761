//! A client made of the crates: ICE controlled, DTLS active, SRTP contexts, no sockets.

use std::net::SocketAddr;
use std::sync::Arc;

use bridge_dtls::{Certificate, FingerprintHash, Setup};
use bridge_rtp::{PacketKind, RtcpCompound, RtcpPacket, RtpHeader, RtpView};
use bridge_transport::{
    CandidateKind, LocalIce, PeerTransport, RemoteCandidate, RemoteTransport, TransportContext,
    TransportEvent, TransportSettings,
};
use bridge_units::{SessionId, Timestamp};

use super::bridge_address;

pub struct Client {
    pub session: SessionId,
    pub address: SocketAddr,
    pub transport: PeerTransport,
    pub connected: bool,
    /// What it has sent and the network has not yet taken.
    pub outgoing: Vec<Vec<u8>>,
    /// Opened RTP packets.
    pub rtp: Vec<Vec<u8>>,
    /// Opened RTCP compounds.
    pub rtcp: Vec<Vec<u8>>,
    /// Media that did not open, replays included.
    pub refused: usize,
    /// Answers nothing any more, but still sends what the test gives it.
    pub deaf: bool,
}

impl Client {
    pub fn new(
        now: Timestamp,
        session: SessionId,
        address: SocketAddr,
        context: Arc<TransportContext>,
        certificate: Arc<Certificate>,
        local: LocalIce,
    ) -> Self {
        let settings = TransportSettings {
            context,
            local,
            local_addresses: [address].into(),
            certificate,
            sctp: false,
        };
        Self {
            session,
            address,
            transport: PeerTransport::new(now, settings),
            connected: false,
            outgoing: Vec::new(),
            rtp: Vec::new(),
            rtcp: Vec::new(),
            refused: 0,
            deaf: false,
        }
    }

    /// Tells it of the bridge.
    pub fn signal(
        &mut self,
        now: Timestamp,
        credentials: (String, String),
        certificate: &Certificate,
    ) {
        let remote = RemoteTransport {
            credentials: Some(credentials),
            candidates: vec![host(bridge_address())],
            fingerprints: vec![certificate.fingerprint(FingerprintHash::Sha256)],
            setup: Some(Setup::Passive),
        };
        let report = self.transport.set_remote(now, &remote);
        assert_eq!((report.refused, report.setup_error), (0, None));
    }

    pub fn handle(&mut self, now: Timestamp, bytes: &[u8]) {
        if self.deaf {
            return;
        }
        match PacketKind::classify(bytes) {
            // Refusals are what the test looks at.
            PacketKind::Stun => {
                let _ = self.transport.handle_stun(now, self.address, bridge_address(), bytes);
            }
            PacketKind::Dtls => {
                let _ = self.transport.handle_dtls(now, bridge_address(), bytes);
            }
            PacketKind::Rtp => self.open(bytes.to_vec(), false),
            PacketKind::Rtcp => self.open(bytes.to_vec(), true),
            PacketKind::Other => panic!("the bridge sent {bytes:?}"),
        }
    }

    pub fn advance(&mut self, now: Timestamp) {
        if self.deaf {
            return;
        }
        self.transport.handle_timeout(now);
        while let Some(event) = self.transport.poll_event() {
            self.connected |= matches!(event, TransportEvent::DtlsConnected { .. });
        }
        let mut buffer = [0; bridge_transport::MIN_BUFFER_LEN];
        while let Some(transmit) = self.transport.poll_transmit(&mut buffer) {
            self.outgoing.push(buffer[..transmit.len].to_vec());
        }
    }

    pub fn send_rtp(&mut self, packet: &[u8]) {
        let sealed = self.seal_rtp(packet);
        self.outgoing.push(sealed);
    }

    pub fn seal_rtp(&mut self, packet: &[u8]) -> Vec<u8> {
        let (header, payload) = packet.split_at(RtpHeader::parse(packet).unwrap().header_len());
        let mut out = vec![0; packet.len() + 64];
        let srtp = self.transport.srtp().expect("connected");
        let len = srtp.sender.seal_rtp(header, payload, &mut out).unwrap();
        out.truncate(len);
        out
    }

    pub fn send_rtcp(&mut self, packet: &[u8]) {
        let mut out = vec![0; packet.len() + 64];
        let srtp = self.transport.srtp().expect("connected");
        let len = srtp.sender.seal_rtcp(packet, &mut out).unwrap();
        out.truncate(len);
        self.outgoing.push(out);
    }

    pub fn numbers(&self, ssrc: u32) -> Vec<u16> {
        let headers = self.rtp.iter().map(|packet| RtpHeader::parse(packet).unwrap());
        headers.filter(|header| header.ssrc == ssrc).map(|header| header.sequence_number).collect()
    }

    /// What it got in RTCP, as `pick` reads it.
    pub fn reports<T>(&self, pick: impl Fn(&RtcpPacket<'_>) -> Option<T>) -> Vec<T> {
        let compounds = self.rtcp.iter().map(|bytes| RtcpCompound::parse(bytes).unwrap());
        compounds
            .flat_map(|c| c.packets().filter_map(|(p, _)| pick(&p)).collect::<Vec<_>>())
            .collect()
    }

    fn open(&mut self, mut bytes: Vec<u8>, rtcp: bool) {
        let Some(srtp) = self.transport.srtp() else {
            self.refused += 1;
            return;
        };
        let opened = if rtcp {
            srtp.receiver.open_rtcp(&mut bytes)
        } else {
            let header_len = RtpView::parse(&bytes).unwrap().header().header_len();
            srtp.receiver.open_rtp(&mut bytes, header_len)
        };
        match opened {
            Ok(len) => {
                bytes.truncate(len);
                if rtcp { self.rtcp.push(bytes) } else { self.rtp.push(bytes) }
            }
            Err(_) => self.refused += 1,
        }
    }
}

pub fn host(address: SocketAddr) -> RemoteCandidate {
    RemoteCandidate {
        address,
        kind: CandidateKind::Host,
        priority: 2_130_706_431,
        foundation: "1".into(),
    }
}
