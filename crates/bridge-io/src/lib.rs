//! UDP shards: one pinned thread and one SO_REUSEPORT socket per local address and core.
//!
//! The driver of `bridge-shard`: it owns the sockets, the clock and the threads, receives with
//! recvmmsg and GRO, and sends the engine's runs with sendmmsg and GSO. The only crate that may use
//! unsafe code.

#![deny(unsafe_op_in_unsafe_fn)]

mod clock;
mod interfaces;
mod shard_thread;
mod socket;
mod udp_shards;
mod waker;

pub use clock::Clock;
pub use interfaces::{AddressFilter, InterfaceAddress, interface_addresses};
pub use socket::{ReceiveBuffers, SendBuffers, UdpSocket};
pub use udp_shards::{BindError, BoundAddresses, UdpSettings, UdpShards, bind};
