//! Binding the port, starting and stopping the shards' threads.

use crate::clock::Clock;
use crate::coalescing::CoalescingSettings;
use crate::io_counters::{IoCounters, SharedIoCounters};
use crate::shard_thread::{Driving, ShardThread};
use crate::socket::UdpSocket;
use crate::waker::EventWaker;
use crate::watched_thread::{DeathNotice, StopFlag, WatchedThread};
use bridge_shard::{EventSink, Inbox, MAX_SHARDS, Shard, ShardGroup, ShardSettings, ShardWaker};
use bridge_units::ShardId;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// What the operator decides about the media port.
#[derive(Clone, Debug)]
pub struct UdpSettings {
    /// The port on every address; 0 takes one that is free (for tests).
    pub port: u16,
    /// How many shards there are; at least 1 and at most [`MAX_SHARDS`] are started.
    pub shards: u16,
    /// Whether shard i is pinned to the i-th core that the process may use.
    pub pin: bool,
    /// SO_RCVBUF and SO_SNDBUF to ask for, in bytes, of each shard's socket.
    pub receive_buffer: usize,
}

/// Why the shards could not start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// An eventfd or epoll instance was refused.
    #[error("cannot create a shard's event descriptor: {0}")]
    Descriptor(#[from] io::Error),
    /// The system gave no thread.
    #[error("cannot start the thread of shard {shard}: {error}")]
    Thread {
        /// Which one.
        shard: u16,
        /// What the system said.
        error: io::Error,
    },
}

/// Sockets that are bound, one per address and shard, and not yet read.
pub struct BoundAddresses {
    addresses: Vec<SocketAddr>,
    sockets: Vec<Vec<UdpSocket>>,
    refused: Vec<(SocketAddr, io::Error)>,
    granted: usize,
    coalescing: CoalescingSettings,
    on_death: Option<DeathNotice>,
}

/// Running shards; stops them when dropped.
pub struct UdpShards {
    threads: Vec<WatchedThread>,
    counters: Vec<SharedIoCounters>,
    stop: StopFlag,
    group: Arc<ShardGroup>,
}

/// Binds every address for every shard. An address that is busy is skipped (JVB: `Harvesters`).
pub fn bind(settings: &UdpSettings, addresses: &[IpAddr]) -> BoundAddresses {
    let mut bound = BoundAddresses {
        addresses: Vec::new(),
        sockets: (0..settings.shard_count()).map(|_| Vec::new()).collect(),
        refused: Vec::new(),
        granted: 0,
        coalescing: CoalescingSettings::default(),
        on_death: None,
    };
    for address in addresses {
        let wanted = SocketAddr::new(*address, settings.port);
        match bind_group(wanted, settings) {
            Ok((local, sockets, granted)) => {
                bound.addresses.push(local);
                bound.granted = granted;
                for (shard, socket) in bound.sockets.iter_mut().zip(sockets) {
                    shard.push(socket);
                }
            }
            Err(error) => bound.refused.push((wanted, error)),
        }
    }
    bound.warn_of_small_buffers(settings);
    bound
}

impl UdpSettings {
    fn shard_count(&self) -> u16 {
        self.shards.clamp(1, MAX_SHARDS)
    }
}

impl BoundAddresses {
    /// The local addresses in the order of their indexes.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The addresses that were skipped, and why.
    pub fn refused(&self) -> &[(SocketAddr, io::Error)] {
        &self.refused
    }

    /// The receive buffer that the kernel granted, in bytes.
    pub fn receive_buffer_granted(&self) -> usize {
        self.granted
    }

    /// When the shards wait for the rest of a burst; as [`CoalescingSettings::default`] unless this
    /// is called.
    pub fn coalescing(mut self, settings: CoalescingSettings) -> Self {
        self.coalescing = settings;
        self
    }

    /// Whom to tell when a shard's thread dies. Without its shards the bridge is of no use, so the
    /// process should end.
    pub fn on_shard_death(mut self, notice: impl Fn(ShardId) + Send + Sync + 'static) -> Self {
        self.on_death = Some(Arc::new(notice));
        self
    }

