//! A scripted camera or screen: pictures at a constant rate, key frames and layers on request.

use super::codec::{Layering, SimulatedCodec};
use super::encoding::{Encoding, RTX_SSRC_OFFSET};
use super::footage::Footage;
use super::player::Player;
use super::random::SimulationRandom;
use super::rtp_writer::OutgoingRtp;
use bridge_rtp::rtcp::SenderInfo;
use bridge_units::{Bitrate, Timestamp};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// One resolution that a source sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerSettings {
    /// Pixels of the smaller side.
    pub height: u16,
    /// Its rate, without that of the layers below.
    pub bitrate: Bitrate,
}

/// What a source sends.
#[derive(Clone, Debug, PartialEq)]
pub struct VideoSettings {
    /// Its name in signalling.
    pub name: String,
    /// The codec.
    pub codec: SimulatedCodec,
    /// Whether layers have SSRCs of their own.
    pub layering: Layering,
    /// From the lowest to the highest.
    pub layers: Vec<LayerSettings>,
    /// Pictures a second.
    pub frame_rate: f64,
    /// Whether it is a screen.
    pub is_screen: bool,
    /// The SSRC of the first encoding; the others follow.
    pub first_ssrc: u32,
    /// What is played instead of what the script makes up.
    pub footage: Option<Arc<Footage>>,
}

/// What a sender was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VideoSenderCounters {
    /// PLIs and FIRs that arrived.
    pub key_frame_requests: u64,
    /// Key pictures sent, the first included.
    pub key_frames: u64,
    /// Numbers asked for by NACK.
    pub nacked: u64,
    /// Retransmissions sent.
    pub retransmitted: u64,
    /// Packets of media sent.
    pub packets: u64,
    /// Constraints that arrived.
    pub constraints: u64,
}

/// Sends one source.
pub struct VideoSender {
    settings: VideoSettings,
    encodings: Vec<Encoding>,
    random: SimulationRandom,
    start: Timestamp,
    next_picture: Timestamp,
    pictures: u32,
    queue: VecDeque<(Timestamp, OutgoingRtp)>,
    line_free_at: Timestamp,
    key_frame_at: Option<Timestamp>,
    last_key_frame: Option<Timestamp>,
    max_height: i32,
    own_limit: usize,
    enabled: bool,
    counters: VideoSenderCounters,
    player: Option<Player>,
}

impl VideoSettings {
    /// VP8 simulcast of 180, 360 and 720 lines.
    pub fn vp8(name: &str, first_ssrc: u32) -> Self {
        Self::camera(name, first_ssrc, SimulatedCodec::Vp8, Layering::Simulcast)
    }

    /// A camera of 180, 360 and 720 lines with 150, 500 and 2,000 kbps.
    pub fn camera(name: &str, first_ssrc: u32, codec: SimulatedCodec, layering: Layering) -> Self {
        let layer = |height, kbps| LayerSettings { height, bitrate: Bitrate::from_kbps(kbps) };
        Self {
            name: name.to_owned(),
            codec,
            layering,
            layers: vec![layer(180, 150), layer(360, 500), layer(720, 2_000)],
            frame_rate: 30.0,
            is_screen: false,
            first_ssrc,
            footage: None,
        }
    }

    /// What a browser sent, sent again.
    pub fn replay(name: &str, first_ssrc: u32, footage: Arc<Footage>) -> Self {
        Self {
            layers: footage.layers.clone(),
            footage: Some(Arc::clone(&footage)),
            ..Self::camera(name, first_ssrc, footage.codec, footage.layering)
        }
    }

    /// A screen of 1080 lines in one layer, at 5 pictures a second.
    pub fn screen(name: &str, first_ssrc: u32) -> Self {
        let layer = LayerSettings { height: 1_080, bitrate: Bitrate::from_kbps(1_200) };
        Self {
            layers: vec![layer],
            frame_rate: 5.0,
            is_screen: true,
            ..Self::vp8(name, first_ssrc)
        }
    }

