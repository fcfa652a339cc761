//! Other endpoints' media on a fixed set of SSRCs, so that a receiver need not be told of every
//! source of a large conference (JVB: `SsrcCache`).

mod codec_state;
mod mapped_source;
mod mid;
mod output_stream;
mod rewriting;
mod rewritten_packet;
mod slot;
mod slot_table;

pub use mapped_source::{MappedSource, RewritableSource};
pub use mid::{MAX_MID_LEN, Mid};
pub use rewriting::{SsrcRewriting, SsrcRewritingConfig};
pub use rewritten_packet::{OriginalPacket, RewritingCounters, RewritingRefusal, RewrittenPacket};
pub use slot_table::MAX_REMEMBERED_PROGRESS;
