//! Metric names, per-shard counters and output formats.
//!
//! A [`Snapshot`] is gathered when somebody asks and written in the form that was asked for: as
//! `/colibri/stats`, as the statistics of the presence, or as `/metrics` in three formats. The shards
//! count in plain integers ([`ShardCounters`]) that are copied out now and then.

#![forbid(unsafe_code)]

mod family;
mod shard_counters;
mod snapshot;

pub use family::{Family, Kind, json, open_metrics, prometheus_text};
pub use shard_counters::{ShardCounters, SharedShardCounters};
pub use snapshot::{Rates, Snapshot};
