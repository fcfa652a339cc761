//! Sockets that get packets, and the threads that read them.

use crate::cores;
use anyhow::Result;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::SockaddrIn;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Who reads what the receivers get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// A thread that tries each socket every millisecond: whoever sends only puts into a queue.
    Idle,
    /// As the load generator does: the sockets are in `epoll` sets, which the sender tells of each
    /// packet; the first and the last receiver's thread is woken, the others' looks every millisecond.
    Watched,
}

/// Ends its threads when dropped.
pub(super) struct Receivers {
    addresses: Vec<SockaddrIn>,
    state: Arc<State>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    received: AtomicU64,
    ends: AtomicBool,
}

/// How a thread waits for what its `epoll` set has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    Woken,
    Sweeping,
}

impl Receivers {
    pub(super) fn start(count: usize, reading: Reading) -> Result<Self> {
        let mut sockets = Vec::new();
        let mut addresses = Vec::new();
        for _ in 0..count {
            let socket = UdpSocket::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
            socket.set_nonblocking(true)?;
            if let SocketAddr::V4(address) = socket.local_addr()? {
                addresses.push(SockaddrIn::from(address));
            }
            sockets.push(socket);
        }
        let mut receivers = Self { addresses, state: Arc::default(), threads: Vec::new() };
        match reading {
            Reading::Idle => receivers.spawn(move |state| drain(&sockets, state))?,
            Reading::Watched => {
                let is_sampled = |index: usize| index == 0 || index + 1 == count;
                let (mut woken, mut swept) = (Vec::new(), Vec::new());
                for (index, socket) in sockets.into_iter().enumerate() {
                    if is_sampled(index) { woken.push(socket) } else { swept.push(socket) }
                }
                receivers.watch(woken, Waiting::Woken)?;
                receivers.watch(swept, Waiting::Sweeping)?;
            }
        }
        Ok(receivers)
    }

    pub(super) fn addresses(&self) -> &[SockaddrIn] {
        &self.addresses
    }

    /// Packets that were read so far.
    pub(super) fn received(&self) -> u64 {
        self.state.received.load(Ordering::Relaxed)
    }

    /// Packets that were read, after all that have arrived were.
    #[cfg(test)]
    pub(super) fn stop(mut self) -> u64 {
        self.end();
        self.received()
    }

    fn watch(&mut self, sockets: Vec<UdpSocket>, waiting: Waiting) -> Result<()> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        for (index, socket) in (0..).zip(&sockets) {
            epoll.add(socket, EpollEvent::new(EpollFlags::EPOLLIN, index))?;
        }
        self.spawn(move |state| watch(&epoll, &sockets, waiting, state))
    }

    fn spawn(&mut self, work: impl FnOnce(&State) + Send + 'static) -> Result<()> {
        let state = Arc::clone(&self.state);
        let thread = std::thread::Builder::new().name("floor-receivers".into());
        self.threads.push(thread.spawn(move || {
            cores::pin(cores::GENERATOR);
            work(&state);
        })?);
        Ok(())
    }

    fn end(&mut self) {
        self.state.ends.store(true, Ordering::Release);
        for thread in self.threads.drain(..) {
            // It cannot have panicked; if it had, the count would show it.
            let _ = thread.join();
        }
    }
}

impl Drop for Receivers {
    fn drop(&mut self) {
        self.end();
    }
}

fn drain(sockets: &[UdpSocket], state: &State) {
    loop {
        let is_last = state.ends.load(Ordering::Acquire);
        sockets.iter().for_each(|socket| empty(socket, state));
        if is_last {
            return;
        }
        std::thread::sleep(INTERVAL);
    }
}

fn watch(epoll: &Epoll, sockets: &[UdpSocket], waiting: Waiting, state: &State) {
    let mut events = vec![EpollEvent::empty(); sockets.len().max(1)];
    loop {
        let is_last = state.ends.load(Ordering::Acquire);
        let timeout = match waiting {
            Waiting::Woken => EpollTimeout::from(WOKEN_TIMEOUT),
            Waiting::Sweeping => {
                std::thread::sleep(INTERVAL);
                EpollTimeout::ZERO
            }
        };
        // Interrupted or not: what is ready is told again.
        let ready = epoll.wait(&mut events, timeout).unwrap_or(0);
        for event in events.iter().take(ready) {
            let socket = usize::try_from(event.data()).ok().and_then(|at| sockets.get(at));
            socket.into_iter().for_each(|socket| empty(socket, state));
        }
        if is_last {
            return;
        }
    }
}

fn empty(socket: &UdpSocket, state: &State) {
    let mut buffer = [0; 2_048];
    while socket.recv(&mut buffer).is_ok() {
        state.received.fetch_add(1, Ordering::Relaxed);
    }
}

/// As the load generator reads its receivers.
const INTERVAL: Duration = Duration::from_millis(1);
/// How often a thread that waits looks whether it shall end, in milliseconds.
const WOKEN_TIMEOUT: u8 = 20;
