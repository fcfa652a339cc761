//! A thread that receives for many endpoints.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::JoinHandle;
use std::time::Duration;

use bridge_io::{Clock, ReceiveBuffers};
use bridge_units::Timestamp;
use rustc_hash::FxHashMap;
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;

use crate::command::{
    Durations, MAX_WAITING_COMMANDS, ReceiverCommand, ReceiverSnapshot, SenderCommand,
};
use crate::endpoint::{Books, Endpoint, State};
use crate::error::LoadError;
use crate::incoming_media::Tally;
use crate::reception::ReceptionCounts;

/// How a thread waits for datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// Woken by each, so that delays are those of the bridge.
    Woken,
    /// Looks every millisecond, so that the bridge does not pay for waking it.
    Sweeping,
}

/// The thread, as others see it.
pub(crate) struct ReceiverThread {
    commands: SyncSender<ReceiverCommand>,
    thread: Option<JoinHandle<()>>,
}

struct ReceiverLoop {
    clock: Clock,
    waiting: Waiting,
    poller: OwnedFd,
    commands: Receiver<ReceiverCommand>,
    endpoints: FxHashMap<u32, Endpoint>,
    timers: BinaryHeap<Reverse<(Timestamp, u32)>>,
    buffers: ReceiveBuffers,
    books: Books,
}

impl ReceiverThread {
    pub(crate) fn start(
        name: &str,
        clock: Clock,
        waiting: Waiting,
        to_sender: SyncSender<SenderCommand>,
    ) -> Result<Self, LoadError> {
        let poller = epoll::create(epoll::CreateFlags::CLOEXEC)
            .map_err(|error| LoadError::io("epoll")(error.into()))?;
        let (sender, commands) = mpsc::sync_channel(MAX_WAITING_COMMANDS);
        let tally = Tally { counts: ReceptionCounts::default(), durations: Durations::new() };
        let mut receiver = ReceiverLoop {
            clock,
            waiting,
            poller,
            commands,
            endpoints: FxHashMap::default(),
            timers: BinaryHeap::new(),
            buffers: ReceiveBuffers::new(),
            books: Books { tally, to_sender },
        };
        let thread = std::thread::Builder::new().name(name.to_owned());
        let thread = thread.spawn(move || receiver.run()).map_err(LoadError::io("a thread"))?;
        Ok(Self { commands: sender, thread: Some(thread) })
    }

    pub(crate) fn command(&self, command: ReceiverCommand) -> Result<(), LoadError> {
        self.commands.send(command).map_err(|_| LoadError::ThreadEnded)
    }

    pub(crate) fn snapshot(&self) -> Result<ReceiverSnapshot, LoadError> {
        let (reply, answer) = mpsc::sync_channel(1);
        self.command(ReceiverCommand::Snapshot(reply))?;
        answer.recv().map_err(|_| LoadError::ThreadEnded)
    }
}

impl Drop for ReceiverThread {
    fn drop(&mut self) {
        let _ = self.commands.send(ReceiverCommand::Stop);
        if let Some(thread) = self.thread.take() {
            // A panic has been reported by the thread itself.
            let _ = thread.join();
        }
    }
}

impl ReceiverLoop {
    fn run(&mut self) {
        let mut ready = Vec::with_capacity(MAX_READY);
        loop {
            while let Ok(command) = self.commands.try_recv() {
                if !self.obey(command) {
                    return;
                }
            }
            self.wait(&mut ready);
            for event in ready.drain(..) {
                self.receive(event.data.u64() as u32);
            }
            self.fire_timers();
        }
    }

    /// Whether to go on.
    fn obey(&mut self, command: ReceiverCommand) -> bool {
        match command {
            ReceiverCommand::Add(endpoint) => self.add(*endpoint),
            ReceiverCommand::Remove(number) => {
                if let Some(mut endpoint) = self.endpoints.remove(&number) {
                    endpoint.close(self.clock.now(), &mut self.books);
                    let _ = epoll::delete(&self.poller, &endpoint.input);
                }
            }
            ReceiverCommand::Snapshot(reply) => {
                // Whoever asked may be gone.
                let _ = reply.send(self.snapshot());
            }
            ReceiverCommand::Stop => return false,
        }
        true
    }

