//! How others reach a shard: bounded queues and a way to wake it.

use crate::control::{SessionCommand, ShardCommand};
use crate::keyframe_requests::KeyframeUrgency;
use crate::packet_batch::PacketBatch;
use crate::session::Session;
use bridge_units::{SessionId, ShardId};
use crossbeam_queue::ArrayQueue;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering, fence};

/// Commands and hand-overs waiting for a shard: a join storm of 1,000 endpoints with some commands
/// each. The control plane is told when it is full.
pub(crate) const MESSAGE_QUEUE_LIMIT: usize = 8_192;

/// Messages in the queue beyond which only commands are taken: datagrams, feedback and moves are
/// peers' doing, and a lost command is worse than a lost packet or a session that stays.
pub(crate) const PEER_MESSAGE_LIMIT: usize = MESSAGE_QUEUE_LIMIT / 2;

/// Packet batches waiting for a shard: about 100 ms at one batch a millisecond.
pub(crate) const BATCH_QUEUE_LIMIT: usize = 128;

/// Emptied batches on their way back to the shard that filled them.
pub(crate) const RETURN_QUEUE_LIMIT: usize = BATCH_QUEUE_LIMIT;

/// How often a datagram, a command or feedback is handed on when its session keeps moving: each hop is
/// a move that happened while it waited, so this only ends what would go round for ever.
pub(crate) const MAX_HOPS: u8 = 16;

/// Interrupts a shard's wait for packets.
pub trait ShardWaker: Send + Sync {
    /// Makes the shard look into its inbox soon. Cheap when called repeatedly.
    fn wake(&self);
}

/// The queues of one shard.
pub struct Inbox {
    messages: ArrayQueue<ShardMessage>,
    batches: ArrayQueue<Box<PacketBatch>>,
    returned: ArrayQueue<Box<PacketBatch>>,
    waker: Box<dyn ShardWaker>,
    woken: AtomicBool,
}

/// Something other than media that reaches a shard through its inbox.
pub(crate) enum ShardMessage {
    Command(ShardCommand),
    /// A command that reached a shard which does not own its session.
    PassedOn {
        command: SessionCommand,
        hops: u8,
    },
    Datagram(HandedDatagram),
    Session(Box<Session>),
    KeyframeRequest {
        sender: SessionId,
        request: KeyframeRequest,
        hops: u8,
    },
}

/// A datagram that arrived on a shard which does not own its session.
pub(crate) struct HandedDatagram {
    pub(crate) session: SessionId,
    pub(crate) arrived_on: ShardId,
    pub(crate) local: u16,
    pub(crate) from: SocketAddr,
    pub(crate) bytes: Box<[u8]>,
    pub(crate) hops: u8,
}

/// A receiver's request for a key frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyframeRequest {
    /// The sender's SSRC.
    pub(crate) ssrc: u32,
    /// Who asks.
    pub(crate) requester: SessionId,
    /// Why.
    pub(crate) urgency: KeyframeUrgency,
}

impl Inbox {
    /// An empty inbox whose owner is interrupted by `waker`.
    pub fn new(waker: Box<dyn ShardWaker>) -> Self {
        Self {
            messages: ArrayQueue::new(MESSAGE_QUEUE_LIMIT),
            batches: ArrayQueue::new(BATCH_QUEUE_LIMIT),
            returned: ArrayQueue::new(RETURN_QUEUE_LIMIT),
            waker,
            woken: AtomicBool::new(false),
        }
    }

    /// Gives the shard a command; back if the inbox is full.
    pub fn command(&self, command: ShardCommand) -> Result<(), ShardCommand> {
        self.message(ShardMessage::Command(command)).map_err(|message| match message {
            ShardMessage::Command(command) => command,
            _ => unreachable!("the queue gives back what it was given"),
        })
    }

    /// Interrupts the shard unless that is under way already.
    pub fn wake(&self) {
        // Orders the push before the look at the flag, as `rearm` orders the flag before the look
        // into the queues: without both, each side could miss what the other just did.
        fence(Ordering::SeqCst);
        if !self.woken.swap(true, Ordering::AcqRel) {
            self.waker.wake();
        }
    }

    /// Called by the shard before it empties the queues, so that later arrivals wake it again.
    pub(crate) fn rearm(&self) {
        self.woken.store(false, Ordering::Release);
        fence(Ordering::SeqCst);
    }

    /// Whether something waits for the shard.
    pub(crate) fn has_waiting(&self) -> bool {
        !(self.messages.is_empty() && self.batches.is_empty())
    }

    /// Gives the shard a message; back if there is no room for its kind.
    pub(crate) fn message(&self, message: ShardMessage) -> Result<(), ShardMessage> {
        let by_control =
            matches!(message, ShardMessage::Command(_) | ShardMessage::PassedOn { .. });
        if !by_control && self.messages.len() >= PEER_MESSAGE_LIMIT {
            return Err(message);
        }
        self.messages.push(message)?;
        self.wake();
        Ok(())
    }

    pub(crate) fn pop_message(&self) -> Option<ShardMessage> {
        self.messages.pop()
    }

    pub(crate) fn publish(&self, batch: Box<PacketBatch>) -> Result<(), Box<PacketBatch>> {
        self.batches.push(batch)?;
        self.wake();
        Ok(())
    }

    pub(crate) fn pop_batch(&self) -> Option<Box<PacketBatch>> {
        self.batches.pop()
    }

    /// Gives an emptied batch back to the shard that filled it; lost if it has enough.
    pub(crate) fn give_back(&self, batch: Box<PacketBatch>) {
        drop(self.returned.push(batch));
    }

    pub(crate) fn pop_returned(&self) -> Option<Box<PacketBatch>> {
        self.returned.pop()
    }
}