    /// The SSRCs of media and retransmissions, by encoding.
    pub fn ssrcs(&self) -> Vec<(u32, u32)> {
        let encodings = match self.layering {
            Layering::Simulcast => self.layers.len() as u32,
            Layering::Svc | Layering::KeySvc => 1,
        };
        (0..encodings)
            .map(|i| (self.first_ssrc + i, self.first_ssrc + RTX_SSRC_OFFSET + i))
            .collect()
    }

    /// Whose headers tell frames apart: AV1's where only the dependency descriptor does.
    pub(crate) fn header_codec(&self) -> SimulatedCodec {
        self.footage.as_ref().map_or(self.codec, |footage| footage.header_codec())
    }

    /// The height of what a stamp says a frame is.
    pub fn height(&self, encoding: u8, spatial: u8) -> u16 {
        let layer = match self.layering {
            Layering::Simulcast => encoding,
            Layering::Svc | Layering::KeySvc => spatial,
        };
        self.layers.get(usize::from(layer)).map_or(0, |layer| layer.height)
    }
}

impl VideoSender {
    /// Begins at `start`. Times of capture count from the simulation's zero.
    pub fn new(settings: VideoSettings, start: Timestamp, mut random: SimulationRandom) -> Self {
        let VideoSettings { codec, layering, first_ssrc, .. } = settings;
        let groups: Vec<Vec<LayerSettings>> = match layering {
            Layering::Simulcast => settings.layers.iter().map(|layer| vec![*layer]).collect(),
            Layering::Svc | Layering::KeySvc => vec![settings.layers.clone()],
        };
        let encodings = groups.into_iter().enumerate().map(|(index, layers)| {
            Encoding::new(index as u8, first_ssrc, codec, layering, layers, &mut random)
        });
        let encodings: Vec<Encoding> = encodings.collect();
        // Cameras of different people do not take their pictures at the same moment.
        let phase = Duration::from_secs_f64(random.unit() / settings.frame_rate);
        let player =
            settings.footage.clone().map(|footage| Player::new(footage, first_ssrc, start + phase));
        Self {
            encodings,
            own_limit: settings.layers.len(),
            player,
            settings,
            random,
            start: start + phase,
            next_picture: start + phase,
            pictures: 0,
            queue: VecDeque::new(),
            line_free_at: start,
            key_frame_at: None,
            last_key_frame: None,
            max_height: -1,
            enabled: true,
            counters: VideoSenderCounters::default(),
        }
    }

    /// A PLI or FIR for one of the SSRCs: a key frame of all encodings, after the encoder's delay.
    pub fn handle_key_frame_request(&mut self, now: Timestamp) {
        self.counters.key_frame_requests += 1;
        let earliest = self.last_key_frame.map_or(now, |last| last + MIN_KEY_FRAME_INTERVAL);
        let at = earliest.max(now + ENCODER_DELAY);
        self.key_frame_at = Some(self.key_frame_at.map_or(at, |planned| planned.min(at)));
    }

    /// A NACK for one of the SSRCs: what is still there is sent again at once.
    pub(crate) fn handle_nack(
        &mut self,
        now: Timestamp,
        ssrc: u32,
        numbers: impl Iterator<Item = u16>,
    ) -> Vec<OutgoingRtp> {
        let Some(encoding) = self.encodings.iter_mut().find(|e| e.ssrc == ssrc) else {
            return Vec::new();
        };
        let mut copies = Vec::new();
        for number in numbers {
            self.counters.nacked += 1;
            copies.extend(encoding.retransmission(now, number));
        }
        self.counters.retransmitted += copies.len() as u64;
        copies
    }

    /// The bridge's `SenderSourceConstraints`: layers above are not sent; 0 stops all, -1 lifts the
    /// limit.
    pub fn set_max_height(&mut self, max_height: i32) {
        self.counters.constraints += 1;
        self.max_height = max_height;
        self.apply_limits();
    }

