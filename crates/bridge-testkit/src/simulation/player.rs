//! Sends footage of a real sender again, in virtual time, with numbers that go on where it jumps.

use super::codec::SimulatedCodec;
use super::footage::{Footage, FootageFrame, FootagePacket};
use super::frame_stamp::{FrameStamp, STAMP_LEN, TRAILER_LEN};
use super::rtp_writer::{DEPENDENCY_DESCRIPTOR_ID, OutgoingRtp};
use super::video_sender::capture_ticks;
use bridge_units::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// Plays the packets of a [`Footage`] at the distances in which they were sent, again and again.
///
/// A request for a key frame makes it jump to the next key picture that was recorded. Over a jump
/// sequence numbers, timestamps and the numbers of pictures and frames go on as a sender's do.
/// Media bodies carry a [`FrameStamp`]; a packet that is too short for one is made longer.
pub(crate) struct Player {
    footage: Arc<Footage>,
    first_ssrc: u32,
    /// When the footage's zero is, and the next packet of it.
    origin: Timestamp,
    next: usize,
    scene: usize,
    /// Begun pictures are finished, no other is begun, then it jumps.
    jumping: bool,
    tracks: Vec<PlayedTrack>,
    /// What is added to numbers in descriptors.
    descriptor_shift: u32,
    /// The highest that was sent.
    last_descriptor_number: Option<u32>,
    /// The newest picture's, on the simulation's clock.
    last_capture: Option<u32>,
}

/// Where one encoding is.
#[derive(Clone, Copy, Default)]
struct PlayedTrack {
    /// Since the last jump or pause a key picture has come.
    begun: bool,
    /// A picture has begun and has not ended.
    open: bool,
    shift: Numbers,
    last: Option<Numbers>,
}

/// The numbers of a packet, or what is added to them.
#[derive(Clone, Copy, Default)]
struct Numbers {
    sequence_number: u16,
    picture: u32,
    frame: u32,
    picture_id: u16,
    tl0_picture_index: u8,
}

impl Player {
    pub(crate) fn new(footage: Arc<Footage>, first_ssrc: u32, start: Timestamp) -> Self {
        let first = footage.scenes.first().copied().unwrap_or(0);
        let tracks = vec![PlayedTrack::default(); footage.tracks.len()];
        let mut player = Self {
            footage,
            first_ssrc,
            origin: start,
            next: first,
            scene: 0,
            jumping: false,
            tracks,
            descriptor_shift: 0,
            last_descriptor_number: None,
            last_capture: None,
        };
        player.enter(start, 0);
        player
    }

    /// The next key picture is to come soon.
    pub(crate) fn want_key_frame(&mut self) {
        self.jumping = true;
    }

    /// The next packet that is due; encodings from `active` on are not sent.
    pub(crate) fn poll(&mut self, now: Timestamp, active: usize) -> Option<OutgoingRtp> {
        let footage = Arc::clone(&self.footage);
        loop {
            if self.jumping && !self.tracks.iter().any(|track| track.open) {
                self.enter(now, (self.scene + 1) % footage.scenes.len().max(1));
            }
            let Some(packet) = footage.packets.get(self.next) else {
                self.tracks.iter_mut().for_each(|track| track.open = false);
                self.jumping = true;
                continue;
            };
            if self.origin + packet.sent.at > now {
                return None;
            }
            self.next += 1;
            if footage.scenes.get(self.scene + 1) == Some(&self.next) {
                self.scene += 1;
            }
            let frame = footage.frames.get(packet.frame)?;
            if self.plays(packet, frame, active) {
                return Some(self.outgoing(packet, frame));
            }
        }
    }

    pub(crate) fn poll_timeout(&self) -> Timestamp {
        let next = self.footage.packets.get(self.next);
        next.map_or(self.origin, |packet| self.origin + packet.sent.at)
    }

    /// The timestamp of an encoding at this time, as off as its sender's reports were.
    pub(crate) fn report_timestamp(&self, index: usize, now: Timestamp) -> u32 {
        let Some(track) = self.footage.tracks.get(index) else { return 0 };
        let at = now.since(self.origin);
        let nearest = track.deviations.iter().min_by_key(|(when, _)| at.abs_diff(*when));
        let deviation = nearest.map_or(0, |(_, deviation)| *deviation);
        capture_ticks(now).wrapping_add(track.offset).wrapping_add_signed(deviation)
    }

