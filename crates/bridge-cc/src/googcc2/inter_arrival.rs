use bridge_units::Timestamp;

use crate::rates::micros_between;
use crate::sent_packets::ReceiveTime;

/// Packets in groups by the time they were sent, and how much further apart two groups arrived than
/// they were sent.
///
/// Answers to JVB's `InterArrivalDelta`.
#[derive(Clone, Debug, Default)]
pub(crate) struct InterArrival {
    current: Option<Group>,
    previous: Option<Group>,
    consecutive_reordered: u32,
}

/// The distance of two groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GroupDelta {
    pub(crate) send_micros: i64,
    pub(crate) arrival_micros: i64,
    /// Of the sizes in bytes.
    pub(crate) size: i64,
}

#[derive(Clone, Copy, Debug)]
struct Group {
    first_sent: Timestamp,
    last_sent: Timestamp,
    first_arrival: ReceiveTime,
    completed: ReceiveTime,
    /// When we learned of it.
    reported: Timestamp,
    size: i64,
}

impl InterArrival {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Takes a packet that was reported `now`; answers the distance of the two groups before it if it
    /// starts a new one.
    pub(crate) fn update(
        &mut self,
        now: Timestamp,
        sent: Timestamp,
        received: ReceiveTime,
        size: u64,
    ) -> Option<GroupDelta> {
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        let fresh = Group {
            first_sent: sent,
            last_sent: sent,
            first_arrival: received,
            completed: received,
            reported: now,
            size,
        };
        let Some(current) = &mut self.current else {
            self.current = Some(fresh);
            return None;
        };
        if sent < current.first_sent {
            return None;
        }
        if !current.ends_with(sent, received) {
            current.last_sent = current.last_sent.max(sent);
            current.completed = received;
            current.reported = now;
            current.size = current.size.saturating_add(size);
            return None;
        }
        let current = *current;
        let delta = match self.previous {
            Some(previous) => Some(self.delta(&previous, &current)?),
            None => None,
        };
        self.previous = Some(current);
        self.current = Some(fresh);
        delta
    }

    /// `None` if the clocks do not go together.
    fn delta(&mut self, previous: &Group, current: &Group) -> Option<GroupDelta> {
        let arrival_micros = current.completed.micros_since(previous.completed);
        let local_micros = micros_between(previous.reported, current.reported);
        if arrival_micros.saturating_sub(local_micros) >= CLOCK_JUMP_MICROS {
            *self = Self::new();
            return None;
        }
        if arrival_micros < 0 {
            self.consecutive_reordered += 1;
            if self.consecutive_reordered >= MAX_REORDERED {
                *self = Self::new();
            }
            return None;
        }
        self.consecutive_reordered = 0;
        Some(GroupDelta {
            send_micros: micros_between(previous.last_sent, current.last_sent),
            arrival_micros,
            size: current.size - previous.size,
        })
    }
}

impl Group {
    fn ends_with(&self, sent: Timestamp, received: ReceiveTime) -> bool {
        !self.is_burst(sent, received)
            && micros_between(self.first_sent, sent) > GROUP_LENGTH_MICROS
    }

    /// Packets that queued somewhere and came at once.
    fn is_burst(&self, sent: Timestamp, received: ReceiveTime) -> bool {
        let send_delta = micros_between(self.last_sent, sent);
        let arrival_delta = received.micros_since(self.completed);
        send_delta == 0
            || (arrival_delta < send_delta
                && arrival_delta <= BURST_MICROS
                && received.micros_since(self.first_arrival) < MAX_BURST_MICROS)
    }
}

const GROUP_LENGTH_MICROS: i64 = 5_000;
const BURST_MICROS: i64 = 5_000;
const MAX_BURST_MICROS: i64 = 100_000;
/// The receiver's clock went this much further than ours.
const CLOCK_JUMP_MICROS: i64 = 3_000_000;
/// So many groups in a row arrived before the one before them.
const MAX_REORDERED: u32 = 3;