    fn add(&mut self, endpoint: Endpoint) {
        let number = endpoint.plan.number;
        let data = epoll::EventData::new_u64(u64::from(number));
        let added = epoll::add(&self.poller, &endpoint.input, data, epoll::EventFlags::IN);
        debug_assert!(added.is_ok(), "a new socket is not in the set");
        self.endpoints.insert(number, endpoint);
        self.settle(number);
    }

    fn snapshot(&mut self) -> ReceiverSnapshot {
        let with = |state| self.endpoints.values().filter(move |e| e.state == state).count();
        let now = self.clock.now();
        let snapshot = ReceiverSnapshot {
            endpoints: self.endpoints.len(),
            connected: with(State::Connected),
            silent: self.endpoints.values().filter(|endpoint| endpoint.is_silent()).count(),
            without_channel: self.endpoints.values().filter(|e| e.lacks_channel()).count(),
            without_video: self.endpoints.values().filter(|e| e.lacks_video()).count(),
            disconnected: self.endpoints.values().filter(|e| e.is_disconnected()).count(),
            oldest_consent: self
                .endpoints
                .values()
                .map(|endpoint| endpoint.since_consent(now))
                .max()
                .unwrap_or_default(),
            counts: self.books.tally.counts,
            durations: self.books.tally.durations.clone(),
        };
        self.books.tally.durations.clear();
        snapshot
    }

    fn wait(&mut self, ready: &mut Vec<epoll::Event>) {
        let timeout = match self.waiting {
            Waiting::Sweeping => {
                std::thread::sleep(SWEEP_INTERVAL);
                Duration::ZERO
            }
            Waiting::Woken => {
                let next = self.timers.peek().map_or(Timestamp::FAR_FUTURE, |timer| timer.0.0);
                next.since(self.clock.now()).min(COMMAND_INTERVAL)
            }
        };
        let timeout = Timespec {
            tv_sec: timeout.as_secs().cast_signed(),
            tv_nsec: i64::from(timeout.subsec_nanos()),
        };
        // Interrupted or not: what is ready is told again.
        let _ = epoll::wait(&self.poller, rustix::buffer::spare_capacity(ready), Some(&timeout));
    }

    fn receive(&mut self, number: u32) {
        let Some(endpoint) = self.endpoints.get_mut(&number) else { return };
        let mut moved = false;
        for _ in 0..MAX_BATCHES {
            let Ok(count) = endpoint.input.receive(&mut self.buffers) else { break };
            let now = self.clock.now();
            let books = &mut self.books;
            self.buffers.for_each(|from, datagram| {
                moved |= endpoint.handle_datagram(now, from, datagram, books);
            });
            if count < FULL_BATCH {
                break;
            }
        }
        if moved {
            self.settle(number);
        }
    }

    fn fire_timers(&mut self) {
        let now = self.clock.now();
        while let Some(Reverse((at, number))) = self.timers.peek().copied() {
            if at > now {
                return;
            }
            self.timers.pop();
            let Some(endpoint) = self.endpoints.get_mut(&number) else { continue };
            if endpoint.scheduled == at {
                endpoint.scheduled = Timestamp::FAR_FUTURE;
                endpoint.handle_timeout(now, &mut self.books);
                self.settle(number);
            }
        }
    }

    /// Hands out what an endpoint has, and notes when it wants to be called.
    fn settle(&mut self, number: u32) {
        let Some(endpoint) = self.endpoints.get_mut(&number) else { return };
        endpoint.advance(self.clock.now(), &mut self.books);
        let deadline = endpoint.deadline();
        if deadline < endpoint.scheduled {
            endpoint.scheduled = deadline;
            self.timers.push(Reverse((deadline, number)));
        }
    }
}

/// Sockets looked after between two looks at the timers.
const MAX_READY: usize = 256;
/// What one receive call takes at most.
const FULL_BATCH: usize = 32;
/// Receive calls for one socket before the others have their turn.
const MAX_BATCHES: usize = 8;
const SWEEP_INTERVAL: Duration = Duration::from_millis(1);
/// How long a command waits at most.
const COMMAND_INTERVAL: Duration = Duration::from_millis(5);
