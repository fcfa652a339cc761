//! What receivers tell of a link that loses nothing: transport-wide feedback and receiver reports.

use super::wire::Arrivals;
use super::{AUDIO_SSRC, VIDEO_SSRC};
use anyhow::Result;
use bridge_rtp::{RtcpWriter, TransportFeedbackBuilder};
use bridge_units::Timestamp;
use std::time::Duration;

/// When each participant reports next.
pub(crate) struct Feedback {
    next: Vec<Timestamp>,
    count: u8,
    buffer: [u8; 1_400],
}

impl Feedback {
    /// Of so many participants, who report one after the other.
    pub(crate) fn new(now: Timestamp, participants: usize) -> Self {
        let first = |index: usize| now + Duration::from_millis(index as u64 % 50);
        Self { next: (0..participants).map(first).collect(), count: 0, buffer: [0; 1_400] }
    }

    /// What this participant has to report `now`.
    pub(crate) fn poll(
        &mut self,
        now: Timestamp,
        participant: usize,
        arrivals: &mut Arrivals,
    ) -> Result<Option<&[u8]>> {
        let Some(next) = self.next.get_mut(participant).filter(|next| **next <= now) else {
            return Ok(None);
        };
        *next += INTERVAL;
        let (Some(base), Some(first)) = (arrivals.next_number, arrivals.unreported.first()) else {
            return Ok(None);
        };
        self.count = self.count.wrapping_add(1);
        let ssrc = AUDIO_SSRC + participant as u32 * 1_000;
        let begin = *first + ONE_WAY_DELAY;
        let mut builder = TransportFeedbackBuilder::new(ssrc, VIDEO_SSRC, self.count, base, begin);
        let mut number = base;
        for sent in &arrivals.unreported {
            // What does not fit into one packet is not reported; more than 50 ms have.
            if builder.add_received(number, *sent + ONE_WAY_DELAY).is_err() {
                break;
            }
            number = number.wrapping_add(1);
        }
        arrivals.next_number = Some(base.wrapping_add(arrivals.unreported.len() as u16));
        arrivals.unreported.clear();
        let mut writer = RtcpWriter::new(&mut self.buffer);
        writer.receiver_report(ssrc, &[])?;
        writer.transport_feedback(&builder)?;
        let len = writer.len();
        Ok(self.buffer.get(..len))
    }
}

/// As libwebrtc sends it.
const INTERVAL: Duration = Duration::from_millis(50);
/// Of the link.
const ONE_WAY_DELAY: Duration = Duration::from_millis(10);
