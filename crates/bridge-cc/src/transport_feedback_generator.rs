use std::time::Duration;

use bridge_rtp::SequenceUnwrapper;
use bridge_rtp::rtcp::{
    MAX_MISSING, MAX_TRANSPORT_FEEDBACK_LEN, RtcpWriter, TransportFeedbackBuilder,
};
use bridge_units::Timestamp;

/// Feedback is due this long after the previous one, with the next packet.
pub const MAX_FEEDBACK_INTERVAL: Duration = Duration::from_millis(100);
/// With a packet that has the marker bit, feedback is due already this long after the previous one:
/// the end of a frame is a good moment to tell about it.
pub const MIN_FEEDBACK_INTERVAL: Duration = Duration::from_millis(20);
/// The most arrivals that wait for feedback. Ten times what 10 Mbit/s of full packets are in
/// [`MAX_FEEDBACK_INTERVAL`]; with more, feedback is due earlier, so that none is lost.
pub const MAX_PENDING_ARRIVALS: usize = 1_024;

/// Turns the arrivals of one peer's packets into transport-wide feedback.
///
/// It has no timer: feedback becomes due with an arriving packet, and says what arrived since the
/// previous one. Make one for a peer only if a payload type has `transport-cc` and the header
/// extension is signalled.
///
/// ```
/// # use bridge_cc::TransportFeedbackGenerator;
/// # use bridge_units::Timestamp;
/// let mut generator = TransportFeedbackGenerator::new();
/// for sequence in 0..11_u16 {
///     let now = Timestamp::from_millis(10 * u64::from(sequence));
///     if generator.on_packet(now, sequence, false, 0x1234) {
///         generator.write_feedback(now, 0x5678, |packet| assert!(packet.len() <= 1200));
///     }
/// }
/// assert_eq!(generator.counters().feedback_packets, 1);
/// ```
#[derive(Clone, Debug, Default)]
pub struct TransportFeedbackGenerator {
    unwrapper: SequenceUnwrapper,
    /// Not reported yet, ascending by unwrapped sequence number.
    arrivals: Vec<Arrival>,
    /// The first number that the next feedback tells about.
    window_start: Option<i64>,
    last_feedback: Option<Timestamp>,
    media_ssrc: u32,
    feedback_count: u8,
    counters: TransportFeedbackCounters,
}

/// What a generator counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransportFeedbackCounters {
    /// Packets that arrived for the first time, as far as is known.
    pub received: u64,
    /// Packets that were skipped and did not arrive later.
    pub lost: u64,
    /// Packets that arrived after a newer one. One that comes twice after it was reported counts
    /// here too.
    pub received_late: u64,
    /// Arrivals that were left out because [`MAX_PENDING_ARRIVALS`] wait: feedback was due and not
    /// taken.
    pub refused: u64,
    /// Feedback packets written.
    pub feedback_packets: u64,
}

#[derive(Clone, Copy, Debug)]
struct Arrival {
    sequence: i64,
    time: Timestamp,
}

impl TransportFeedbackGenerator {
    /// Nothing received yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a packet with transport-wide number `sequence` that arrived `now`. Answers whether
    /// feedback is due, which the caller then takes with [`Self::write_feedback`]; `media_ssrc` is
    /// what that feedback calls its media source.
    pub fn on_packet(
        &mut self,
        now: Timestamp,
        sequence: u16,
        marker: bool,
        media_ssrc: u32,
    ) -> bool {
        let highest = self.unwrapper.highest();
        let sequence = self.unwrapper.update(sequence);
        let place = self.arrivals.partition_point(|arrival| arrival.sequence < sequence);
        let is_waiting =
            self.arrivals.get(place).is_some_and(|arrival| arrival.sequence == sequence);
        if !is_waiting {
            self.count(sequence, highest);
            self.insert(place, Arrival { sequence, time: now });
        }
        self.media_ssrc = media_ssrc;
        self.is_due(now, marker)
    }

    /// Hands every feedback packet that reports the waiting arrivals to `emit`, each a complete RTCP
    /// packet of at most 1200 bytes, and starts the next interval. Answers how many there were.
    ///
    /// Differs from JVB: a feedback that continues a full one starts behind the last number of that
    /// one, so that losses between the two are told; JVB starts with the next arrival.
    pub fn write_feedback(
        &mut self,
        now: Timestamp,
        sender_ssrc: u32,
        mut emit: impl FnMut(&[u8]),
    ) -> usize {
        let Some(mut next) = self.window_start else { return 0 };
        let mut arrivals = std::mem::take(&mut self.arrivals);
        let before = self.counters.feedback_packets;
        let mut open: Option<TransportFeedbackBuilder> = None;
        for &arrival in &arrivals {
            let fits = open.as_mut().is_some_and(|feedback| add(feedback, next, arrival));
            if !fits {
                if let Some(full) = open.take() {
                    self.finish(&full, &mut emit);
                }
                open = Some(self.begin(sender_ssrc, next, arrival));
            }
            next = arrival.sequence + 1;
        }
        if let Some(last) = open {
            self.finish(&last, &mut emit);
            self.window_start = Some(next);
            self.last_feedback = Some(now);
        }
        arrivals.clear();
        self.arrivals = arrivals;
        usize::try_from(self.counters.feedback_packets - before)
            .expect("there are at most as many packets as arrivals waited")
    }