    fn plays(&mut self, packet: &FootagePacket, frame: &FootageFrame, active: usize) -> bool {
        let Some(track) = self.tracks.get_mut(frame.track) else { return false };
        if !track.open {
            let is_off = frame.track >= active;
            track.begun &= !is_off;
            if self.jumping || is_off {
                return false;
            }
        }
        let starts_key_picture = packet.part == 0 && frame.spatial == 0 && frame.key;
        if !track.begun && starts_key_picture {
            track.begun = true;
            let first = Numbers::of(packet, frame);
            track.shift = track.last.map_or(track.shift, |last| last.shift_of_next(first));
        }
        track.open = track.begun && !packet.ends_picture;
        track.begun
    }

    /// Goes on with a key picture; not before the next picture could have been captured.
    fn enter(&mut self, now: Timestamp, scene: usize) {
        self.jumping = false;
        self.scene = scene;
        self.tracks.iter_mut().for_each(|track| track.begun = false);
        let footage = Arc::clone(&self.footage);
        let Some(&first) = footage.scenes.get(scene) else { return };
        let Some(packet) = footage.packets.get(first) else { return };
        self.next = first;
        self.origin = now - packet.sent.at;
        let keys = footage.key_frames(scene);
        let earliest = keys.iter().map(|frame| frame.capture).min().unwrap_or(0);
        let capture = capture_ticks(self.origin).wrapping_add_signed(earliest);
        if let Some(last) = self.last_capture {
            let wanted = last.wrapping_add(MIN_PICTURE_TICKS);
            let missing = wanted.wrapping_sub(capture).cast_signed().max(0);
            self.origin += Duration::from_secs_f64(f64::from(missing) / 90_000.0);
        }
        let lowest = keys.iter().filter_map(|frame| frame.descriptor_number).min();
        if let (Some(last), Some(lowest)) = (self.last_descriptor_number, lowest) {
            self.descriptor_shift = last.wrapping_add(1).wrapping_sub(lowest);
        }
    }

    fn outgoing(&mut self, packet: &FootagePacket, frame: &FootageFrame) -> OutgoingRtp {
        let footage = Arc::clone(&self.footage);
        let offset = footage.tracks.get(frame.track).map_or(0, |track| track.offset);
        let capture = capture_ticks(self.origin).wrapping_add_signed(frame.capture);
        self.last_capture = Some(match self.last_capture {
            Some(last) if capture.wrapping_sub(last).cast_signed() < 0 => last,
            _ => capture,
        });
        let descriptor = frame.descriptor_number.map(|n| n.wrapping_add(self.descriptor_shift));
        self.last_descriptor_number = self.last_descriptor_number.max(descriptor);
        let mut numbers = Numbers::of(packet, frame);
        if let Some(track) = self.tracks.get_mut(frame.track) {
            numbers = numbers.shifted(track.shift);
            track.last = Some(numbers);
        }
        let number = descriptor.filter(|_| footage.by_descriptor).unwrap_or(numbers.frame);
        let stamp = FrameStamp {
            source: self.first_ssrc,
            encoding: frame.track as u8,
            spatial: frame.spatial,
            temporal: frame.temporal,
            key: frame.key,
            cut: frame.cut,
            picture: numbers.picture,
            frame: number,
            part: packet.part,
            parts: frame.parts,
            references: frame.references,
            sequence_number: numbers.sequence_number,
            timestamp: capture.wrapping_add(offset),
            capture,
            picture_id: numbers.picture_id,
            tl0_picture_index: numbers.tl0_picture_index,
            len: 0,
        };
        OutgoingRtp {
            ssrc: self.first_ssrc + frame.track as u32,
            payload_type: footage.codec.payload_type(),
            sequence_number: numbers.sequence_number,
            timestamp: capture.wrapping_add(offset),
            marker: packet.sent.marker,
            extensions: extensions(packet, descriptor),
            payload: payload(footage.codec, packet, stamp),
        }
    }
}

impl Numbers {
    fn of(packet: &FootagePacket, frame: &FootageFrame) -> Self {
        Self {
            sequence_number: packet.sent.sequence_number,
            picture: frame.picture,
            frame: frame.number,
            picture_id: frame.picture_id,
            tl0_picture_index: frame.tl0_picture_index,
        }
    }

    /// What is to be added to `next` so that it follows.
    fn shift_of_next(self, next: Self) -> Self {
        Self {
            sequence_number: self
                .sequence_number
                .wrapping_add(1)
                .wrapping_sub(next.sequence_number),
            picture: self.picture.wrapping_add(1).wrapping_sub(next.picture),
            frame: self.frame.wrapping_add(1).wrapping_sub(next.frame),
            picture_id: self.picture_id.wrapping_add(1).wrapping_sub(next.picture_id),
            tl0_picture_index: self
                .tl0_picture_index
                .wrapping_add(1)
                .wrapping_sub(next.tl0_picture_index),
        }
    }

