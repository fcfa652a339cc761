//! One UDP socket of the SO_REUSEPORT group of a local address: batches in, runs out.
//!
//! recvmmsg with UDP_GRO and sendmmsg with UDP_SEGMENT are called directly: no crate offers
//! sendmmsg with a segment size per message, which is what makes forwarding cheap.

use crate::io_counters::IoCounters;
use crate::receive_buffers::{RECEIVE_BATCH, ReceiveBuffers};
use crate::send_buffers::{SEND_BATCH, SendBuffers};
use bridge_shard::{Run, SendOutcome};
use libc::{c_int, c_void};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::sockopt;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::mem::size_of;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

/// Runs in a row that may be refused before segmentation is turned off: each costs one more call.
const MAX_REFUSED_RUNS: u32 = 32;

/// How long one send may wait for room in the socket's buffer: what a full arena takes to leave at
/// 1 Gb/s. More would keep timers waiting, and would only let a queue grow.
const MAX_SEND_WAIT: Duration = Duration::from_millis(4);

/// Runs of one send that are tried again because they were refused for what others did.
const MAX_REPEATS: u32 = 16;

/// A bound, non-blocking socket.
pub struct UdpSocket {
    socket: Socket,
    segmentation: bool,
    /// Runs refused since the kernel last took one.
    refused_runs: u32,
}

/// What is true of one send as a whole.
struct Sending<'a> {
    outcome: SendOutcome,
    counters: &'a mut IoCounters,
    may_wait: bool,
    repeats_left: u32,
}

impl UdpSocket {
    /// Binds `address` beside the other shards' sockets and asks for `receive_buffer` bytes; returns
    /// what was granted.
    pub fn bind(address: SocketAddr, receive_buffer: usize) -> io::Result<(Self, usize)> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::DGRAM.nonblocking().cloexec(),
            Some(Protocol::UDP),
        )?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_reuse_port(true)?;
        set_buffers(&socket, receive_buffer)?;
        socket.bind(&address.into())?;
        let granted = socket.recv_buffer_size()? / 2;
        // Without the first, datagrams arrive one by one; without the second, their age is unknown.
        let _ = set_int(&socket, libc::SOL_UDP, libc::UDP_GRO, 1);
        let _ = set_int(&socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1);
        let segmentation = set_int(&socket, libc::SOL_UDP, libc::UDP_SEGMENT, 0).is_ok();
        Ok((Self { socket, segmentation, refused_runs: 0 }, granted))
    }

    /// Takes over a bound socket as it is: every datagram arrives by itself (no UDP_GRO) and leaves by
    /// itself (no UDP_SEGMENT), as a peer of the bridge has it.
    pub fn plain(socket: std::net::UdpSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { socket: socket.into(), segmentation: false, refused_runs: 0 })
    }

    /// The address it is bound to.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket
            .local_addr()?
            .as_socket()
            .ok_or_else(|| io::Error::other("not an internet address"))
    }

    /// Receives what is there, as much as the buffers take; how many messages there were.
    pub fn receive(&self, buffers: &mut ReceiveBuffers) -> io::Result<usize> {
        self.receive_some(buffers, RECEIVE_BATCH)
    }

    /// Receives up to `limit` messages.
    pub(crate) fn receive_some(
        &self,
        buffers: &mut ReceiveBuffers,
        limit: usize,
    ) -> io::Result<usize> {
        buffers.receive(self.socket.as_fd(), limit)
    }

    /// Sends `runs`, which all start from this socket's address.
    pub fn send(&mut self, buffers: &mut SendBuffers, arena: &[u8], runs: &[Run]) -> SendOutcome {
        self.send_counted(buffers, arena, runs, &mut IoCounters::default())
    }

    /// As [`Self::send`], and counts why datagrams were refused.
    pub(crate) fn send_counted(
        &mut self,
        buffers: &mut SendBuffers,
        arena: &[u8],
        runs: &[Run],
        counters: &mut IoCounters,
    ) -> SendOutcome {
        let outcome = SendOutcome::default();
        let mut sending = Sending { outcome, counters, may_wait: true, repeats_left: MAX_REPEATS };
        for some in runs.chunks(SEND_BATCH) {
            self.send_some(buffers, arena, some, &mut sending);
        }
        sending.outcome
    }

    /// Sends what one call of the kernel takes. A run that is refused never keeps others back.
    fn send_some(
        &mut self,
        buffers: &mut SendBuffers,
        arena: &[u8],
        runs: &[Run],
        sending: &mut Sending<'_>,
    ) {
        for (i, run) in runs.iter().enumerate() {
            buffers.describe(i, arena, run);
        }
        let mut next = 0;
        while let Some(first) = runs.get(next) {
            let ready = self.ready(&runs[next..]);
            if ready == 0 {
                self.send_one_by_one(arena, first, sending);
                next += 1;
                continue;
            }
            match buffers.send(self.socket.as_fd(), next..next + ready) {
                Ok(sent) => {
                    self.note_sent(&runs[next..next + sent], sending);
                    next += sent.max(1);
                }
                Err(error) if sending.may_try_again(&self.socket, &error) => {}
                Err(error) if first.segments > 1 && is_segmentation_refused(&error) => {
                    if self.send_one_by_one(arena, first, sending) {
                        self.note_refused_run(&error);
                    }
                    next += 1;
                }
                Err(error) => {
                    sending.refuse(first.segments, &error);
                    next += 1;
                }
            }
        }
    }

    /// How many of `runs`, from the first, the kernel can take in one call.
    fn ready(&self, runs: &[Run]) -> usize {
        runs.iter().take_while(|run| self.segmentation || run.segments == 1).count()
    }

    fn note_sent(&mut self, runs: &[Run], sending: &mut Sending<'_>) {
        for run in runs {
            sending.outcome.datagrams += run.segments as u64;
            sending.outcome.bytes += run.bytes as u64;
            sending.outcome.messages += 1;
            if run.segments > 1 {
                self.refused_runs = 0;
            }
        }
    }

    /// One destination's small path MTU refuses its runs and no others, so only a socket that takes
    /// none at all stops trying.
    fn note_refused_run(&mut self, error: &io::Error) {
        self.refused_runs += 1;
        if self.refused_runs == MAX_REFUSED_RUNS {
            tracing::warn!(%error, "UDP segmentation offload refused; turned off");
            self.segmentation = false;
        }
    }

    /// Whether the destination took any.
    fn send_one_by_one(&self, arena: &[u8], run: &Run, sending: &mut Sending<'_>) -> bool {
        let mut taken = false;
        for datagram in arena[run.start..run.start + run.bytes].chunks(run.segment) {
            loop {
                match self.socket.send_to(datagram, &run.remote.into()) {
                    Ok(_) => {
                        taken = true;
                        sending.outcome.datagrams += 1;
                        sending.outcome.bytes += datagram.len() as u64;
                        sending.outcome.messages += 1;
                    }
                    Err(error) if sending.may_try_again(&self.socket, &error) => continue,
                    Err(error) => sending.refuse(1, &error),
                }
                break;
            }
        }
        taken
    }
}