    /// The sender's own limit, as when its processor or uplink is too slow: only so many layers.
    pub fn set_layer_limit(&mut self, layers: usize) {
        self.own_limit = layers;
        self.apply_limits();
    }

    /// Camera on or off.
    pub fn set_enabled(&mut self, enabled: bool) {
        self.enabled = enabled;
        self.apply_limits();
    }

    /// A number of an SSRC's stream for a packet that is not the encoder's.
    pub fn take_number(&mut self, ssrc: u32) -> Option<u16> {
        self.encodings.iter_mut().find(|e| e.ssrc == ssrc).map(Encoding::take_number)
    }

    /// Numbers and timestamps of all encodings go on elsewhere, as if something had been restarted.
    pub fn jump(&mut self, numbers: u16, ticks: u32) {
        self.encodings.iter_mut().for_each(|encoding| encoding.jump(numbers, ticks));
    }

    /// The packets that are due.
    pub(crate) fn poll(&mut self, now: Timestamp) -> Option<OutgoingRtp> {
        let packet = match self.player {
            Some(_) => self.poll_player(now)?,
            None => self.poll_script(now)?,
        };
        self.counters.packets += 1;
        if let Some(encoding) = self.encodings.iter_mut().find(|e| e.ssrc == packet.ssrc) {
            encoding.note_sent(now, &packet);
        }
        Some(packet)
    }

    /// When to poll next.
    pub fn poll_timeout(&self) -> Timestamp {
        if let Some(player) = &self.player {
            return player.poll_timeout();
        }
        self.queue.front().map_or(self.next_picture, |(at, _)| (*at).min(self.next_picture))
    }

    /// What each encoding that sends says of itself now.
    pub fn sender_reports(&self, now: Timestamp, ntp: u64) -> Vec<SenderInfo> {
        let encodings = self.encodings.iter().enumerate();
        encodings
            .filter(|(_, encoding)| encoding.active() > 0 && encoding.packets > 0)
            .map(|(index, encoding)| SenderInfo {
                ssrc: encoding.ssrc,
                ntp_timestamp: ntp,
                rtp_timestamp: match &self.player {
                    Some(player) => player.report_timestamp(index, now),
                    None => encoding.timestamp(capture_ticks(now)),
                },
                packet_count: encoding.packets,
                octet_count: encoding.octets,
            })
            .collect()
    }

    /// As [`Self::sender_reports`], also for encodings that have not begun.
    #[cfg(test)]
    pub(crate) fn all_sender_reports(&self, now: Timestamp, ntp: u64) -> Vec<SenderInfo> {
        let info = |encoding: &Encoding| SenderInfo {
            ssrc: encoding.ssrc,
            ntp_timestamp: ntp,
            rtp_timestamp: encoding.timestamp(capture_ticks(now)),
            ..SenderInfo::default()
        };
        self.encodings.iter().map(info).collect()
    }

    /// What it sends.
    pub fn settings(&self) -> &VideoSettings {
        &self.settings
    }

    /// What it was asked for.
    pub fn counters(&self) -> VideoSenderCounters {
        self.counters
    }

    /// Whether an SSRC is one of its media.
    pub fn has_ssrc(&self, ssrc: u32) -> bool {
        self.encodings.iter().any(|encoding| encoding.ssrc == ssrc)
    }

    fn apply_limits(&mut self) {
        let max_height = self.max_height;
        let fits = |layer: &&LayerSettings| max_height < 0 || i32::from(layer.height) <= max_height;
        let mut allowed = self.settings.layers.iter().filter(fits).count();
        if max_height > 0 {
            // The lowest is sent however little is asked for.
            allowed = allowed.max(1);
        }
        let allowed = if self.enabled { allowed.min(self.own_limit) } else { 0 };
        match self.settings.layering {
            Layering::Simulcast => {
                let grows =
                    self.encodings.iter().take(allowed).any(|encoding| encoding.active() == 0);
                if let Some(player) = self.player.as_mut().filter(|_| grows) {
                    player.want_key_frame();
                }
                for (index, encoding) in self.encodings.iter_mut().enumerate() {
                    encoding.set_active(usize::from(index < allowed));
                    if grows {
                        encoding.want_key_frame();
                    }
                }
            }
            Layering::Svc | Layering::KeySvc => self.encodings[0].set_active(allowed),
        }
    }

