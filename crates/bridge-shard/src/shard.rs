//! The shard: its sessions, and how datagrams, messages and deadlines reach them.

use crate::conference::LocalConferences;
use crate::control::{SessionEvent, SessionEventKind};
use crate::distribution::KeyframeWish;
use crate::egress::{Egress, EgressSink, LocalIndex};
use crate::inbox::{Inbox, ShardMessage};
use crate::packet_batch::PacketBatch;
use crate::publication::Publication;
use crate::session::Session;
use crate::shard_group::ShardGroup;
use crate::timers::Timers;
use crate::transactions::Transactions;
use bridge_metrics::ShardCounters;
use bridge_transport::{TransportEvent, stun};
use bridge_units::{SessionId, ShardId, Timestamp};
use rustc_hash::FxHashMap;
use slab::Slab;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// Messages of the inbox that are taken in one turn, so that a storm of commands cannot starve media.
const MESSAGES_PER_TURN: usize = 256;

/// Batches of other shards that are distributed in one turn.
const BATCHES_PER_TURN: usize = 8;

/// Packets sent for batches of other shards beyond which a turn takes no further one: about 5 ms. A
/// batch for hundreds of receivers costs a hundred times what one for a few does.
const PACKETS_PER_TURN: u64 = 4_096;

/// Deadlines that are served in one turn.
const TIMEOUTS_PER_TURN: usize = 256;

/// The shortest time between two timeouts of one session.
const MIN_TIMER_INTERVAL: Duration = Duration::from_millis(1);

/// The forwarding engine of one shard. Without sockets and clocks: a driver feeds datagrams and the
/// time, and takes what is to be sent through an [`EgressSink`].
pub struct Shard {
    pub(crate) id: ShardId,
    pub(crate) group: Arc<ShardGroup>,
    pub(crate) sessions: Slab<Box<Session>>,
    pub(crate) slot_by_session: FxHashMap<SessionId, usize>,
    // Peers choose these keys, so they are hashed with a keyed hash.
    pub(crate) slot_by_remote: HashMap<SocketAddr, usize>,
    pub(crate) transactions: Transactions,
    pub(crate) conferences: LocalConferences,
    pub(crate) batch: Box<PacketBatch>,
    pub(crate) publication: Publication,
    pub(crate) egress: Egress,
    pub(crate) timers: Timers,
    pub(crate) counters: ShardCounters,
    /// How long the datagram at hand waited in the socket.
    pub(crate) datagram_age: Duration,
    /// Kept so that distributing a batch allocates nothing.
    pub(crate) keyframe_wishes: Vec<KeyframeWish>,
    /// Slots whose downlink has something to tell after the batch.
    pub(crate) news: Vec<usize>,
    /// Whose work is being done, to be dropped if it panics.
    pub(crate) current: Option<SessionId>,
}

impl Shard {
    /// An idle shard: number `id` of `group`.
    pub fn new(id: ShardId, group: Arc<ShardGroup>) -> Self {
        Self {
            id,
            sessions: Slab::new(),
            slot_by_session: FxHashMap::default(),
            slot_by_remote: HashMap::new(),
            transactions: Transactions::default(),
            conferences: LocalConferences::new(id),
            batch: Box::new(PacketBatch::new(id)),
            publication: Publication::new(id, group.inboxes().len()),
            egress: Egress::new(),
            timers: Timers::default(),
            counters: ShardCounters::default(),
            datagram_age: Duration::ZERO,
            keyframe_wishes: Vec::new(),
            news: Vec::new(),
            current: None,
            group,
        }
    }

    /// Says how long the datagrams that follow waited before they were read: media that waited too
    /// long is dropped. Zero until told.
    pub fn set_datagram_age(&mut self, age: Duration) {
        self.datagram_age = age;
    }

    /// Takes a datagram that arrived at local address number `local`. The bytes are opened in place.
    pub fn handle_datagram(
        &mut self,
        now: Timestamp,
        local: LocalIndex,
        from: SocketAddr,
        datagram: &mut [u8],
        sink: &mut dyn EgressSink,
    ) {
        self.counters.datagrams_in += 1;
        self.counters.bytes_in += datagram.len() as u64;
        self.contained(|shard| shard.demultiplex(now, local, from, datagram, sink));
    }

