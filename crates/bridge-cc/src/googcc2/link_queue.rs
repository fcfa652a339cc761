use std::time::Duration;

use bridge_units::{Bitrate, DataSize, Timestamp};

use crate::rates::micros_between;
use crate::sent_packets::{PacketResult, ReceiveTime};

/// How long packets wait on the way, by comparison with the fastest ones of the last half to whole
/// minute.
///
/// Differs from JVB and libwebrtc, whose detector sees only how the delay changes: a queue that is
/// full and stays full looks to it like no queue. Then the rate grows while the queue overflows, and
/// audio is lost with all the rest.
#[derive(Clone, Debug)]
pub(crate) struct LinkQueue {
    /// In microseconds between two clocks, so that only differences mean something: the shortest
    /// times on the way, of the last stretch and of this one.
    shortest: [Option<i64>; 2],
    stretch_began: Option<Timestamp>,
    /// When packets arrived last.
    updated: Option<Timestamp>,
    /// What all packets of the last feedback waited at least.
    wait: Duration,
    /// Since when packets have waited for more than [`LONG_WAIT`] and about as long, and how long at first.
    long: Option<(Timestamp, Duration)>,
    /// What the packet that arrived last waited.
    newest_wait: Duration,
    is_overflowing: bool,
    last_loss: Option<Timestamp>,
    /// The time without a pause that goes on: its part that is over, and the newest.
    busy: [BusyTime; 2],
    /// What the last one showed, and when.
    last_rate: Option<(Timestamp, Bitrate)>,
    /// The highest that one showed lately, and when.
    capacity: Option<(Timestamp, Bitrate)>,
}

/// A time during which packets never stopped leaving the queue: what arrived is what the link takes.
#[derive(Clone, Copy, Debug, Default)]
struct BusyTime {
    began: Option<ReceiveTime>,
    ended: ReceiveTime,
    /// Without the packet with which it began.
    bytes: u64,
    packets: usize,
}

impl LinkQueue {
    pub(crate) fn new() -> Self {
        Self {
            shortest: [None; 2],
            stretch_began: None,
            updated: None,
            wait: Duration::ZERO,
            long: None,
            newest_wait: Duration::ZERO,
            is_overflowing: false,
            last_loss: None,
            last_rate: None,
            capacity: None,
            busy: [BusyTime::default(); 2],
        }
    }

    /// Takes what arrived, in the order of arrival, and how many packets did not.
    pub(crate) fn update(&mut self, now: Timestamp, arrived: &[PacketResult], lost: usize) {
        let began = *self.stretch_began.get_or_insert(now);
        if now - began >= STRETCH {
            self.stretch_began = Some(now);
            self.shortest = [self.shortest[1], None];
        }
        let mut least = None;
        for result in arrived {
            let Some(received) = result.received else { continue };
            let wait = self.wait_of(result.packet.sent, received);
            self.newest_wait = wait;
            least = Some(least.map_or(wait, |least: Duration| least.min(wait)));
            self.note_arrival(received, result.packet.size, wait);
        }
        if let Some(least) = least {
            self.updated = Some(now);
            self.wait = least;
            self.note_long_wait(now);
        }
        if let Some(rate) = self.rate_of_busy_time() {
            self.last_rate = Some((now, rate));
            if self.capacity(now).is_none_or(|known| known <= rate) {
                self.capacity = Some((now, rate));
            }
        }
        if lost > 0 {
            self.last_loss = Some(now);
        }
        self.is_overflowing = lost > 0 && self.wait >= LONG_WAIT;
    }

    /// There is none: who thinks that it grows is wrong.
    pub(crate) fn is_empty(&self) -> bool {
        self.newest_wait < MIN_WAIT
    }

    /// Nothing waits that is worth mentioning. Of what is not used nothing waits any more.
    pub(crate) fn is_short(&self, now: Timestamp) -> bool {
        self.wait < SHORT_WAIT || self.is_unused(now)
    }

    /// Nothing has arrived for so long that whatever waited has left.
    pub(crate) fn is_unused(&self, now: Timestamp) -> bool {
        self.updated.is_none_or(|updated| now - updated >= LONGEST_SILENCE)
    }

    /// So long that sending more can only make it longer.
    pub(crate) fn is_long(&self) -> bool {
        self.wait >= LONG_WAIT
    }

