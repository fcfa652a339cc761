//! What the driver of one shard counts: plain integers of its thread, copied out now and then.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

macro_rules! io_counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The counters of one shard's sockets and thread. Only that thread writes them.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct IoCounters {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl IoCounters {
            /// Name and value of each counter, in a fixed order.
            pub fn entries(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name)),*].into_iter()
            }
        }
    };
}

io_counters! {
    /// Turns in which there was something to do.
    turns,
    /// Turns that ended before the sockets were empty.
    turns_cut,
    /// Turns that took longer than 10 ms, waits for bursts not included.
    long_turns,
    /// The longest turn since the start, in microseconds.
    longest_turn_micros,
    /// Waits for the rest of a burst.
    coalescing_windows,
    /// RTP messages that were there at the end of such waits.
    coalesced_messages,
    /// Datagrams that had waited in the socket's buffer for longer than 5 ms.
    datagrams_aged,
    /// The longest such wait since the start, in microseconds.
    oldest_datagram_micros,
    /// Messages that were longer than their buffer.
    messages_truncated,
    /// Receive calls that failed.
    receive_errors,
    /// Waits for room in a socket's send buffer.
    send_waits,
    /// Datagrams refused because the send buffer stayed full (EAGAIN).
    refused_would_block,
    /// Datagrams refused for want of memory or of room in the device's queue (ENOBUFS, ENOMEM).
    refused_no_buffers,
    /// Datagrams refused because there is no way to their destination.
    refused_unreachable,
    /// Datagrams refused by a rule (EPERM, EACCES).
    refused_forbidden,
    /// Datagrams refused because they are longer than the path takes (EMSGSIZE).
    refused_too_long,
    /// Datagrams refused for any other cause.
    refused_other,
}

impl IoCounters {
    /// Counts `datagrams` that the kernel refused with `error`.
    pub(crate) fn refuse(&mut self, datagrams: u64, error: &io::Error) {
        let counter = match error.raw_os_error() {
            Some(libc::EAGAIN) => &mut self.refused_would_block,
            Some(libc::ENOBUFS | libc::ENOMEM) => &mut self.refused_no_buffers,
            Some(
                libc::ENETUNREACH
                | libc::EHOSTUNREACH
                | libc::ECONNREFUSED
                | libc::ENETDOWN
                | libc::EHOSTDOWN
                | libc::EADDRNOTAVAIL
                | libc::EAFNOSUPPORT,
            ) => &mut self.refused_unreachable,
            Some(libc::EPERM | libc::EACCES) => &mut self.refused_forbidden,
            Some(libc::EMSGSIZE) => &mut self.refused_too_long,
            _ => &mut self.refused_other,
        };
        *counter += datagrams;
    }
}

/// The last copy of a shard's counters, readable from any thread; written ten times a second.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedIoCounters(Arc<Mutex<IoCounters>>);

impl SharedIoCounters {
    pub(crate) fn store(&self, counters: IoCounters) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = counters;
    }

    pub(crate) fn load(&self) -> IoCounters {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_apart() {
        let mut counters = IoCounters::default();
        for (number, datagrams) in [
            (libc::EAGAIN, 1),
            (libc::ENOBUFS, 2),
            (libc::ENETUNREACH, 4),
            (libc::ECONNREFUSED, 8),
            (libc::EPERM, 16),
            (libc::EMSGSIZE, 32),
            (libc::EBADF, 64),
        ] {
            counters.refuse(datagrams, &io::Error::from_raw_os_error(number));
        }
        counters.refuse(128, &io::Error::other("no number"));
        let counted: Vec<_> = counters.entries().filter(|(_, count)| *count > 0).collect();
        assert_eq!(
            counted,
            [
                ("refused_would_block", 1),
                ("refused_no_buffers", 2),
                ("refused_unreachable", 12),
                ("refused_forbidden", 16),
                ("refused_too_long", 32),
                ("refused_other", 192),
            ]
        );
    }
}
