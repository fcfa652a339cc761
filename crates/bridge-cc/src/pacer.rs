use std::collections::VecDeque;
use std::time::Duration;

use bridge_units::{Bitrate, DataSize, Timestamp};

use crate::rates::{RateMath, time_for};

/// The most packets that wait: JVB's `send.queue-size`.
pub const MAX_PACED_PACKETS: usize = 1_024;
/// No packet waits longer: then it goes, whatever the rate.
pub const MAX_PACING_DELAY: Duration = Duration::from_millis(500);

/// What a packet is to the pacer, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketUrgency {
    /// Goes at once, and others wait longer for it: what is late can only be silence.
    Audio,
    /// Someone waits for it already.
    Retransmission,
    /// Goes when it is its turn.
    Video,
}

/// Spreads what is sent to one peer over time, so that a key frame does not fill the queues on the
/// way.
///
/// A leaky bucket: what is sent makes a debt, which the pacing rate pays off; video waits as long as
/// the debt is more than a short burst. JVB has no pacer; the numbers are those of libwebrtc's, with
/// a shorter bound for what waits, since an encoder cannot be told to slow down here.
#[derive(Clone, Debug)]
pub struct Pacer<T> {
    urgent: VecDeque<Queued<T>>,
    retransmissions: VecDeque<Queued<T>>,
    video: VecDeque<Queued<T>>,
    /// Bytes in all queues.
    queued: u64,
    /// `None`: nothing is paced.
    pace: Option<Pace>,
    /// Bytes.
    debt: f64,
    /// Bytes, paid off by the target itself: all that was sent, of which padding is what is missing.
    padding_debt: f64,
    updated: Timestamp,
    counters: PacerCounters,
}

/// What happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacerCounters {
    /// Packets that went through.
    pub sent: u64,
    /// Packets that were not taken because [`MAX_PACED_PACKETS`] waited.
    pub refused: u64,
    /// Packets that went because they waited for [`MAX_PACING_DELAY`].
    pub overdue: u64,
}

/// A rate, and what follows from it for each packet.
#[derive(Clone, Copy, Debug)]
struct Pace {
    rate: Bitrate,
    bytes_per_second: f64,
    /// Bytes that may be owed and still another packet may go.
    burst: f64,
    /// Bytes that are owed at most.
    max_debt: f64,
}

#[derive(Clone, Debug)]
struct Queued<T> {
    packet: T,
    size: DataSize,
    since: Timestamp,
}

impl<T> Pacer<T> {
    /// Paces nothing until there is a target.
    pub fn new(now: Timestamp) -> Self {
        Self {
            urgent: VecDeque::new(),
            retransmissions: VecDeque::new(),
            video: VecDeque::new(),
            queued: 0,
            pace: None,
            debt: 0.0,
            padding_debt: 0.0,
            updated: now,
            counters: PacerCounters::default(),
        }
    }

    /// What the peer's link takes; `None` if it is not known.
    pub fn set_target(&mut self, now: Timestamp, target: Option<Bitrate>) {
        self.pay_off(now);
        self.pace = target.map(|target| Pace::of(target.scaled(PACING_FACTOR).max(MIN_RATE)));
        self.limit_debt();
    }

    /// Takes a packet; gives it back if too many wait.
    ///
    /// # Errors
    ///
    /// The packet itself.
    pub fn push(
        &mut self,
        now: Timestamp,
        urgency: PacketUrgency,
        size: DataSize,
        packet: T,
    ) -> Result<(), T> {
        if self.len() >= MAX_PACED_PACKETS {
            self.counters.refused += 1;
            return Err(packet);
        }
        let queue = match urgency {
            PacketUrgency::Audio => &mut self.urgent,
            PacketUrgency::Retransmission => &mut self.retransmissions,
            PacketUrgency::Video => &mut self.video,
        };
        queue.push_back(Queued { packet, size, since: now });
        self.queued += size.bytes();
        Ok(())
    }

