//! In-place RTP and RTCP views and builders.
//!
//! Owns the byte formats of the media path: the first-byte demultiplexing (RFC 7983), the RTP header
//! and its extensions (RFC 3550, RFC 8285), retransmission payloads (RFC 4588), RTCP (RFC 3550,
//! RFC 4585, RFC 5104, transport-wide feedback) and the wrapping arithmetic that goes with them.
//! It owns no state of a stream and no clock, and it allocates nothing.
//!
//! Every parser takes bytes of a peer: whatever they are, the answer is a value or a small error,
//! never a panic. A packet is parsed once into an [`RtpHeader`], a `Copy` struct of values and
//! offsets that stays valid for the same bytes through decryption, and is then read or rewritten
//! with it.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod bytes;
pub mod codec;
mod error;
mod extension;
mod extension_ids;
mod extension_values;
mod header;
mod packet;
mod packet_kind;
mod payload_type;
pub mod rtcp;
mod rtx;
mod sequence;
mod strip;
mod video_layers_allocation;

pub use error::{RtcpError, RtpError};
pub use extension::{ExtensionElement, ExtensionForm, ExtensionIdSet, ExtensionIter};
pub use extension_ids::{ExtensionType, HeaderExtensionIds};
pub use extension_values::{AudioLevel, TRANSPORT_CC_LEN, abs_send_time, transport_cc_sequence};
pub use header::{MIN_RTP_HEADER_LEN, RtpHeader};
pub use packet::{RtpPacketMut, RtpView};
pub use packet_kind::{MIN_SRTCP_LEN, PacketKind};
pub use payload_type::PayloadTypeEncoding;
pub use rtcp::{RtcpCompound, RtcpPacket, RtcpWriter, TransportFeedback, TransportFeedbackBuilder};
pub use rtx::{RTX_OSN_LEN, RtxStream, rtx_decapsulate, rtx_encapsulate, rtx_original_sequence};
pub use sequence::{
    SequenceUnwrapper, is_newer_seq, is_newer_timestamp, is_older_seq, seq_delta, timestamp_delta,
};
pub use strip::{
    AddedExtension, strip_extensions, strip_extensions_with_payload, write_header, write_packet,
};
pub use video_layers_allocation::{
    LayerResolution, MAX_ALLOCATED_LAYERS, SpatialLayerAllocation, VideoLayersAllocation,
};
