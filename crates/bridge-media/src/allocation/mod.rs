//! Who gets which layers (JVB: `BandwidthAllocator`, `BitrateController`).
//!
//! A [`BandwidthAllocator`] per receiver turns its wishes, the sources in the order of speech and
//! the estimated bandwidth into a target layer per source. What receivers want of each source at
//! most is collected by [`SenderConstraints`], for the senders.
//!
//! # Cost
//!
//! Of S sources with L layers each, N have a non-zero constraint (N is at most last-n). A run takes
//!
//! - `O(S log S)` to order them, with one look-up of a name and one of an id per source,
//! - `O(N L)` to select layers and to find the cheapest one above each,
//! - `O(P N)` to distribute in P passes: each takes every source that can afford it up by one layer.
//!   P is about the number of layers of a source; since each pass but the last raises some target,
//!   the number of all layers bounds it ([`Allocation::passes`] tells).
//!
//! No names are compared, and nothing is allocated once the buffers have grown.

mod allocator;
mod candidate;
mod config;
mod constraints;
mod distribution;
mod last_n;
mod outcome;
mod priority;
mod selection;
mod sender_constraints;
mod settings;
mod snapshot;

pub use allocator::{AllocationTrigger, BandwidthAllocator};
pub use candidate::CandidateSource;
pub use config::AllocationConfig;
pub use constraints::{MaxHeight, VideoConstraints};
pub use last_n::{ConferenceSizeLimits, LastN};
pub use outcome::{Allocation, AllocationChange, AllocationReason, SourceAllocation};
pub use sender_constraints::{
    ConstraintReceiver, MAX_CONSTRAINED_SOURCES, SenderConstraint, SenderConstraints,
};
pub use settings::AllocationSettings;
pub use snapshot::AllocationSnapshot;