impl Sending<'_> {
    fn refuse(&mut self, datagrams: usize, error: &io::Error) {
        self.outcome.refused += datagrams as u64;
        self.counters.refuse(datagrams as u64, error);
    }

    /// Whether what failed with `error` may go now.
    fn may_try_again(&mut self, socket: &Socket, error: &io::Error) -> bool {
        match error.raw_os_error() {
            Some(libc::EAGAIN) if self.may_wait => {
                self.may_wait = false;
                self.counters.send_waits += 1;
                wait_for_room(socket);
                true
            }
            // An ICMP message about an earlier datagram, maybe to somebody else.
            Some(libc::ECONNREFUSED) if self.repeats_left > 0 => {
                self.repeats_left -= 1;
                true
            }
            _ => false,
        }
    }
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn wait_for_room(socket: &Socket) {
    let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(MAX_SEND_WAIT.subsec_nanos()) };
    // Whatever came of it, the next attempt tells.
    let _ = rustix::event::poll(&mut [PollFd::new(socket, PollFlags::OUT)], Some(&timeout));
}

/// Sets both buffers: sending is in bursts of a whole receive batch to all receivers. With
/// CAP_NET_ADMIN beyond net.core.rmem_max, without it up to that.
fn set_buffers(socket: &Socket, bytes: usize) -> io::Result<()> {
    if sockopt::set_socket_recv_buffer_size_force(socket, bytes).is_err() {
        socket.set_recv_buffer_size(bytes)?;
    }
    if sockopt::set_socket_send_buffer_size_force(socket, bytes).is_err() {
        socket.set_send_buffer_size(bytes)?;
    }
    Ok(())
}

