//! The SCTP association and the one data channel that carries the bridge channel.
//!
//! `jvb: DcSctpHandler`, `DataChannelStack`: the peer opens everything, we never send INIT or OPEN,
//! unless told to be a client ([`DataChannel::set_opener`]). Two clients do not find each other.
//! The library is `sctp-proto` and not dcSCTP's Rust port, because that one holds `Rc`s: a session
//! could not move to another shard.
//!
//! Differs from JVB: no heartbeats of our own (consent checks tell whether the peer is there); the
//! first window is 4380 bytes instead of 10 MTU; the retransmission timeout itself ends at 3 s, not
//! only its growth; 1024 streams each way, of which a few may be in use.
//!
//! Everything is deterministic except tags and first sequence numbers, which the library draws from
//! `rand`.

mod association;
mod dcep;

use std::collections::VecDeque;

use bridge_units::Timestamp;
use bytes::Bytes;
use sctp_proto::PayloadProtocolIdentifier as Ppid;

use crate::clock::Clock;
use association::{Association, Input, Notice};

/// The data channel of one session, over however many associations the peer begins.
pub(crate) struct DataChannel {
    clock: Clock,
    association: Option<Box<Association>>,
    /// The stream of the open channel.
    open: Option<u16>,
    /// What we open, if it is us who open.
    opening: Option<Box<Opening>>,
    events: VecDeque<ChannelEvent>,
    queued_bytes: usize,
    counters: ChannelCounters,
}

/// The client's side of opening.
struct Opening {
    /// DATA_CHANNEL_OPEN.
    message: Vec<u8>,
    /// Where it was sent, once it was.
    stream: Option<u16>,
    /// Ours are even if we are the DTLS client, odd if not (RFC 8832, section 6).
    first_stream: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ChannelEvent {
    Opened,
    Closed,
    Message(String),
}

/// What went through a session's data channel and what was refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChannelCounters {
    /// Text messages received.
    pub messages_received: u64,
    /// Text messages accepted for sending.
    pub messages_sent: u64,
    /// Messages received that are not text, not UTF-8 or not on the open channel.
    pub messages_ignored: u64,
    /// Messages not sent: no channel, too long, or the peer is too slow.
    pub messages_refused: u64,
    /// Channels not acknowledged (JVB: `rejected_data_channels`).
    pub channels_rejected: u64,
    /// SCTP packets dropped.
    pub packets_dropped: u64,
}

