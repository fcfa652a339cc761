//! One SCTP association, from the first INIT on.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};

use bridge_units::Timestamp;
use bytes::Bytes;
use sctp_proto::{
    ClientConfig, DatagramEvent, Endpoint, EndpointConfig, Event, Payload,
    PayloadProtocolIdentifier as Ppid, ServerConfig, StreamEvent, TransportConfig,
};

use super::MAX_MESSAGE_LEN;
use crate::clock::Clock;

pub(super) struct Association {
    clock: Clock,
    endpoint: Endpoint,
    inner: Option<sctp_proto::Association>,
    /// The Initiate Tag of the peer's INIT.
    peer_tag: u32,
    established: bool,
    streams: usize,
    /// Streams that may have messages to read.
    readable: VecDeque<u16>,
    packets: VecDeque<Bytes>,
}

/// What to do with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// It begins an association, in the place of any older one (RFC 9260, section 5.2).
    Begin,
    /// It belongs to the association.
    Continue,
    /// It is of no use.
    Drop,
}

pub(super) enum Notice {
    Established,
    Message { stream: u16, ppid: Ppid, bytes: Vec<u8> },
    StreamReset(u16),
    Lost,
}

/// The library closes an established association at any INIT, so a late copy of the INIT that began
/// it must not get there.
pub(super) fn classify(packet: &[u8], association: Option<&Association>) -> Input {
    match (init_tag(packet), association) {
        (Some(tag), Some(association)) if tag == association.peer_tag => {
            if association.established { Input::Drop } else { Input::Continue }
        }
        (Some(_), _) => Input::Begin,
        (None, Some(_)) => Input::Continue,
        (None, None) => Input::Drop,
    }
}

impl Association {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            endpoint: Endpoint::new(endpoint_config(), Some(server_config())),
            inner: None,
            peer_tag: 0,
            established: false,
            streams: 0,
            readable: VecDeque::new(),
            packets: VecDeque::new(),
        }
    }

    /// An association that we begin. The library starts the timer of the INIT by the real clock: in
    /// simulated time the first repetition may come early.
    pub(super) fn connect(clock: Clock) -> Option<Self> {
        let mut association = Self::new(clock);
        let mut config = ClientConfig::new();
        config.transport = transport_config();
        let (_, inner) = association.endpoint.connect(config, PEER).ok()?;
        association.inner = Some(inner);
        Some(association)
    }

    pub(super) fn handle_input(&mut self, now: Timestamp, packet: &[u8]) {
        if let Some(tag) = init_tag(packet) {
            self.peer_tag = tag;
        }
        let packet = Bytes::copy_from_slice(packet);
        match self.endpoint.handle(self.clock.instant(now), PEER, None, None, packet) {
            Some((_, DatagramEvent::NewAssociation(new))) => self.inner = Some(new),
            Some((_, DatagramEvent::AssociationEvent(event))) => {
                if let Some(inner) = &mut self.inner {
                    inner.handle_event(event);
                }
            }
            None => {}
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Timestamp) {
        if let Some(inner) = &mut self.inner {
            inner.handle_timeout(self.clock.instant(now));
        }
    }

    pub(super) fn poll_timeout(&self) -> Timestamp {
        self.inner
            .as_ref()
            .and_then(sctp_proto::Association::poll_timeout)
            .map_or(Timestamp::FAR_FUTURE, |at| self.clock.timestamp(at))
    }

    pub(super) fn poll_transmit(&mut self, now: Timestamp) -> Option<Bytes> {
        if self.packets.is_empty() {
            let transmit = self
                .endpoint
                .poll_transmit()
                .or_else(|| self.inner.as_mut()?.poll_transmit(self.clock.instant(now)))?;
            if let Payload::RawEncode(packets) = transmit.payload {
                self.packets.extend(packets);
            }
        }
        self.packets.pop_front()
    }

    pub(super) fn poll_notice(&mut self) -> Option<Notice> {
        loop {
            if let Some(message) = self.read() {
                return Some(message);
            }
            match self.inner.as_mut()?.poll()? {
                Event::Connected => {
                    self.established = true;
                    return Some(Notice::Established);
                }
                Event::HandshakeFailed { .. } | Event::AssociationLost { .. } => {
                    return Some(Notice::Lost);
                }
                Event::Stream(StreamEvent::Opened { .. }) => {
                    self.streams += 1;
                    if self.streams > MAX_STREAMS {
                        return Some(Notice::Lost);
                    }
                }
                Event::Stream(StreamEvent::Readable { id }) => self.readable.push_back(id),
                Event::Stream(StreamEvent::Finished { id }) => {
                    self.streams = self.streams.saturating_sub(1);
                    return Some(Notice::StreamReset(id));
                }
                _ => {}
            }
        }
    }

    /// Begins to use a stream of ours.
    pub(super) fn open_stream(&mut self, stream: u16) -> bool {
        let inner = self.inner.as_mut();
        inner.is_some_and(|inner| inner.open_stream(stream, Ppid::String).is_ok())
    }

    /// Messages are ordered and reliable, the library's default.
    pub(super) fn send(&mut self, stream: u16, ppid: Ppid, bytes: &[u8]) -> bool {
        let Some(Ok(mut stream)) = self.inner.as_mut().map(|inner| inner.stream(stream)) else {
            return false;
        };
        let waiting = stream.buffered_amount().unwrap_or(usize::MAX);
        waiting.saturating_add(bytes.len()) <= MAX_SEND_BUFFER
            && stream.write_sctp(&Bytes::copy_from_slice(bytes), ppid).is_ok()
    }

    fn read(&mut self) -> Option<Notice> {
        let inner = self.inner.as_mut()?;
        while let Some(id) = self.readable.front().copied() {
            let message = inner.stream(id).ok().and_then(|mut stream| stream.read_sctp().ok()?);
            let Some(message) = message else {
                self.readable.pop_front();
                continue;
            };
            let mut bytes = vec![0; message.len()];
            if message.read(&mut bytes).is_ok() {
                return Some(Notice::Message { stream: id, ppid: message.ppi, bytes });
            }
        }
        None
    }
}