    /// It is long, and packets are lost: it has no more room.
    pub(crate) fn is_overflowing(&self) -> bool {
        self.is_overflowing
    }

    /// Whether packets were lost within the last seconds.
    pub(crate) fn has_lost(&self, now: Timestamp) -> bool {
        self.last_loss.is_some_and(|last| now - last < LOSS_MEMORY)
    }

    /// What the link takes, if a moment ago it had something to do for long enough to tell. Unlike
    /// what gets through on average this does not depend on how much there was to send.
    pub(crate) fn busy_rate(&self, now: Timestamp) -> Option<Bitrate> {
        self.last_rate.filter(|(at, _)| now - *at < RATE_LIFETIME).map(|(_, rate)| rate)
    }

    /// The most that the link was seen to take within the last seconds while it was busy.
    pub(crate) fn capacity(&self, now: Timestamp) -> Option<Bitrate> {
        self.capacity.filter(|(at, _)| now - *at < CAPACITY_LIFETIME).map(|(_, rate)| rate)
    }

    /// A queue becomes shorter when less is sent. A wait that stays as it is is the way itself, which has
    /// become longer: another route, a relay, a clock that was set.
    fn note_long_wait(&mut self, now: Timestamp) {
        if self.wait < LONG_WAIT {
            self.long = None;
            return;
        }
        let changes =
            |first: Duration| self.wait + MIN_WAIT < first || self.wait >= first + LONG_WAIT;
        let known = self.long.filter(|(_, first)| !changes(*first));
        let (since, first) = *self.long.insert(known.unwrap_or((now, self.wait)));
        if now - since < LONGEST_QUEUE {
            return;
        }
        let least = first.min(self.wait);
        let shortest = self.shortest.into_iter().flatten().min();
        self.shortest = [None, shortest.map(|shortest| shortest.saturating_add(micros(least)))];
        self.stretch_began = Some(now);
        self.wait -= least;
        self.newest_wait = self.newest_wait.saturating_sub(least);
        self.busy = [BusyTime::default(); 2];
        self.long = None;
    }

    fn rate_of_busy_time(&self) -> Option<Bitrate> {
        let [before, current] = self.busy;
        let began = before.began.or(current.began)?;
        let micros = u64::try_from(current.ended.micros_since(began)).ok()?;
        let packets = before.packets + current.packets;
        (packets >= MIN_BUSY_PACKETS && micros >= MIN_BUSY_MICROS).then(|| {
            DataSize::from_bytes(before.bytes + current.bytes).per(Duration::from_micros(micros))
        })
    }

    fn wait_of(&mut self, sent: Timestamp, received: ReceiveTime) -> Duration {
        let way = received.as_micros().saturating_sub(micros_between(Timestamp::ZERO, sent));
        let shortest = self.shortest.into_iter().flatten().min().unwrap_or(way);
        let wait = way.saturating_sub(shortest);
        if !(-MAX_STEP_MICROS..=MAX_STEP_MICROS).contains(&wait) {
            // A clock jumped: what is known has no meaning any more.
            self.shortest = [None, Some(way)];
            self.busy = [BusyTime::default(); 2];
            return Duration::ZERO;
        }
        let [_, current] = &mut self.shortest;
        *current = Some(current.map_or(way, |current| current.min(way)));
        Duration::from_micros(u64::try_from(wait).unwrap_or(0))
    }

