//! A capture taken apart into pictures and frames, for [`super::player`] to send again.

use super::codec::{Layering, SimulatedCodec};
use super::frame_header::{FrameHeaderReader, PacketFrame, References};
use super::rtp_writer::DEPENDENCY_DESCRIPTOR_ID;
use super::video_sender::LayerSettings;
use crate::capture::{Capture, CapturedPacket, CapturedReport};
use bridge_rtp::codec::{
    DependencyDescriptor, TemplateDependencyStructure, Vp8Descriptor, Vp9Descriptor,
};
use bridge_units::Bitrate;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What a browser sent, with what is true of each packet.
#[derive(Debug, PartialEq, Eq)]
pub struct Footage {
    pub(crate) codec: SimulatedCodec,
    /// Only the dependency descriptor tells frames apart.
    pub(crate) by_descriptor: bool,
    pub(crate) layering: Layering,
    pub(crate) layers: Vec<LayerSettings>,
    pub(crate) tracks: Vec<Track>,
    pub(crate) frames: Vec<FootageFrame>,
    pub(crate) packets: Vec<FootagePacket>,
    /// Where key pictures of all encodings begin: indices of packets.
    pub(crate) scenes: Vec<usize>,
}

/// One encoding.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Track {
    /// The RTP timestamp of the footage's beginning, by its sender reports.
    pub(crate) offset: u32,
    /// By how many ticks each of its sender reports was off that, and when.
    pub(crate) deviations: Vec<(Duration, i32)>,
}

/// One frame of one spatial layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FootageFrame {
    pub(crate) track: usize,
    /// In 90 kHz ticks since the footage's beginning; the first was captured before it was sent.
    pub(crate) capture: i32,
    pub(crate) spatial: u8,
    pub(crate) temporal: u8,
    /// Of a key picture.
    pub(crate) key: bool,
    /// Its sender gave the picture up in the middle, as libwebrtc's pacer does for a key frame, which
    /// leaves no gap in the numbers.
    pub(crate) cut: bool,
    /// Counts the track's pictures.
    pub(crate) picture: u32,
    /// Counts the track's frames, or, where the descriptor tells them apart, what it says.
    pub(crate) number: u32,
    /// How far back by number each reference is; 0 is none.
    pub(crate) references: [u8; 3],
    pub(crate) picture_id: u16,
    pub(crate) tl0_picture_index: u8,
    /// The number in the dependency descriptor, which counts frames of all encodings.
    pub(crate) descriptor_number: Option<u32>,
    pub(crate) parts: u16,
}

/// One packet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FootagePacket {
    pub(crate) sent: CapturedPacket,
    pub(crate) frame: usize,
    pub(crate) part: u16,
    pub(crate) ends_picture: bool,
}

/// Reads one encoding, packet by packet.
#[derive(Default)]
struct TrackReader {
    headers: FrameHeaderReader,
    structure: Option<Arc<TemplateDependencyStructure>>,
    /// The frame that is being sent, its timestamp, and its layer.
    current: Option<(usize, u32, u8)>,
    numbers: BTreeMap<i64, u32>,
    pictures: u32,
    frames: u32,
    /// Numbers of the newest frame of each temporal layer.
    newest: [Option<u32>; 8],
}

/// What the headers of a packet tell beside its references.
#[derive(Clone, Copy, Default)]
struct Place {
    spatial: u8,
    temporal: u8,
    picture_id: u16,
    tl0_picture_index: u8,
}

impl Footage {
    /// Takes a capture apart. `None` if it cannot be understood or has no key picture.
    pub fn new(capture: &Capture) -> Option<Arc<Self>> {
        let has_descriptor = capture.packets.first()?.extensions.iter().any(is_descriptor);
        let codec = capture.codec;
        let by_descriptor = has_descriptor && codec != SimulatedCodec::Vp9;
        let is_simulcast = capture.encodings.len() > 1;
        let mut footage = Self {
            codec,
            by_descriptor,
            layering: if is_simulcast { Layering::Simulcast } else { Layering::KeySvc },
            layers: Vec::new(),
            tracks: tracks(capture)?,
            frames: Vec::new(),
            packets: Vec::new(),
            scenes: Vec::new(),
        };
        let mut readers: Vec<TrackReader> =
            capture.encodings.iter().map(|_| TrackReader::default()).collect();
        for packet in whole_pictures(capture) {
            footage.add(readers.get_mut(packet.encoding)?, packet)?;
        }
        footage.find_cut_pictures();
        footage.layers = footage.measure_layers();
        footage.scenes = footage.find_scenes();
        (!footage.scenes.is_empty()).then(|| Arc::new(footage))
    }

