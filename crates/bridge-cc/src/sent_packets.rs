use std::collections::VecDeque;
use std::time::Duration;

use bridge_rtp::SequenceUnwrapper;
use bridge_rtp::rtcp::{DELTA_TICK, REFERENCE_TIME_UNIT, TransportFeedback};
use bridge_units::{DataSize, Timestamp};

use crate::googcc2::ProbeClusterId;
use crate::rates::micros_between;

/// How long a sent packet is remembered. Feedback that comes later tells nothing about the link as
/// it is: the round trip time that counts ends at 7 s.
///
/// Differs from JVB: it keeps 60 s, which is several times the memory for no answer that is used.
pub const SENT_PACKET_LIFETIME: Duration = Duration::from_secs(10);
/// The most packets that are remembered: half of the sequence number space, since with more a number
/// of a feedback would not say which packet it means. Enough for 3,200 packets a second that are
/// never acknowledged; acknowledged ones leave at once.
pub const MAX_SENT_PACKETS: usize = 1 << 15;

/// The packets with transport-wide sequence numbers that were sent to one peer, until the peer's
/// feedback told what became of them.
///
/// Answers to JVB's `TransportFeedbackAdapter`.
#[derive(Clone, Debug, Default)]
pub struct SentPackets {
    unwrapper: SequenceUnwrapper,
    /// Consecutive numbers from `first` on.
    history: VecDeque<Entry>,
    first: i64,
    /// All packets up to this one are no longer in flight.
    released: Option<i64>,
    in_flight: u64,
    clock: ReceiverClock,
    counters: SentPacketsCounters,
}

/// One packet as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentPacket {
    /// Its transport-wide sequence number, unwrapped: it only grows.
    pub sequence: i64,
    /// What it has in bytes, from the RTP header on.
    pub size: DataSize,
    /// When it was handed to the socket.
    pub sent: Timestamp,
    /// The probe that it is part of.
    pub probe: Option<ProbeClusterId>,
}

/// A time on the clock of the receiver in microseconds, moved so that it is near our own. Only
/// differences have a meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReceiveTime(i64);

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketResult {
    /// The packet.
    pub packet: SentPacket,
    /// When it arrived; `None` if it was reported missing.
    pub received: Option<ReceiveTime>,
    /// It arrived after all; an earlier feedback called it missing.
    pub was_lost: bool,
}

/// What a feedback said as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedbackSummary {
    /// From sending the packet of this feedback that waited longest for it until now; `None` if it
    /// acknowledged nothing.
    pub max_feedback_rtt: Option<Duration>,
    /// The shortest time on the way, without the time that packets waited for the feedback.
    pub propagation_rtt: Option<Duration>,
    /// Packets of this feedback that arrived.
    pub received: usize,
    /// Packets that it reports missing for the first time.
    pub lost: usize,
}

/// What happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SentPacketsCounters {
    /// Packets that arrived.
    pub received: u64,
    /// Packets reported missing, without those that arrived later.
    pub lost: u64,
    /// Received statuses for packets that are not known: never sent, already acknowledged or too old.
    pub unmatched: u64,
    /// Packets that left the history without any word about them.
    pub unreported: u64,
    /// Packets with numbers out of order, which were not noted.
    pub refused: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    sent: Timestamp,
    size: u32,
    probe: Option<ProbeClusterId>,
    fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Unknown,
    Lost,
    /// Acknowledged, or a number that was never sent.
    Done,
}

/// What a feedback said of packets, for its summary.
#[derive(Clone, Copy, Debug, Default)]
struct Arrivals {
    received: usize,
    lost: usize,
    first_sent: Option<Timestamp>,
    last: Option<ReceiveTime>,
    /// By how much the time of arrival is ahead of that of sending, at least.
    least_lead: Option<i64>,
}

/// Maps reference times, which wrap after 12 days, onto one axis.
#[derive(Clone, Copy, Debug, Default)]
struct ReceiverClock {
    last_reference: Option<u32>,
    offset_micros: i64,
}

