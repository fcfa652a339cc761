use crate::control_message::{ControlBuffer, write_segment_size};
use crate::socket_address::write_address;
use bridge_shard::Run;
use libc::c_void;
use std::io;
use std::mem::zeroed;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Messages per send call; the kernel's own limit is 1,024.
pub(crate) const SEND_BATCH: usize = 256;

/// The kernel's view of one send call, reused: filling it anew each time costs more than the call.
pub struct SendBuffers {
    headers: Box<[libc::mmsghdr; SEND_BATCH]>,
    vectors: Box<[libc::iovec; SEND_BATCH]>,
    names: Box<[libc::sockaddr_in6; SEND_BATCH]>,
    controls: Box<[ControlBuffer; SEND_BATCH]>,
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
            controls: Box::new([ControlBuffer::EMPTY; SEND_BATCH]),
        }
    }

    /// Describes `run` as message `i`. The pointers stay valid until the arena or `self` moves.
    pub(crate) fn describe(&mut self, i: usize, arena: &[u8], run: &Run) {
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

    /// Sends messages `range`, which were described for the arena that is being sent; how many of
    /// them, from the first, the kernel took. An error is about the first.
    #[allow(unsafe_code)]
    pub(crate) fn send(
        &mut self,
        socket: BorrowedFd<'_>,
        range: std::ops::Range<usize>,
    ) -> io::Result<usize> {
        let headers = &mut self.headers[range];
        // SAFETY: every header was described for this send: it points to data that outlives the
        // call, with its true size; the kernel does not write through the iovecs of a send.
        let sent = unsafe {
            libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), headers.len() as u32, 0)
        };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }
}

impl Default for SendBuffers {
    fn default() -> Self {
        Self::new()
    }
}
