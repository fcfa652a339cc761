//! One UDP socket of the SO_REUSEPORT group of a local address: batches in, runs out.
//!
//! recvmmsg with UDP_GRO and sendmmsg with UDP_SEGMENT are called directly: no crate offers
//! sendmmsg with a segment size per message, which is what makes forwarding cheap.

use bridge_shard::{Run, SendOutcome};
use libc::{c_int, c_void};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// Messages per receive call.
pub(crate) const RECEIVE_BATCH: usize = 32;

/// Bytes per received message: with UDP_GRO the kernel joins up to 64 kB.
pub(crate) const RECEIVE_MESSAGE_BYTES: usize = 65_535;

/// Messages per send call; the kernel's own limit is 1,024.
const SEND_BATCH: usize = 256;

/// Runs in a row that may be refused before segmentation is turned off: each costs one more call.
const MAX_REFUSED_RUNS: u32 = 32;

/// Buffers for one receive call, shared by all sockets of a shard. Pages that no datagram reached are
/// never touched.
pub struct ReceiveBuffers {
    bytes: Box<[u8]>,
    names: Box<[libc::sockaddr_storage; RECEIVE_BATCH]>,
    controls: Box<[ControlBuffer; RECEIVE_BATCH]>,
    received: Vec<Received>,
}

/// The kernel's view of one send call, reused: filling it anew each time costs more than the call.
pub struct SendBuffers {
    headers: Box<[libc::mmsghdr; SEND_BATCH]>,
    vectors: Box<[libc::iovec; SEND_BATCH]>,
    names: Box<[libc::sockaddr_in6; SEND_BATCH]>,
    controls: Box<[ControlBuffer; SEND_BATCH]>,
}

/// What one message of a receive call brought.
#[derive(Clone, Copy)]
struct Received {
    from: SocketAddr,
    len: usize,
    segment: usize,
}

/// Room for one control message of an int, aligned as the kernel wants it.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct ControlBuffer([u8; 64]);

/// A bound, non-blocking socket.
pub struct UdpSocket {
    socket: Socket,
    segmentation: bool,
    /// Runs refused since the kernel last took one.
    refused_runs: u32,
}

impl ReceiveBuffers {
    /// Buffers for [`RECEIVE_BATCH`] messages.
    #[allow(unsafe_code)]
    pub fn new() -> Self {
        Self {
            bytes: vec![0; RECEIVE_BATCH * RECEIVE_MESSAGE_BYTES].into_boxed_slice(),
            // SAFETY: sockaddr_storage is plain data, all zeroes is a valid value.
            names: Box::new([unsafe { zeroed() }; RECEIVE_BATCH]),
            controls: Box::new([ControlBuffer([0; 64]); RECEIVE_BATCH]),
            received: Vec::with_capacity(RECEIVE_BATCH),
        }
    }

    /// Each datagram of the last receive call with its sender.
    pub fn for_each(&mut self, mut take: impl FnMut(SocketAddr, &mut [u8])) {
        for (message, received) in
            self.bytes.chunks_mut(RECEIVE_MESSAGE_BYTES).zip(self.received.iter())
        {
            for datagram in message[..received.len].chunks_mut(received.segment) {
                take(received.from, datagram);
            }
        }
    }
}

impl Default for ReceiveBuffers {
    fn default() -> Self {
        Self::new()
    }
}

impl SendBuffers {
    /// Room for one send call.
    #[allow(unsafe_code)]
    pub fn new() -> Self {
        // SAFETY: all three are plain data, all zeroes is a valid value.
        let (header, vector, name) = unsafe { (zeroed(), zeroed(), zeroed()) };
        Self {
            headers: Box::new([header; SEND_BATCH]),
            vectors: Box::new([vector; SEND_BATCH]),
            names: Box::new([name; SEND_BATCH]),
            controls: Box::new([ControlBuffer([0; 64]); SEND_BATCH]),
        }
    }

    /// Describes `run` as message `i`. The pointers stay valid until the arena or `self` moves.
    fn describe(&mut self, i: usize, arena: &[u8], run: &Run) {
        let bytes = &arena[run.start..run.start + run.bytes];
        self.vectors[i].iov_base = bytes.as_ptr().cast_mut().cast::<c_void>();
        self.vectors[i].iov_len = bytes.len();
        let header = &mut self.headers[i].msg_hdr;
        header.msg_namelen = write_address(&mut self.names[i], run.remote);
        header.msg_name = (&raw mut self.names[i]).cast::<c_void>();
        header.msg_iov = &raw mut self.vectors[i];
        header.msg_iovlen = 1;
        header.msg_control = std::ptr::null_mut();
        header.msg_controllen = 0;
        if run.segments > 1 {
            write_segment_size(header, &mut self.controls[i], run.segment);
        }
    }
}