    /// Starts one thread per shard.
    pub fn start(
        self,
        settings: &UdpSettings,
        shard_settings: ShardSettings,
        events: Arc<dyn EventSink>,
        clock: Clock,
    ) -> Result<UdpShards, BindError> {
        let wakers = (0..settings.shard_count())
            .map(|_| EventWaker::new())
            .collect::<Result<Vec<_>, _>>()?;
        let inboxes = wakers
            .iter()
            .map(|waker| Inbox::new(Box::new(waker.clone()) as Box<dyn ShardWaker>))
            .collect();
        let group = Arc::new(ShardGroup::new(shard_settings, inboxes, events));
        let stop = StopFlag::default();
        let (threads, counters) = (Vec::new(), Vec::new());
        let mut running = UdpShards { threads, counters, stop, group };
        let (coalescing, on_death) = (self.coalescing, self.on_death);
        for ((index, sockets), waker) in (0..settings.shard_count()).zip(self.sockets).zip(wakers) {
            let group = Arc::clone(&running.group);
            let shard = Shard::new(ShardId(index), Arc::clone(&group));
            let pin_to = settings.pin.then_some(usize::from(index));
            let (stop, counters) = (running.stop.clone(), SharedIoCounters::default());
            running.counters.push(counters.clone());
            let driving = Driving { clock, stop: stop.clone(), coalescing, counters };
            let thread = ShardThread::new(shard, sockets, waker, group, driving)?;
            let work = move || thread.run(pin_to);
            let started = WatchedThread::spawn(ShardId(index), stop, on_death.clone(), work)
                .map_err(|error| BindError::Thread { shard: index, error })?;
            running.threads.push(started);
        }
        Ok(running)
    }

    fn warn_of_small_buffers(&self, settings: &UdpSettings) {
        if !self.addresses.is_empty() && self.granted < settings.receive_buffer {
            tracing::warn!(
                granted = self.granted,
                asked_for = settings.receive_buffer,
                "the receive buffer is smaller than configured, raise net.core.rmem_max"
            );
        }
    }
}

impl UdpShards {
    /// The shards' shared state: inboxes, directory, counters.
    pub fn group(&self) -> &Arc<ShardGroup> {
        &self.group
    }

    /// Whether every shard's thread is alive. One that died takes its sessions with it.
    pub fn is_running(&self) -> bool {
        !self.threads.is_empty() && self.threads.iter().all(WatchedThread::is_running)
    }

    /// The shards whose threads are alive, in their order.
    pub fn running(&self) -> impl Iterator<Item = ShardId> {
        let threads = (0..).map(ShardId).zip(&self.threads);
        threads.filter(|(_, thread)| thread.is_running()).map(|(shard, _)| shard)
    }

    /// The last published counters of each shard's sockets and thread.
    pub fn io_counters(&self) -> impl Iterator<Item = IoCounters> {
        self.counters.iter().map(SharedIoCounters::load)
    }

    /// Stops and joins all threads.
    pub fn stop(&mut self) {
        self.stop.set();
        for inbox in self.group.inboxes() {
            inbox.wake();
        }
        for thread in &mut self.threads {
            thread.join();
        }
    }
}

impl Drop for UdpShards {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Binds one address once per shard; port 0 becomes the first socket's port for all.
fn bind_group(
    address: SocketAddr,
    settings: &UdpSettings,
) -> io::Result<(SocketAddr, Vec<UdpSocket>, usize)> {
    refuse_if_taken(address)?;
    let (first, granted) = UdpSocket::bind(address, settings.receive_buffer)?;
    let local = first.local_addr()?;
    let mut sockets = vec![first];
    for _ in 1..settings.shard_count() {
        sockets.push(UdpSocket::bind(local, settings.receive_buffer)?.0);
    }
    Ok((local, sockets, granted))
}

/// SO_REUSEPORT would let a second bridge of the same user join the group and steal half of the
/// packets: an exclusive bind first shows whether the address is free.
fn refuse_if_taken(address: SocketAddr) -> io::Result<()> {
    if address.port() != 0 {
        drop(std::net::UdpSocket::bind(address)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(port: u16) -> UdpSettings {
        UdpSettings { port, shards: 2, pin: false, receive_buffer: 1 << 16 }
    }

    #[test]
    fn a_busy_address_is_skipped_and_named() {
        let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let bound =
            bind(&settings(port), &["127.0.0.1".parse().unwrap(), "127.0.0.2".parse().unwrap()]);
        assert_eq!(bound.addresses(), [SocketAddr::from(([127, 0, 0, 2], port))]);
        assert_eq!(bound.refused()[0].0, SocketAddr::from(([127, 0, 0, 1], port)));
    }

    #[test]
    fn there_are_never_no_shards_nor_more_than_can_be_named() {
        for (wanted, started) in [(0, 1), (MAX_SHARDS + 1, usize::from(MAX_SHARDS))] {
            let settings = UdpSettings { shards: wanted, ..settings(0) };
            let bound = bind(&settings, &["127.0.0.1".parse().unwrap()]);
            assert_eq!(bound.sockets.len(), started);
            assert!(bound.sockets.iter().all(|sockets| sockets.len() == 1));
        }
    }

    #[test]
    fn every_shard_gets_a_socket_on_every_address() {
        let bound = bind(&settings(0), &["127.0.0.1".parse().unwrap()]);
        assert_eq!(bound.sockets.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
        let local = bound.addresses()[0];
        assert!(bound.sockets.iter().all(|s| s[0].local_addr().unwrap() == local));
    }
}