    /// The next packet that may go `now`.
    pub fn poll(&mut self, now: Timestamp) -> Option<T> {
        self.pay_off(now);
        let is_overdue = self.overdue() <= now;
        let queued = if let Some(queued) = self.urgent.pop_front() {
            queued
        } else if is_overdue || self.may_send() {
            let is_early = is_overdue && !self.may_send();
            self.counters.overdue += u64::from(is_early);
            self.pop_paced(now, is_overdue)?
        } else {
            return None;
        };
        self.queued -= queued.size.bytes();
        self.counters.sent += 1;
        self.add_debt(queued.size);
        Some(queued.packet)
    }

    /// Whether a packet may go `now` without waiting in the queue. Tell it with
    /// [`Self::on_packet_bypassed`].
    pub fn has_room(&mut self, now: Timestamp) -> bool {
        if !self.is_empty() {
            return false;
        }
        self.pay_off(now);
        self.may_send()
    }

    /// A packet went past the queue: audio, a probe, padding, or one that needed not wait.
    pub fn on_packet_bypassed(&mut self, now: Timestamp, size: DataSize) {
        self.pay_off(now);
        self.add_debt(size);
    }

    /// Forgets what waits.
    pub fn clear(&mut self) {
        self.urgent.clear();
        self.retransmissions.clear();
        self.video.clear();
        self.queued = 0;
    }

    /// When to poll: in the past if a packet may go at once.
    pub fn poll_timeout(&self) -> Timestamp {
        if !self.urgent.is_empty() {
            return self.updated;
        }
        if self.is_empty() {
            return Timestamp::FAR_FUTURE;
        }
        let Some(pace) = self.effective_pace() else { return self.updated };
        let excess = self.debt - pace.burst;
        if excess <= 0.0 {
            return self.updated;
        }
        // A byte more, so that rounding does not make it wait again.
        let wait = time_for(DataSize::from_bytes(excess as u64 + 1), pace.rate);
        (self.updated + wait).min(self.overdue())
    }

    /// How much padding may be sent `now`, if that is looked at every `interval`; none as long as anything
    /// waits. Whatever was sent counts,
    /// repairs and layers that are about to be left too, so that all together stays within the target
    /// (libwebrtc: `PacingController::PaddingToAdd`).
    pub fn padding_room(&mut self, now: Timestamp, interval: Duration) -> DataSize {
        self.pay_off(now);
        match self.pace {
            _ if !self.is_empty() => DataSize::ZERO,
            None => DataSize::ZERO,
            Some(pace) => {
                let burst = pace.bytes_per_second / PACING_FACTOR * interval.as_secs_f64();
                let room = burst - self.padding_debt.max(self.debt);
                DataSize::from_bytes(room.max(0.0) as u64)
            }
        }
    }

