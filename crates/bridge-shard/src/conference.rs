//! What a shard knows of a conference: its streams, and which of its sessions live here.

use crate::control::ConferenceSnapshot;
use crate::directory::{Directory, Presence};
use crate::packet_batch::PacketBatch;
use bridge_units::{ConferenceId, SessionId, ShardId};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// A conference as one shard sees it.
pub(crate) struct LocalConference {
    pub(crate) snapshot: Option<Arc<ConferenceSnapshot>>,
    /// Slots of its sessions on this shard.
    pub(crate) members: Vec<usize>,
    pub(crate) presence: Arc<Presence>,
    /// Whose audio is forwarded; everybody's without it.
    pub(crate) loudest: Option<Arc<[SessionId]>>,
    /// Packets of the batch that is being distributed, by index.
    pub(crate) pending: Vec<u16>,
}

/// The conferences that a shard knows.
pub(crate) struct LocalConferences {
    shard: ShardId,
    by_id: FxHashMap<ConferenceId, LocalConference>,
    /// Kept so that distributing a batch allocates nothing.
    touched: Vec<ConferenceId>,
}

impl LocalConferences {
    pub(crate) fn new(shard: ShardId) -> Self {
        Self { shard, by_id: FxHashMap::default(), touched: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn get(&self, id: ConferenceId) -> Option<&LocalConference> {
        self.by_id.get(&id)
    }

    pub(crate) fn set_snapshot(
        &mut self,
        directory: &Directory,
        snapshot: Arc<ConferenceSnapshot>,
    ) {
        let id = snapshot.conference;
        self.entry(directory, id).snapshot = Some(snapshot);
    }

    pub(crate) fn set_loudest(&mut self, id: ConferenceId, sessions: Option<Arc<[SessionId]>>) {
        if let Some(conference) = self.by_id.get_mut(&id) {
            conference.loudest = sessions;
        }
    }

    pub(crate) fn add_member(&mut self, directory: &Directory, id: ConferenceId, slot: usize) {
        let shard = self.shard;
        let conference = self.entry(directory, id);
        conference.members.push(slot);
        conference.presence.set(shard, true);
    }

    pub(crate) fn remove_member(&mut self, directory: &Directory, id: ConferenceId, slot: usize) {
        let shard = self.shard;
        let Some(conference) = self.by_id.get_mut(&id) else { return };
        conference.members.retain(|member| *member != slot);
        if conference.members.is_empty() {
            conference.presence.set(shard, false);
        }
        self.forget_if_unused(directory, id);
    }

    /// Makes others publish to `shard`, which is about to get a session of the conference.
    pub(crate) fn announce(&self, id: ConferenceId, shard: ShardId) {
        if let Some(conference) = self.by_id.get(&id) {
            conference.presence.set(shard, true);
        }
    }

    /// Forgets the conference; with members left it stays until they are gone.
    pub(crate) fn remove(&mut self, directory: &Directory, id: ConferenceId) {
        if let Some(conference) = self.by_id.get_mut(&id) {
            conference.snapshot = None;
        }
        self.forget_if_unused(directory, id);
    }

    /// Notes for each conference which packets of `batch` are its own; the conferences concerned,
    /// to be given back with [`Self::finish`].
    pub(crate) fn assign(&mut self, batch: &PacketBatch) -> Vec<ConferenceId> {
        let shard = self.shard;
        let mut touched = std::mem::take(&mut self.touched);
        for (index, packet) in batch.packets().iter().enumerate() {
            let Some(conference) = self.by_id.get_mut(&packet.conference) else { continue };
            let Ok(index) = u16::try_from(index) else { break };
            if conference.members.is_empty() {
                // Announced for a session that then stayed away.
                conference.presence.set(shard, false);
                continue;
            }
            if conference.pending.is_empty() {
                touched.push(packet.conference);
            }
            conference.pending.push(index);
        }
        touched
    }

    /// Ends what [`Self::assign`] began.
    pub(crate) fn finish(&mut self, mut touched: Vec<ConferenceId>) {
        for conference in touched.drain(..) {
            if let Some(conference) = self.by_id.get_mut(&conference) {
                conference.pending.clear();
            }
        }
        self.touched = touched;
    }

    /// Forgets a distribution that did not come to its end.
    pub(crate) fn reset(&mut self) {
        for conference in self.by_id.values_mut() {
            conference.pending.clear();
        }
    }

    fn forget_if_unused(&mut self, directory: &Directory, id: ConferenceId) {
        let unused = |conference: &LocalConference| {
            conference.snapshot.is_none() && conference.members.is_empty()
        };
        if self.by_id.get(&id).is_some_and(unused) {
            self.by_id.remove(&id);
            directory.release_presence(id);
        }
    }

    fn entry(&mut self, directory: &Directory, id: ConferenceId) -> &mut LocalConference {
        self.by_id.entry(id).or_insert_with(|| LocalConference {
            snapshot: None,
            members: Vec::new(),
            presence: directory.presence(id),
            loudest: None,
            pending: Vec::new(),
        })
    }
}
