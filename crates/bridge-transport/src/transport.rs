use std::collections::VecDeque;
use std::net::SocketAddr;

use bridge_dtls::SetupError;
use bridge_units::Timestamp;

use crate::channel::{ChannelCounters, ChannelEvent, DataChannel};
use crate::event::{DtlsDropCause, StunDropCause, TransportEvent};
use crate::ice::{Ice, IceEvent, Pair};
use crate::security::{Security, SecurityEvent, SrtpContexts};
use crate::settings::TransportSettings;
use crate::setup::RemoteTransport;

/// One peer's session.
pub struct PeerTransport {
    now: Timestamp,
    ice: Ice,
    security: Security,
    channel: Option<Box<DataChannel>>,
    events: VecDeque<TransportEvent>,
    /// What [`PeerTransport::poll_timeout`] said last; `None` once something happened.
    due: Option<Timestamp>,
}

/// A datagram to send, written into the caller's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Which of our addresses it must leave from.
    pub local: SocketAddr,
    /// Where it goes.
    pub remote: SocketAddr,
    /// Its length in bytes.
    pub len: usize,
}

/// What [`PeerTransport::set_remote`] did not take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetRemoteReport {
    /// Candidates (and credentials) that were refused or came too late.
    pub refused: usize,
    /// Why `setup` was ignored; to be logged as an error.
    pub setup_error: Option<SetupError>,
}

impl PeerTransport {
    /// A session that waits for the peer. It answers checks at once and sends its own as soon as it
    /// knows the peer's credentials.
    pub fn new(now: Timestamp, settings: TransportSettings) -> Self {
        let TransportSettings { context, local, local_addresses, certificate, sctp } = settings;
        Self {
            now,
            security: Security::new(context.dtls.clone(), certificate),
            channel: sctp.then(|| Box::new(DataChannel::new(context.clock))),
            ice: Ice::new(now, context, local, local_addresses),
            events: VecDeque::new(),
            due: None,
        }
    }

    /// Takes what the peer signalled (`jvb: IceTransport.startConnectivityEstablishment`,
    /// `DtlsTransport.setSetupAttribute`). Credentials and candidates are ignored once ICE is
    /// established; fingerprints of an update replace those known; the role is fixed by the first
    /// `active` or `passive`.
    pub fn set_remote(&mut self, now: Timestamp, remote: &RemoteTransport) -> SetRemoteReport {
        self.begin(now);
        let refused = self.ice.set_remote(now, remote.credentials.as_ref(), &remote.candidates);
        let setup_error = self.security.set_remote(now, &remote.fingerprints, remote.setup).err();
        self.advance();
        SetRemoteReport { refused, setup_error }
    }

    /// Takes a STUN message that arrived at `local`. Nothing changes unless it is authenticated.
    pub fn handle_stun(
        &mut self,
        now: Timestamp,
        local: SocketAddr,
        from: SocketAddr,
        datagram: &[u8],
    ) -> Result<(), StunDropCause> {
        self.begin(now);
        let result = self.ice.handle_stun(now, local, from, datagram);
        self.advance();
        result
    }

    /// Takes a DTLS datagram; one from an address that ICE has not validated is dropped.
    pub fn handle_dtls(
        &mut self,
        now: Timestamp,
        from: SocketAddr,
        datagram: &[u8],
    ) -> Result<(), DtlsDropCause> {
        self.begin(now);
        if !self.ice.is_valid_source(from) {
            return Err(DtlsDropCause::UnvalidatedSource);
        }
        let result = self.security.handle_datagram(now, datagram);
        self.advance();
        result
    }