impl SentPackets {
    /// Nothing sent yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a packet that is sent `now`. Numbers rise; one that does not is not noted. Answers what
    /// was noted.
    pub fn on_packet_sent(
        &mut self,
        now: Timestamp,
        sequence: u16,
        size: DataSize,
        probe: Option<ProbeClusterId>,
    ) -> Option<SentPacket> {
        let sequence = self.unwrapper.update(sequence);
        self.expire(now);
        if self.history.is_empty() {
            self.first = self.first.max(sequence);
        }
        let next = self.first + i64::try_from(self.history.len()).unwrap_or(i64::MAX);
        if sequence < next {
            self.counters.refused += 1;
            return None;
        }
        for _ in next..sequence {
            self.push(Entry { sent: now, size: 0, probe: None, fate: Fate::Done });
        }
        let bytes = u32::try_from(size.bytes()).unwrap_or(u32::MAX);
        self.push(Entry { sent: now, size: bytes, probe, fate: Fate::Unknown });
        self.in_flight += u64::from(bytes);
        Some(SentPacket { sequence, size, sent: now, probe })
    }

    /// Appends to `results` what `feedback`, which came `now`, tells about packets that were sent
    /// and not acknowledged yet, in the order of their numbers. A missing packet is told once.
    pub fn on_feedback(
        &mut self,
        now: Timestamp,
        feedback: &TransportFeedback<'_>,
        results: &mut Vec<PacketResult>,
    ) -> FeedbackSummary {
        let mut arrival = self.clock.reference(now, feedback.reference_time);
        let mut arrivals = Arrivals::default();
        let mut highest = None;
        let Some(_) = self.unwrapper.highest() else {
            self.counters.unmatched += feedback.statuses().count() as u64;
            return FeedbackSummary::default();
        };
        let base = self.unwrapper.interpret(feedback.base_sequence);
        for (sequence, status) in (base..).zip(feedback.statuses()) {
            if let Some(ticks) = status.delta_ticks {
                arrival.0 += i64::from(ticks) * TICK_MICROS;
            }
            let received = status.delta_ticks.map(|_| arrival);
            if let Some(result) = self.settle(sequence, received) {
                highest = Some(sequence);
                arrivals.add(&result);
                results.push(result);
            } else if received.is_some() {
                self.counters.unmatched += 1;
            }
        }
        if let Some(highest) = highest {
            self.release(highest);
        }
        self.expire(now);
        arrivals.summary(now)
    }

    /// Bytes that were sent and not told about yet.
    pub fn in_flight(&self) -> DataSize {
        DataSize::from_bytes(self.in_flight)
    }

    /// What happened so far.
    pub fn counters(&self) -> SentPacketsCounters {
        self.counters
    }

    /// How many packets are remembered, at most [`MAX_SENT_PACKETS`].
    pub fn len(&self) -> usize {
        self.history.len()
    }

    /// Whether no packet is remembered.
    pub fn is_empty(&self) -> bool {
        self.history.is_empty()
    }

    fn push(&mut self, entry: Entry) {
        if self.history.len() >= MAX_SENT_PACKETS {
            self.pop();
        }
        self.history.push_back(entry);
    }

    fn pop(&mut self) {
        let Some(entry) = self.history.pop_front() else { return };
        if entry.fate == Fate::Unknown {
            self.counters.unreported += 1;
        }
        if self.released.is_none_or(|released| released < self.first) {
            self.in_flight = self.in_flight.saturating_sub(u64::from(entry.size));
        }
        self.first += 1;
    }

    /// Acknowledged packets leave as soon as no older one waits.
    fn expire(&mut self, now: Timestamp) {
        while let Some(entry) = self.history.front() {
            if entry.fate != Fate::Done && now <= entry.sent + SENT_PACKET_LIFETIME {
                break;
            }
            self.pop();
        }
    }

