//! A client of other parts: the ICE library as it is, DTLS, and dcSCTP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bridge_dtls::{Certificate, DtlsEvent, DtlsRole, DtlsSession, FingerprintHash, KeyingMaterial};
use bridge_units::Timestamp;
use dcsctp::api::{
    DcSctpSocket, Message, Options, PpId, SendOptions, SocketEvent, SocketTime, StreamId,
};
use is::stun::{StunMessage, StunPacket};
use is::{Candidate, IceAgent, IceAgentEvent, IceCreds, Protocol};

use super::{BRIDGE_PASSWORD, BRIDGE_UFRAG, CLIENT_CERTIFICATE, DTLS, bridge_address, origin};

pub struct Client {
    pub address: SocketAddr,
    pub ice: IceAgent,
    pub certificate: Arc<Certificate>,
    /// Where to send, once nominated.
    pub path: Option<SocketAddr>,
    pub keying: Option<KeyingMaterial>,
    pub messages: Vec<Vec<u8>>,
    /// Confirmations of the channel, by either side.
    pub acknowledged: usize,
    stream: StreamId,
    /// Neither receives nor sends.
    pub gone: bool,
    role: DtlsRole,
    dtls: Option<DtlsSession>,
    sctp: Option<Box<dyn DcSctpSocket>>,
    channel: Channel,
}

/// Who opens the data channel.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Channel {
    Client,
    Bridge,
    Nobody,
}

#[derive(Debug)]
struct Hmac;

impl is::Sha1HmacProvider for Hmac {
    fn sha1_hmac(&self, key: &[u8], payloads: &[&[u8]]) -> [u8; 20] {
        super::message::hmac(key, payloads)
    }
}

impl Client {
    /// A controlled DTLS client that knows the bridge and opens the channel.
    pub fn new(address: SocketAddr) -> Self {
        let credentials = IceCreds { ufrag: "client".into(), pass: "client-password".into() };
        let mut ice = IceAgent::with_hmac(credentials, &Hmac);
        ice.set_controlling(false);
        ice.add_local_candidate(Candidate::host(address, Protocol::Udp).unwrap()).unwrap();
        ice.add_remote_candidate(Candidate::host(bridge_address(), Protocol::Udp).unwrap());
        ice.set_remote_credentials(IceCreds {
            ufrag: BRIDGE_UFRAG.into(),
            pass: BRIDGE_PASSWORD.into(),
        });
        Self {
            address,
            ice,
            certificate: CLIENT_CERTIFICATE.clone(),
            path: None,
            keying: None,
            messages: Vec::new(),
            acknowledged: 0,
            stream: StreamId(0),
            gone: false,
            role: DtlsRole::Client,
            dtls: None,
            sctp: None,
            channel: Channel::Client,
        }
    }

    pub fn with_role(mut self, role: DtlsRole) -> Self {
        self.role = role;
        self
    }

    pub fn without_channel(mut self) -> Self {
        self.channel = Channel::Nobody;
        self
    }

    /// Waits for the channel that the bridge's side opens.
    pub fn accepting_channel(mut self) -> Self {
        self.channel = Channel::Bridge;
        self
    }

    pub fn credentials(&self) -> (String, String) {
        let local = self.ice.local_credentials();
        (local.ufrag.clone(), local.pass.clone())
    }

    pub fn is_channel_open(&self) -> bool {
        self.acknowledged > 0
    }

    pub fn send_text(&mut self, text: &str) {
        let message = Message::new(self.stream, PpId(51), text.as_bytes().to_vec());
        self.sctp.as_mut().unwrap().send(message, &SendOptions::default()).unwrap();
    }

    pub fn handle(&mut self, now: Timestamp, from: SocketAddr, bytes: &[u8]) {
        if self.gone {
            return;
        }
        if bridge_transport::stun::is_stun(bytes) {
            let packet = StunPacket {
                proto: Protocol::Udp,
                source: from,
                destination: self.address,
                message: StunMessage::parse(bytes).unwrap(),
            };
            self.ice.handle_packet(instant(now), packet);
        } else if let Some(dtls) = &mut self.dtls {
            // The test looks at what comes of it.
            let _ = dtls.handle_datagram(now, bytes);
        }
        self.advance(now);
    }

    pub fn handle_timeout(&mut self, now: Timestamp) {
        if self.gone {
            return;
        }
        if self.ice.poll_timeout().is_none_or(|at| at <= instant(now)) {
            self.ice.handle_timeout(instant(now));
        }
        if let Some(dtls) = &mut self.dtls {
            let _ = dtls.handle_timeout(now);
        }
        if let Some(sctp) = &mut self.sctp {
            sctp.advance_time(SocketTime::zero() + now.since(Timestamp::ZERO));
        }
        self.advance(now);
    }