/// The Initiate Tag of a packet that holds an INIT chunk (RFC 9260, section 3.3.2).
fn init_tag(packet: &[u8]) -> Option<u32> {
    let header: &[u8; 20] = packet.first_chunk()?;
    let init = header[4..8] == [0; 4] && header[12] == CHUNK_INIT;
    init.then(|| u32::from_be_bytes([header[16], header[17], header[18], header[19]]))
}

/// Shared by all sessions.
fn endpoint_config() -> Arc<EndpointConfig> {
    static CONFIG: OnceLock<Arc<EndpointConfig>> = OnceLock::new();
    CONFIG
        .get_or_init(|| {
            let mut config = EndpointConfig::new();
            config.max_payload_size(MAX_PAYLOAD);
            Arc::new(config)
        })
        .clone()
}

/// Shared by all sessions.
fn server_config() -> Arc<ServerConfig> {
    static CONFIG: OnceLock<Arc<ServerConfig>> = OnceLock::new();
    CONFIG
        .get_or_init(|| {
            let mut config = ServerConfig::default();
            config.transport = transport_config();
            Arc::new(config)
        })
        .clone()
}

/// The same whoever begins.
fn transport_config() -> Arc<TransportConfig> {
    static CONFIG: OnceLock<Arc<TransportConfig>> = OnceLock::new();
    CONFIG
        .get_or_init(|| {
            let config = TransportConfig::default()
                .with_max_receive_buffer_size(RECEIVE_WINDOW)
                .with_max_send_message_size(MAX_MESSAGE_LEN as u32)
                .with_max_receive_message_size(MAX_MESSAGE_LEN as u32)
                .with_max_num_inbound_streams(ANNOUNCED_STREAMS)
                .with_max_num_outbound_streams(ANNOUNCED_STREAMS)
                .with_max_init_retransmits(None)
                .with_max_data_retransmits(None)
                .with_rto_initial_ms(500)
                .with_rto_min_ms(400)
                .with_rto_max_ms(3000);
            Arc::new(config)
        })
        .clone()
}

/// The library wants an address; DTLS is the only way in and out.
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 5000);
const CHUNK_INIT: u8 = 1;
/// `jvb: DcSctpTransport`: 1280 less IPv6, UDP, DTLS and TURN headers.
const MTU: u32 = 1191;
/// Less the common header and the DATA chunk header; the library forgets that chunks are padded.
const MAX_PAYLOAD: u32 = (MTU - 12 - 16) / 4 * 4;
/// `jvb: DcSctpTransport`.
const RECEIVE_WINDOW: u32 = 5 << 20;
/// `jvb: DcSctpTransport`: what may wait to be sent or acknowledged.
const MAX_SEND_BUFFER: usize = 2_000_000;
/// What Jicofo writes into `sctpmap`.
const ANNOUNCED_STREAMS: u16 = 1024;
/// Streams in use at a time; a client uses one. The library keeps state for each.
pub(super) const MAX_STREAMS: usize = 16;