    fn note_arrival(&mut self, received: ReceiveTime, size: DataSize, wait: Duration) {
        let [before, current] = &mut self.busy;
        // It came to the link before the last one had left.
        let is_behind = current.began.is_some()
            && wait >= MIN_WAIT
            && received.micros_since(current.ended) <= micros(wait) + GAP_MICROS;
        if !is_behind {
            *before = BusyTime::default();
            *current = BusyTime { began: Some(received), ended: received, ..BusyTime::default() };
            return;
        }
        let is_over =
            current.began.is_some_and(|began| received.micros_since(began) > MAX_BUSY_MICROS);
        if is_over {
            // The new one goes on where the old one ended.
            *before = *current;
            *current = BusyTime { began: Some(before.ended), ..BusyTime::default() };
        }
        current.bytes += size.bytes();
        current.packets += 1;
        current.ended = received;
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// Clocks drift apart by less than a few milliseconds in two of them.
const STRETCH: Duration = Duration::from_secs(30);
/// What jitter and the groups of a sender's frames make.
const SHORT_WAIT: Duration = Duration::from_millis(60);
/// Above what libwebrtc's rate control makes by itself before it reacts.
const LONG_WAIT: Duration = Duration::from_millis(120);
/// Less than this is jitter.
const MIN_WAIT: Duration = Duration::from_millis(20);
/// What times of arrival may be wrong by: they are told in steps of 250 µs, and come in groups.
const GAP_MICROS: i64 = 5_000;
/// Fewer packets, or a shorter time, tell more of groups than of the link.
const MIN_BUSY_PACKETS: usize = 6;
const MIN_BUSY_MICROS: u64 = 80_000;
/// What is looked at is at most twice as old as this: a link changes.
const MAX_BUSY_MICROS: i64 = 300_000;
/// For feedback that comes late.
const RATE_LIFETIME: Duration = Duration::from_secs(1);
/// Long enough that a pause of the sender does not make it forgotten.
const CAPACITY_LIFETIME: Duration = Duration::from_secs(10);
/// Four times the rate was lowered by then because the queue overflowed, to half of what the link takes.
const LONGEST_QUEUE: Duration = Duration::from_secs(4);
/// The longest queue that calls meet drains meanwhile.
const LONGEST_SILENCE: Duration = Duration::from_secs(2);
const LOSS_MEMORY: Duration = Duration::from_secs(2);
/// No queue that a call can live with is longer.
const MAX_STEP_MICROS: i64 = 5_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sent_packets::SentPacket;

    /// Packets of 1,000 bytes, `waits` in milliseconds on top of a way of a negative time: clocks
    /// differ.
    fn arrivals(from_millis: u64, every_millis: u64, waits: &[i64]) -> Vec<PacketResult> {
        let sent = (0..).map(|n| from_millis + n * every_millis);
        let result = |(sent, wait): (u64, &i64)| PacketResult {
            packet: SentPacket {
                sequence: 0,
                size: DataSize::from_bytes(1_000),
                sent: Timestamp::from_millis(sent),
                probe: None,
            },
            received: Some(ReceiveTime::from_micros(
                (i64::try_from(sent).unwrap() - 5_000 + wait) * 1_000,
            )),
            was_lost: false,
        };
        sent.zip(waits).map(result).collect()
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn what_all_packets_wait_is_the_queue() {
        let mut queue = LinkQueue::new();
        queue.update(at(1_100), &arrivals(1_000, 10, &[20, 0, 5]), 3);
        assert!(queue.is_short(at(1_100)) && !queue.is_long() && !queue.is_overflowing());
        queue.update(at(1_200), &arrivals(1_100, 10, &[250, 90, 300]), 0);
        assert!(!queue.is_short(at(1_200)) && !queue.is_long());
        queue.update(at(1_300), &arrivals(1_200, 10, &[250, 300]), 0);
        assert!(queue.is_long() && !queue.is_overflowing());
        queue.update(at(1_400), &arrivals(1_300, 10, &[300, 300]), 1);
        assert!(queue.is_overflowing());
        queue.update(at(1_500), &[], 1);
        assert!(queue.is_overflowing(), "nothing arrived that waited less");
        queue.update(at(1_600), &arrivals(1_500, 10, &[10]), 1);
        assert!(queue.is_short(at(1_600)) && !queue.is_overflowing());
    }

    #[test]
    fn a_wait_that_stays_is_the_way_itself() {
        let mut queue = LinkQueue::new();
        queue.update(at(0), &arrivals(0, 10, &[0]), 0);
        for tenth in 10..100 {
            let millis = tenth * 100;
            // Something is lost now and then, as everywhere.
            let lost = usize::from(tenth % 5 == 0);
            queue.update(at(millis), &arrivals(millis, 10, &[210, 200, 205]), lost);
            assert_eq!(queue.is_long(), tenth < 50, "{millis} ms");
            assert_eq!(queue.is_short(at(millis)), tenth >= 50, "{millis} ms");
        }
        // From there on a queue is one again.
        queue.update(at(10_000), &arrivals(10_000, 10, &[330; 3]), 1);
        assert!(queue.is_overflowing());
    }

    #[test]
    fn a_queue_that_drains_is_a_queue() {
        let mut queue = LinkQueue::new();
        queue.update(at(0), &arrivals(0, 10, &[0]), 0);
        for tenth in 10..100 {
            let millis = tenth * 100;
            // Three seconds long, then short for a moment.
            let wait = if tenth % 30 == 0 { 50 } else { 200 };
            queue.update(at(millis), &arrivals(millis, 10, &[wait; 3]), 0);
            assert_eq!(queue.is_long(), wait == 200, "{millis} ms");
        }
    }

    #[test]
    fn a_long_queue_that_becomes_shorter_is_a_queue() {
        let mut queue = LinkQueue::new();
        queue.update(at(0), &arrivals(0, 10, &[0]), 0);
        for tenth in 10..100_u64 {
            let millis = tenth * 100;
            // From 1.5 s at 160 ms a second.
            let wait = 1_500 - i64::try_from(tenth - 10).unwrap() * 15;
            queue.update(at(millis), &arrivals(millis, 10, &[wait; 3]), 0);
            assert!(queue.is_long(), "{millis} ms");
        }
    }

    #[test]
    fn nothing_waits_where_nothing_is_sent() {
        let mut queue = LinkQueue::new();
        queue.update(at(1_000), &arrivals(1_000, 10, &[0]), 0);
        queue.update(at(2_000), &arrivals(2_000, 10, &[300; 3]), 1);
        assert!(!queue.is_short(at(3_900)) && !queue.is_unused(at(3_900)));
        assert!(queue.is_short(at(4_000)) && queue.is_unused(at(4_000)));
    }

    #[test]
    fn a_jump_of_a_clock_is_no_queue() {
        for jump in [-20_000, 20_000] {
            let mut queue = LinkQueue::new();
            queue.update(at(1_000), &arrivals(1_000, 10, &[0; 5]), 0);
            queue.update(at(1_100), &arrivals(1_100, 10, &[jump; 5]), 1);
            assert!(queue.is_short(at(1_100)), "{jump}");
        }
    }

    #[test]
    fn a_busy_link_shows_its_rate_whatever_is_sent() {
        let mut queue = LinkQueue::new();
        queue.update(at(1_000), &arrivals(1_000, 10, &[0; 5]), 0);
        assert_eq!(queue.busy_rate(at(1_000)), None);
        // A packet of 8,000 bits every 4 ms, of which the link takes one every 16 ms.
        let waits: Vec<i64> = (0..100).map(|n| 30 + n * 12).collect();
        queue.update(at(2_000), &arrivals(1_100, 4, &waits[..4]), 0);
        assert_eq!(queue.busy_rate(at(2_000)), None, "too short to say");
        queue.update(at(2_000), &arrivals(1_116, 4, &waits[4..]), 0);
        let rate = queue.busy_rate(at(2_000)).unwrap();
        assert!((Bitrate::from_kbps(480)..=Bitrate::from_kbps(520)).contains(&rate), "{rate:?}");
        // A moment later, when it has nothing to do, that is still known.
        queue.update(at(2_500), &arrivals(2_500, 10, &[0]), 0);
        assert_eq!(queue.busy_rate(at(2_500)), Some(rate));
        assert_eq!(queue.busy_rate(at(3_500)), None);
        assert_eq!(queue.capacity(at(11_900)), Some(rate));
        assert_eq!(queue.capacity(at(12_000)), None);
    }

    #[test]
    fn pauses_of_the_sender_do_not_make_the_link_slow() {
        let mut queue = LinkQueue::new();
        queue.update(at(900), &arrivals(900, 10, &[0; 5]), 0);
        for second in 1..5 {
            // Ten packets at once, each of which takes 16 ms, after most of a second of nothing.
            let waits: Vec<i64> = (1..=10).map(|n| n * 16 + 10).collect();
            let millis = second * 1_000;
            queue.update(at(millis + 300), &arrivals(millis, 0, &waits), 0);
            let rate = queue.busy_rate(at(millis + 300)).unwrap();
            assert!(
                (Bitrate::from_kbps(480)..=Bitrate::from_kbps(520)).contains(&rate),
                "{rate:?}"
            );
        }
    }

    #[test]
    fn losses_are_remembered_for_a_while() {
        let mut queue = LinkQueue::new();
        queue.update(at(1_000), &arrivals(1_000, 10, &[0]), 1);
        assert!(queue.has_lost(at(2_900)) && !queue.has_lost(at(3_000)));
    }
}