    fn shifted(self, by: Self) -> Self {
        Self {
            sequence_number: self.sequence_number.wrapping_add(by.sequence_number),
            picture: self.picture.wrapping_add(by.picture),
            frame: self.frame.wrapping_add(by.frame),
            picture_id: self.picture_id.wrapping_add(by.picture_id) & PICTURE_ID_MASK,
            tl0_picture_index: self.tl0_picture_index.wrapping_add(by.tl0_picture_index),
        }
    }
}

fn extensions(packet: &FootagePacket, descriptor_number: Option<u32>) -> Vec<(u8, Vec<u8>)> {
    let mut extensions = packet.sent.extensions.clone();
    let descriptor = extensions.iter_mut().find(|(id, _)| *id == DEPENDENCY_DESCRIPTOR_ID);
    if let (Some((_, data)), Some(number)) = (descriptor, descriptor_number)
        && let Some(place) = data.get_mut(1..3)
    {
        place.copy_from_slice(&((number & 0xffff) as u16).to_be_bytes());
    }
    extensions
}

/// The head that was recorded, with the stamp's numbers, and the stamp in the place of media.
fn payload(codec: SimulatedCodec, packet: &FootagePacket, mut stamp: FrameStamp) -> Vec<u8> {
    let mut payload = packet.sent.head.clone();
    match codec {
        SimulatedCodec::Vp8 => write_vp8_numbers(&mut payload, &stamp),
        SimulatedCodec::Vp9 | SimulatedCodec::Vp9NonFlexible => {
            write_vp9_numbers(&mut payload, &stamp)
        }
        SimulatedCodec::H264 if payload.first().is_some_and(|b| b & NAL_TYPE == STAP_A) => {
            // One more unit, of supplemental information.
            let len = STAMP_LEN + TRAILER_LEN + SUPPLEMENT_HEAD.len();
            payload.extend_from_slice(&u16::try_from(len).unwrap_or(0).to_be_bytes());
            payload.extend_from_slice(&SUPPLEMENT_HEAD);
        }
        SimulatedCodec::H264 | SimulatedCodec::Av1 => {}
    }
    let body = packet.sent.payload_len.saturating_sub(payload.len());
    stamp.len = u16::try_from(body.max(STAMP_LEN + TRAILER_LEN)).unwrap_or(u16::MAX);
    stamp.write(&mut payload);
    payload
}

/// RFC 7741 section 4.2, as far as Chromium uses it: a picture id of 15 bits, then tl0picidx.
fn write_vp8_numbers(payload: &mut [u8], stamp: &FrameStamp) {
    let &[first, second, ..] = &*payload else { return };
    if first & VP8_EXTENDED == 0 || second & VP8_PICTURE_ID == 0 {
        return;
    }
    write_picture_id(payload.get_mut(2..4), stamp.picture_id);
    if second & VP8_TL0 != 0
        && let Some(place) = payload.get_mut(4)
    {
        *place = stamp.tl0_picture_index;
    }
}

/// RFC 9628 section 4.2: a picture id of 15 bits; tl0picidx behind the layers, if not flexible.
fn write_vp9_numbers(payload: &mut [u8], stamp: &FrameStamp) {
    let &[first, ..] = &*payload else { return };
    if first & VP9_PICTURE_ID == 0 {
        return;
    }
    write_picture_id(payload.get_mut(1..3), stamp.picture_id);
    if first & VP9_LAYERS != 0
        && first & VP9_FLEXIBLE == 0
        && let Some(place) = payload.get_mut(4)
    {
        *place = stamp.tl0_picture_index;
    }
}

fn write_picture_id(place: Option<&mut [u8]>, picture_id: u16) {
    if let Some(place) = place {
        place.copy_from_slice(&(picture_id & PICTURE_ID_MASK | LONG_PICTURE_ID).to_be_bytes());
    }
}

/// Faster cameras are not recorded.
const MIN_PICTURE_TICKS: u32 = 3_000;

const PICTURE_ID_MASK: u16 = 0x7fff;
const LONG_PICTURE_ID: u16 = 0x8000;
const VP8_EXTENDED: u8 = 0x80;
const VP8_PICTURE_ID: u8 = 0x80;
const VP8_TL0: u8 = 0x40;
const VP9_PICTURE_ID: u8 = 0x80;
const VP9_LAYERS: u8 = 0x20;
const VP9_FLEXIBLE: u8 = 0x10;
const NAL_TYPE: u8 = 0x1f;
const STAP_A: u8 = 24;
/// Supplemental information (6) of user data (5).
const SUPPLEMENT_HEAD: [u8; 2] = [6, 5];
