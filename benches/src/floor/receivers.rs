//! Sockets that get packets, read by a thread of their own every millisecond.

use crate::cores;
use anyhow::Result;
use nix::sys::socket::SockaddrIn;
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Ends its thread when dropped.
pub(super) struct Receivers {
    addresses: Vec<SockaddrIn>,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    received: AtomicU64,
    ends: AtomicBool,
}

impl Receivers {
    pub(super) fn start(count: usize) -> Result<Self> {
        let mut sockets = Vec::new();
        let mut addresses = Vec::new();
        for _ in 0..count {
            let socket = UdpSocket::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
            socket.set_nonblocking(true)?;
            if let SocketAddr::V4(address) = socket.local_addr()? {
                addresses.push(sockaddr(address));
            }
            sockets.push(socket);
        }
        let state = Arc::new(State::default());
        let thread = std::thread::Builder::new().name("floor-receivers".into()).spawn({
            let state = Arc::clone(&state);
            move || drain(&sockets, &state)
        })?;
        Ok(Self { addresses, state, thread: Some(thread) })
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

    fn end(&mut self) {
        self.state.ends.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
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
    cores::pin(cores::GENERATOR);
    let mut buffer = [0; 2_048];
    loop {
        let is_last = state.ends.load(Ordering::Acquire);
        for socket in sockets {
            while socket.recv(&mut buffer).is_ok() {
                state.received.fetch_add(1, Ordering::Relaxed);
            }
        }
        if is_last {
            return;
        }
        std::thread::sleep(INTERVAL);
    }
}

fn sockaddr(address: SocketAddrV4) -> SockaddrIn {
    SockaddrIn::from(address)
}

/// As the load generator reads its receivers.
const INTERVAL: Duration = Duration::from_millis(1);
