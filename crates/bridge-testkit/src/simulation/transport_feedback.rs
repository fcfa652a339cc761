//! Transport-wide feedback of a client: what it sends, and whether what it gets can be true.

use super::violation::{ViolationKind, Violations};
use bridge_rtp::rtcp::{TransportFeedback, TransportFeedbackBuilder};
use bridge_rtp::{RtcpWriter, SequenceUnwrapper};
use bridge_units::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// Notes arrivals and reports them ten times a second.
#[derive(Debug, Default)]
pub(crate) struct FeedbackSender {
    unwrapper: SequenceUnwrapper,
    arrivals: BTreeMap<i64, Timestamp>,
    next_base: Option<i64>,
    media_ssrc: u32,
    count: u8,
}

impl FeedbackSender {
    pub(crate) fn note(&mut self, now: Timestamp, number: u16, ssrc: u32) {
        let index = self.unwrapper.update(number);
        self.media_ssrc = ssrc;
        if self.next_base.is_none_or(|base| index >= base) {
            self.arrivals.entry(index).or_insert(now);
        }
    }

    pub(crate) fn has_news(&self) -> bool {
        !self.arrivals.is_empty()
    }

    /// Appends feedback on what came since the last one.
    pub(crate) fn write(&mut self, sender_ssrc: u32, writer: &mut RtcpWriter<'_>) {
        let Some((&first, &time)) = self.arrivals.first_key_value() else { return };
        let base = self.next_base.unwrap_or(first);
        let number = |index: i64| (index & 0xffff) as u16;
        let mut feedback = TransportFeedbackBuilder::new(
            sender_ssrc,
            self.media_ssrc,
            self.count,
            number(base),
            time,
        );
        self.count = self.count.wrapping_add(1);
        while let Some((&index, &at)) = self.arrivals.first_key_value() {
            if feedback.add_received(number(index), at).is_err() {
                break;
            }
            self.arrivals.pop_first();
            self.next_base = Some(index + 1);
        }
        // What does not fit into the buffer is lost, as on a bad link.
        let _full = writer.transport_feedback(&feedback);
    }
}

/// Holds the bridge's feedback against what was sent and what of it was lost.
#[derive(Debug, Default)]
pub(crate) struct FeedbackCheck {
    /// Whether each packet arrived, by its number without wrapping.
    arrived: Vec<bool>,
    reported: u64,
    feedbacks: u64,
    last: Option<Timestamp>,
    longest_silence: Duration,
}

impl FeedbackCheck {
    /// The number of the next packet.
    pub(crate) fn next_number(&self) -> u16 {
        (self.arrived.len() & 0xffff) as u16
    }

    pub(crate) fn note_sent(&mut self, arrives: bool) {
        self.arrived.push(arrives);
    }

    pub(crate) fn handle(
        &mut self,
        now: Timestamp,
        feedback: &TransportFeedback<'_>,
        violations: &mut Violations,
    ) {
        self.feedbacks += 1;
        if let Some(last) = self.last.replace(now) {
            self.longest_silence = self.longest_silence.max(now.since(last));
        }
        for status in feedback.statuses() {
            self.reported += 1;
            let behind = self.next_number().wrapping_sub(1).wrapping_sub(status.sequence);
            let index = self.arrived.len().checked_sub(1 + usize::from(behind));
            let was_received = status.delta_ticks.is_some();
            match index.and_then(|index| self.arrived.get(index)) {
                None if was_received => {
                    let kind = ViolationKind::FeedbackForUnsent(status.sequence);
                    violations.note(now, feedback.media_ssrc, kind);
                }
                Some(false) if was_received => {
                    let kind = ViolationKind::FeedbackForLost(status.sequence);
                    violations.note(now, feedback.media_ssrc, kind);
                }
                _ => {}
            }
        }
    }

    /// Feedback packets, the statuses in them, and the longest time between two.
    pub(crate) fn summary(&self) -> (u64, u64, Duration) {
        (self.feedbacks, self.reported, self.longest_silence)
    }
}
