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
//! - [`BandwidthEstimator`] learns from a receiver's feedback what its link takes: [`SentPackets`]
//!   knows what was sent, [`GoogCc2`] or [`GoogCcClassic`] make an estimate of what became of it.
//!   [`RemoteEstimator`] does the same for what is received.
//! - [`Pacer`] spreads what is sent to a receiver, [`PaddingController`] says how much padding shows
//!   whether there is room for more.
//! - [`RoundTripTimes`] measures the way to a peer and back by RTCP; [`ReferenceTimes`] lets the peer
//!   measure it.
//!
//! One instance of each belongs to one peer; the session that owns the peer calls it from one
//! thread. Packets must be authenticated before they come here.

#![forbid(unsafe_code)]

mod bandwidth_estimator;
mod googcc2;
mod googcc_classic;
mod min_history;
mod pacer;
mod probing;
mod rates;
mod receive_statistics;
mod receiver_reports;
mod reference_times;
mod reported_loss;
mod round_trip_time;
mod sent_packets;
mod transport_feedback_generator;

pub use bandwidth_estimator::{
    BandwidthEstimator, EstimateSource, EstimatorConfig, EstimatorEngine,
};
pub use googcc_classic::{GoogCcClassic, GoogCcClassicConfig, RemoteEstimator};
pub use googcc2::{
    BandwidthUsage, GoogCc2, GoogCc2Config, GoogCc2State, LossState, ProbeClusterId, ProbeRun,
};
pub use pacer::{MAX_PACED_PACKETS, MAX_PACING_DELAY, Pacer, PacerCounters, PacketUrgency};
pub use probing::{
    AllocationSnapshot, MAX_PADDING_INTERVAL, MAX_PADDING_PACKET_LEN, MIN_PADDING_INTERVAL,
    PADDING_INTERVAL, PaddingController, PaddingStream,
};
pub use receive_statistics::ReceiveStatistics;
pub use receiver_reports::{
    MAX_REMB_SSRCS, MAX_STREAMS, REPORT_INTERVAL, ReceiverEstimate, ReceiverReports,
};
pub use reference_times::{MAX_REFERENCE_TIMES, ReferenceTimes};
pub use reported_loss::MAX_REPORTED_STREAMS;
pub use round_trip_time::{
    MAX_ROUND_TRIP_TIME, MAX_SENDER_REPORTS, REFERENCE_TIME_AFTER, REFERENCE_TIME_INTERVAL,
    RoundTripTimes,
};
pub use sent_packets::{
    FeedbackSummary, MAX_SENT_PACKETS, PacketResult, ReceiveTime, SENT_PACKET_LIFETIME, SentPacket,
    SentPackets, SentPacketsCounters,
};
pub use transport_feedback_generator::{
    MAX_FEEDBACK_INTERVAL, MAX_PENDING_ARRIVALS, MIN_FEEDBACK_INTERVAL, TransportFeedbackCounters,
    TransportFeedbackGenerator,
};
