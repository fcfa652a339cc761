use std::collections::VecDeque;

use bridge_srtp::KeyingMaterial;

/// Datagrams that wait to be polled. A handshake flight has a handful; more means that the owner
/// does not poll, and DTLS repairs what is dropped.
pub const MAX_QUEUED_DATAGRAMS: usize = 64;
/// Events that wait to be polled. Application data is SCTP, which repairs what is dropped.
pub const MAX_QUEUED_EVENTS: usize = 256;

/// What a session tells its owner.
#[derive(Debug)]
pub enum DtlsEvent {
    /// The handshake is complete and the peer's certificate is the one of signalling.
    Connected {
        /// The negotiated version.
        version: DtlsVersion,
        /// The keys for SRTP.
        keying: KeyingMaterial,
    },
    /// One message of the peer: an SCTP packet.
    ApplicationData(Vec<u8>),
    /// The peer closed the association.
    Closed,
}

/// The negotiated version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DtlsVersion {
    /// RFC 6347.
    Dtls12,
    /// RFC 9147.
    Dtls13,
}

/// What a session refused or repeated, since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DtlsCounters {
    /// Received datagrams that were of no use: not a ClientHello first, or after the end.
    pub datagrams_ignored: u64,
    /// Datagrams to send that were dropped: queue full, or the owner's buffer too small.
    pub datagrams_dropped: u64,
    /// Events that were dropped because the queue was full.
    pub events_dropped: u64,
    /// Handshakes begun anew after damage.
    pub restarts: u64,
}

/// Where a backend leaves what the session's owner polls.
#[derive(Default)]
pub(crate) struct Outbox {
    pub(crate) datagrams: VecDeque<Vec<u8>>,
    pub(crate) events: VecDeque<DtlsEvent>,
    pub(crate) counters: DtlsCounters,
}

impl Outbox {
    pub(crate) fn push_datagram(&mut self, datagram: Vec<u8>) {
        if self.datagrams.len() < MAX_QUEUED_DATAGRAMS {
            self.datagrams.push_back(datagram);
        } else {
            self.counters.datagrams_dropped += 1;
        }
    }

    /// Application data must leave room for the two events that must not be lost.
    pub(crate) fn push_event(&mut self, event: DtlsEvent) {
        let limit = match event {
            DtlsEvent::ApplicationData(_) => MAX_QUEUED_EVENTS,
            DtlsEvent::Connected { .. } | DtlsEvent::Closed => MAX_QUEUED_EVENTS + 2,
        };
        if self.events.len() < limit {
            self.events.push_back(event);
        } else {
            self.counters.events_dropped += 1;
        }
    }

    /// Copies the next datagram to `buffer`. One that does not fit is dropped and counted.
    pub(crate) fn pop_datagram(&mut self, buffer: &mut [u8]) -> Option<usize> {
        while let Some(datagram) = self.datagrams.pop_front() {
            if let Some(target) = buffer.get_mut(..datagram.len()) {
                target.copy_from_slice(&datagram);
                return Some(datagram.len());
            }
            self.counters.datagrams_dropped += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_are_bounded_and_count_what_they_refuse() {
        let mut outbox = Outbox::default();
        for _ in 0..MAX_QUEUED_DATAGRAMS + 3 {
            outbox.push_datagram(vec![1]);
        }
        for _ in 0..MAX_QUEUED_EVENTS + 5 {
            outbox.push_event(DtlsEvent::ApplicationData(Vec::new()));
        }
        outbox.push_event(DtlsEvent::Closed);
        assert!(matches!(outbox.events.back(), Some(DtlsEvent::Closed)));
        assert_eq!(outbox.counters.datagrams_dropped, 3);
        assert_eq!(outbox.counters.events_dropped, 5);
    }

    #[test]
    fn a_datagram_that_does_not_fit_is_skipped() {
        let mut outbox = Outbox::default();
        outbox.push_datagram(vec![1; 10]);
        outbox.push_datagram(vec![2; 3]);
        let mut buffer = [0; 4];
        assert_eq!(outbox.pop_datagram(&mut buffer), Some(3));
        assert_eq!(buffer, [2, 2, 2, 0]);
        assert_eq!(outbox.pop_datagram(&mut buffer), None);
        assert_eq!(outbox.counters.datagrams_dropped, 1);
    }
}