    /// Distributes what the batch brought and sends everything that waits.
    pub fn end_batch(&mut self, now: Timestamp, sink: &mut dyn EgressSink) {
        if !self.batch.is_empty() {
            // A session on its way here gets what arrived here since it left.
            let group = Arc::clone(&self.group);
            if let Some(inbox) = group.inbox(self.id) {
                self.take_messages(now, inbox, &mut { MESSAGES_PER_TURN }, sink);
            }
            self.contained(|shard| shard.distribute_own(now, sink));
        }
        self.tell_levels(now);
        self.egress.flush(sink);
    }

    /// Takes what others put into the inbox.
    pub fn handle_inbox(&mut self, now: Timestamp, sink: &mut dyn EgressSink) {
        let group = Arc::clone(&self.group);
        let Some(inbox) = group.inbox(self.id) else { return };
        inbox.rearm();
        let mut messages_left = MESSAGES_PER_TURN;
        self.take_messages(now, inbox, &mut messages_left, sink);
        let sent_before = self.counters.rtp_out;
        for _ in 0..BATCHES_PER_TURN {
            if self.counters.rtp_out - sent_before >= PACKETS_PER_TURN {
                break;
            }
            let Some(batch) = inbox.pop_batch() else { break };
            // A session that was handed over before the batch was published gets it.
            self.take_messages(now, inbox, &mut messages_left, sink);
            self.contained(|shard| shard.distribute_published(now, &batch, sink));
            self.recycle(batch);
        }
        if inbox.has_waiting() {
            inbox.wake();
        }
    }

    /// Serves the deadlines that have come.
    pub fn handle_timeout(&mut self, now: Timestamp, sink: &mut dyn EgressSink) {
        for _ in 0..TIMEOUTS_PER_TURN {
            let Some((session, deadline)) = self.timers.pop_due(now) else { break };
            self.contained(|shard| shard.session_timeout(now, session, deadline, sink));
        }
        if self.timers.is_crowded(self.sessions.len()) {
            let sessions = self.sessions.iter();
            self.timers.rebuild(sessions.map(|(_, session)| (session.id, session.scheduled)));
        }
        self.tell_levels(now);
    }

    /// When [`Self::handle_timeout`] is to be called next.
    pub fn poll_timeout(&self) -> Timestamp {
        self.timers.next().min(self.conferences.levels_due())
    }

    /// Makes the counters readable for other threads.
    pub fn publish_counters(&mut self) {
        let outcome = self.egress.outcome();
        self.counters.datagrams_out = outcome.datagrams;
        self.counters.bytes_out = outcome.bytes;
        self.counters.runs_out = outcome.messages;
        self.counters.send_refused = outcome.refused;
        self.counters.sessions = self.sessions.len() as u64;
        self.counters.entries = self.entries() as u64;
        self.group.publish_counters(self.id, &self.counters);
    }

    /// Everything the shard keeps for sessions and conferences: 0 when all have ended.
    pub fn entries(&self) -> usize {
        self.sessions.len()
            + self.slot_by_session.len()
            + self.slot_by_remote.len()
            + self.conferences.len()
    }

    pub(crate) fn inbox(&self) -> &Inbox {
        &self.group.inboxes()[usize::from(self.id.0)]
    }

    pub(crate) fn slot(&self, session: SessionId) -> Option<usize> {
        self.slot_by_session.get(&session).copied()
    }

    /// Tells the control plane.
    pub(crate) fn event(&mut self, slot: usize, kind: SessionEventKind) {
        let Some(session) = self.sessions.get(slot) else { return };
        let event = SessionEvent { conference: session.conference, session: session.id, kind };
        if self.group.event(event).is_err() {
            self.counters.dropped_events += 1;
        }
    }

