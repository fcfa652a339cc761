//! Typed ids, units and the time stamp that callers pass in.
//!
//! The words every other crate shares. Values only: no clock is read here, `Timestamp` is handed
//! down from the drivers so that all protocol logic is deterministic.

#![forbid(unsafe_code)]

mod id;
mod rate;
mod timestamp;

pub use id::{
    ConferenceId, EndpointId, MAX_ENDPOINT_ID_LEN, MediaType, SessionId, ShardId, SourceId,
};
pub use rate::{Bitrate, DataSize};
pub use timestamp::Timestamp;