    /// Does what has become due. Calls before [`Self::poll_timeout`] are harmless.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.begin(now);
        self.ice.handle_timeout(now);
        self.security.handle_timeout(now);
        if let Some(channel) = &mut self.channel {
            channel.handle_timeout(now);
        }
        self.advance();
    }

    /// When [`Self::handle_timeout`] is due; [`Timestamp::FAR_FUTURE`] if never.
    pub fn poll_timeout(&mut self) -> Timestamp {
        // Asked for with every report, while the parts have to look around for it.
        if let Some(due) = self.due {
            return due;
        }
        let channel = self.channel.as_ref().map_or(Timestamp::FAR_FUTURE, |c| c.poll_timeout());
        let due = self.ice.poll_timeout().min(self.security.poll_timeout()).min(channel);
        self.due = Some(due);
        due
    }

    /// Writes the next datagram into `out`, which must hold [`MIN_BUFFER_LEN`] bytes.
    pub fn poll_transmit(&mut self, out: &mut [u8]) -> Option<Transmit> {
        self.due = None;
        if let Some((pair, len)) = self.ice.poll_transmit(self.now, out) {
            return Some(Transmit { local: pair.local, remote: pair.remote, len });
        }
        let Pair { local, remote } = self.ice.selected()?;
        loop {
            if let Some(len) = self.security.poll_transmit(out) {
                return Some(Transmit { local, remote, len });
            }
            let packet = self.channel.as_mut()?.poll_transmit(self.now)?;
            self.security.send(self.now, &packet);
        }
    }

    /// What happened, in order.
    pub fn poll_event(&mut self) -> Option<TransportEvent> {
        self.due = None;
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        self.channel.as_mut()?.poll_event().map(|event| match event {
            ChannelEvent::Opened => TransportEvent::ChannelOpened,
            ChannelEvent::Closed => TransportEvent::ChannelClosed,
            ChannelEvent::Message(text) => TransportEvent::Message(text),
        })
    }

    /// Makes us the side that opens the data channel, as clients do: as soon as DTLS is done, or at
    /// once if it is, an association is begun and an ordered, reliable channel asked for
    /// (RFC 8832). [`TransportEvent::ChannelOpened`] says that the peer agreed. A channel that closes
    /// is not opened again. `false` without SCTP, the second time, and if a name is longer than
    /// 65,535 bytes.
    pub fn open_channel(&mut self, now: Timestamp, label: &str, protocol: &str) -> bool {
        self.begin(now);
        let opens = self.channel.as_mut().is_some_and(|c| c.set_opener(label, protocol));
        if opens && self.security.srtp().is_some() {
            self.connect_channel();
        }
        opens
    }

    /// Queues a text message for the data channel. `false` if there is none, the text is empty or
    /// longer than [`crate::MAX_MESSAGE_LEN`], or 2,000,000 bytes wait already.
    pub fn send_message(&mut self, now: Timestamp, text: &str) -> bool {
        self.begin(now);
        self.channel.as_mut().is_some_and(|channel| channel.send(text))
    }

    /// Tells the peer that the session ends (DTLS `close_notify`), best effort: poll once more for
    /// what is to be sent, then drop the session. Differs from JVB: it leaves without a word.
    pub fn close(&mut self, now: Timestamp) {
        self.begin(now);
        self.security.close(now);
        self.end_channel();
    }

    /// The SRTP contexts, once DTLS is done.
    pub fn srtp(&mut self) -> Option<&mut SrtpContexts> {
        self.security.srtp()
    }

    /// `(local, remote)` to send media on: the nominated pair, else the first that works. `None`
    /// before there is one and while consent is lost (30 s without an answer, RFC 7675).
    pub fn selected(&self) -> Option<(SocketAddr, SocketAddr)> {
        self.ice.selected().map(|pair| (pair.local, pair.remote))
    }

    /// Whether media from `from` may be the peer's: authenticated STUN came from there.
    pub fn is_valid_source(&self, from: SocketAddr) -> bool {
        self.ice.is_valid_source(from)
    }

    /// Our username fragment, the session's key in the demultiplexer.
    pub fn local_ufrag(&self) -> &str {
        self.ice.local_ufrag()
    }

    /// Whether we have the controlling role; a role conflict can change it.
    pub fn is_controlling(&self) -> bool {
        self.ice.is_controlling()
    }

    /// Whether the data channel is open.
    pub fn has_channel(&self) -> bool {
        self.channel.as_ref().is_some_and(|channel| channel.is_open())
    }

    /// What went through the data channel; zeros without SCTP.
    pub fn channel_counters(&self) -> ChannelCounters {
        self.channel.as_ref().map(|channel| channel.counters()).unwrap_or_default()
    }

    fn begin(&mut self, now: Timestamp) {
        self.now = now;
        self.due = None;
    }

    /// Moves what one layer has for another.
    fn advance(&mut self) {
        while let Some(event) = self.ice.poll_event() {
            self.events.push_back(match event {
                IceEvent::Writeable => {
                    self.security.set_writeable(self.now);
                    TransportEvent::IceWriteable
                }
                IceEvent::Connected { relayed } => TransportEvent::IceConnected { relayed },
                IceEvent::Failed => TransportEvent::IceFailed,
                IceEvent::Consent => TransportEvent::Consent,
            });
        }
        while let Some(event) = self.security.poll_event() {
            match event {
                SecurityEvent::Connected { version, profile } => {
                    self.connect_channel();
                    self.events.push_back(TransportEvent::DtlsConnected { version, profile });
                }
                SecurityEvent::ApplicationData(packet) => {
                    if let Some(channel) = &mut self.channel {
                        channel.handle_input(self.now, &packet);
                    }
                }
                SecurityEvent::Closed => self.end_channel(),
                SecurityEvent::Failed(error) => {
                    self.end_channel();
                    self.events.push_back(TransportEvent::DtlsFailed(error));
                }
            }
        }
    }

    fn connect_channel(&mut self) {
        let is_dtls_client = self.security.is_client();
        if let Some(channel) = &mut self.channel {
            channel.connect(is_dtls_client);
        }
    }

    fn end_channel(&mut self) {
        if let Some(channel) = &mut self.channel {
            channel.end();
        }
    }
}

/// What `poll_transmit` may need: an Ethernet frame's payload.
pub const MIN_BUFFER_LEN: usize = 1500;
