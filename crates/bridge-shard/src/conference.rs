//! What a shard knows of a conference: its streams, and which of its sessions live here.

use crate::audio_levels::{AudioLevels, SpareLevels};
use crate::control::{AudioLevel, ConferenceSnapshot, SourceDescription};
use crate::directory::{Directory, Presence};
use crate::packet_batch::{PacketBatch, PlainPacket};
use crate::stored_packets::StoredPackets;
use bridge_units::{ConferenceId, SessionId, ShardId, SourceId, Timestamp};
use rustc_hash::FxHashMap;
use std::sync::Arc;
use std::time::Duration;

/// How long levels are collected before they are told.
const LEVELS_INTERVAL: Duration = Duration::from_millis(50);

/// Levels that are told at a time: 200 speakers for longer than [`LEVELS_INTERVAL`].
const MAX_LEVELS: usize = 1_024;

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
    /// Which of them are in `stored`.
    pub(crate) kept: Vec<bool>,
    /// Recent packets, to be sent again or later.
    pub(crate) stored: StoredPackets,
    levels: AudioLevels,
}

impl LocalConference {
    pub(crate) fn source(&self, id: SourceId) -> Option<&SourceDescription> {
        Some(self.snapshot.as_deref()?.source(id)?)
    }

    /// Whether only those who asked for the session get its audio.
    pub(crate) fn is_quiet(&self, session: SessionId) -> bool {
        self.loudest.as_deref().is_some_and(|loudest| !loudest.contains(&session))
    }
}

/// The conferences that a shard knows.
pub(crate) struct LocalConferences {
    shard: ShardId,
    by_id: FxHashMap<ConferenceId, LocalConference>,
    /// Kept so that distributing a batch allocates nothing.
    touched: Vec<ConferenceId>,
    /// Conferences with levels to tell, and when.
    loud: Vec<(Timestamp, ConferenceId)>,
    spare_levels: Arc<SpareLevels>,
}

impl LocalConferences {
    pub(crate) fn new(shard: ShardId) -> Self {
        Self {
            shard,
            by_id: FxHashMap::default(),
            touched: Vec::new(),
            loud: Vec::new(),
            spare_levels: SpareLevels::new(),
        }
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
        let conference = self.entry(directory, snapshot.conference);
        conference.stored.retain(|source| snapshot.source(source).is_some());
        conference.snapshot = Some(snapshot);
    }

    /// Notes how loud a packet was.
    pub(crate) fn note_level(
        &mut self,
        now: Timestamp,
        packet: &PlainPacket,
        source: Option<SourceId>,
        level: bridge_rtp::AudioLevel,
    ) {
        let Some(conference) = self.by_id.get_mut(&packet.conference) else { return };
        if conference.levels.is_empty() {
            conference.levels = AudioLevels::of(&self.spare_levels);
            self.loud.push((now + LEVELS_INTERVAL, packet.conference));
        }
        let session = packet.sender;
        let level = AudioLevel { session, source, level: level.level, received: now };
        conference.levels.push(level, MAX_LEVELS);
    }

    /// Levels that have been collected for long enough.
    pub(crate) fn poll_levels(&mut self, now: Timestamp) -> Option<(ConferenceId, AudioLevels)> {
        // In the order of their beginnings, since all are collected for the same time.
        while self.loud.first().is_some_and(|(due, _)| *due <= now) {
            let (_, id) = self.loud.remove(0);
            let Some(conference) = self.by_id.get_mut(&id) else { continue };
            let levels = std::mem::take(&mut conference.levels);
            if !levels.is_empty() {
                return Some((id, levels));
            }
        }
        None
    }

    /// When [`Self::poll_levels`] has something.
    pub(crate) fn levels_due(&self) -> Timestamp {
        self.loud.first().map_or(Timestamp::FAR_FUTURE, |(due, _)| *due)
    }

    pub(crate) fn get_mut(&mut self, id: ConferenceId) -> Option<&mut LocalConference> {
        self.by_id.get_mut(&id)
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
            conference.kept.push(false);
        }
        touched
    }

    /// Ends what [`Self::assign`] began.
    pub(crate) fn finish(&mut self, mut touched: Vec<ConferenceId>) {
        for conference in touched.drain(..) {
            if let Some(conference) = self.by_id.get_mut(&conference) {
                conference.pending.clear();
                conference.kept.clear();
            }
        }
        self.touched = touched;
    }

    /// Forgets a distribution that did not come to its end.
    pub(crate) fn reset(&mut self) {
        for conference in self.by_id.values_mut() {
            conference.pending.clear();
            conference.kept.clear();
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
            kept: Vec::new(),
            stored: StoredPackets::default(),
            levels: AudioLevels::default(),
        })
    }
}
