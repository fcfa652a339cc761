//! Where the shard's datagrams end: media is counted, the rest kept for its participant.

use super::FIRST_PORT;
use bridge_rtp::{RtpHeader, transport_cc_sequence};
use bridge_shard::{EgressSink, MAX_DATAGRAM_BYTES, Run, SendOutcome};
use bridge_units::Timestamp;
use std::net::SocketAddr;

/// A datagram without memory of its own on the heap.
#[derive(Clone)]
pub(crate) struct Datagram {
    pub(crate) from: SocketAddr,
    pub(crate) len: usize,
    pub(crate) bytes: [u8; MAX_DATAGRAM_BYTES],
}

/// What reached one participant.
#[derive(Clone, Default)]
pub(crate) struct Arrivals {
    /// RTP packets, padding and retransmissions included.
    pub(crate) packets: u64,
    /// The transport-wide number of the next packet that was not reported yet.
    pub(crate) next_number: Option<u16>,
    /// When those that wait to be reported were sent, in the order of their numbers.
    pub(crate) unreported: Vec<Timestamp>,
}

/// Counts and forgets media.
pub(crate) struct Wire {
    pub(crate) now: Timestamp,
    pub(crate) arrivals: Vec<Arrivals>,
    /// RTCP packets to anybody.
    pub(crate) control_packets: u64,
    /// Messages to the kernel that the runs would be.
    pub(crate) runs: u64,
    /// STUN and DTLS for each participant by index.
    pub(crate) signals: Vec<(usize, Datagram)>,
    /// Whole media datagrams, kept only while somebody wants to look at them.
    pub(crate) media: Option<Vec<(usize, Vec<u8>)>>,
    transport_cc_id: Option<u8>,
}

impl Wire {
    /// To `participants`; with the header extension that numbers packets, arrivals are noted so that
    /// feedback can be made.
    pub(crate) fn new(participants: usize, transport_cc_id: Option<u8>) -> Self {
        let arrivals =
            Arrivals { unreported: Vec::with_capacity(MAX_UNREPORTED), ..Arrivals::default() };
        Self {
            now: Timestamp::ZERO,
            // `vec!` would clone without the capacity.
            arrivals: (0..participants)
                .map(|_| Arrivals {
                    unreported: Vec::with_capacity(MAX_UNREPORTED),
                    ..arrivals.clone()
                })
                .collect(),
            control_packets: 0,
            runs: 0,
            signals: Vec::with_capacity(MAX_SIGNALS),
            media: None,
            transport_cc_id,
        }
    }

    /// RTP packets to anybody.
    pub(crate) fn packets(&self) -> u64 {
        self.arrivals.iter().map(|arrivals| arrivals.packets).sum()
    }

    fn take(&mut self, participant: usize, datagram: &[u8]) {
        let (Some(first), Some(second)) = (datagram.first(), datagram.get(1)) else { return };
        match (first, second) {
            (128..=191, 192..=223) => self.control_packets += 1,
            (128..=191, _) => self.note_packet(participant, datagram),
            _ => self.keep_signal(participant, datagram),
        }
        if let Some(media) = self.media.as_mut().filter(|_| (128..=191).contains(first)) {
            media.push((participant, datagram.to_vec()));
        }
    }

    fn note_packet(&mut self, participant: usize, datagram: &[u8]) {
        let Some(arrivals) = self.arrivals.get_mut(participant) else { return };
        arrivals.packets += 1;
        let Some(id) = self.transport_cc_id else { return };
        if arrivals.next_number.is_none() {
            // Numbers count up by one from here on, so that later packets need not be parsed.
            let header = RtpHeader::parse(datagram).ok();
            let data = header.and_then(|header| header.extension_data(datagram, id));
            arrivals.next_number = data.and_then(transport_cc_sequence);
        }
        if arrivals.next_number.is_some() && arrivals.unreported.len() < MAX_UNREPORTED {
            arrivals.unreported.push(self.now);
        }
    }

    fn keep_signal(&mut self, participant: usize, datagram: &[u8]) {
        if self.signals.len() < MAX_SIGNALS && datagram.len() <= MAX_DATAGRAM_BYTES {
            self.signals
                .push((participant, Datagram::from_bytes(super::bridge_address(), datagram)));
        }
    }
}

impl EgressSink for Wire {
    fn send(&mut self, arena: &[u8], runs: &[Run]) -> SendOutcome {
        let mut outcome = SendOutcome::default();
        for run in runs {
            let participant = usize::from(run.remote.port().wrapping_sub(FIRST_PORT));
            let bytes = arena.get(run.start..run.start + run.bytes).unwrap_or_default();
            for datagram in bytes.chunks(run.segment.max(1)) {
                self.take(participant, datagram);
            }
            outcome.datagrams += run.segments as u64;
            outcome.bytes += run.bytes as u64;
            outcome.messages += 1;
        }
        self.runs += outcome.messages;
        outcome
    }
}

impl Datagram {
    /// Empty.
    pub(crate) fn empty() -> Self {
        Self { from: super::bridge_address(), len: 0, bytes: [0; MAX_DATAGRAM_BYTES] }
    }

    /// A copy of `bytes`, as far as they fit.
    pub(crate) fn from_bytes(from: SocketAddr, bytes: &[u8]) -> Self {
        let mut datagram = Self::empty();
        let len = bytes.len().min(MAX_DATAGRAM_BYTES);
        datagram.bytes[..len].copy_from_slice(&bytes[..len]);
        (datagram.from, datagram.len) = (from, len);
        datagram
    }

    /// What was sent.
    pub(crate) fn content(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.len]
    }
}

/// Packets to one participant between two feedbacks: 50 ms even while the estimator probes.
const MAX_UNREPORTED: usize = 4_096;
/// STUN and DTLS datagrams of one turn; a lost one is sent again.
const MAX_SIGNALS: usize = 1_024;
