//! Orders of the control plane, and sessions that come and go.

use crate::control::{
    ConferenceSnapshot, SessionAction, SessionCommand, SessionEventKind, SessionSetup, ShardCommand,
};
use crate::egress::EgressSink;
use crate::inbox::{MAX_HOPS, ShardMessage};
use crate::session::Session;
use crate::shard::Shard;
use bridge_units::{SessionId, ShardId, Timestamp};
use std::sync::Arc;

impl Shard {
    pub(crate) fn handle_command(
        &mut self,
        now: Timestamp,
        command: ShardCommand,
        sink: &mut dyn EgressSink,
    ) {
        match command {
            ShardCommand::SetConference(snapshot) => {
                self.set_conference(now, snapshot);
            }
            ShardCommand::SetLoudest(id, sessions) => self.conferences.set_loudest(id, sessions),
            ShardCommand::RemoveConference(id) => {
                self.conferences.remove(self.group.directory(), id);
            }
            ShardCommand::Session(command) => self.handle_session_command(now, command, 0, sink),
        }
    }

    /// Carries out a command that was passed on `hops` times.
    pub(crate) fn handle_session_command(
        &mut self,
        now: Timestamp,
        command: SessionCommand,
        hops: u8,
        sink: &mut dyn EgressSink,
    ) {
        let id = command.session;
        self.current = Some(id);
        if let SessionAction::Create(setup) = command.action {
            return self.create_session(now, id, *setup, sink);
        }
        let Some(slot) = self.slot(id) else { return self.pass_on(command, hops + 1) };
        if matches!(command.action, SessionAction::Expire) {
            // Whatever it overtook does not matter any more.
            return self.remove_session(slot);
        }
        let (ready, lost) = self.sessions[slot].in_order(command);
        self.counters.dropped_commands += u64::from(lost);
        for command in ready {
            self.carry_out(now, slot, command.action, sink);
        }
        self.settle(now, slot, sink);
    }

    /// Hands a command to the shard where its session lives now. If that is this one, the session is
    /// in the inbox and the command goes behind it.
    fn pass_on(&mut self, command: SessionCommand, hops: u8) {
        let owner = self.group.directory().shard_of(command.session);
        let inbox = owner.filter(|_| hops <= MAX_HOPS).and_then(|shard| self.group.inbox(shard));
        let passed = ShardMessage::PassedOn { command, hops };
        if inbox.is_none_or(|inbox| inbox.message(passed).is_err()) {
            self.counters.dropped_commands += 1;
        }
    }

    /// Replaces what is known of a conference, for its sessions, too.
    fn set_conference(&mut self, now: Timestamp, snapshot: Arc<ConferenceSnapshot>) {
        let id = snapshot.conference;
        self.conferences.set_snapshot(self.group.directory(), Arc::clone(&snapshot));
        let Some(conference) = self.conferences.get(id) else { return };
        for slot in &conference.members {
            let Some(session) = self.sessions.get_mut(*slot) else { continue };
            session.set_conference(&snapshot);
            let deadline = session.deadline(now);
            self.timers.set(session.id, &mut session.scheduled, deadline);
        }
    }

    fn carry_out(
        &mut self,
        now: Timestamp,
        slot: usize,
        action: SessionAction,
        sink: &mut dyn EgressSink,
    ) {
        let Some(session) = self.sessions.get_mut(slot) else { return };
        match action {
            // Both were carried out before they got here.
            SessionAction::Create(_) | SessionAction::Expire => {}
            SessionAction::SetRemoteTransport(remote) => {
                let report = session.transport.set_remote(now, &remote);
                if let Some(error) = report.setup_error {
                    tracing::error!(endpoint = %session.endpoint, %error, "setup ignored");
                }
            }
            SessionAction::SetMedia(media) => session.set_media(now, &media),
            SessionAction::SetForceMute { audio, video } => {
                session.reception.set_force_mute(audio, video);
            }
            SessionAction::SetForwarding(program) => {
                let conference = self.conferences.get(session.conference);
                let refused = session.downlink.set_program(program, |id| {
                    Some(conference?.source(id)?.encodings.first()?.primary)
                });
                self.counters.dropped_source_limit += refused;
                self.tell_news(slot);
            }
            SessionAction::SetAudioSelection(selection) => session.downlink.set_audio(selection),
            SessionAction::RequestKeyframe(source) => {
                self.request_keyframe_of(now, slot, source, sink);
            }
            SessionAction::SendMessage(text) => {
                if !session.transport.send_message(now, &text) {
                    self.counters.dropped_messages += 1;
                }
            }
        }
    }

