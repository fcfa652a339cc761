use super::audio_payload::{AudioStamp, OPUS, OPUS_BYTES, RED, redundant};
use super::random::SimulationRandom;
use super::rtp_writer::{AUDIO_LEVEL_ID, OutgoingRtp};
use super::video_sender::capture_ticks;
use bridge_rtp::rtcp::SenderInfo;
use bridge_units::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// A scripted microphone: an Opus packet every 20 ms with its level, while it is open.
pub struct AudioSender {
    ssrc: u32,
    sequence_number: u16,
    timestamp_offset: u32,
    next: Timestamp,
    level: Option<u8>,
    random: SimulationRandom,
    packets: u32,
    octets: u32,
    counter: u32,
    /// Packets before the last one that each packet repeats (RFC 2198); 0 for plain Opus.
    redundancy: usize,
    /// The newest packets, the last one at the end.
    recent: VecDeque<AudioStamp>,
}

impl AudioSender {
    /// Silent until [`Self::set_level`].
    pub fn new(ssrc: u32, start: Timestamp, mut random: SimulationRandom) -> Self {
        let phase = PACKET_TIME.mul_f64(random.unit());
        Self {
            ssrc,
            sequence_number: random.next_u16(),
            timestamp_offset: random.next_u32(),
            next: start + phase,
            level: None,
            random,
            packets: 0,
            octets: 0,
            counter: 0,
            redundancy: 0,
            recent: VecDeque::new(),
        }
    }

    /// Repeats the packets before in each packet, so many.
    #[must_use]
    pub fn with_redundancy(self, redundancy: usize) -> Self {
        Self { redundancy, ..self }
    }

    /// How loud it is from now on, in -dBov; `None` for a closed microphone, which sends nothing.
    pub fn set_level(&mut self, level: Option<u8>) {
        self.level = level;
    }

    /// The SSRC.
    pub const fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// How many packets it has sent.
    pub const fn packets(&self) -> u32 {
        self.packets
    }

    pub(crate) fn poll(&mut self, now: Timestamp) -> Option<OutgoingRtp> {
        if self.next > now {
            return None;
        }
        let at = self.next;
        self.next = at + PACKET_TIME;
        let level = self.level?;
        // Speech swings by a few decibels, and between words there is only the room.
        let between_words = self.counter % WORD_PACKETS < PAUSE_PACKETS;
        let level = if between_words { level.max(ROOM_LEVEL) } else { level };
        let level = level.saturating_add((self.random.next_u16() % 6) as u8).min(127);
        let timestamp = self.timestamp(at);
        let stamp = AudioStamp { source: self.ssrc, counter: self.counter, timestamp };
        let (payload_type, payload) = self.payload(stamp);
        self.counter = self.counter.wrapping_add(1);
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(OPUS_BYTES as u32);
        let packet = OutgoingRtp {
            ssrc: self.ssrc,
            payload_type,
            sequence_number: self.sequence_number,
            timestamp,
            marker: false,
            extensions: vec![(AUDIO_LEVEL_ID, vec![0x80 | level])],
            payload,
        };
        self.sequence_number = self.sequence_number.wrapping_add(1);
        Some(packet)
    }

    /// When to poll next.
    pub const fn poll_timeout(&self) -> Timestamp {
        self.next
    }

    /// What it says of itself now, if it has sent anything.
    pub fn sender_report(&self, now: Timestamp, ntp: u64) -> Option<SenderInfo> {
        (self.packets > 0 && self.level.is_some()).then(|| SenderInfo {
            ssrc: self.ssrc,
            ntp_timestamp: ntp,
            rtp_timestamp: self.timestamp(now),
            packet_count: self.packets,
            octet_count: self.octets,
        })
    }

    fn payload(&mut self, stamp: AudioStamp) -> (u8, Vec<u8>) {
        if self.redundancy == 0 {
            return (OPUS, stamp.payload());
        }
        // What is too long ago for the field of 14 bits is not repeated.
        self.recent.retain(|old| stamp.timestamp.wrapping_sub(old.timestamp) < 1 << 14);
        let payload = redundant(self.recent.make_contiguous(), stamp);
        self.recent.push_back(stamp);
        if self.recent.len() > self.redundancy {
            self.recent.pop_front();
        }
        (RED, payload)
    }

    /// 48 kHz.
    fn timestamp(&self, at: Timestamp) -> u32 {
        let ticks = u64::from(capture_ticks(at)) * 8 / 15;
        (ticks as u32).wrapping_add(self.timestamp_offset)
    }
}

const PACKET_TIME: Duration = Duration::from_millis(20);

/// The level between words, in -dBov.
const ROOM_LEVEL: u8 = 75;

/// A word and the pause before it take 400 ms, ...
const WORD_PACKETS: u32 = 20;
/// ... of which this is the pause.
const PAUSE_PACKETS: u32 = 3;