    /// What happened so far.
    pub fn counters(&self) -> TransportFeedbackCounters {
        self.counters
    }

    /// How many arrivals wait for feedback, at most [`MAX_PENDING_ARRIVALS`].
    pub fn pending(&self) -> usize {
        self.arrivals.len()
    }

    fn count(&mut self, sequence: i64, highest: Option<i64>) {
        let counters = &mut self.counters;
        counters.received += 1;
        match highest {
            Some(highest) if sequence > highest => {
                counters.lost += (sequence - highest - 1).unsigned_abs();
            }
            Some(_) => {
                counters.received_late += 1;
                counters.lost = counters.lost.saturating_sub(1);
            }
            None => {}
        }
    }

    fn insert(&mut self, place: usize, arrival: Arrival) {
        if self.arrivals.len() >= MAX_PENDING_ARRIVALS {
            self.counters.refused += 1;
            return;
        }
        self.arrivals.insert(place, arrival);
        let window_start = self.window_start.unwrap_or(arrival.sequence);
        self.window_start = Some(window_start.min(arrival.sequence));
    }

    /// The very first packet only starts the interval.
    fn is_due(&mut self, now: Timestamp, marker: bool) -> bool {
        let elapsed = now - *self.last_feedback.get_or_insert(now);
        elapsed >= MAX_FEEDBACK_INTERVAL
            || (marker && elapsed >= MIN_FEEDBACK_INTERVAL)
            || self.arrivals.len() >= MAX_PENDING_ARRIVALS
    }

    /// A feedback with its first arrival. It starts at `next` or, if too many are missing for one
    /// feedback to tell, at the arrival itself.
    fn begin(&mut self, sender_ssrc: u32, next: i64, arrival: Arrival) -> TransportFeedbackBuilder {
        let base = if is_tellable(next, arrival) { next } else { arrival.sequence };
        let mut feedback = TransportFeedbackBuilder::new(
            sender_ssrc,
            self.media_ssrc,
            self.feedback_count,
            low_bits(base),
            arrival.time,
        );
        self.feedback_count = self.feedback_count.wrapping_add(1);
        let added = add(&mut feedback, base, arrival);
        debug_assert!(added, "an empty feedback takes any arrival");
        feedback
    }

    fn finish(&mut self, feedback: &TransportFeedbackBuilder, emit: &mut impl FnMut(&[u8])) {
        let mut buffer = [0; MAX_TRANSPORT_FEEDBACK_LEN];
        let mut writer = RtcpWriter::new(&mut buffer);
        let written = writer.transport_feedback(feedback);
        debug_assert!(written.is_ok(), "the buffer has the length of the longest feedback");
        emit(writer.as_bytes());
        self.counters.feedback_packets += 1;
    }
}

/// Adds an arrival to a feedback whose next number is `next`; `false` if it does not fit.
fn add(feedback: &mut TransportFeedbackBuilder, next: i64, arrival: Arrival) -> bool {
    is_tellable(next, arrival)
        && feedback.add_received(low_bits(arrival.sequence), arrival.time).is_ok()
}

/// Whether 16-bit numbers can tell what is missing between `next` and the arrival.
fn is_tellable(next: i64, arrival: Arrival) -> bool {
    arrival.sequence - next <= i64::from(MAX_MISSING)
}

fn low_bits(sequence: i64) -> u16 {
    u16::try_from(sequence.rem_euclid(1 << 16)).expect("a remainder of 2^16 fits 16 bits")
}

#[cfg(test)]
mod tests {
    use bridge_rtp::rtcp::{PacketStatus, RtcpCompound, RtcpPacket};
    use proptest::prelude::*;

    use super::*;

    const SENDER_SSRC: u32 = 7;
    const MEDIA_SSRC: u32 = 1_234;

    /// A generator with everything it sent.
    #[derive(Default)]
    struct Peer {
        generator: TransportFeedbackGenerator,
        sent: Vec<Vec<u8>>,
    }

    impl Peer {
        fn receive(&mut self, now: Timestamp, sequence: u16, marker: bool) {
            if self.generator.on_packet(now, sequence, marker, MEDIA_SSRC) {
                let sent = &mut self.sent;
                self.generator
                    .write_feedback(now, SENDER_SSRC, |packet| sent.push(packet.to_vec()));
            }
        }

