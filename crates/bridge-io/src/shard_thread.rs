//! The loop of one shard: wait, receive whole batches, let the engine work, send.

use crate::clock::Clock;
use crate::coalescing::{CoalescingSettings, CoalescingWindow, Traffic};
use crate::datagram_age::ArrivalClock;
use crate::io_counters::{IoCounters, SharedIoCounters};
use crate::receive_buffers::{RECEIVE_BATCH, ReceiveBuffers};
use crate::send_buffers::SendBuffers;
use crate::socket::UdpSocket;
use crate::turn_budget::TurnBudget;
use crate::waker::EventWaker;
use crate::watched_thread::StopFlag;
use bridge_shard::{EgressSink, Run, Shard, ShardGroup};
use bridge_units::Timestamp;
use rustix::event::{PollFd, PollFlags, Timespec, epoll};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

/// The longest wait, so that counters are published also when nothing happens.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// How often the counters are copied out.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(100);

/// Descriptors that one epoll_wait reports; more wait for the next.
const MAX_EPOLL_EVENTS: usize = 64;

/// The epoll tag of the eventfd; sockets are tagged with their index.
const WAKER_TAG: u64 = u64::MAX;

/// Datagrams that waited for less are as good as new: the shard is told of older ones only.
const NOTABLE_AGE: Duration = Duration::from_millis(5);

/// Turns that are longer keep timers and STUN waiting.
const LONG_TURN: Duration = Duration::from_millis(10);

/// One shard with its sockets.
pub(crate) struct ShardThread {
    shard: Shard,
    sockets: Vec<UdpSocket>,
    waker: EventWaker,
    epoll: OwnedFd,
    group: Arc<ShardGroup>,
    driving: Driving,
    window: CoalescingWindow,
    budget: TurnBudget,
    arrivals: ArrivalClock,
    counters: IoCounters,
}

/// What a shard's thread gets from who starts it.
pub(crate) struct Driving {
    pub(crate) clock: Clock,
    pub(crate) stop: StopFlag,
    pub(crate) coalescing: CoalescingSettings,
    pub(crate) counters: SharedIoCounters,
}

struct Buffers {
    receive: ReceiveBuffers,
    send: SendBuffers,
}

