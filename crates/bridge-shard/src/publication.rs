//! Packets for the receivers on other shards: one batch per shard concerned, copied once.

use crate::packet_batch::PacketBatch;
use crate::shard::Shard;
use bridge_units::ShardId;

/// Emptied batches that a shard keeps for itself; those beyond are freed.
const MAX_SPARE_BATCHES: usize = 64;

/// Batches that a shard fills for others, and spare ones.
pub(crate) struct Publication {
    own: ShardId,
    /// The last round of each shard that was distributed here, by shard index.
    rounds: Vec<u64>,
    outgoing: Vec<Option<Box<PacketBatch>>>,
    #[expect(clippy::vec_box, reason = "batches travel through queues as boxes")]
    spare: Vec<Box<PacketBatch>>,
}

impl Publication {
    pub(crate) fn new(own: ShardId, shards: usize) -> Self {
        Self {
            own,
            rounds: vec![0; shards],
            outgoing: (0..shards).map(|_| None).collect(),
            spare: Vec::new(),
        }
    }

    /// The number of the shard's own next batch.
    pub(crate) fn next_round(&self) -> u64 {
        self.rounds.get(usize::from(self.own.0)).map_or(0, |round| round + 1)
    }

    /// Notes that `batch` is being distributed.
    pub(crate) fn note_round(&mut self, batch: &PacketBatch) {
        if let Some(round) = self.rounds.get_mut(usize::from(batch.origin.0)) {
            *round = batch.round;
        }
    }

    /// What a session that leaves has got: other shards may hold copies of it.
    pub(crate) fn rounds(&self) -> &[u64] {
        &self.rounds
    }

    /// An empty batch: a used one if there is one.
    pub(crate) fn spare(&mut self) -> Box<PacketBatch> {
        self.spare.pop().unwrap_or_else(|| Box::new(PacketBatch::new(self.own)))
    }

    /// Takes an emptied batch.
    pub(crate) fn keep(&mut self, mut batch: Box<PacketBatch>) {
        batch.clear();
        if self.spare.len() < MAX_SPARE_BATCHES {
            self.spare.push(batch);
        }
    }
}

impl Shard {
    /// Copies the batch's packets for each other shard that has receivers, and sends the copies.
    pub(crate) fn publish(&mut self, batch: &PacketBatch) {
        while let Some(returned) = self.inbox().pop_returned() {
            self.publication.keep(returned);
        }
        for packet in batch.packets() {
            let Some(conference) = self.conferences.get(packet.conference) else { continue };
            for shard in conference.presence.others(self.id) {
                let index = usize::from(shard.0);
                if index >= self.publication.outgoing.len() {
                    continue;
                }
                let mut outgoing = match self.publication.outgoing[index].take() {
                    Some(outgoing) => outgoing,
                    None => self.publication.spare(),
                };
                outgoing.round = batch.round;
                if outgoing.push_copy(batch, packet) {
                    self.counters.packets_published += 1;
                } else {
                    self.counters.dropped_batch_full += 1;
                }
                self.publication.outgoing[index] = Some(outgoing);
            }
        }
        self.send_outgoing();
    }

    /// Gives a distributed batch back to the shard that filled it.
    pub(crate) fn recycle(&mut self, mut batch: Box<PacketBatch>) {
        batch.clear();
        if let Some(inbox) = self.group.inbox(batch.origin) {
            inbox.give_back(batch);
        }
    }

    fn send_outgoing(&mut self) {
        for index in 0..self.publication.outgoing.len() {
            let Some(outgoing) = self.publication.outgoing[index].take() else { continue };
            let Some(inbox) = self.group.inboxes().get(index) else { continue };
            if let Err(refused) = inbox.publish(outgoing) {
                self.counters.dropped_shard_queue_full += refused.packets().len() as u64;
                self.publication.keep(refused);
            }
        }
    }
}