impl Default for SendBuffers {
    fn default() -> Self {
        Self::new()
    }
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
        socket.set_recv_buffer_size(receive_buffer)?;
        // Sending is in bursts of a whole receive batch to all receivers.
        socket.set_send_buffer_size(receive_buffer)?;
        socket.bind(&address.into())?;
        let granted = socket.recv_buffer_size()? / 2;
        let _ = set_int(&socket, libc::SOL_UDP, libc::UDP_GRO, 1);
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

    /// Receives what is there, up to [`RECEIVE_BATCH`] messages; how many there were.
    #[allow(unsafe_code)]
    pub fn receive(&self, buffers: &mut ReceiveBuffers) -> io::Result<usize> {
        buffers.received.clear();
        // SAFETY: iovec and mmsghdr are plain data, all zeroes is a valid value.
        let mut vectors: [libc::iovec; RECEIVE_BATCH] = unsafe { zeroed() };
        // SAFETY: as above.
        let mut headers: [libc::mmsghdr; RECEIVE_BATCH] = unsafe { zeroed() };
        for i in 0..RECEIVE_BATCH {
            vectors[i].iov_base =
                buffers.bytes[i * RECEIVE_MESSAGE_BYTES..].as_mut_ptr().cast::<c_void>();
            vectors[i].iov_len = RECEIVE_MESSAGE_BYTES;
            let header = &mut headers[i].msg_hdr;
            header.msg_name = (&raw mut buffers.names[i]).cast::<c_void>();
            header.msg_namelen = size_of::<libc::sockaddr_storage>() as u32;
            header.msg_iov = &raw mut vectors[i];
            header.msg_iovlen = 1;
            header.msg_control = (&raw mut buffers.controls[i]).cast::<c_void>();
            header.msg_controllen = size_of::<ControlBuffer>() as _;
        }
        // SAFETY: every header points to buffers that outlive the call, with their true sizes.
        let count = unsafe {
            libc::recvmmsg(
                self.socket.as_raw_fd(),
                headers.as_mut_ptr(),
                RECEIVE_BATCH as u32,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        for (i, header) in headers[..count].iter().enumerate() {
            let len = header.msg_len as usize;
            if header.msg_hdr.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) != 0 {
                // Incomplete, or without the size of its segments: nothing that can be used.
                buffers.received.push(Received { from: UNKNOWN_SENDER, len: 0, segment: 1 });
                continue;
            }
            let from = socket_address(&buffers.names[i]).unwrap_or(UNKNOWN_SENDER);
            let segment = gro_segment(&header.msg_hdr).unwrap_or(len).max(1);
            buffers.received.push(Received { from, len, segment });
        }
        Ok(count)
    }

    /// Sends `runs`, which all start from this socket's address.
    pub fn send(&mut self, buffers: &mut SendBuffers, arena: &[u8], runs: &[Run]) -> SendOutcome {
        let mut outcome = SendOutcome::default();
        for some in runs.chunks(SEND_BATCH) {
            self.send_some(buffers, arena, some, &mut outcome);
        }
        outcome
    }

    fn send_some(
        &mut self,
        buffers: &mut SendBuffers,
        arena: &[u8],
        runs: &[Run],
        outcome: &mut SendOutcome,
    ) {
        for (i, run) in runs.iter().enumerate() {
            buffers.describe(i, arena, run);
        }
        let mut next = 0;
        while let Some(first) = runs.get(next) {
            let ready = self.ready(&runs[next..]);
            if ready == 0 {
                self.send_one_by_one(arena, first, outcome);
                next += 1;
                continue;
            }
            match self.send_messages(&mut buffers.headers[next..next + ready]) {
                Ok(sent) => {
                    for run in &runs[next..next + sent] {
                        outcome.datagrams += run.segments as u64;
                        outcome.bytes += run.bytes as u64;
                        outcome.messages += 1;
                        if run.segments > 1 {
                            self.refused_runs = 0;
                        }
                    }
                    next += sent.max(1);
                }
                Err(error) if first.segments > 1 && is_segmentation_refused(&error) => {
                    self.note_refused_run(&error);
                    self.send_one_by_one(arena, first, outcome);
                    next += 1;
                }
                Err(_) => {
                    // ENOBUFS, EAGAIN, EPERM, unreachable...: this run is lost, the next may go.
                    outcome.refused += first.segments as u64;
                    next += 1;
                }
            }
        }
    }

    /// How many of `runs`, from the first, the kernel can take in one call.
    fn ready(&self, runs: &[Run]) -> usize {
        runs.iter().take_while(|run| self.segmentation || run.segments == 1).count()
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

    fn send_one_by_one(&self, arena: &[u8], run: &Run, outcome: &mut SendOutcome) {
        for datagram in arena[run.start..run.start + run.bytes].chunks(run.segment) {
            match self.socket.send_to(datagram, &run.remote.into()) {
                Ok(_) => {
                    outcome.datagrams += 1;
                    outcome.bytes += datagram.len() as u64;
                    outcome.messages += 1;
                }
                Err(_) => outcome.refused += 1,
            }
        }
    }

    #[allow(unsafe_code)]
    fn send_messages(&self, headers: &mut [libc::mmsghdr]) -> io::Result<usize> {
        // SAFETY: every header was described for this send: it points to data that outlives the
        // call, with its true size; the kernel does not write through the iovecs of a send.
        let sent = unsafe {
            libc::sendmmsg(self.socket.as_raw_fd(), headers.as_mut_ptr(), headers.len() as u32, 0)
        };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
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

#[allow(unsafe_code)]
fn socket_address(name: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match i32::from(name.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that the storage holds a sockaddr_in, which is smaller.
            let v4 = unsafe { &*(&raw const *name).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: the family says that the storage holds a sockaddr_in6, which is smaller.
            let v6 = unsafe { &*(&raw const *name).cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            let port = u16::from_be(v6.sin6_port);
            Some(SocketAddrV6::new(ip, port, 0, v6.sin6_scope_id).into())
        }
        _ => None,
    }
}

#[allow(unsafe_code)]
fn write_address(name: &mut libc::sockaddr_in6, address: SocketAddr) -> u32 {
    match address {
        SocketAddr::V4(v4) => {
            // SAFETY: sockaddr_in is smaller than sockaddr_in6 and no more aligned; both plain data.
            let name = unsafe { &mut *(&raw mut *name).cast::<libc::sockaddr_in>() };
            name.sin_family = libc::AF_INET as u16;
            name.sin_port = v4.port().to_be();
            name.sin_addr.s_addr = u32::from(*v4.ip()).to_be();
            size_of::<libc::sockaddr_in>() as u32
        }
        SocketAddr::V6(v6) => {
            name.sin6_family = libc::AF_INET6 as u16;
            name.sin6_port = v6.port().to_be();
            // Where a sockaddr_in has its address.
            name.sin6_flowinfo = 0;
            name.sin6_addr.s6_addr = v6.ip().octets();
            name.sin6_scope_id = v6.scope_id();
            size_of::<libc::sockaddr_in6>() as u32
        }
    }
}

/// The segment size that UDP_GRO reports, if the message was joined from several datagrams.
#[allow(unsafe_code)]
fn gro_segment(header: &libc::msghdr) -> Option<usize> {
    // SAFETY: the kernel filled the control buffer and set its length; the CMSG functions stay in it.
    unsafe {
        let mut control = libc::CMSG_FIRSTHDR(header);
        while let Some(current) = control.as_ref() {
            if current.cmsg_level == libc::SOL_UDP && current.cmsg_type == libc::UDP_GRO {
                let size = libc::CMSG_DATA(control).cast::<c_int>().read_unaligned();
                return usize::try_from(size).ok().filter(|size| *size > 0);
            }
            control = libc::CMSG_NXTHDR(header, control);
        }
    }
    None
}

#[allow(unsafe_code)]
fn write_segment_size(header: &mut libc::msghdr, control: &mut ControlBuffer, segment: usize) {
    header.msg_control = (&raw mut *control).cast::<c_void>();
    // SAFETY: the control buffer is aligned and large enough for one message with a u16.
    unsafe {
        header.msg_controllen = libc::CMSG_SPACE(size_of::<u16>() as u32) as _;
        let Some(first) = libc::CMSG_FIRSTHDR(header).as_mut() else { return };
        first.cmsg_level = libc::SOL_UDP;
        first.cmsg_type = libc::UDP_SEGMENT;
        first.cmsg_len = libc::CMSG_LEN(size_of::<u16>() as u32) as _;
        libc::CMSG_DATA(first).cast::<u16>().write_unaligned(segment as u16);
    }
}

const UNKNOWN_SENDER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0));

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
}