    fn settle(&mut self, sequence: i64, received: Option<ReceiveTime>) -> Option<PacketResult> {
        let index = usize::try_from(sequence - self.first).ok()?;
        let entry = self.history.get_mut(index)?;
        let before = entry.fate;
        match (before, received) {
            (Fate::Done, _) | (Fate::Lost, None) => return None,
            (_, Some(_)) => {
                entry.fate = Fate::Done;
                self.counters.received += 1;
            }
            (Fate::Unknown, None) => {
                entry.fate = Fate::Lost;
                self.counters.lost += 1;
            }
        }
        let was_lost = before == Fate::Lost;
        if was_lost {
            self.counters.lost = self.counters.lost.saturating_sub(1);
        }
        let size = DataSize::from_bytes(u64::from(entry.size));
        let packet = SentPacket { sequence, size, sent: entry.sent, probe: entry.probe };
        Some(PacketResult { packet, received, was_lost })
    }

    /// What was told about, and all before it, is no longer in flight.
    fn release(&mut self, highest: i64) {
        let from = self.released.map_or(self.first, |released| self.first.max(released + 1));
        let index = |sequence: i64| usize::try_from(sequence - self.first).unwrap_or(0);
        let end = index(highest + 1).min(self.history.len());
        let sizes = self.history.range(index(from).min(end)..end);
        let size = sizes.map(|entry| u64::from(entry.size)).sum();
        self.in_flight = self.in_flight.saturating_sub(size);
        self.released = Some(self.released.unwrap_or(highest).max(highest));
    }
}

impl ReceiveTime {
    /// `micros` after the origin of the axis.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the origin of the axis.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Microseconds since `earlier`, negative if `earlier` is later.
    pub const fn micros_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl ReceiverClock {
    /// The first reference time is now; the others lie where their difference puts them.
    fn reference(&mut self, now: Timestamp, reference: u32) -> ReceiveTime {
        let now_micros = micros_between(Timestamp::ZERO, now);
        match self.last_reference.replace(reference) {
            None => self.offset_micros = now_micros,
            Some(last) => {
                let forward = reference.wrapping_sub(last) & REFERENCE_MASK;
                let units = i64::from(forward)
                    - if forward > REFERENCE_MASK / 2 { i64::from(REFERENCE_MASK) + 1 } else { 0 };
                self.offset_micros += units * REFERENCE_MICROS;
                if self.offset_micros < 0 {
                    self.offset_micros = now_micros;
                }
            }
        }
        ReceiveTime(self.offset_micros)
    }
}

impl Arrivals {
    fn add(&mut self, result: &PacketResult) {
        let Some(received) = result.received else {
            self.lost += 1;
            return;
        };
        self.received += 1;
        let sent = result.packet.sent;
        // As nanoseconds on two axes: only differences of such have a meaning.
        let lead = received.0.saturating_mul(1_000).saturating_sub_unsigned(sent.as_nanos());
        self.first_sent = Some(self.first_sent.map_or(sent, |first| first.min(sent)));
        self.last = self.last.max(Some(received));
        self.least_lead = Some(self.least_lead.map_or(lead, |least| least.min(lead)));
    }

    /// A packet that was received before the last one has waited for the feedback since.
    fn summary(&self, now: Timestamp) -> FeedbackSummary {
        let propagation = self.least_lead.zip(self.last).map(|(lead, last)| {
            let shift = last.0.saturating_mul(1_000).saturating_sub_unsigned(now.as_nanos());
            Duration::from_nanos(u64::try_from(lead.saturating_sub(shift)).unwrap_or(0))
        });
        FeedbackSummary {
            max_feedback_rtt: self.first_sent.map(|sent| now - sent),
            propagation_rtt: propagation,
            received: self.received,
            lost: self.lost,
        }
    }
}

const TICK_MICROS: i64 = DELTA_TICK.as_micros() as i64;
const REFERENCE_MICROS: i64 = REFERENCE_TIME_UNIT.as_micros() as i64;
/// 24 bits.
const REFERENCE_MASK: u32 = 0x00ff_ffff;

#[cfg(test)]
mod tests {
    use bridge_rtp::rtcp::{RtcpCompound, RtcpPacket, RtcpWriter, TransportFeedbackBuilder};