impl ShardThread {
    pub(crate) fn new(
        shard: Shard,
        sockets: Vec<UdpSocket>,
        waker: EventWaker,
        group: Arc<ShardGroup>,
        driving: Driving,
    ) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let flags = epoll::EventFlags::IN;
        epoll::add(&epoll, &waker, epoll::EventData::new_u64(WAKER_TAG), flags)?;
        for (index, socket) in sockets.iter().enumerate() {
            epoll::add(&epoll, socket, epoll::EventData::new_u64(index as u64), flags)?;
        }
        Ok(Self {
            shard,
            sockets,
            waker,
            epoll,
            group,
            window: CoalescingWindow::new(driving.coalescing),
            budget: TurnBudget::default(),
            arrivals: ArrivalClock::default(),
            counters: IoCounters::default(),
            driving,
        })
    }

    /// Runs until the stop flag is set.
    pub(crate) fn run(mut self, pin_to: Option<usize>) {
        if let Some(index) = pin_to {
            pin_current_thread(index);
        }
        let mut buffers = Buffers { receive: ReceiveBuffers::new(), send: SendBuffers::new() };
        let mut events = Vec::with_capacity(MAX_EPOLL_EVENTS);
        let mut published = Timestamp::ZERO;
        let mut idle_since = self.driving.clock.now();
        while !self.driving.stop.is_set() {
            self.wait(idle_since, &mut events);
            self.turn(idle_since, &events, &mut buffers);
            idle_since = self.driving.clock.now();
            if idle_since - published >= PUBLISH_INTERVAL {
                self.publish();
                published = idle_since;
            }
        }
        self.publish();
    }

    fn wait(&mut self, now: Timestamp, events: &mut Vec<epoll::Event>) {
        let timeout = timespec(self.shard.poll_timeout().since(now).min(MAX_WAIT));
        events.clear();
        // EINTR is the only error that can occur; the next turn waits again.
        let _ = epoll::wait(&self.epoll, rustix::buffer::spare_capacity(events), Some(&timeout));
    }

    fn turn(&mut self, idle_since: Timestamp, events: &[epoll::Event], buffers: &mut Buffers) {
        let mut now = self.driving.clock.now();
        let readable = events.iter().map(|event| event.data.u64()).filter(|tag| *tag != WAKER_TAG);
        let sockets = readable.clone().count();
        if sockets < events.len() {
            self.waker.drain();
        }
        let window = if sockets > 0 { self.window.open(idle_since, now) } else { None };
        if let Some(end) = window {
            now = self.linger(now, end, buffers);
        }
        let begin = now;
        let mut taken = Taken::default();
        for index in readable {
            taken += self.receive(begin, index as usize, sockets, buffers);
        }
        if sockets > 0 {
            now = self.driving.clock.now();
            self.end_batch(now, buffers);
            now = self.driving.clock.now();
            self.budget.note(taken.messages, now - begin);
        }
        if window.is_some() {
            self.window.close(taken.rtp_messages);
            self.counters.coalesced_messages += taken.rtp_messages as u64;
        }
        self.serve(now, buffers);
        self.note_turn(self.driving.clock.now() - begin);
    }

    /// Lets more datagrams arrive until `end`, and serves what cannot wait; the time after it.
    fn linger(&mut self, mut now: Timestamp, end: Timestamp, buffers: &mut Buffers) -> Timestamp {
        self.counters.coalescing_windows += 1;
        while now < end {
            let until = end.min(self.shard.poll_timeout());
            let timeout = timespec(until - now);
            let mut waker = [PollFd::new(&self.waker, PollFlags::IN)];
            let woken =
                rustix::event::poll(&mut waker, Some(&timeout)).is_ok_and(|ready| ready > 0);
            now = self.driving.clock.now();
            if woken {
                self.waker.drain();
            }
            if woken || self.shard.poll_timeout() <= now {
                self.serve(now, buffers);
                now = self.driving.clock.now();
            }
        }
        now
    }

    /// Gives inbox and timers their turn.
    fn serve(&mut self, now: Timestamp, buffers: &mut Buffers) {
        let mut sink = SocketSink {
            sockets: &mut self.sockets,
            buffers: &mut buffers.send,
            counters: &mut self.counters,
        };
        self.shard.handle_inbox(now, &mut sink);
        self.shard.handle_timeout(now, &mut sink);
        self.shard.end_batch(now, &mut sink);
    }

    fn end_batch(&mut self, now: Timestamp, buffers: &mut Buffers) {
        let mut sink = SocketSink {
            sockets: &mut self.sockets,
            buffers: &mut buffers.send,
            counters: &mut self.counters,
        };
        self.shard.end_batch(now, &mut sink);
    }

    /// Takes what one of `sockets` readable ones has, up to its share of the turn that began at
    /// `begin`. What is to be forwarded is collected: the larger the batch, the longer the runs.
    fn receive(
        &mut self,
        begin: Timestamp,
        index: usize,
        sockets: usize,
        buffers: &mut Buffers,
    ) -> Taken {
        let share = self.budget.messages(sockets);
        let mut taken = Taken::default();
        loop {
            let wanted = (share - taken.messages).min(RECEIVE_BATCH);
            let messages = match self.sockets[index].receive_some(&mut buffers.receive, wanted) {
                Ok(messages) => messages,
                Err(error) => {
                    let failed = error.kind() != io::ErrorKind::WouldBlock;
                    self.counters.receive_errors += u64::from(failed);
                    return taken;
                }
            };
            let now = self.driving.clock.now();
            taken.messages += messages;
            taken.rtp_messages += buffers.receive.rtp_messages();
            self.counters.messages_truncated += buffers.receive.truncated() as u64;
            self.handle_datagrams(now, index, buffers);
            if messages < wanted {
                return taken;
            }
            if taken.messages >= share || TurnBudget::is_spent(begin, now) {
                self.counters.turns_cut += 1;
                return taken;
            }
        }
    }

    fn handle_datagrams(&mut self, now: Timestamp, index: usize, buffers: &mut Buffers) {
        let taken_at = self.arrivals.taken_at(now);
        let shard = &mut self.shard;
        let mut sink = SocketSink {
            sockets: &mut self.sockets,
            buffers: &mut buffers.send,
            counters: &mut self.counters,
        };
        let mut told = Duration::ZERO;
        let (mut aged, mut oldest) = (0, Duration::ZERO);
        buffers.receive.for_each_aged(taken_at, |age, from, datagram| {
            let age = if age > NOTABLE_AGE { age } else { Duration::ZERO };
            if age != told {
                tell_age(shard, age);
                told = age;
            }
            aged += u64::from(!age.is_zero());
            oldest = oldest.max(age);
            shard.handle_datagram(now, index as u16, from, datagram, &mut sink);
        });
        if !told.is_zero() {
            tell_age(shard, Duration::ZERO);
        }
        self.counters.datagrams_aged += aged;
        let counter = &mut self.counters.oldest_datagram_micros;
        *counter = (*counter).max(micros(oldest));
    }

    fn note_turn(&mut self, elapsed: Duration) {
        self.counters.turns += 1;
        self.counters.long_turns += u64::from(elapsed > LONG_TURN);
        let counter = &mut self.counters.longest_turn_micros;
        *counter = (*counter).max(micros(elapsed));
    }

    fn publish(&mut self) {
        self.shard.publish_counters();
        self.driving.counters.store(self.counters);
        // A conference may have its receivers on other shards than its senders.
        let mut totals = Traffic::default();
        for counters in self.group.counters() {
            totals.received += counters.rtp_in;
            totals.sent += counters.rtp_out;
        }
        self.window.note_traffic(totals);
    }
}