    /// How many SSRCs it has.
    pub fn encodings(&self) -> usize {
        self.tracks.len()
    }

    /// Of how many pictures the first encoding consists.
    pub fn pictures(&self) -> u32 {
        let of_first = self.frames.iter().filter(|frame| frame.track == 0);
        of_first.map(|frame| frame.picture).max().map_or(0, |last| last + 1)
    }

    /// How many times a replay can begin anew without the sender's help: key pictures.
    pub fn scenes(&self) -> usize {
        self.scenes.len()
    }

    /// The first frame of each track from where a scene begins.
    pub(crate) fn key_frames(&self, scene: usize) -> Vec<&FootageFrame> {
        let begin = self.scenes.get(scene).copied().unwrap_or(0);
        let frames = self.packets.iter().skip(begin).filter_map(|p| self.frames.get(p.frame));
        let keys = |track| frames.clone().find(|f| f.track == track && f.key && f.spatial == 0);
        (0..self.tracks.len()).filter_map(keys).collect()
    }

    fn add(&mut self, reader: &mut TrackReader, packet: &CapturedPacket) -> Option<()> {
        let track = packet.encoding;
        let header = reader.header(self.header_codec(), packet)?;
        let place = reader.place(self, packet)?;
        let continues = reader.current.filter(|(_, timestamp, spatial)| {
            *timestamp == packet.timestamp && *spatial == place.spatial
        });
        let index = match continues {
            Some((index, ..)) => index,
            None => {
                let frame = self.new_frame(reader, packet, &header, place)?;
                self.frames.push(FootageFrame { track, ..frame });
                let index = self.frames.len() - 1;
                reader.current = Some((index, packet.timestamp, place.spatial));
                index
            }
        };
        let frame = self.frames.get_mut(index)?;
        let part = frame.parts;
        frame.parts += 1;
        let ends_picture = packet.marker;
        self.packets.push(FootagePacket { sent: packet.clone(), frame: index, part, ends_picture });
        Some(())
    }

    /// What tells frames apart.
    pub(crate) fn header_codec(&self) -> SimulatedCodec {
        if self.by_descriptor { SimulatedCodec::Av1 } else { self.codec }
    }

    fn new_frame(
        &self,
        reader: &mut TrackReader,
        packet: &CapturedPacket,
        header: &PacketFrame,
        place: Place,
    ) -> Option<FootageFrame> {
        let before = reader.current.and_then(|(index, ..)| self.frames.get(index));
        let capture = packet.timestamp.wrapping_sub(self.tracks.get(packet.encoding)?.offset);
        let capture = capture.cast_signed();
        let same_picture = before.filter(|before| before.capture == capture);
        if same_picture.is_none() && before.is_some() {
            reader.pictures += 1;
        }
        let counted = reader.frames;
        let number = if self.by_descriptor { frame_number(descriptor(packet)?)? } else { counted };
        reader.frames += 1;
        let references = reader.references(number, header, place);
        reader.numbers.insert(header.id, number);
        if let Some(newest) = reader.newest.get_mut(usize::from(place.temporal)) {
            *newest = Some(number);
        }
        Some(FootageFrame {
            track: packet.encoding,
            capture,
            spatial: place.spatial,
            temporal: place.temporal,
            key: same_picture.map_or(header.key, |lower| lower.key),
            cut: false,
            picture: reader.pictures,
            number,
            references,
            picture_id: place.picture_id,
            tl0_picture_index: place.tl0_picture_index,
            descriptor_number: descriptor(packet).and_then(frame_number),
            parts: 0,
        })
    }