    use super::*;

    fn size(bytes: u64) -> DataSize {
        DataSize::from_bytes(bytes)
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    /// Feedback for `arrivals` on the receiver's clock in milliseconds, the first number being `base`.
    fn feed(
        sent: &mut SentPackets,
        now: Timestamp,
        base: u16,
        arrivals: &[(u16, u64)],
    ) -> (FeedbackSummary, Vec<PacketResult>) {
        let first = arrivals.first().map_or(Timestamp::ZERO, |&(_, time)| at(time));
        let mut feedback = TransportFeedbackBuilder::new(1, 2, 0, base, first);
        for &(sequence, time) in arrivals {
            feedback.add_received(sequence, at(time)).unwrap();
        }
        let mut buffer = [0; 1_500];
        let mut writer = RtcpWriter::new(&mut buffer);
        writer.transport_feedback(&feedback).unwrap();
        let mut results = Vec::new();
        let compound = RtcpCompound::parse(writer.as_bytes()).unwrap();
        let (packet, _) = compound.into_iter().next().unwrap();
        let RtcpPacket::TransportFeedback(feedback) = packet else { panic!("{packet:?}") };
        let summary = sent.on_feedback(now, &feedback, &mut results);
        (summary, results)
    }

    fn sent(count: u16) -> SentPackets {
        let mut sent = SentPackets::new();
        for sequence in 1..=count {
            sent.on_packet_sent(at(u64::from(sequence) * 10), sequence, size(100), None);
        }
        sent
    }

    #[test]
    fn arrivals_and_losses_are_told_with_their_send_times() {
        let mut sent = sent(5);
        assert_eq!(sent.in_flight(), size(500));
        let (summary, results) = feed(&mut sent, at(150), 1, &[(1, 5_060), (3, 5_080), (4, 5_095)]);
        let told: Vec<_> = results
            .iter()
            .map(|it| (it.packet.sequence, it.packet.sent.as_millis(), it.received.is_some()))
            .collect();
        assert_eq!(told, [(1, 10, true), (2, 20, false), (3, 30, true), (4, 40, true)]);
        let times: Vec<_> = results.iter().filter_map(|it| it.received).collect();
        let deltas: Vec<_> = times.iter().map(|time| time.micros_since(times[0])).collect();
        assert_eq!(deltas, [0, 20_000, 35_000]);
        assert_eq!(
            summary,
            FeedbackSummary {
                max_feedback_rtt: Some(Duration::from_millis(140)),
                // The first waited 35 ms for the feedback, the last none.
                propagation_rtt: Some(Duration::from_millis(105)),
                received: 3,
                lost: 1,
            }
        );
        assert_eq!(sent.in_flight(), size(100), "only the fifth");
        let counters = sent.counters();
        assert_eq!((counters.received, counters.lost, counters.unmatched), (3, 1, 0));
    }

    #[test]
    fn a_loss_is_told_once_and_may_be_taken_back() {
        let mut sent = sent(4);
        feed(&mut sent, at(100), 1, &[(1, 50), (3, 60)]);
        let (_, again) = feed(&mut sent, at(110), 1, &[(1, 50), (3, 60)]);
        assert_eq!(again, [], "everything was told");
        assert_eq!(sent.counters().unmatched, 2);
        let (summary, late) = feed(&mut sent, at(120), 2, &[(2, 70)]);
        assert_eq!((summary.received, summary.lost), (1, 0));
        assert!(late[0].was_lost && late[0].received.is_some());
        assert_eq!((sent.counters().received, sent.counters().lost), (3, 0));
        assert_eq!(sent.len(), 1);
    }

    #[test]
    fn feedback_for_what_was_never_sent_is_counted() {
        let mut sent = SentPackets::new();
        let (summary, results) = feed(&mut sent, at(100), 1, &[(1, 50), (2, 60)]);
        assert_eq!((summary, results.len()), (FeedbackSummary::default(), 0));
        assert_eq!(sent.counters().unmatched, 2);
        let mut sent = self::sent(2);
        let (_, results) = feed(&mut sent, at(100), 2, &[(2, 50), (3, 60), (9, 70)]);
        assert_eq!((results.len(), sent.counters().unmatched), (1, 2));
    }

    #[test]
    fn numbers_and_reference_times_wrap() {
        let mut sent = SentPackets::new();
        let start = 0_u16.wrapping_sub(50);
        let mut receive_times = Vec::new();
        for round in 0..20 {
            // The reference time wraps in the middle: 2^24 * 64 ms.
            let base_millis = (1_u64 << 24) * 64 - 1_000 + round * 100;
            for n in 0..10 {
                let sequence = start.wrapping_add(u16::try_from(round * 10 + n).unwrap());
                sent.on_packet_sent(at(round * 100 + n), sequence, size(100), None);
            }
            let base = start.wrapping_add(u16::try_from(round * 10).unwrap());
            let arrivals: Vec<_> =
                (0..10).map(|n| (base.wrapping_add(n), base_millis + u64::from(n))).collect();
            let (_, results) = feed(&mut sent, at(round * 100 + 60), base, &arrivals);
            assert_eq!(results.len(), 10);
            receive_times.extend(results.iter().filter_map(|result| result.received));
        }
        let all = receive_times.last().unwrap().micros_since(receive_times[0]);
        assert_eq!(all, (19 * 100 + 9) * 1_000);
        assert!(receive_times.is_sorted());
        assert_eq!((sent.len(), sent.in_flight()), (0, DataSize::ZERO));
    }

    #[test]
    fn a_reference_time_that_goes_back_goes_back() {
        let mut sent = sent(10);
        let (_, first) = feed(&mut sent, at(5_000), 1, &[(1, 10_000)]);
        let (_, second) = feed(&mut sent, at(5_001), 2, &[(2, 9_000)]);
        let delta = second[0].received.unwrap().micros_since(first[0].received.unwrap());
        // Both within their unit of 64 ms.
        assert_eq!(delta, -1_000_000);
    }

    #[test]
    fn repeated_and_old_numbers_are_refused() {
        let mut sent = sent(5);
        assert_eq!(sent.on_packet_sent(at(60), 5, size(100), None), None);
        assert_eq!(sent.on_packet_sent(at(60), 2, size(100), None), None);
        assert_eq!((sent.counters().refused, sent.in_flight()), (2, size(500)));
        assert!(sent.on_packet_sent(at(60), 8, size(100), None).is_some(), "a hole is allowed");
        let (_, results) = feed(&mut sent, at(100), 6, &[(6, 10), (8, 20)]);
        assert_eq!(results.len(), 1);
        assert_eq!(sent.in_flight(), DataSize::ZERO);
    }

    #[test]
    fn history_is_bounded_by_time_and_number() {
        let mut sent = SentPackets::new();
        for n in 0..200_000_u32 {
            let sequence = u16::try_from(n & 0xffff).unwrap();
            sent.on_packet_sent(Timestamp::ZERO, sequence, size(100), None);
        }
        assert_eq!(sent.len(), MAX_SENT_PACKETS);
        assert_eq!(sent.in_flight(), size(100 * MAX_SENT_PACKETS as u64));
        assert_eq!(sent.counters().unreported, 200_000 - MAX_SENT_PACKETS as u64);
        let later = Timestamp::ZERO + SENT_PACKET_LIFETIME + Duration::from_millis(1);
        sent.on_packet_sent(later, u16::try_from(200_000_u32 & 0xffff).unwrap(), size(100), None);
        assert_eq!((sent.len(), sent.in_flight()), (1, size(100)));
    }
}
