use bridge_rtp::{is_newer_seq, is_newer_timestamp, timestamp_delta};
use bridge_units::Timestamp;

use crate::sender_clock::NtpTime;
use crate::video_packet::VideoPacket;

/// What a receiver was sent of a source, whatever the encoding and the codec.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    pub(super) ssrc: u32,
    pub(super) sequence_number: u16,
    pub(super) timestamp: u32,
    /// When the first packet of the newest frame arrived at the bridge; `None` before any.
    frame_received: Option<Timestamp>,
    frame_capture: Option<NtpTime>,
    /// By how many ticks the timestamps are ahead of the capture times, since they had to go on.
    lead: i64,
}

impl Output {
    /// Before the first packet, which gets sequence number 2 and timestamp 3001, as in JVB.
    pub(super) fn new(ssrc: u32) -> Self {
        Self {
            ssrc,
            sequence_number: 1,
            timestamp: 1,
            frame_received: None,
            frame_capture: None,
            lead: 0,
        }
    }

    pub(super) fn has_begun(&self) -> bool {
        self.frame_received.is_some()
    }

    /// Notes a forwarded packet with its new numbers.
    pub(super) fn note(&mut self, packet: &VideoPacket, sequence_number: u16, timestamp: u32) {
        if is_newer_seq(sequence_number, self.sequence_number) {
            self.sequence_number = sequence_number;
        }
        if self.frame_received.is_none() || is_newer_timestamp(timestamp, self.timestamp) {
            self.timestamp = timestamp;
            self.frame_received = Some(packet.received);
            self.frame_capture = packet.capture;
        }
    }

    /// The timestamp of the first frame of another encoding.
    ///
    /// Differs from JVB, which estimates from arrival times: where both encodings have had sender
    /// reports, the distance of the capture times is taken, but never less than one frame.
    pub(super) fn timestamp_of_switch(&mut self, packet: &VideoPacket) -> u32 {
        let estimate = self.estimated_ticks(packet.received);
        let captured = match (packet.capture, self.frame_capture) {
            (Some(new), Some(old)) => Some(new.ticks_since(old) - self.lead),
            _ => None,
        };
        let plausible = captured
            .filter(|ticks| (-MAX_BEHIND..=i64::from(estimate) + MAX_AHEAD).contains(ticks));
        let ticks = match plausible.map(|ticks| (ticks, u32::try_from(ticks))) {
            Some((_, Ok(ticks))) if ticks >= TICKS_PER_FRAME => {
                self.lead = 0;
                ticks
            }
            Some((ticks, _)) => {
                self.lead = i64::from(TICKS_PER_FRAME) - ticks;
                TICKS_PER_FRAME
            }
            None => {
                self.lead = 0;
                estimate
            }
        };
        self.timestamp.wrapping_add(ticks)
    }

    /// The timestamp of a frame of the same encoding after a pause: its own distance, as long as the
    /// receiver sees it go forward.
    pub(super) fn timestamp_of_resumption(&mut self, packet: &VideoPacket, offset: u32) -> u32 {
        let linear = packet.timestamp.wrapping_add(offset);
        if timestamp_delta(linear, self.timestamp) > 0 {
            return linear;
        }
        self.timestamp_of_switch(packet)
    }

    /// JVB's estimate: a frame for each 33 ms since the last one arrived, at least one.
    fn estimated_ticks(&self, now: Timestamp) -> u32 {
        let frames = self.frame_received.map_or(1, |last| (now - last).as_millis() / 33).max(1);
        u32::try_from(frames).unwrap_or(1).wrapping_mul(TICKS_PER_FRAME)
    }
}

/// 33 ms, the least by which a switch goes forward.
const TICKS_PER_FRAME: u32 = 3_000;
/// How much earlier than the last forwarded frame the first one of another encoding may have been
/// captured: half a second of difference in delay. Beyond, the reports do not belong together.
const MAX_BEHIND: i64 = 45_000;
/// How much later than its arrival suggests: the same half second.
const MAX_AHEAD: i64 = 45_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::video_packet::FrameDescription;

    const NTP_MILLISECOND: u64 = (1 << 32) / 1_000;

    fn packet(received: u64, captured: Option<u64>) -> VideoPacket {
        VideoPacket {
            encoding: 0,
            ssrc: 1,
            sequence_number: 1,
            timestamp: 1_000,
            marker: false,
            payload_type: 100,
            received: Timestamp::from_millis(received),
            capture: captured.map(|ms| NtpTime((1 << 40) + ms * NTP_MILLISECOND)),
            frame: FrameDescription::Unparsed,
        }
    }

    #[test]
    fn without_reports_a_switch_counts_frames_by_arrival() {
        for (elapsed, expected) in [(4, 3_000), (65, 3_000), (66, 6_000), (1_000, 90_000)] {
            let mut output = Output::new(1);
            output.note(&packet(0, None), 2, 50_000);
            assert_eq!(output.timestamp_of_switch(&packet(elapsed, None)), 50_000 + expected);
        }
        assert_eq!(Output::new(1).timestamp_of_switch(&packet(9_999, None)), 3_001);
    }

    #[test]
    fn with_reports_a_switch_keeps_the_distance_of_capture() {
        let mut output = Output::new(1);
        output.note(&packet(100, Some(40)), 2, 50_000);
        // Arrived 40 ms later because it was delayed, captured 100 ms later.
        let timestamp = output.timestamp_of_switch(&packet(140, Some(140)));
        assert!(timestamp.abs_diff(59_000) <= 1, "{timestamp}");
        // An implausible report is not believed.
        assert_eq!(output.timestamp_of_switch(&packet(140, Some(90_000))), 53_000);
    }

    #[test]
    fn a_lead_is_given_back_at_the_next_switch() {
        let mut output = Output::new(1);
        output.note(&packet(100, Some(40)), 2, 50_000);
        // The same picture again, of another encoding.
        assert_eq!(output.timestamp_of_switch(&packet(105, Some(40))), 53_000);
        output.note(&packet(105, Some(40)), 3, 53_000);
        let later = output.timestamp_of_switch(&packet(205, Some(140)));
        assert!(later.abs_diff(59_000) <= 1, "{later}");
    }
}