fn is_segmentation_refused(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EIO | libc::EINVAL | libc::EMSGSIZE))
}

#[allow(unsafe_code)]
fn set_int(socket: &Socket, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    // SAFETY: the pointer and the size describe one int on the stack.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast::<c_void>(),
            size_of::<c_int>() as u32,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bridge_shard::{Egress, EgressSink};

    struct Sink<'a>(&'a mut UdpSocket, SendBuffers);

    impl EgressSink for Sink<'_> {
        fn send(&mut self, arena: &[u8], runs: &[Run]) -> SendOutcome {
            self.0.send(&mut self.1, arena, runs)
        }
    }

    /// A kernel that computes no checksum for a socket refuses its runs with EINVAL.
    #[test]
    fn refused_runs_arrive_one_by_one_and_segmentation_is_turned_off_only_if_all_are() {
        let localhost = SocketAddr::from(([127, 0, 0, 1], 0));
        let (mut socket, _) = UdpSocket::bind(localhost, 1 << 20).unwrap();
        let receiver = std::net::UdpSocket::bind(localhost).unwrap();
        receiver.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
        let to = receiver.local_addr().unwrap();
        let round = |socket: &mut UdpSocket, refused: bool| {
            set_int(&socket.socket, libc::SOL_SOCKET, libc::SO_NO_CHECK, c_int::from(refused))
                .unwrap();
            let (mut egress, mut sink) = (Egress::new(), Sink(socket, SendBuffers::new()));
            for len in [900, 900, 500] {
                egress.room(&mut sink)[..len].fill(7);
                egress.commit(0, to, len);
            }
            egress.flush(&mut sink);
            assert_eq!((egress.outcome().datagrams, egress.outcome().refused), (3, 0));
            let mut buffer = [0; 2_000];
            let sizes: Vec<_> = (0..3).map(|_| receiver.recv(&mut buffer).unwrap()).collect();
            assert_eq!(sizes, [900, 900, 500]);
            egress.outcome().messages
        };
        assert_eq!(round(&mut socket, false), 1, "one run");
        for _ in 1..MAX_REFUSED_RUNS {
            assert_eq!(round(&mut socket, true), 3);
        }
        assert_eq!(round(&mut socket, false), 1, "still on");
        for _ in 0..MAX_REFUSED_RUNS {
            assert_eq!(round(&mut socket, true), 3);
        }
        assert!(!socket.segmentation);
        assert_eq!(round(&mut socket, false), 3);
    }

    #[test]
    fn a_full_send_buffer_is_waited_for_once_and_then_counted() {
        let (socket, _) = UdpSocket::bind(SocketAddr::from(([127, 0, 0, 1], 0)), 1 << 20).unwrap();
        let full = io::Error::from_raw_os_error(libc::EAGAIN);
        let mut counters = IoCounters::default();
        let mut sending = Sending {
            outcome: SendOutcome::default(),
            counters: &mut counters,
            may_wait: true,
            repeats_left: 1,
        };
        assert!(sending.may_try_again(&socket.socket, &full));
        assert!(!sending.may_try_again(&socket.socket, &full));
        sending.refuse(3, &full);
        assert_eq!(sending.outcome.refused, 3);
        let refused = io::Error::from_raw_os_error(libc::ECONNREFUSED);
        assert!(sending.may_try_again(&socket.socket, &refused), "it is about an earlier one");
        assert!(!sending.may_try_again(&socket.socket, &refused));
        let forbidden = io::Error::from_raw_os_error(libc::EPERM);
        assert!(!sending.may_try_again(&socket.socket, &forbidden));
        assert_eq!((counters.send_waits, counters.refused_would_block), (1, 3));
    }

    #[test]
    fn the_buffers_are_as_large_as_the_system_allows() {
        let limit = std::fs::read_to_string("/proc/sys/net/core/rmem_max").unwrap();
        let limit: usize = limit.trim().parse().unwrap();
        let localhost = SocketAddr::from(([127, 0, 0, 1], 0));
        for wanted in [64 << 10, limit, 10 << 20] {
            let (socket, granted) = UdpSocket::bind(localhost, wanted).unwrap();
            assert!(granted >= wanted.min(limit), "{granted} of {wanted}");
            assert!(socket.socket.send_buffer_size().unwrap() > 0);
        }
    }
}
