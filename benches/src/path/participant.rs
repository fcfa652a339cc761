//! One end of a call in memory: real ICE, DTLS and SRTP, no sockets.

use super::wire::Datagram;
use anyhow::{Context, Result};
use bridge_dtls::{Certificate, Setup};
use bridge_rtp::{PacketKind, RtpHeader};
use bridge_transport::{
    CandidateKind, LocalIce, MIN_BUFFER_LEN, PeerTransport, RemoteCandidate, RemoteTransport,
    SrtpContexts, TransportContext, TransportEvent, TransportSettings,
};
use bridge_units::{SessionId, Timestamp};
use std::net::SocketAddr;
use std::sync::Arc;

/// A client of the shard.
pub(crate) struct Participant {
    pub(crate) address: SocketAddr,
    pub(crate) is_connected: bool,
    transport: PeerTransport,
    bridge: SocketAddr,
}

impl Participant {
    /// A client at `address` that has been told of the bridge.
    pub(crate) fn new(
        now: Timestamp,
        session: SessionId,
        address: SocketAddr,
        context: Arc<TransportContext>,
        certificate: Arc<Certificate>,
    ) -> Self {
        let settings = TransportSettings {
            context,
            local: Self::credentials(session),
            local_addresses: [address].into(),
            certificate,
            sctp: false,
        };
        let transport = PeerTransport::new(now, settings);
        Self { address, is_connected: false, transport, bridge: super::bridge_address() }
    }

    /// The ICE credentials of the client of `session`.
    pub(crate) fn credentials(session: SessionId) -> LocalIce {
        LocalIce {
            ufrag: format!("client{}", session.0),
            password: format!("client-password-{:08}", session.0),
            controlling: false,
        }
    }

    /// Begins to connect to the bridge with these credentials and fingerprints.
    pub(crate) fn signal(&mut self, now: Timestamp, bridge: LocalIce, certificate: &Certificate) {
        let candidate = RemoteCandidate {
            address: self.bridge,
            kind: CandidateKind::Host,
            priority: 2_130_706_431,
            foundation: "1".into(),
        };
        let remote = RemoteTransport {
            credentials: Some((bridge.ufrag, bridge.password)),
            candidates: vec![candidate],
            fingerprints: vec![certificate.fingerprint(bridge_dtls::FingerprintHash::Sha256)],
            setup: Some(Setup::Passive),
        };
        self.transport.set_remote(now, &remote);
    }

    /// Takes STUN and DTLS of the bridge; media is somebody else's to count.
    pub(crate) fn handle(&mut self, now: Timestamp, bytes: &[u8]) {
        // A refused datagram shows as a connection that does not come about.
        match PacketKind::classify(bytes) {
            PacketKind::Stun => {
                let _ = self.transport.handle_stun(now, self.address, self.bridge, bytes);
            }
            PacketKind::Dtls => {
                let _ = self.transport.handle_dtls(now, self.bridge, bytes);
            }
            _ => {}
        }
    }

    /// Lets time pass and hands over what it sends.
    pub(crate) fn advance(&mut self, now: Timestamp, mut send: impl FnMut(SocketAddr, &[u8])) {
        self.transport.handle_timeout(now);
        while let Some(event) = self.transport.poll_event() {
            self.is_connected |= matches!(event, TransportEvent::DtlsConnected { .. });
        }
        let mut buffer = [0; MIN_BUFFER_LEN];
        while let Some(transmit) = self.transport.poll_transmit(&mut buffer) {
            send(self.address, &buffer[..transmit.len]);
        }
    }

    /// Seals an RTP packet into a datagram.
    pub(crate) fn seal_rtp(&mut self, packet: &[u8], out: &mut Datagram) -> Result<()> {
        let (header, payload) = packet.split_at(RtpHeader::parse(packet)?.header_len());
        let len = self.srtp()?.sender.seal_rtp(header, payload, &mut out.bytes)?;
        (out.from, out.len) = (self.address, len);
        Ok(())
    }

    /// Seals an RTCP compound into a datagram.
    pub(crate) fn seal_rtcp(&mut self, compound: &[u8], out: &mut Datagram) -> Result<()> {
        let len = self.srtp()?.sender.seal_rtcp(compound, &mut out.bytes)?;
        (out.from, out.len) = (self.address, len);
        Ok(())
    }

    /// Its keys.
    pub(crate) fn srtp(&mut self) -> Result<&mut SrtpContexts> {
        self.transport.srtp().context("the participant has no keys yet")
    }
}
