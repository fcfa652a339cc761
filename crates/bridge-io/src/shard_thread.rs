//! The loop of one shard: wait, receive whole batches, let the engine work, send.

use crate::clock::Clock;
use crate::socket::{ReceiveBuffers, SendBuffers, UdpSocket};
use crate::waker::EventWaker;
use bridge_shard::{EgressSink, Run, Shard};
use bridge_units::Timestamp;
use rustix::event::epoll;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Receive calls on one socket before the other sockets, the inbox and the timers get their turn.
const RECEIVE_CALLS_PER_TURN: usize = 4;

/// The longest wait, so that counters are published also when nothing happens.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// How often the counters are copied out.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(100);

/// Descriptors that one epoll_wait reports; more wait for the next.
const MAX_EPOLL_EVENTS: usize = 64;

/// The epoll tag of the eventfd; sockets are tagged with their index.
const WAKER_TAG: u64 = u64::MAX;

/// Tells all threads to end.
#[derive(Clone, Default)]
pub(crate) struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// One shard with its sockets.
pub(crate) struct ShardThread {
    shard: Shard,
    sockets: Vec<UdpSocket>,
    waker: EventWaker,
    epoll: OwnedFd,
    clock: Clock,
    stop: StopFlag,
}

impl ShardThread {
    pub(crate) fn new(
        shard: Shard,
        sockets: Vec<UdpSocket>,
        waker: EventWaker,
        clock: Clock,
        stop: StopFlag,
    ) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let flags = epoll::EventFlags::IN;
        epoll::add(&epoll, &waker, epoll::EventData::new_u64(WAKER_TAG), flags)?;
        for (index, socket) in sockets.iter().enumerate() {
            epoll::add(&epoll, socket, epoll::EventData::new_u64(index as u64), flags)?;
        }
        Ok(Self { shard, sockets, waker, epoll, clock, stop })
    }

    /// Runs until the stop flag is set.
    pub(crate) fn run(mut self, pin_to: Option<usize>) {
        if let Some(index) = pin_to {
            pin_current_thread(index);
        }
        let mut buffers = ReceiveBuffers::new();
        let mut send_buffers = SendBuffers::new();
        let mut events = Vec::with_capacity(MAX_EPOLL_EVENTS);
        let mut published = Timestamp::ZERO;
        while !self.stop.is_set() {
            self.wait(&mut events);
            self.turn(&mut buffers, &mut send_buffers, &events);
            let now = self.clock.now();
            if now - published >= PUBLISH_INTERVAL {
                self.shard.publish_counters();
                published = now;
            }
        }
    }

    fn wait(&mut self, events: &mut Vec<epoll::Event>) {
        let wait = self.shard.poll_timeout().since(self.clock.now()).min(MAX_WAIT);
        let timeout = rustix::event::Timespec {
            tv_sec: wait.as_secs() as i64,
            tv_nsec: i64::from(wait.subsec_nanos()),
        };
        events.clear();
        // EINTR is the only error that can occur; the next turn waits again.
        let _ = epoll::wait(&self.epoll, rustix::buffer::spare_capacity(events), Some(&timeout));
    }

    fn turn(
        &mut self,
        buffers: &mut ReceiveBuffers,
        send_buffers: &mut SendBuffers,
        events: &[epoll::Event],
    ) {
        let now = self.clock.now();
        for event in events {
            match event.data.u64() {
                WAKER_TAG => self.waker.drain(),
                index => self.receive(now, index as usize, buffers, send_buffers),
            }
        }
        let mut sink = SocketSink { sockets: &mut self.sockets, buffers: send_buffers };
        self.shard.handle_inbox(now, &mut sink);
        self.shard.handle_timeout(now, &mut sink);
        self.shard.end_batch(now, &mut sink);
    }

    fn receive(
        &mut self,
        now: Timestamp,
        index: usize,
        buffers: &mut ReceiveBuffers,
        send_buffers: &mut SendBuffers,
    ) {
        for _ in 0..RECEIVE_CALLS_PER_TURN {
            let full = match self.sockets[index].receive(buffers) {
                Ok(0) | Err(_) => return,
                Ok(messages) => messages == crate::socket::RECEIVE_BATCH,
            };
            let mut sink = SocketSink { sockets: &mut self.sockets, buffers: send_buffers };
            let shard = &mut self.shard;
            buffers.for_each(|from, datagram| {
                shard.handle_datagram(now, index as u16, from, datagram, &mut sink);
            });
            self.shard.end_batch(now, &mut sink);
            if !full {
                return;
            }
        }
    }
}

/// Sends the engine's runs from the sockets of the shard's own thread.
struct SocketSink<'a> {
    sockets: &'a mut [UdpSocket],
    buffers: &'a mut SendBuffers,
}

impl EgressSink for SocketSink<'_> {
    fn send(&mut self, arena: &[u8], runs: &[Run]) -> bridge_shard::SendOutcome {
        let mut outcome = bridge_shard::SendOutcome::default();
        for some in runs.chunk_by(|a, b| a.local == b.local) {
            let Some(first) = some.first() else { continue };
            if let Some(socket) = self.sockets.get_mut(usize::from(first.local)) {
                outcome += socket.send(self.buffers, arena, some);
            }
        }
        outcome
    }
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
