//! Where one receive call puts what it gets.

use crate::control_message::{ControlBuffer, ReceivedControl};
use crate::datagram_age::TakenAt;
use crate::socket_address::read_address;
use libc::c_void;
use std::io;
use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

/// Messages per receive call.
pub(crate) const RECEIVE_BATCH: usize = 32;

/// Bytes per received message: with UDP_GRO the kernel joins up to 64 kB.
const RECEIVE_MESSAGE_BYTES: usize = 65_535;

/// Buffers for one receive call, shared by all sockets of a shard. Pages that no datagram reached are
/// never touched.
pub struct ReceiveBuffers {
    bytes: Box<[u8]>,
    names: Box<[libc::sockaddr_storage; RECEIVE_BATCH]>,
    controls: Box<[ControlBuffer; RECEIVE_BATCH]>,
    received: Vec<Received>,
}

/// What one message of a receive call brought.
#[derive(Clone, Copy)]
struct Received {
    from: SocketAddr,
    len: usize,
    segment: usize,
    /// When the kernel got it, on the wall clock.
    stamp: Option<Duration>,
}

impl ReceiveBuffers {
    /// Buffers for [`RECEIVE_BATCH`] messages.
    #[allow(unsafe_code)]
    pub fn new() -> Self {
        Self {
            bytes: vec![0; RECEIVE_BATCH * RECEIVE_MESSAGE_BYTES].into_boxed_slice(),
            // SAFETY: sockaddr_storage is plain data, all zeroes is a valid value.
            names: Box::new([unsafe { zeroed() }; RECEIVE_BATCH]),
            controls: Box::new([ControlBuffer::EMPTY; RECEIVE_BATCH]),
            received: Vec::with_capacity(RECEIVE_BATCH),
        }
    }

    /// Each datagram of the last receive call with its sender.
    pub fn for_each(&mut self, mut take: impl FnMut(SocketAddr, &mut [u8])) {
        self.for_each_stamped(|_, from, datagram| take(from, datagram));
    }

    /// As [`Self::for_each`], with how long each waited in the socket's buffer.
    pub(crate) fn for_each_aged(
        &mut self,
        taken_at: TakenAt,
        mut take: impl FnMut(Duration, SocketAddr, &mut [u8]),
    ) {
        self.for_each_stamped(|stamp, from, datagram| take(taken_at.age(stamp), from, datagram));
    }

    /// Messages of the last receive call that begin with an RTP packet (RFC 7983 section 7, RFC 5761
    /// section 4).
    pub(crate) fn rtp_messages(&self) -> usize {
        let starts = self.bytes.chunks(RECEIVE_MESSAGE_BYTES).zip(&self.received);
        starts
            .filter(|(message, received)| {
                received.len > 1
                    && (128..192).contains(&message[0])
                    && !(192..224).contains(&message[1])
            })
            .count()
    }

    /// Messages of the last receive call that did not fit.
    pub(crate) fn truncated(&self) -> usize {
        self.received.iter().filter(|received| received.from == UNKNOWN_SENDER).count()
    }

    /// Receives what is there, up to `limit` messages; how many there were.
    #[allow(unsafe_code)]
    pub(crate) fn receive(&mut self, socket: BorrowedFd<'_>, limit: usize) -> io::Result<usize> {
        self.received.clear();
        let limit = limit.min(RECEIVE_BATCH);
        // SAFETY: iovec and mmsghdr are plain data, all zeroes is a valid value.
        let mut vectors: [libc::iovec; RECEIVE_BATCH] = unsafe { zeroed() };
        // SAFETY: as above.
        let mut headers: [libc::mmsghdr; RECEIVE_BATCH] = unsafe { zeroed() };
        for i in 0..limit {
            vectors[i].iov_base =
                self.bytes[i * RECEIVE_MESSAGE_BYTES..].as_mut_ptr().cast::<c_void>();
            vectors[i].iov_len = RECEIVE_MESSAGE_BYTES;
            let header = &mut headers[i].msg_hdr;
            header.msg_name = (&raw mut self.names[i]).cast::<c_void>();
            header.msg_namelen = size_of::<libc::sockaddr_storage>() as u32;
            header.msg_iov = &raw mut vectors[i];
            header.msg_iovlen = 1;
            header.msg_control = (&raw mut self.controls[i]).cast::<c_void>();
            header.msg_controllen = size_of::<ControlBuffer>() as _;
        }
        // SAFETY: every header points to buffers that outlive the call, with their true sizes.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                limit as u32,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        for (header, name) in headers[..count].iter().zip(self.names.iter()) {
            self.received.push(Received::new(header, name));
        }
        Ok(count)
    }

    fn for_each_stamped(&mut self, mut take: impl FnMut(Option<Duration>, SocketAddr, &mut [u8])) {
        for (message, received) in
            self.bytes.chunks_mut(RECEIVE_MESSAGE_BYTES).zip(self.received.iter())
        {
            for datagram in message[..received.len].chunks_mut(received.segment) {
                take(received.stamp, received.from, datagram);
            }
        }
    }
}