    fn poll_script(&mut self, now: Timestamp) -> Option<OutgoingRtp> {
        while self.next_picture <= now {
            self.take_picture();
        }
        self.queue.front().filter(|(at, _)| *at <= now)?;
        self.queue.pop_front().map(|(_, packet)| packet)
    }

    /// Layers of one SSRC are sent whatever was asked for: the footage has them in its pictures.
    fn poll_player(&mut self, now: Timestamp) -> Option<OutgoingRtp> {
        let player = self.player.as_mut()?;
        if self.key_frame_at.is_some_and(|due| due <= now) {
            self.key_frame_at = None;
            player.want_key_frame();
        }
        let active = self.encodings.iter().filter(|encoding| encoding.active() > 0).count();
        let packet = player.poll(now, active)?;
        if is_key(&packet) {
            self.counters.key_frames += u64::from(packet.ssrc == self.settings.first_ssrc);
            self.last_key_frame = Some(now);
        }
        Some(packet)
    }

    fn take_picture(&mut self) {
        let at = self.next_picture;
        self.pictures += 1;
        let since_start = f64::from(self.pictures) / self.settings.frame_rate;
        self.next_picture = self.start + Duration::from_secs_f64(since_start);
        if self.key_frame_at.is_some_and(|due| due <= at) {
            self.key_frame_at = None;
            self.encodings.iter_mut().for_each(Encoding::want_key_frame);
        }
        let capture = capture_ticks(at);
        let ready = at + ENCODING_TIME;
        let rate: u64 = self.settings.layers.iter().map(|layer| layer.bitrate.bps()).sum();
        let pace = (rate as f64 * PACING_FACTOR).max(MIN_PACE_BPS);
        let mut has_key = false;
        for encoding in self.encodings.iter_mut().filter(|encoding| encoding.active() > 0) {
            let packets = encoding.picture(capture, self.settings.frame_rate, &mut self.random);
            for packet in packets {
                has_key |= packet.payload.len() > 1 && is_key(&packet);
                let send_at = self.line_free_at.max(ready);
                let bits = packet.payload.len() as f64 * 8.0;
                self.line_free_at = send_at + Duration::from_secs_f64(bits / pace);
                self.queue.push_back((send_at, packet));
            }
        }
        if has_key {
            self.counters.key_frames += 1;
            self.last_key_frame = Some(at);
        }
    }
}

fn is_key(packet: &OutgoingRtp) -> bool {
    matches!(
        super::frame_stamp::FrameStamp::find(&packet.payload),
        Some(Ok(stamp)) if stamp.key && stamp.part == 0
    )
}

/// 90 kHz ticks since the simulation's zero.
pub(crate) fn capture_ticks(at: Timestamp) -> u32 {
    // Rounded down to the tick; wraps after half a day.
    ((u128::from(at.as_nanos()) * 9 / 100_000) & u128::from(u32::MAX)) as u32
}

/// From a request to the picture that can be a key frame.
const ENCODER_DELAY: Duration = Duration::from_millis(20);

/// libwebrtc's least time between two key frames by request.
const MIN_KEY_FRAME_INTERVAL: Duration = Duration::from_millis(300);

/// From the capture of a picture to its first packet.
const ENCODING_TIME: Duration = Duration::from_millis(5);

/// libwebrtc's pacer sends at 2.5 times the encoder's rate.
const PACING_FACTOR: f64 = 2.5;

/// A slow sender's packets are not spread over more than a few pictures.
const MIN_PACE_BPS: f64 = 1_000_000.0;
