//! Control messages: what the kernel tells of a received message, and the segment size of a sent one.

use libc::{c_int, c_void};
use std::mem::size_of;
use std::time::Duration;

/// Room for the control messages of one message, aligned as the kernel wants it: received ones are an
/// int (UDP_GRO) and a timespec (SCM_TIMESTAMPNS), 56 bytes together.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct ControlBuffer([u8; 64]);

/// What the kernel told of a received message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReceivedControl {
    /// The size of its datagrams, if it was joined from several.
    pub(crate) segment: Option<usize>,
    /// When the kernel got it, on the wall clock.
    pub(crate) stamp: Option<Duration>,
}

impl ControlBuffer {
    pub(crate) const EMPTY: Self = Self([0; 64]);
}

impl ReceivedControl {
    /// Reads what recvmsg left in the control buffer of `header`.
    #[allow(unsafe_code)]
    pub(crate) fn read(header: &libc::msghdr) -> Self {
        let mut told = Self::default();
        // SAFETY: the kernel filled the control buffer and set its length; the CMSG functions stay in
        // it, and data is read only where the message is long enough for it.
        unsafe {
            let mut control = libc::CMSG_FIRSTHDR(header);
            while let Some(current) = control.as_ref() {
                let data = libc::CMSG_DATA(control);
                match (current.cmsg_level, current.cmsg_type) {
                    (libc::SOL_UDP, libc::UDP_GRO) if holds::<c_int>(current) => {
                        let size = data.cast::<c_int>().read_unaligned();
                        told.segment = usize::try_from(size).ok().filter(|size| *size > 0);
                    }
                    (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS)
                        if holds::<libc::timespec>(current) =>
                    {
                        told.stamp = since_epoch(data.cast::<libc::timespec>().read_unaligned());
                    }
                    _ => {}
                }
                control = libc::CMSG_NXTHDR(header, control);
            }
        }
        told
    }
}

/// Makes `header` one run of datagrams of `segment` bytes (UDP_SEGMENT).
#[allow(unsafe_code)]
pub(crate) fn write_segment_size(
    header: &mut libc::msghdr,
    control: &mut ControlBuffer,
    segment: usize,
) {
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

#[allow(unsafe_code)]
#[allow(clippy::unnecessary_cast, reason = "the length is a u32 with some C libraries")]
fn holds<T>(control: &libc::cmsghdr) -> bool {
    // SAFETY: CMSG_LEN only computes.
    let needed = unsafe { libc::CMSG_LEN(size_of::<T>() as u32) };
    control.cmsg_len as usize >= needed as usize
}

fn since_epoch(time: libc::timespec) -> Option<Duration> {
    Some(Duration::new(u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?))
}
