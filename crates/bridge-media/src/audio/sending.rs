use std::time::Duration;

use bridge_units::{DataSize, MediaType, Timestamp};

use crate::layer_bitrate::BitrateWindow;

/// Whether an endpoint sends media of a kind at the moment (JVB: `isSendingAudio`,
/// `isSendingVideo`).
#[derive(Clone, Copy, Debug)]
pub struct SendingActivity {
    created: Timestamp,
    min_packets: u64,
    /// Counts a packet as one byte.
    packets: BitrateWindow,
}

impl SendingActivity {
    /// Of an endpoint created now.
    pub const fn new(now: Timestamp, media: MediaType) -> Self {
        let min_packets = match media {
            MediaType::Audio => 5,
            MediaType::Video => 1,
        };
        Self { created: now, min_packets, packets: BitrateWindow::new() }
    }

    /// Notes a packet.
    pub fn handle_packet(&mut self, now: Timestamp) {
        self.packets.add(now, DataSize::from_bytes(1));
    }

    /// At first any packet within a second counts, later 5 of audio or 1 of video are needed.
    pub fn is_sending(&self, now: Timestamp) -> bool {
        let packets = self.packets.rate(now).bps() / 8;
        let needed = if now.since(self.created) < START { 1 } else { self.min_packets };
        packets >= needed
    }
}

const START: Duration = Duration::from_secs(10);
