//! RTCP packets: parsing of compounds, typed views, builders and field rewriting.

mod compound;
mod description;
mod extended_report;
mod feedback;
mod report;
mod rewrite;
mod transport_feedback;
mod transport_feedback_builder;
mod writer;

pub use compound::{RtcpCompound, RtcpIter, RtcpPacket, UnknownRtcp};
pub use description::{Application, Goodbye, SourceDescription, SourceItem};
pub use extended_report::{
    ExtendedBlock, ExtendedBlocks, ExtendedReport, ReferenceAnswer, ReferenceAnswers, monotonic_ntp,
};
pub use feedback::{
    FirEntry, FullIntraRequest, Nack, PictureLossIndication, ReceiverEstimatedMaxBitrate,
};
pub use report::{
    MAX_REPORT_BLOCKS, ReceiverReport, ReportBlock, ReportBlocks, SenderInfo, SenderReport,
    compact_ntp,
};
pub use rewrite::{set_media_ssrc, set_sender_ssrc};
pub use transport_feedback::{PacketStatus, PacketStatuses, TransportFeedback};
pub use transport_feedback_builder::{
    DELTA_TICK, FeedbackRefusal, MAX_MISSING, MAX_TRANSPORT_FEEDBACK_LEN, REFERENCE_TIME_UNIT,
    TransportFeedbackBuilder,
};
pub use writer::{MAX_COMPOUND_LEN, RtcpWriter};

/// RTCP packet types (RFC 3550 section 12.1, RFC 4585 section 6.1, RFC 3611 section 2).
pub mod packet_type {
    /// Sender report.
    pub const SENDER_REPORT: u8 = 200;
    /// Receiver report.
    pub const RECEIVER_REPORT: u8 = 201;
    /// Source description.
    pub const SOURCE_DESCRIPTION: u8 = 202;
    /// Goodbye.
    pub const GOODBYE: u8 = 203;
    /// Application-defined.
    pub const APPLICATION: u8 = 204;
    /// Transport layer feedback.
    pub const TRANSPORT_FEEDBACK: u8 = 205;
    /// Payload-specific feedback.
    pub const PAYLOAD_FEEDBACK: u8 = 206;
    /// Extended report.
    pub const EXTENDED_REPORT: u8 = 207;
}

/// Feedback message types, the count field of a feedback packet.
pub mod feedback_format {
    /// Transport layer: generic NACK.
    pub const NACK: u8 = 1;
    /// Transport layer: RFC 8888 congestion control feedback, not handled by JVB either.
    pub const CONGESTION_CONTROL: u8 = 11;
    /// Transport layer: transport-wide congestion control.
    pub const TRANSPORT_CC: u8 = 15;
    /// Payload-specific: picture loss indication.
    pub const PICTURE_LOSS_INDICATION: u8 = 1;
    /// Payload-specific: full intra request (RFC 5104).
    pub const FULL_INTRA_REQUEST: u8 = 4;
    /// Payload-specific: application layer feedback, of which REMB is one.
    pub const APPLICATION_LAYER: u8 = 15;
}

/// Bytes before the body of every RTCP packet.
pub const RTCP_HEADER_LEN: usize = 4;