impl DataChannel {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            association: None,
            open: None,
            opening: None,
            events: VecDeque::new(),
            queued_bytes: 0,
            counters: ChannelCounters::default(),
        }
    }

    /// Makes us the side that opens the channel, when [`Self::connect`] is called. `false` if a name
    /// is too long or we do so already.
    pub(crate) fn set_opener(&mut self, label: &str, protocol: &str) -> bool {
        let Some(message) = dcep::open(label, protocol) else { return false };
        if self.opening.is_some() {
            return false;
        }
        self.opening = Some(Box::new(Opening { message, stream: None, first_stream: 0 }));
        true
    }

    /// Begins the association, if it is us who open.
    pub(crate) fn connect(&mut self, is_dtls_client: bool) {
        if let Some(opening) = self.opening.as_deref_mut().filter(|_| self.association.is_none()) {
            opening.first_stream = u16::from(!is_dtls_client);
            self.association = Association::connect(self.clock).map(Box::new);
        }
    }

    pub(crate) fn handle_input(&mut self, now: Timestamp, packet: &[u8]) {
        match association::classify(packet, self.association.as_deref()) {
            Input::Begin => {
                self.end();
                self.association = Some(Box::new(Association::new(self.clock)));
            }
            Input::Continue => {}
            Input::Drop => {
                self.counters.packets_dropped += 1;
                return;
            }
        }
        if let Some(association) = &mut self.association {
            association.handle_input(now, packet);
        }
        self.advance();
    }

    pub(crate) fn handle_timeout(&mut self, now: Timestamp) {
        if let Some(association) = &mut self.association {
            association.handle_timeout(now);
        }
        self.advance();
    }

    pub(crate) fn poll_timeout(&self) -> Timestamp {
        self.association.as_ref().map_or(Timestamp::FAR_FUTURE, |a| a.poll_timeout())
    }

    /// The next SCTP packet, for DTLS to carry.
    pub(crate) fn poll_transmit(&mut self, now: Timestamp) -> Option<Bytes> {
        self.association.as_mut()?.poll_transmit(now)
    }

    pub(crate) fn poll_event(&mut self) -> Option<ChannelEvent> {
        let event = self.events.pop_front()?;
        if let ChannelEvent::Message(text) = &event {
            self.queued_bytes -= text.len();
            self.advance();
        }
        Some(event)
    }

    /// `false` if there is no channel, the text is empty or too long, or too much waits already.
    pub(crate) fn send(&mut self, text: &str) -> bool {
        let sent = match (&mut self.association, self.open) {
            (Some(association), Some(stream))
                if !text.is_empty() && text.len() <= MAX_MESSAGE_LEN =>
            {
                association.send(stream, Ppid::String, text.as_bytes())
            }
            _ => false,
        };
        if sent {
            self.counters.messages_sent += 1;
        } else {
            self.counters.messages_refused += 1;
        }
        sent
    }

    pub(crate) fn counters(&self) -> ChannelCounters {
        self.counters
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Takes over what the association has: messages as long as there is room for them, so that a
    /// full queue closes the receive window.
    fn advance(&mut self) {
        while self.events.len() < MAX_QUEUED_EVENTS && self.queued_bytes < MAX_QUEUED_BYTES {
            let Some(notice) = self.association.as_mut().and_then(|a| a.poll_notice()) else {
                return;
            };
            match notice {
                Notice::Established => self.open(),
                Notice::Message { stream, ppid, bytes } => self.receive(stream, ppid, bytes),
                Notice::StreamReset(stream) => self.close(stream),
                Notice::Lost => self.end(),
            }
        }
    }

    fn receive(&mut self, stream: u16, ppid: Ppid, bytes: Vec<u8>) {
        match ppid {
            Ppid::Dcep => self.receive_control(stream, &bytes),
            Ppid::String if self.open == Some(stream) => match String::from_utf8(bytes) {
                Ok(text) => {
                    self.counters.messages_received += 1;
                    self.queued_bytes += text.len();
                    self.events.push_back(ChannelEvent::Message(text));
                }
                Err(_) => self.counters.messages_ignored += 1,
            },
            // JVB warns of these; from a peer at will, that is a counter's work.
            _ => self.counters.messages_ignored += 1,
        }
    }

    fn open(&mut self) {
        if let (Some(opening), Some(association)) = (&mut self.opening, &mut self.association)
            && opening.stream.is_none()
            && association.open_stream(opening.first_stream)
            && association.send(opening.first_stream, Ppid::Dcep, &opening.message)
        {
            opening.stream = Some(opening.first_stream);
        }
    }

    fn is_ours(&self, stream: u16) -> bool {
        self.opening.as_ref().is_some_and(|opening| opening.stream == Some(stream))
    }

    /// `videobridge.sctp.max-channels` is 1: a further OPEN is not acknowledged.
    fn receive_control(&mut self, stream: u16, bytes: &[u8]) {
        if bytes == [dcep::ACK] && self.open.is_none() && self.is_ours(stream) {
            self.open = Some(stream);
            self.events.push_back(ChannelEvent::Opened);
        } else if !dcep::is_open(bytes) {
            self.counters.messages_ignored += 1;
        } else if self.open.is_some() || self.opening.is_some() {
            self.counters.channels_rejected += 1;
        } else if let Some(association) = &mut self.association
            && association.send(stream, Ppid::Dcep, &[dcep::ACK])
        {
            self.open = Some(stream);
            self.events.push_back(ChannelEvent::Opened);
        }
    }

    fn close(&mut self, stream: u16) {
        if self.open == Some(stream) {
            self.open = None;
            self.events.push_back(ChannelEvent::Closed);
        }
    }

    /// The association is gone, or what carries it.
    pub(crate) fn end(&mut self) {
        self.association = None;
        if self.open.take().is_some() {
            self.events.push_back(ChannelEvent::Closed);
        }
    }
}

/// Longest text message in bytes, both ways; what browsers take to be the limit.
pub const MAX_MESSAGE_LEN: usize = 262_144;
/// Messages and channel events between two polls (`videobridge.transport.send.queue-size`).
const MAX_QUEUED_EVENTS: usize = 1024;
/// Text between two polls; what is beyond waits in the association and narrows its window.
const MAX_QUEUED_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests;