    fn create_session(
        &mut self,
        now: Timestamp,
        id: SessionId,
        setup: SessionSetup,
        sink: &mut dyn EgressSink,
    ) {
        let session = Box::new(Session::new(now, id, setup, self.group.settings()));
        self.group.directory().insert(id, self.id, &session.local_ufrag);
        let slot = self.attach(session);
        self.settle(now, slot, sink);
    }

    fn attach(&mut self, session: Box<Session>) -> usize {
        let (id, conference) = (session.id, session.conference);
        let slot = self.sessions.insert(session);
        self.slot_by_session.insert(id, slot);
        let session = &mut self.sessions[slot];
        let conference_known = self.conferences.get(conference);
        if let Some(snapshot) = conference_known.and_then(|known| known.snapshot.as_deref()) {
            session.set_conference(snapshot);
        }
        let session = &self.sessions[slot];
        for remote in session.remotes.iter().filter(|r| session.transport.is_valid_source(**r)) {
            if self.group.directory().session_of_remote(remote) == Some(id) {
                self.slot_by_remote.insert(*remote, slot);
            }
        }
        self.conferences.add_member(self.group.directory(), conference, slot);
        slot
    }

    fn detach(&mut self, slot: usize) -> Option<Box<Session>> {
        let session = self.sessions.try_remove(slot)?;
        self.slot_by_session.remove(&session.id);
        for remote in &session.remotes {
            if self.slot_by_remote.get(remote) == Some(&slot) {
                self.slot_by_remote.remove(remote);
            }
        }
        self.conferences.remove_member(self.group.directory(), session.conference, slot);
        Some(session)
    }

    /// Ends a session and frees all it held.
    pub(crate) fn remove_session(&mut self, slot: usize) {
        let Some(session) = self.detach(slot) else { return };
        tracing::debug!(endpoint = %session.endpoint, session = session.id.0, "session ended");
        self.group.directory().remove(
            session.id,
            &session.local_ufrag,
            session.remotes.iter().copied(),
        );
    }

    /// Gives the session to `target`, where its packets arrive. If that shard cannot take it now it
    /// stays, and the next packet tries again.
    pub(crate) fn move_session(
        &mut self,
        now: Timestamp,
        slot: usize,
        target: ShardId,
        sink: &mut dyn EgressSink,
    ) {
        // Packets are published to the target from now on, which takes the session from its inbox
        // before it distributes them; what has arrived here the session still gets here.
        if let Some(session) = self.sessions.get(slot) {
            self.conferences.announce(session.conference, target);
        }
        self.distribute_own(now, sink);
        self.distribute_waiting(now, sink);
        let Some(mut session) = self.detach(slot) else { return };
        let id = session.id;
        session.rounds = self.publication.rounds().to_vec();
        session.scheduled = Timestamp::FAR_FUTURE;
        let group = Arc::clone(&self.group);
        let given = group.directory().transfer(id, target, || {
            let message = ShardMessage::Session(session);
            match group.inbox(target) {
                Some(inbox) => inbox.message(message),
                None => Err(message),
            }
        });
        match given {
            Ok(()) => self.counters.sessions_moved_away += 1,
            Err(ShardMessage::Session(session)) => {
                let slot = self.attach(session);
                self.set_timer(now, slot, now);
                self.counters.dropped_shard_queue_full += 1;
                tracing::debug!(
                    session = id.0,
                    at = now.as_millis(),
                    "shard cannot take a session"
                );
            }
            Err(_) => {}
        }
    }

    /// Takes over a session that moved here.
    pub(crate) fn adopt(
        &mut self,
        now: Timestamp,
        session: Box<Session>,
        sink: &mut dyn EgressSink,
    ) {
        self.counters.sessions_moved_here += 1;
        self.current = Some(session.id);
        let slot = self.attach(session);
        self.event(slot, SessionEventKind::Moved(self.id));
        self.settle(now, slot, sink);
    }
}