    /// How many packets wait.
    pub fn len(&self) -> usize {
        self.urgent.len() + self.retransmissions.len() + self.video.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How much waits.
    pub fn queued(&self) -> DataSize {
        DataSize::from_bytes(self.queued)
    }

    /// How long what waits takes to leave.
    pub fn backlog(&self) -> Duration {
        self.effective_pace().map_or(Duration::ZERO, |pace| time_for(self.queued(), pace.rate))
    }

    /// What happened so far.
    pub fn counters(&self) -> PacerCounters {
        self.counters
    }

    /// What is late goes first, even before retransmissions.
    fn pop_paced(&mut self, now: Timestamp, is_overdue: bool) -> Option<Queued<T>> {
        let video_is_late =
            self.video.front().is_some_and(|first| first.since + MAX_PACING_DELAY <= now);
        if is_overdue && video_is_late {
            return self.video.pop_front();
        }
        self.retransmissions.pop_front().or_else(|| self.video.pop_front())
    }

    fn overdue(&self) -> Timestamp {
        let fronts = [self.retransmissions.front(), self.video.front()];
        let oldest = fronts.into_iter().flatten().map(|first| first.since).min();
        oldest.map_or(Timestamp::FAR_FUTURE, |since| since + MAX_PACING_DELAY)
    }

    fn may_send(&self) -> bool {
        self.effective_pace().is_none_or(|pace| self.debt <= pace.burst)
    }

    /// More than the target allows if so much waits that it would be late.
    fn effective_pace(&self) -> Option<Pace> {
        let pace = self.pace?;
        if self.queued == 0 {
            return Some(pace);
        }
        let drain = self.queued().per(MAX_PACING_DELAY);
        Some(if drain > pace.rate { Pace::of(drain) } else { pace })
    }

    fn pay_off(&mut self, now: Timestamp) {
        if now <= self.updated {
            return;
        }
        let elapsed = now - self.updated;
        let paid = self
            .effective_pace()
            .map_or(f64::INFINITY, |pace| pace.bytes_per_second * elapsed.as_secs_f64());
        self.updated = now;
        self.debt = (self.debt - paid).max(0.0);
        let target = self.pace.map_or(f64::INFINITY, |pace| {
            pace.bytes_per_second * elapsed.as_secs_f64() / PACING_FACTOR
        });
        self.padding_debt = (self.padding_debt - target).max(0.0);
    }

    fn add_debt(&mut self, size: DataSize) {
        self.debt += size.bytes() as f64;
        self.padding_debt += size.bytes() as f64;
        self.limit_debt();
    }

    fn limit_debt(&mut self) {
        let limit = self.pace.map_or(0.0, |pace| pace.max_debt);
        self.debt = self.debt.min(limit);
        self.padding_debt = self.padding_debt.min(limit);
    }
}

impl Pace {
    fn of(rate: Bitrate) -> Self {
        let bytes_per_second = rate.bps_f64() / 8.0;
        let bytes = |time: Duration| bytes_per_second * time.as_secs_f64();
        Self { rate, bytes_per_second, burst: bytes(BURST), max_debt: bytes(MAX_DEBT) }
    }
}

/// Less than libwebrtc's 2.5, which makes a queue of every key frame on a link that is used well; more
/// than str0m's 1.1, with which even usual frames wait.
const PACING_FACTOR: f64 = 1.2;
/// Even a peer of which nothing is heard gets a full packet every 100 ms.
const MIN_RATE: Bitrate = Bitrate::from_kbps(100);
/// What goes at once. Several packets at usual rates, so that the socket gets runs.
const BURST: Duration = Duration::from_millis(5);
/// Audio and probes do not hold video up for longer.
const MAX_DEBT: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probing::PADDING_INTERVAL;

    const PACKET: DataSize = DataSize::from_bytes(1_200);

    fn pacer(kbps: u64) -> (Pacer<u32>, Timestamp) {
        let now = Timestamp::from_millis(1_000);
        let mut pacer = Pacer::new(now);
        pacer.set_target(now, Some(Bitrate::from_kbps(kbps)));
        (pacer, now)
    }

    /// Polls whenever something is due; answers the times in milliseconds with what went.
    fn drain(pacer: &mut Pacer<u32>, mut now: Timestamp) -> Vec<(u64, u32)> {
        let mut sent = vec![];
        while !pacer.is_empty() {
            now = now.max(pacer.poll_timeout());
            let before = sent.len();
            while let Some(packet) = pacer.poll(now) {
                sent.push((now.as_millis(), packet));
            }
            assert!(sent.len() > before, "a timeout in vain");
        }
        sent
    }

    #[test]
    fn a_key_frame_is_spread() {
        let (mut pacer, now) = pacer(1_000);
        for n in 0..40 {
            pacer.push(now, PacketUrgency::Video, PACKET, n).unwrap();
        }
        let sent = drain(&mut pacer, now);
        assert!(sent.iter().map(|&(_, packet)| packet).eq(0..40), "in order");
        // 48 kB at 1.2 Mbit/s take 320 ms.
        let last = sent.last().unwrap().0 - 1_000;
        assert!((260..=330).contains(&last), "{last}");
        for window in sent.windows(3) {
            assert!(window[2].0 > window[0].0, "three packets at once");
        }
        assert_eq!(pacer.counters().overdue, 0);
    }

    #[test]
    fn audio_goes_at_once() {
        let (mut pacer, now) = pacer(300);
        for n in 0..20 {
            pacer.push(now, PacketUrgency::Video, PACKET, n).unwrap();
        }
        while pacer.poll(now).is_some() {}
        let later = now + Duration::from_millis(1);
        pacer.push(later, PacketUrgency::Audio, DataSize::from_bytes(100), 100).unwrap();
        assert_eq!(pacer.poll_timeout(), now);
        assert_eq!(pacer.poll(later), Some(100));
        assert_eq!(pacer.poll(later), None);
    }

