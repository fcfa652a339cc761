//! UDP shards: one pinned thread and one SO_REUSEPORT socket per local address and core.
//!
//! The driver of `bridge-shard`: it owns the sockets, the clock and the threads, receives with
//! recvmmsg and GRO, and sends the engine's runs with sendmmsg and GSO. The only crate that may use
//! unsafe code.
//!
//! Where to start: [`bind`], then `shard_thread` (one turn of a shard), `socket` (how runs leave).

#![deny(unsafe_op_in_unsafe_fn)]

mod clock;
mod coalescing;
mod control_message;
mod datagram_age;
mod interfaces;
mod io_counters;
mod receive_buffers;
mod send_buffers;
mod shard_thread;
mod socket;
mod socket_address;
mod turn_budget;
mod udp_shards;
mod waker;
mod watched_thread;

pub use clock::Clock;
pub use coalescing::{CoalescingSettings, MAX_COALESCING_WINDOW};
pub use interfaces::{AddressFilter, InterfaceAddress, interface_addresses};
pub use io_counters::IoCounters;
pub use receive_buffers::ReceiveBuffers;
pub use send_buffers::SendBuffers;
pub use socket::UdpSocket;
pub use udp_shards::{BindError, BoundAddresses, UdpSettings, UdpShards, bind};
pub use watched_thread::DeathNotice;
