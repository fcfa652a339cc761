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

#[cfg(test)]
mod tests {
    use super::*;

    const OFFSET_MICROS: i64 = 20_000_000;

    #[derive(Default)]
    struct Stream {
        inter_arrival: InterArrival,
    }

    impl Stream {
        fn at(&mut self, sent_micros: u64, arrival_micros: i64) -> Option<(i64, i64)> {
            let now = Timestamp::from_micros(u64::try_from(arrival_micros.max(0)).unwrap());
            self.at_local(now, sent_micros, arrival_micros)
        }

        fn at_local(
            &mut self,
            now: Timestamp,
            sent_micros: u64,
            arrival_micros: i64,
        ) -> Option<(i64, i64)> {
            let received = ReceiveTime::from_micros(arrival_micros + OFFSET_MICROS);
            let sent = Timestamp::from_micros(sent_micros);
            let delta = self.inter_arrival.update(now, sent, received, 1_000)?;
            Some((delta.send_micros, delta.arrival_micros))
        }
    }

    #[test]
    fn groups_are_of_five_milliseconds() {
        let mut stream = Stream::default();
        assert_eq!(stream.at(0, 40_000), None);
        // Within the first group, then a second and a third.
        assert_eq!(stream.at(5_000, 46_000), None);
        assert_eq!(stream.at(20_000, 70_000), None);
        assert_eq!(stream.at(40_000, 90_000), Some((15_000, 24_000)));
        assert_eq!(stream.at(60_000, 111_000), Some((20_000, 20_000)));
    }

    #[test]
    fn a_burst_is_one_group() {
        let mut stream = Stream::default();
        stream.at(0, 100_000);
        // Sent apart, they come together.
        for n in 1..=10 {
            assert_eq!(stream.at(n * 6_000, 100_000 + i64::try_from(n).unwrap() * 100), None);
        }
        assert_eq!(stream.at(200_000, 300_000), None);
        assert_eq!(stream.at(220_000, 320_000), Some((140_000, 199_000)));
    }

    #[test]
    fn packets_sent_before_the_group_are_ignored() {
        let mut stream = Stream::default();
        stream.at(0, 0);
        stream.at(20_000, 20_000);
        assert_eq!(stream.at(40_000, 40_000), Some((20_000, 20_000)));
        assert_eq!(stream.at(10_000, 90_000), None);
        assert_eq!(stream.at(60_000, 60_000), Some((20_000, 20_000)));
    }

    #[test]
    fn a_clock_jump_starts_anew() {
        let mut stream = Stream::default();
        stream.at(0, 0);
        stream.at(20_000, 20_000);
        let local = Timestamp::from_micros(60_000);
        stream.at_local(local, 40_000, 3_100_000);
        assert_eq!(stream.at_local(local, 60_000, 3_120_000), None, "the jump");
        assert_eq!(stream.at_local(local, 80_000, 3_140_000), None, "a first group again");
        assert_eq!(stream.at_local(local, 100_000, 3_160_000), None, "a second");
        let delta = stream.at_local(local, 120_000, 3_180_000);
        assert_eq!(delta, Some((20_000, 20_000)));
    }

    #[test]
    fn three_groups_that_come_too_early_start_anew() {
        let mut stream = Stream::default();
        let mut at = |sent, arrival| stream.at_local(Timestamp::ZERO, sent, arrival);
        at(0, 1_000_000);
        at(20_000, 1_020_000);
        assert_eq!(at(40_000, 1_040_000), Some((20_000, 20_000)));
        // The receiver's clock goes back; the first such packet joins the group before.
        for (sent, arrival) in
            [(60_000, 500_000), (80_000, 520_000), (100_000, 540_000), (120_000, 560_000)]
        {
            assert_eq!(at(sent, arrival), None);
        }
        assert_eq!(at(140_000, 600_000), None);
        assert_eq!(at(160_000, 620_000), None);
        assert_eq!(at(180_000, 640_000), Some((20_000, 20_000)));
    }
}