        fn receive_at(&mut self, millis: u64, sequence: u16) {
            self.receive(Timestamp::from_millis(millis), sequence, false);
        }

        fn reports(&self, index: usize) -> Vec<PacketStatus> {
            let compound = RtcpCompound::parse(&self.sent[index]).unwrap();
            let (RtcpPacket::TransportFeedback(feedback), _) = compound.packets().next().unwrap()
            else {
                panic!("transport feedback");
            };
            assert_eq!((feedback.sender_ssrc, feedback.media_ssrc), (SENDER_SSRC, MEDIA_SSRC));
            assert_eq!(usize::from(feedback.feedback_count), index % 256);
            feedback.statuses().collect()
        }

        fn received_and_lost(&self) -> (u64, u64) {
            let counters = self.generator.counters();
            (counters.received, counters.lost)
        }
    }

    #[test]
    fn eleven_packets_make_one_feedback() {
        let mut peer = Peer::default();
        (0..11).for_each(|n| peer.receive_at(u64::from(n) * 10, n));
        assert_eq!(peer.sent.len(), 1);
        let reports = peer.reports(0);
        assert_eq!(reports.len(), 11);
        let deltas: Vec<_> = reports.iter().map(|report| report.delta_ticks).collect();
        assert_eq!(deltas[0], Some(0));
        assert!(deltas[1..].iter().all(|delta| *delta == Some(40)));
        assert_eq!(peer.received_and_lost(), (11, 0));
    }

    #[test]
    fn a_marker_brings_feedback_forward() {
        let mut peer = Peer::default();
        for (millis, sequence, marker) in [(0, 1, false), (10, 2, false), (20, 3, true)] {
            peer.receive(Timestamp::from_millis(millis), sequence, marker);
        }
        assert_eq!(peer.sent.len(), 1);
        peer.receive_at(120, 4);
        assert_eq!(peer.sent.len(), 2);
        assert_eq!(peer.received_and_lost(), (4, 0));
    }

    #[test]
    fn markers_within_the_minimum_interval_wait() {
        let mut peer = Peer::default();
        for millis in 0..20 {
            peer.receive(Timestamp::from_millis(millis), u16::try_from(millis).unwrap(), true);
        }
        assert_eq!(peer.sent.len(), 0);
        peer.receive(Timestamp::from_millis(99), 20, false);
        assert_eq!(peer.sent.len(), 0);
        peer.receive(Timestamp::from_millis(99), 21, true);
        assert_eq!(peer.sent.len(), 1);
    }

    #[test]
    fn a_loss_behind_a_feedback_starts_the_next() {
        let mut peer = Peer::default();
        (0..11).for_each(|n| peer.receive_at(u64::from(n) * 10, n));
        peer.receive_at(210, 20);
        assert_eq!(peer.sent.len(), 2);
        let reports = peer.reports(1);
        assert_eq!(reports[0], PacketStatus { sequence: 11, delta_ticks: None });
        assert_eq!(reports.len(), 10);
        assert!(reports[9].sequence == 20 && reports[9].delta_ticks.is_some());
        assert_eq!(peer.received_and_lost(), (12, 9));
    }

    #[test]
    fn a_late_packet_behind_a_feedback_starts_the_next() {
        let mut peer = Peer::default();
        (0..9).for_each(|n| peer.receive_at(u64::from(n) * 10, n));
        peer.receive_at(100, 10);
        assert_eq!(peer.sent.len(), 1);
        assert_eq!(peer.received_and_lost(), (10, 1));
        peer.receive_at(90, 9);
        assert_eq!(peer.received_and_lost(), (11, 0));
        peer.receive_at(200, 20);
        assert_eq!(peer.sent.len(), 2);
        let first = peer.reports(1)[0];
        assert!(first.sequence == 9 && first.delta_ticks.is_some());
        assert_eq!(peer.generator.counters().received_late, 1);
    }

    #[test]
    fn a_filled_gap_is_reported_in_order() {
        let mut peer = Peer::default();
        peer.receive_at(0, 1);
        peer.receive_at(10, 3);
        peer.receive_at(20, 2);
        peer.receive_at(30, 3);
        peer.receive_at(100, 4);
        let deltas: Vec<_> = peer.reports(0).iter().map(|report| report.delta_ticks).collect();
        assert_eq!(deltas, [Some(0), Some(80), Some(-40), Some(360)]);
        assert_eq!(peer.received_and_lost(), (4, 0));
    }

    #[test]
    fn numbers_wrap_without_a_hole() {
        let mut peer = Peer::default();
        for n in 0..100_000_u64 {
            // As in the reference's test, 65535 never occurs.
            peer.receive_at(n * 10, u16::try_from(n % 0xffff).unwrap());
            assert!(peer.sent.len() as u64 <= n / 10);
        }
        assert_eq!(peer.sent.len(), 9_999);
    }

