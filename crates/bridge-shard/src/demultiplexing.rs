//! From a datagram to the session that it is for (RFC 7983; ice4j: `SinglePortUdpHarvester`).
//!
//! Binding requests are found by their local ufrag first, whatever their address is known for, so
//! that a client which comes back from the same address reaches its new session.
//! Differs from JVB: ice4j looks at the address first.

use crate::egress::{EgressSink, LocalIndex};
use crate::inbox::{HandedDatagram, MAX_HOPS, ShardMessage};
use crate::shard::Shard;
use bridge_rtp::PacketKind;
use bridge_transport::stun;
use bridge_units::{SessionId, ShardId, Timestamp};
use std::net::SocketAddr;

/// A datagram and where it came from.
pub(crate) struct Arrival<'a> {
    pub(crate) local: LocalIndex,
    pub(crate) from: SocketAddr,
    pub(crate) arrived_on: ShardId,
    pub(crate) hops: u8,
    pub(crate) bytes: &'a mut [u8],
}

impl Shard {
    pub(crate) fn demultiplex(
        &mut self,
        now: Timestamp,
        local: LocalIndex,
        from: SocketAddr,
        datagram: &mut [u8],
        sink: &mut dyn EgressSink,
    ) {
        let arrival = Arrival { local, from, arrived_on: self.id, hops: 0, bytes: datagram };
        let kind = PacketKind::classify(arrival.bytes);
        if kind != PacketKind::Stun
            && let Some(slot) = self.slot_by_remote.get(&from).copied()
        {
            return self.handle_arrival(now, slot, kind, arrival, sink);
        }
        match self.find_session(kind, &arrival) {
            Some(session) => self.deliver(now, session, kind, arrival, sink),
            None => self.counters.dropped_unknown_source += 1,
        }
    }

    pub(crate) fn handle_handed_datagram(
        &mut self,
        now: Timestamp,
        mut handed: HandedDatagram,
        sink: &mut dyn EgressSink,
    ) {
        let kind = PacketKind::classify(&handed.bytes);
        let session = handed.session;
        let arrival = Arrival {
            local: handed.local,
            from: handed.from,
            arrived_on: handed.arrived_on,
            hops: handed.hops,
            bytes: &mut handed.bytes,
        };
        self.deliver(now, session, kind, arrival, sink);
    }

    fn find_session(&self, kind: PacketKind, arrival: &Arrival<'_>) -> Option<SessionId> {
        let directory = self.group.directory();
        if kind == PacketKind::Stun {
            if let Some(ufrag) = stun::binding_request_ufrag(arrival.bytes) {
                return directory.session_of_ufrag(ufrag);
            }
            let answered =
                stun::transaction_id(arrival.bytes).and_then(|id| self.transactions.session(&id));
            if answered.is_some() {
                return answered;
            }
        }
        directory.session_of_remote(&arrival.from)
    }

    fn deliver(
        &mut self,
        now: Timestamp,
        session: SessionId,
        kind: PacketKind,
        arrival: Arrival<'_>,
        sink: &mut dyn EgressSink,
    ) {
        match self.slot(session) {
            Some(slot) => self.handle_arrival(now, slot, kind, arrival, sink),
            None => self.hand_over(session, arrival),
        }
    }

    fn hand_over(&mut self, session: SessionId, arrival: Arrival<'_>) {
        // If that is this shard, the session is in the inbox and the datagram goes behind it.
        let owner = self.group.directory().shard_of(session);
        let Some(inbox) = owner.and_then(|shard| self.group.inbox(shard)) else {
            self.counters.dropped_unknown_source += 1;
            return;
        };
        let handed = HandedDatagram {
            session,
            arrived_on: arrival.arrived_on,
            local: arrival.local,
            from: arrival.from,
            bytes: (&*arrival.bytes).into(),
            hops: arrival.hops + 1,
        };
        if handed.hops > MAX_HOPS || inbox.message(ShardMessage::Datagram(handed)).is_err() {
            self.counters.dropped_shard_queue_full += 1;
        } else {
            self.counters.datagrams_handed_over += 1;
        }
    }

    fn handle_arrival(
        &mut self,
        now: Timestamp,
        slot: usize,
        kind: PacketKind,
        arrival: Arrival<'_>,
        sink: &mut dyn EgressSink,
    ) {
        self.current = self.sessions.get(slot).map(|session| session.id);
        match kind {
            PacketKind::Rtp | PacketKind::Rtcp if !self.has_keys(slot) => {
                self.hold(slot, arrival.bytes);
            }
            PacketKind::Rtp => self.handle_rtp(now, slot, arrival.bytes, sink),
            PacketKind::Rtcp => self.handle_rtcp(now, slot, arrival.bytes, sink),
            PacketKind::Stun => self.handle_stun(now, slot, &arrival, sink),
            PacketKind::Dtls => self.handle_dtls(now, slot, &arrival, sink),
            PacketKind::Other => self.counters.dropped_unknown_protocol += 1,
        }
        if arrival.arrived_on != self.id {
            self.follow(now, slot, &arrival, sink);
        }
    }

    fn has_keys(&self, slot: usize) -> bool {
        self.sessions.get(slot).is_some_and(|session| session.connected)
    }

    /// Keeps media until there are keys.
    fn hold(&mut self, slot: usize, packet: &[u8]) {
        let Some(session) = self.sessions.get_mut(slot) else { return };
        self.counters.dropped_no_keys += session.early.hold(packet);
    }

    /// Takes up the media that came before the keys.
    pub(crate) fn release_early_media(
        &mut self,
        now: Timestamp,
        slot: usize,
        sink: &mut dyn EgressSink,
    ) {
        let Some(session) = self.sessions.get_mut(slot).filter(|session| session.connected) else {
            return;
        };
        if session.early.is_empty() {
            return;
        }
        for mut packet in session.early.take() {
            match PacketKind::classify(&packet) {
                PacketKind::Rtcp => self.handle_rtcp(now, slot, &mut packet, sink),
                _ => self.handle_rtp(now, slot, &mut packet, sink),
            }
        }
    }

    fn handle_stun(
        &mut self,
        now: Timestamp,
        slot: usize,
        arrival: &Arrival<'_>,
        sink: &mut dyn EgressSink,
    ) {
        let Some(local) =
            self.group.settings().local_addresses.get(usize::from(arrival.local)).copied()
        else {
            return;
        };
        let Some(session) = self.sessions.get_mut(slot) else { return };
        if session.transport.handle_stun(now, local, arrival.from, arrival.bytes).is_err() {
            self.counters.dropped_stun += 1;
        } else if session.transport.is_valid_source(arrival.from) {
            self.claim_remote(slot, arrival.from, true);
        }
        self.settle(now, slot, sink);
    }

    fn handle_dtls(
        &mut self,
        now: Timestamp,
        slot: usize,
        arrival: &Arrival<'_>,
        sink: &mut dyn EgressSink,
    ) {
        let Some(session) = self.sessions.get_mut(slot) else { return };
        if session.transport.handle_dtls(now, arrival.from, arrival.bytes).is_err() {
            self.counters.dropped_dtls += 1;
        }
        self.settle(now, slot, sink);
    }

    /// Moves the session to the shard on which the packets of its selected pair arrive.
    fn follow(
        &mut self,
        now: Timestamp,
        slot: usize,
        arrival: &Arrival<'_>,
        sink: &mut dyn EgressSink,
    ) {
        let Some(session) = self.sessions.get(slot) else { return };
        if session.path == Some((arrival.local, arrival.from)) {
            self.move_session(now, slot, arrival.arrived_on, sink);
        }
    }
}