    fn find_cut_pictures(&mut self) {
        let mut last_of: Vec<Option<usize>> = vec![None; self.tracks.len()];
        for index in 0..self.packets.len() {
            let Some(frame) = self.packets.get(index).and_then(|p| self.frames.get(p.frame)) else {
                continue;
            };
            let Some(last) = last_of.get_mut(frame.track) else { continue };
            let before = last.replace(index).and_then(|before| self.packets.get_mut(before));
            let Some(before) = before.filter(|before| !before.ends_picture) else { continue };
            let picture = frame.picture;
            if let Some(frame) = self.frames.get_mut(before.frame).filter(|f| f.picture != picture)
            {
                before.ends_picture = true;
                frame.cut = true;
            }
        }
    }

    /// Heights are those of the tests' pages: each layer doubles the one below.
    fn measure_layers(&self) -> Vec<LayerSettings> {
        let spatial = self.frames.iter().map(|frame| frame.spatial).max().unwrap_or(0);
        let count = self.tracks.len().max(usize::from(spatial) + 1);
        let end = self.packets.last().map_or(0.0, |packet| packet.sent.at.as_secs_f64());
        let mut bytes = vec![0_usize; count];
        for packet in &self.packets {
            let Some(frame) = self.frames.get(packet.frame) else { continue };
            if let Some(sum) = bytes.get_mut(frame.track.max(usize::from(frame.spatial))) {
                *sum += packet.sent.payload_len;
            }
        }
        let layer = |(index, bytes): (usize, usize)| LayerSettings {
            height: LOWEST_HEIGHT << index,
            bitrate: Bitrate::from_bps((bytes as f64 * 8.0 / end.max(1.0)) as u64),
        };
        bytes.into_iter().enumerate().map(layer).collect()
    }

    fn find_scenes(&self) -> Vec<usize> {
        let starts_key_picture = |(index, packet): (usize, &FootagePacket)| {
            let frame = self.frames.get(packet.frame)?;
            let starts = packet.part == 0 && frame.key && frame.spatial == 0;
            starts.then_some((index, frame.track, packet.sent.at))
        };
        let keys: Vec<_> = self.packets.iter().enumerate().filter_map(starts_key_picture).collect();
        let mut scenes = Vec::new();
        let mut rest = keys.as_slice();
        while let Some(((index, _, at), after)) = rest.split_first() {
            let together: Vec<_> =
                rest.iter().take_while(|(.., other)| *other < *at + SAME_REQUEST).collect();
            let has_all =
                (0..self.tracks.len()).all(|track| together.iter().any(|(_, of, _)| *of == track));
            if has_all {
                scenes.push(*index);
                rest = &rest[together.len()..];
            } else {
                rest = after;
            }
        }
        scenes
    }
}

impl TrackReader {
    fn header(&mut self, codec: SimulatedCodec, packet: &CapturedPacket) -> Option<PacketFrame> {
        let mut payload = packet.head.clone();
        // Something follows, as in the packet that was sent.
        payload.push(0);
        let descriptor = descriptor(packet);
        self.headers.read(codec, packet.timestamp, packet.marker, &payload, descriptor)
    }

    fn place(&mut self, footage: &Footage, packet: &CapturedPacket) -> Option<Place> {
        let mut payload = packet.head.clone();
        payload.push(0);
        match footage.header_codec() {
            SimulatedCodec::Vp8 => {
                let vp8 = Vp8Descriptor::parse(&payload)?;
                Some(Place {
                    temporal: vp8.temporal_id?,
                    picture_id: vp8.picture_id?.value,
                    tl0_picture_index: vp8.tl0_picture_index?,
                    ..Place::default()
                })
            }
            SimulatedCodec::Vp9 | SimulatedCodec::Vp9NonFlexible => {
                let vp9 = Vp9Descriptor::parse(&payload)?;
                Some(Place {
                    spatial: vp9.spatial_id(),
                    temporal: vp9.temporal_id(),
                    picture_id: vp9.picture_id?.value,
                    tl0_picture_index: vp9.tl0_picture_index.unwrap_or(0),
                })
            }
            SimulatedCodec::H264 => Some(Place::default()),
            SimulatedCodec::Av1 => {
                let data = descriptor(packet)?;
                let read = DependencyDescriptor::parse(data, self.structure.as_ref()).ok()?;
                self.structure.clone_from(&read.structure);
                let frame = read.frame?;
                Some(Place {
                    spatial: frame.spatial_id,
                    temporal: frame.temporal_id,
                    ..Place::default()
                })
            }
        }
    }

