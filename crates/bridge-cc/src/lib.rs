//! Congestion control: what a receiver of media owes its sender, and what a sender learns from it.
//!
//! Engines without I/O: packets and the time go in, RTCP comes out. Nothing here reads a clock or
//! knows a socket, and no packet of an established stream allocates.
//!
//! - [`TransportFeedbackGenerator`] notes the arrival of every packet with a transport-wide
//!   sequence number and answers with feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01).
//!   It answers to JVB's `TccGeneratorNode`.
//! - [`ReceiveStatistics`] keeps the numbers of one received stream (RFC 3550 appendix A), and
//!   [`ReceiverReports`] those of one peer, from which it writes receiver reports on a timer. They
//!   answer to JVB's `IncomingStatisticsTracker` and `RtcpRrGenerator`.
//!
//! One instance of each belongs to one peer; the session that owns the peer calls it from one
//! thread. Packets must be authenticated before they come here.

#![forbid(unsafe_code)]

mod receive_statistics;
mod receiver_reports;
mod transport_feedback_generator;

pub use receive_statistics::ReceiveStatistics;
pub use receiver_reports::{
    MAX_REMB_SSRCS, MAX_STREAMS, REPORT_INTERVAL, ReceiverEstimate, ReceiverReports,
};
pub use transport_feedback_generator::{
    MAX_FEEDBACK_INTERVAL, MAX_PENDING_ARRIVALS, MIN_FEEDBACK_INTERVAL, TransportFeedbackCounters,
    TransportFeedbackGenerator,
};
