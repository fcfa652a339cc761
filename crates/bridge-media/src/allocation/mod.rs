//! Who gets which layers (JVB: `BandwidthAllocator`, `BitrateController`).
//!
//! A [`BandwidthAllocator`] per receiver turns its wishes, the sources in the order of speech and
//! the estimated bandwidth into a target layer per source. What receivers want of each source at
//! most is collected by [`SenderConstraints`], for the senders.
//!
//! With S sources of L layers each, of which N have a non-zero constraint, one run is
//! `O(S log S + N L)` to order and select, and `O(P N L)` to distribute, where P is the number of
//! passes: L of them in practice, since every pass takes each affordable source up by one layer.
//! Names are hashed once a source and run, never compared in a loop. Buffers are kept.

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