    pub fn poll_timeout(&mut self) -> Timestamp {
        if self.gone {
            return Timestamp::FAR_FUTURE;
        }
        let ice = self
            .ice
            .poll_timeout()
            .map_or(Timestamp::ZERO, |at| Timestamp::ZERO + at.saturating_duration_since(origin()));
        let dtls = self.dtls.as_ref().and_then(DtlsSession::poll_timeout);
        let sctp = self.sctp.as_ref().map_or(Timestamp::FAR_FUTURE, |sctp| {
            Timestamp::ZERO + (sctp.poll_timeout() - SocketTime::zero())
        });
        ice.min(dtls.unwrap_or(Timestamp::FAR_FUTURE)).min(sctp)
    }

    pub fn poll_transmit(&mut self, now: Timestamp) -> Option<(SocketAddr, Vec<u8>)> {
        if self.gone {
            return None;
        }
        if let Some(transmit) = self.ice.poll_transmit() {
            return Some((transmit.destination, transmit.contents.to_vec()));
        }
        let mut buffer = [0; 1500];
        let dtls = self.dtls.as_mut()?;
        if let Some(sctp) = &mut self.sctp {
            while let Some(event) = sctp.poll_event() {
                if let SocketEvent::SendPacket(packet) = event {
                    dtls.send(now, &packet).unwrap();
                    break;
                }
            }
        }
        let len = dtls.poll_transmit(&mut buffer)?;
        Some((self.path?, buffer[..len].to_vec()))
    }

    fn advance(&mut self, now: Timestamp) {
        while let Some(event) = self.ice.poll_event() {
            if let IceAgentEvent::NominatedSend { destination, .. } = event {
                self.path = Some(destination);
                self.begin_dtls(now);
            }
        }
        while let Some(event) = self.dtls.as_mut().and_then(DtlsSession::poll_event) {
            match event {
                DtlsEvent::Connected { keying, .. } => {
                    self.keying = Some(keying);
                    match self.channel {
                        Channel::Client => self.open_channel(now),
                        Channel::Bridge => self.sctp = Some(socket(now)),
                        Channel::Nobody => {}
                    }
                }
                DtlsEvent::ApplicationData(packet) => {
                    if let Some(sctp) = &mut self.sctp {
                        sctp.handle_input(&packet);
                    }
                }
                DtlsEvent::Closed => {}
            }
        }
        while let Some(message) = self.sctp.as_mut().and_then(|sctp| sctp.get_next_message()) {
            match message.ppid.0 {
                50 if message.payload.first() == Some(&3) => {
                    self.acknowledged += 1;
                    self.stream = message.stream_id;
                    let ack = Message::new(self.stream, PpId(50), vec![2]);
                    let sctp = self.sctp.as_mut().unwrap();
                    sctp.send(ack, &SendOptions::default()).unwrap();
                }
                50 => self.acknowledged += 1,
                _ => self.messages.push(message.payload),
            }
        }
    }

    fn begin_dtls(&mut self, now: Timestamp) {
        if self.dtls.is_some() {
            return;
        }
        let (context, certificate) = (DTLS.clone(), self.certificate.clone());
        let mut dtls = DtlsSession::new(now, context, certificate, self.role).unwrap();
        let bridge = super::CERTIFICATE.fingerprint(FingerprintHash::Sha256);
        dtls.set_remote_fingerprints(vec![bridge]);
        self.dtls = Some(dtls);
    }

    fn open_channel(&mut self, now: Timestamp) {
        let mut sctp = socket(now);
        sctp.connect();
        let label = "JVB data channel";
        let mut open = vec![3, 0, 0, 0, 0, 0, 0, 0, 0, label.len() as u8, 0, 0];
        open.extend_from_slice(label.as_bytes());
        let open = Message::new(StreamId(0), PpId(50), open);
        sctp.send(open, &SendOptions::default()).unwrap();
        self.sctp = Some(sctp);
    }
}

fn socket(now: Timestamp) -> Box<dyn DcSctpSocket> {
    let options = Options {
        max_retransmissions: None,
        max_init_retransmits: None,
        max_timer_backoff_duration: Some(Duration::from_secs(3)),
        ..Options::default()
    };
    let mut sctp = dcsctp::new_socket("client", &options);
    sctp.advance_time(SocketTime::zero() + now.since(Timestamp::ZERO));
    sctp
}

fn instant(now: Timestamp) -> std::time::Instant {
    origin() + Duration::from_nanos(now.as_nanos())
}