    #[test]
    fn numbers_wrap_with_losses() {
        let mut peer = Peer::default();
        for n in 0..50_000_u64 {
            peer.receive_at(n * 20, u16::try_from(n * 2 % 0xffff).unwrap());
        }
        assert_eq!(peer.sent.len(), 9_999);
    }

    #[test]
    fn jumps_count_as_losses() {
        let mut peer = Peer::default();
        for sequence in (0..=60_000).step_by(10_000) {
            peer.receive_at(0, sequence);
        }
        assert_eq!(peer.received_and_lost(), (7, 6 * 9_999));
        for n in 2..5_000 {
            peer.receive_at(u64::from(n) * 10, n);
        }
        assert!(peer.sent.iter().all(|packet| packet.len() <= MAX_TRANSPORT_FEEDBACK_LEN));
    }

    #[test]
    fn what_waits_is_bounded_and_due() {
        let mut generator = TransportFeedbackGenerator::new();
        let now = Timestamp::from_millis(5);
        for sequence in 0..2_000_u16 {
            let due = generator.on_packet(now, sequence, false, MEDIA_SSRC);
            assert_eq!(due, usize::from(sequence) + 1 >= MAX_PENDING_ARRIVALS);
        }
        assert_eq!(generator.pending(), MAX_PENDING_ARRIVALS);
        assert_eq!(generator.counters().refused, 2_000 - 1_024);
        let mut lens = Vec::new();
        assert_eq!(generator.write_feedback(now, 1, |packet| lens.push(packet.len())), 1);
        assert_eq!((lens.len(), generator.pending()), (1, 0));
        assert_eq!(generator.write_feedback(now, 1, |_| panic!("nothing is left")), 0);
    }

    #[test]
    fn many_arrivals_are_split_without_a_hole() {
        let mut generator = TransportFeedbackGenerator::new();
        let mut peer = Peer::default();
        let mut now = Timestamp::ZERO;
        for n in 0..MAX_PENDING_ARRIVALS {
            // Each second packet is lost and every delta needs two bytes.
            generator.on_packet(now, u16::try_from(n * 2).unwrap(), false, MEDIA_SSRC);
            now += Duration::from_millis(70);
        }
        let sent = &mut peer.sent;
        generator.write_feedback(now, SENDER_SSRC, |packet| sent.push(packet.to_vec()));
        assert!(peer.sent.len() > 1);
        let numbers: Vec<_> = (0..peer.sent.len())
            .flat_map(|index| peer.reports(index))
            .map(|report| (report.sequence, report.delta_ticks.is_some()))
            .collect();
        let expected: Vec<_> = (0..2_047).map(|sequence| (sequence, sequence % 2 == 0)).collect();
        assert_eq!(numbers, expected);
    }

    proptest! {
        // Random numbers lie thousands apart, and every number between is a status to read.
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn random_numbers_give_valid_packets(
            packets in prop::collection::vec((any::<u16>(), any::<bool>(), 0_u64..30), 1..200),
        ) {
            let mut peer = Peer::default();
            let mut millis = 0;
            for (sequence, marker, step) in packets {
                millis += step;
                peer.receive(Timestamp::from_millis(millis), sequence, marker);
            }
            for index in 0..peer.sent.len() {
                prop_assert!(peer.sent[index].len() <= MAX_TRANSPORT_FEEDBACK_LEN);
                let reports = peer.reports(index);
                prop_assert!(reports.last().is_some_and(|last| last.delta_ticks.is_some()));
            }
        }
    }

    proptest! {
        #[test]
        fn every_arrival_is_reported_once(
            order in prop::collection::vec((0_i32..30, 0_u64..20), 1..400),
            start in any::<u16>(),
        ) {
            // Numbers rise, each delayed by a few places.
            let mut arrivals: Vec<_> = (0_i32..).zip(order).map(|(n, (late, step))| (n + late, n, step)).collect();
            arrivals.sort_unstable();
            let mut peer = Peer::default();
            let mut millis = 0;
            for &(_, n, step) in &arrivals {
                millis += step;
                let sequence = start.wrapping_add(u16::try_from(n).unwrap());
                peer.receive_at(millis, sequence);
            }
            let waiting = peer.generator.pending();
            let mut reported: Vec<_> = (0..peer.sent.len())
                .flat_map(|index| peer.reports(index))
                .filter(|report| report.delta_ticks.is_some())
                .map(|report| report.sequence)
                .collect();
            let count = reported.len();
            reported.sort_unstable();
            reported.dedup();
            prop_assert_eq!(reported.len(), count);
            prop_assert_eq!(count + waiting, arrivals.len());
        }
    }
}