impl Default for ReceiveBuffers {
    fn default() -> Self {
        Self::new()
    }
}

impl Received {
    fn new(header: &libc::mmsghdr, name: &libc::sockaddr_storage) -> Self {
        if header.msg_hdr.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) != 0 {
            // Incomplete, or without the size of its segments: nothing that can be used.
            return Self { from: UNKNOWN_SENDER, len: 0, segment: 1, stamp: None };
        }
        let len = header.msg_len as usize;
        let told = ReceivedControl::read(&header.msg_hdr);
        Self {
            from: read_address(name).unwrap_or(UNKNOWN_SENDER),
            len,
            segment: told.segment.unwrap_or(len).max(1),
            stamp: told.stamp,
        }
    }
}

const UNKNOWN_SENDER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::datagram_age::ArrivalClock;
    use crate::send_buffers::SendBuffers;
    use crate::socket::UdpSocket;
    use bridge_shard::{Egress, EgressSink, Run, SendOutcome};

    struct Sink(UdpSocket, SendBuffers);

    impl EgressSink for Sink {
        fn send(&mut self, arena: &[u8], runs: &[Run]) -> SendOutcome {
            self.0.send(&mut self.1, arena, runs)
        }
    }

    fn bound() -> UdpSocket {
        UdpSocket::bind(SocketAddr::from(([127, 0, 0, 1], 0)), 1 << 20).unwrap().0
    }

    fn received(from: &UdpSocket, limit: usize) -> (usize, Vec<(Duration, usize)>) {
        let (mut clock, mut buffers) = (ArrivalClock::default(), ReceiveBuffers::new());
        let messages = from.receive_some(&mut buffers, limit).unwrap();
        let taken_at = clock.taken_at(Clock::start().now());
        let mut datagrams = Vec::new();
        buffers.for_each_aged(taken_at, |age, _, datagram| datagrams.push((age, datagram.len())));
        (messages, datagrams)
    }

    #[test]
    fn datagrams_tell_how_long_they_waited_also_when_they_were_joined() {
        let receiver = bound();
        let to = receiver.local_addr().unwrap();
        let wait = Duration::from_millis(30);
        let mut sink = Sink(bound(), SendBuffers::new());
        // The kernel begins to stamp a moment after the first socket asked for it.
        for attempt in 0.. {
            let mut egress = Egress::new();
            for len in [900, 900, 400] {
                egress.room(&mut sink)[..len].fill(0x80);
                egress.commit(0, to, len);
            }
            egress.flush(&mut sink);
            std::thread::sleep(wait);
            let (messages, datagrams) = received(&receiver, RECEIVE_BATCH);
            assert_eq!(messages, 1);
            assert_eq!(datagrams.iter().map(|(_, len)| *len).collect::<Vec<_>>(), [900, 900, 400]);
            let in_time = wait..Duration::from_secs(10);
            if datagrams.iter().all(|(age, _)| in_time.contains(age)) {
                break;
            }
            assert!(attempt < 50, "{datagrams:?}");
        }
    }

    #[test]
    fn a_socket_without_stamps_tells_no_ages() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let receiver = UdpSocket::plain(socket).unwrap();
        let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        sender.send_to(&[1, 2], receiver.local_addr().unwrap()).unwrap();
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(received(&receiver, 1), (1, vec![(Duration::ZERO, 2)]));
    }

    #[test]
    fn no_more_is_taken_than_asked_for() {
        let receiver = bound();
        let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..5 {
            sender.send_to(&[1], receiver.local_addr().unwrap()).unwrap();
        }
        assert_eq!(received(&receiver, 3).0, 3);
        assert_eq!(received(&receiver, 3).0, 2);
        let mut buffers = ReceiveBuffers::new();
        let empty = receiver.receive_some(&mut buffers, 3).unwrap_err();
        assert_eq!(empty.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn only_rtp_counts_as_rtp() {
        let receiver = bound();
        let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        // STUN, DTLS, RTP, RTP with the marker, sender report, transport-wide feedback, too short.
        let starts: [&[u8]; 7] = [
            &[0, 1],
            &[22, 254],
            &[0x90, 111],
            &[0x80, 0x80 | 100],
            &[0x80, 200],
            &[0x8F, 205],
            &[128],
        ];
        for start in starts {
            sender.send_to(start, receiver.local_addr().unwrap()).unwrap();
        }
        let mut buffers = ReceiveBuffers::new();
        assert_eq!(receiver.receive(&mut buffers).unwrap(), 7);
        assert_eq!((buffers.rtp_messages(), buffers.truncated()), (2, 0));
    }
}