    /// Sends what the session's transport wants to send, tells its events, and sets its timer.
    pub(crate) fn settle(&mut self, now: Timestamp, slot: usize, sink: &mut dyn EgressSink) {
        self.poll_transport(now, slot, sink);
        self.set_timer(now, slot, Timestamp::ZERO);
    }

    /// Makes the session come up when it wants to, but not before `earliest`.
    pub(crate) fn set_timer(&mut self, now: Timestamp, slot: usize, earliest: Timestamp) {
        let Some(session) = self.sessions.get_mut(slot) else { return };
        let deadline = session.deadline(now).max(earliest);
        self.timers.set(session.id, &mut session.scheduled, deadline);
    }

    fn poll_transport(&mut self, now: Timestamp, slot: usize, sink: &mut dyn EgressSink) {
        while let Some(event) = self.sessions.get_mut(slot).and_then(|s| s.transport.poll_event()) {
            self.handle_transport_event(now, slot, event);
        }
        self.send_transport(now, slot, sink);
        let locals = &self.group.settings().local_addresses;
        let Some(session) = self.sessions.get_mut(slot) else { return };
        session.path = session
            .transport
            .selected()
            .and_then(|(local, remote)| Some((local_index(locals, local)?, remote)));
        self.release_early_media(now, slot, sink);
    }

    fn send_transport(&mut self, now: Timestamp, slot: usize, sink: &mut dyn EgressSink) {
        loop {
            let Some(session) = self.sessions.get_mut(slot) else { return };
            let room = self.egress.room(sink);
            let Some(transmit) = session.transport.poll_transmit(room) else { return };
            let bytes = room.get(..transmit.len).unwrap_or_default();
            if let Some(id) = stun::transaction_id(bytes)
                && stun::class(bytes) == Some(stun::Class::Request)
            {
                self.transactions.insert(now, id, session.id);
                self.claim_remote(slot, transmit.remote, false);
            }
            let locals = &self.group.settings().local_addresses;
            if let Some(local) = local_index(locals, transmit.local) {
                self.egress.commit(local, transmit.remote, transmit.len);
            }
        }
    }

    /// Makes datagrams from `remote` reach the session, unless another holds the address. Only a
    /// validated address gets the short way to it: one that was merely signalled may be somebody
    /// else's.
    pub(crate) fn claim_remote(&mut self, slot: usize, remote: SocketAddr, validated: bool) {
        if self.slot_by_remote.get(&remote) == Some(&slot) {
            return;
        }
        let Some(session) = self.sessions.get_mut(slot) else { return };
        let known = session.remotes.contains(&remote);
        if (known && !validated) || (!known && session.remotes.len() >= crate::session::MAX_REMOTES)
        {
            return;
        }
        if self.group.directory().claim_remote(remote, session.id, validated) {
            if !known {
                session.remotes.push(remote);
            }
            if validated {
                self.slot_by_remote.insert(remote, slot);
            }
        }
    }

    fn handle_transport_event(&mut self, now: Timestamp, slot: usize, event: TransportEvent) {
        let kind = match event {
            TransportEvent::IceWriteable => return,
            TransportEvent::Consent => return self.note_activity(now, slot),
            TransportEvent::IceConnected { relayed } => SessionEventKind::IceConnected { relayed },
            TransportEvent::IceFailed => SessionEventKind::IceFailed,
            TransportEvent::DtlsConnected { version, profile } => {
                if let Some(session) = self.sessions.get_mut(slot) {
                    session.connected = true;
                }
                SessionEventKind::DtlsConnected { version, profile }
            }
            TransportEvent::DtlsFailed(_) => SessionEventKind::DtlsFailed,
            TransportEvent::ChannelOpened => SessionEventKind::ChannelOpened,
            TransportEvent::ChannelClosed => SessionEventKind::ChannelClosed,
            TransportEvent::Message(text) => SessionEventKind::ChannelMessage(text),
        };
        self.event(slot, kind);
    }

