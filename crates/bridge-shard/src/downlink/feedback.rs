//! What a receiver says about what it gets: reports, transport-wide feedback, its own estimate.

use super::{Downlink, Outlet};
use crate::stored_packets::StoredPackets;
use bridge_rtp::TransportFeedback;
use bridge_rtp::rtcp::{ReferenceAnswer, ReportBlock};
use bridge_units::{Bitrate, SessionId, Timestamp};

impl Downlink {
    /// Takes the report blocks of a sender or receiver report.
    pub(crate) fn handle_report_blocks<I: Iterator<Item = ReportBlock>>(
        &mut self,
        now: Timestamp,
        blocks: impl Fn() -> I,
    ) {
        for block in blocks() {
            if let Some(round_trip) = self.round_trips.on_report_block(now, &block) {
                self.estimator.on_rtt(round_trip);
            }
        }
        self.estimator.on_report_blocks(now, blocks());
        self.pace(now);
    }

    /// Takes an answer to a reference time. The estimator has the round trips of what is sent, and needs
    /// none of a receiver that is sent nothing.
    pub(crate) fn handle_reference_answer(&mut self, now: Timestamp, answer: &ReferenceAnswer) {
        self.round_trips.on_reference_answer(now, answer);
    }

    /// The reference time to send, where nothing else tells the round trip.
    pub(crate) fn poll_reference_time(&mut self, now: Timestamp) -> Option<u64> {
        self.round_trips.poll_reference_time(now)
    }

    /// Takes transport-wide feedback, and sends what it allows.
    pub(crate) fn handle_transport_feedback(
        &mut self,
        now: Timestamp,
        feedback: &TransportFeedback<'_>,
        stored: &StoredPackets,
        outlet: &mut Outlet<'_>,
    ) {
        self.estimator.on_feedback(now, feedback);
        self.pace(now);
        self.send_paced(now, stored, outlet);
    }

    /// Takes the receiver's own estimate.
    pub(crate) fn handle_receiver_estimate(&mut self, now: Timestamp, estimate: Bitrate) {
        self.estimator.on_receiver_estimate(estimate);
        self.pace(now);
    }

    /// Whether the receiver knows sources by SSRCs of the bridge's choice only.
    pub(crate) fn rewrites_ssrcs(&self) -> bool {
        self.rewriting.is_some()
    }

    /// Who sends what the receiver sees under this SSRC, and the sender's SSRC of it: where a
    /// request for a key frame goes.
    pub(crate) fn keyframe_target(&self, ssrc: u32) -> Option<(SessionId, u32)> {
        if let Some(rewriting) = &self.rewriting {
            let mapped = rewriting.source_of(ssrc)?;
            let source = self.videos.get(&mapped.id)?;
            return Some((source.sender, source.stream.primary));
        }
        let mut sources = self.videos.values();
        let source = sources
            .find(|source| source.projection.ssrc() == ssrc || source.stream.rtx == Some(ssrc))?;
        Some((source.sender, source.stream.primary))
    }
}
