//! Ways to hand packets to the kernel.

use anyhow::{Result, ensure};
use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, SockaddrIn, sendmmsg, sendto};
use std::io::IoSlice;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

/// A way to hand packets to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transmission {
    /// A system call for each packet.
    Sendto,
    /// A system call for many packets.
    Sendmmsg,
    /// The same, and the kernel cuts each message into a burst's packets (`UDP_SEGMENT`).
    Segments,
}

impl Transmission {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sendto => "sendto",
            Self::Sendmmsg => "sendmmsg",
            Self::Segments => "segments",
        }
    }

    /// Sends packets of `size` bytes each, `burst` to each address.
    pub(super) fn send(
        self,
        socket: &UdpSocket,
        addresses: &[SockaddrIn],
        packets: &[u8],
        size: usize,
        burst: usize,
    ) -> Result<()> {
        let per_message = if self == Self::Segments { burst } else { 1 };
        let messages_each = burst / per_message;
        let targets = addresses.iter().flat_map(|address| vec![*address; messages_each]);
        if self == Self::Sendto {
            for (packet, address) in packets.chunks(size).zip(targets) {
                sendto(socket.as_raw_fd(), packet, &address, MsgFlags::empty())?;
            }
            return Ok(());
        }
        let targets: Vec<Option<SockaddrIn>> = targets.map(Some).collect();
        let messages: Vec<[IoSlice<'_>; 1]> =
            packets.chunks(size * per_message).map(|message| [IoSlice::new(message)]).collect();
        let segment = u16::try_from(size)?;
        let control = [ControlMessage::UdpGsoSegments(&segment)];
        let control = if per_message > 1 { &control[..] } else { &[] };
        for (messages, targets) in messages.chunks(MAX_MESSAGES).zip(targets.chunks(MAX_MESSAGES)) {
            send_all(socket, messages, targets, control)?;
        }
        Ok(())
    }
}

fn send_all(
    socket: &UdpSocket,
    messages: &[[IoSlice<'_>; 1]],
    targets: &[Option<SockaddrIn>],
    control: &[ControlMessage<'_>],
) -> Result<()> {
    let room = (!control.is_empty()).then(|| nix::cmsg_space!(u16));
    let mut headers = MultiHeaders::preallocate(messages.len(), room);
    let flags = MsgFlags::empty();
    let sent =
        sendmmsg(socket.as_raw_fd(), &mut headers, messages.iter(), targets, control, flags)?;
    let count = sent.count();
    ensure!(count == messages.len(), "the kernel took {count} of {} messages", messages.len());
    Ok(())
}

/// The kernel's limit of one call (UIO_MAXIOV).
const MAX_MESSAGES: usize = 1_024;