    #[test]
    fn retransmissions_go_before_video() {
        let (mut pacer, now) = pacer(300);
        pacer.push(now, PacketUrgency::Video, PACKET, 1).unwrap();
        pacer.push(now, PacketUrgency::Video, PACKET, 2).unwrap();
        pacer.push(now, PacketUrgency::Retransmission, PACKET, 3).unwrap();
        let order: Vec<_> = drain(&mut pacer, now).into_iter().map(|(_, packet)| packet).collect();
        assert_eq!(order, [3, 1, 2]);
    }

    #[test]
    fn nothing_waits_for_longer_than_the_bound() {
        let (mut pacer, now) = pacer(30);
        for n in 0..500 {
            pacer.push(now, PacketUrgency::Video, PACKET, n).unwrap();
        }
        let sent = drain(&mut pacer, now);
        let last = sent.last().unwrap().0 - 1_000;
        assert!(last <= 500, "{last}");
        assert!(pacer.counters().overdue > 0);
        assert_eq!((pacer.queued(), pacer.counters().sent), (DataSize::ZERO, 500));
    }

    #[test]
    fn without_a_target_nothing_waits() {
        let now = Timestamp::from_millis(1_000);
        let mut pacer = Pacer::new(now);
        for n in 0..100 {
            pacer.push(now, PacketUrgency::Video, PACKET, n).unwrap();
        }
        assert!(drain(&mut pacer, now).iter().all(|&(time, _)| time == 1_000));
        assert_eq!(pacer.poll_timeout(), Timestamp::FAR_FUTURE);
    }

    #[test]
    fn a_full_pacer_gives_the_packet_back() {
        let (mut pacer, now) = pacer(300);
        for n in 0..MAX_PACED_PACKETS as u32 {
            pacer.push(now, PacketUrgency::Video, PACKET, n).unwrap();
        }
        assert!(pacer.backlog() <= MAX_PACING_DELAY, "{:?}", pacer.backlog());
        assert_eq!(pacer.push(now, PacketUrgency::Video, PACKET, 7), Err(7));
        assert_eq!(pacer.counters().refused, 1);
        pacer.clear();
        assert_eq!((pacer.len(), pacer.queued()), (0, DataSize::ZERO));
    }

    #[test]
    fn what_bypasses_is_paid_for() {
        let (mut pacer, now) = pacer(1_000);
        assert_eq!(pacer.padding_room(now, PADDING_INTERVAL), DataSize::from_bytes(1_875));
        pacer.on_packet_bypassed(now, DataSize::from_bytes(15_750));
        assert_eq!(pacer.padding_room(now, PADDING_INTERVAL), DataSize::ZERO);
        pacer.push(now, PacketUrgency::Video, PACKET, 1).unwrap();
        // 15 kB at 1.2 Mbit/s
        let due = (pacer.poll_timeout() - now).as_millis();
        assert_eq!(due, 100);
        // However much it was, video waits no longer than the bound.
        pacer.on_packet_bypassed(now, DataSize::from_bytes(10_000_000));
        assert_eq!((pacer.poll_timeout() - now).as_millis(), 495);
    }

    #[test]
    fn no_padding_while_something_waits() {
        let (mut pacer, now) = pacer(1_000);
        pacer.push(now, PacketUrgency::Video, PACKET, 1).unwrap();
        assert_eq!(pacer.padding_room(now, PADDING_INTERVAL), DataSize::ZERO);
        assert_eq!(pacer.backlog(), Duration::from_millis(8));
        pacer.poll(now);
        let later = now + Duration::from_secs(1);
        assert_eq!(pacer.padding_room(later, PADDING_INTERVAL), DataSize::from_bytes(1_875));
        // Audio, repairs and probes count, at the target's own rate.
        pacer.on_packet_bypassed(later, DataSize::from_bytes(12_500));
        assert_eq!(
            pacer.padding_room(later + Duration::from_millis(85), PADDING_INTERVAL),
            DataSize::ZERO
        );
        assert!(
            pacer.padding_room(later + Duration::from_millis(95), PADDING_INTERVAL)
                > DataSize::ZERO
        );
    }
}