/// Messages that a turn took.
#[derive(Clone, Copy, Default)]
struct Taken {
    messages: usize,
    rtp_messages: usize,
}

impl std::ops::AddAssign for Taken {
    fn add_assign(&mut self, other: Self) {
        self.messages += other.messages;
        self.rtp_messages += other.rtp_messages;
    }
}

/// Sends the engine's runs from the sockets of the shard's own thread.
struct SocketSink<'a> {
    sockets: &'a mut [UdpSocket],
    buffers: &'a mut SendBuffers,
    counters: &'a mut IoCounters,
}

impl EgressSink for SocketSink<'_> {
    fn send(&mut self, arena: &[u8], runs: &[Run]) -> bridge_shard::SendOutcome {
        let mut outcome = bridge_shard::SendOutcome::default();
        for some in runs.chunk_by(|a, b| a.local == b.local) {
            let Some(first) = some.first() else { continue };
            if let Some(socket) = self.sockets.get_mut(usize::from(first.local)) {
                outcome += socket.send_counted(self.buffers, arena, some, self.counters);
            }
        }
        outcome
    }
}

/// Tells the engine how long the next datagrams waited; zero if not notably.
fn tell_age(shard: &mut Shard, age: Duration) {
    shard.set_datagram_age(age);
}

/// Pins to the `index`-th core that this process may use; silently stays free if there is none.
fn pin_current_thread(index: usize) {
    let Ok(allowed) = rustix::thread::sched_getaffinity(None) else { return };
    let cores: Vec<usize> =
        (0..rustix::thread::CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect();
    if cores.is_empty() {
        return;
    }
    let mut own = rustix::thread::CpuSet::new();
    own.set(cores[index % cores.len()]);
    if let Err(error) = rustix::thread::sched_setaffinity(None, &own) {
        tracing::warn!(%error, "cannot pin a shard to its core");
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: duration.as_secs().cast_signed(),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