    /// What the sender's own headers say, as distances by number.
    fn references(&self, number: u32, header: &PacketFrame, place: Place) -> [u8; 3] {
        let of_lower = |own: u8| {
            let below = self.newest.iter().take(usize::from(own.max(1)));
            below.flatten().max().copied().into_iter().collect()
        };
        let referred: Vec<u32> = match &header.references {
            _ if header.key => Vec::new(),
            References::Nothing => Vec::new(),
            References::Frames(ids) => {
                ids.iter().filter_map(|id| self.numbers.get(id).copied()).collect()
            }
            References::TemporalLayers { .. } => of_lower(place.temporal),
            References::Previous => number.checked_sub(1).into_iter().collect(),
        };
        let mut references = [0; 3];
        for (reference, referred) in references.iter_mut().zip(referred) {
            *reference = u8::try_from(number.wrapping_sub(referred)).unwrap_or(0);
        }
        references
    }
}

/// The data of the dependency descriptor.
fn descriptor(packet: &CapturedPacket) -> Option<&[u8]> {
    packet.extensions.iter().find(|e| is_descriptor(e)).map(|(_, data)| data.as_slice())
}

/// AV1 RTP specification, appendix A: behind one byte of flags and template.
fn frame_number(descriptor: &[u8]) -> Option<u32> {
    let &[high, low] = descriptor.get(1..3)? else { return None };
    Some(u32::from(u16::from_be_bytes([high, low])))
}

/// The tests' pages and the simulation have the same numbers for header extensions.
fn is_descriptor((id, _): &(u8, Vec<u8>)) -> bool {
    *id == DEPENDENCY_DESCRIPTOR_ID
}

/// Without the picture of each encoding that was being sent when the capture ended.
fn whole_pictures(capture: &Capture) -> impl Iterator<Item = &CapturedPacket> {
    let last_marker = |encoding| {
        let mut backwards = capture.packets.iter().enumerate().rev();
        backwards.find(|(_, p)| p.encoding == encoding && p.marker).map(|(index, _)| index)
    };
    let ends: Vec<Option<usize>> = (0..capture.encodings.len()).map(last_marker).collect();
    let packets = capture.packets.iter().enumerate();
    packets
        .filter(move |(index, packet)| {
            ends.get(packet.encoding).is_some_and(|end| end.is_some_and(|end| *index <= end))
        })
        .map(|(_, packet)| packet)
}

/// Each encoding has sender reports, and they agree on a wall clock.
fn tracks(capture: &Capture) -> Option<Vec<Track>> {
    let wall_clock = |report: &CapturedReport| {
        let ticks = (u128::from(report.info.ntp_timestamp) * u128::from(TICKS)) >> 32;
        i64::try_from(ticks).unwrap_or(0)
    };
    let arrived = |report: &CapturedReport| (report.at.as_secs_f64() * f64::from(TICKS)) as i64;
    let begin = capture.reports.iter().map(|r| wall_clock(r) - arrived(r)).min()?;
    let track = |encoding| {
        let reports: Vec<_> = capture.reports.iter().filter(|r| r.encoding == encoding).collect();
        let offset = |report: &CapturedReport| {
            let since_begin = (wall_clock(report) - begin) & i64::from(u32::MAX);
            report.info.rtp_timestamp.wrapping_sub(since_begin as u32)
        };
        let first = offset(reports.first()?);
        let differences =
            reports.iter().map(|r| i64::from(offset(r).wrapping_sub(first).cast_signed()));
        let mean = differences.sum::<i64>() / reports.len() as i64;
        let middle = first.wrapping_add((mean & i64::from(u32::MAX)) as u32);
        let deviation = |r: &&CapturedReport| (r.at, offset(r).wrapping_sub(middle).cast_signed());
        Some(Track { offset: middle, deviations: reports.iter().map(deviation).collect() })
    };
    (0..capture.encodings.len()).map(track).collect()
}

/// Of video's RTP clock, in a second.
const TICKS: u32 = 90_000;

const LOWEST_HEIGHT: u16 = 180;

/// Encodings answer one request within this time.
const SAME_REQUEST: Duration = Duration::from_millis(600);