    /// Tells the control plane that the peer is alive, once in a while.
    pub(crate) fn note_activity(&mut self, now: Timestamp, slot: usize) {
        let Some(session) = self.sessions.get_mut(slot) else { return };
        if now >= session.next_activity {
            session.next_activity = now + crate::session::ACTIVITY_INTERVAL;
            self.event(slot, SessionEventKind::Activity);
        }
    }

    fn take_messages(
        &mut self,
        now: Timestamp,
        inbox: &Inbox,
        left: &mut usize,
        sink: &mut dyn EgressSink,
    ) {
        while *left > 0 {
            let Some(message) = inbox.pop_message() else { return };
            *left -= 1;
            self.contained(|shard| shard.handle_message(now, message, sink));
        }
    }

    fn handle_message(&mut self, now: Timestamp, message: ShardMessage, sink: &mut dyn EgressSink) {
        match message {
            ShardMessage::Command(command) => self.handle_command(now, command, sink),
            ShardMessage::Datagram(datagram) => self.handle_handed_datagram(now, datagram, sink),
            ShardMessage::Session(session) => self.adopt(now, session, sink),
            ShardMessage::PassedOn { command, hops } => {
                self.handle_session_command(now, command, hops, sink);
            }
            ShardMessage::KeyframeRequest { sender, request, hops } => {
                self.request_keyframe(now, sender, request, hops, sink);
            }
        }
    }

    fn session_timeout(
        &mut self,
        now: Timestamp,
        id: SessionId,
        deadline: Timestamp,
        sink: &mut dyn EgressSink,
    ) {
        let Some(slot) = self.slot(id) else { return };
        self.current = Some(id);
        let session = &mut self.sessions[slot];
        if session.scheduled != deadline {
            return;
        }
        session.scheduled = Timestamp::FAR_FUTURE;
        if session.next_report <= now {
            self.send_receiver_report(now, slot, sink);
        }
        let session = &mut self.sessions[slot];
        let receives = session.reception.poll_timeout() <= now;
        let sends = session.downlink.poll_timeout(now) <= now;
        if session.transport.poll_timeout() <= now {
            session.transport.handle_timeout(now);
            self.poll_transport(now, slot, sink);
        }
        if receives {
            self.poll_reception(now, slot, sink);
        }
        if sends {
            self.with_downlink(slot, sink, |downlink, stored, outlet| {
                downlink.handle_timeout(now, stored, outlet);
            });
            self.tell_news(slot);
        }
        // A deadline that stays in the past must not keep the thread from everything else.
        self.set_timer(now, slot, now + MIN_TIMER_INTERVAL);
    }

    /// Tells the control plane how loud everybody is.
    fn tell_levels(&mut self, now: Timestamp) {
        while let Some((conference, levels)) = self.conferences.poll_levels(now) {
            let Some(session) = levels.first().map(|level| level.session) else { continue };
            let kind = SessionEventKind::AudioLevels(levels);
            if self.group.event(SessionEvent { conference, session, kind }).is_err() {
                self.counters.dropped_events += 1;
            }
        }
    }

    /// Runs `work`; if it panics, the session that it was for is dropped and the shard goes on.
    fn contained(&mut self, work: impl FnOnce(&mut Self)) {
        self.current = None;
        if catch_unwind(AssertUnwindSafe(|| work(self))).is_err() {
            self.counters.panics += 1;
            self.conferences.reset();
            if let Some(slot) = self.current.take().and_then(|session| self.slot(session)) {
                self.drop_crashed(slot);
            }
        }
    }

    /// Telling of it and dropping it may panic once more; it is out of every map before that.
    fn drop_crashed(&mut self, slot: usize) {
        let told = catch_unwind(AssertUnwindSafe(|| self.event(slot, SessionEventKind::Crashed)));
        let removed = catch_unwind(AssertUnwindSafe(|| self.remove_session(slot)));
        self.counters.panics += u64::from(told.is_err()) + u64::from(removed.is_err());
    }
}

pub(crate) fn local_index(locals: &[SocketAddr], local: SocketAddr) -> Option<LocalIndex> {
    locals.iter().position(|address| *address == local).and_then(|i| LocalIndex::try_from(i).ok())
}
