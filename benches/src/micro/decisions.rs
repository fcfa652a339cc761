//! What a receiver gets: the projection of each packet, and the allocation among many sources.

use super::note;
use crate::figures::Figures;
use crate::sampling::{nanoseconds, prepared_nanoseconds};
use anyhow::{Context, Result, ensure};
use bridge_media::{
    AllocationConfig, AllocationSettings, BandwidthAllocator, CandidateSource, FrameDescription,
    LastN, LayerIndex, LayerState, MaxHeight, SourceProjection, VideoConstraints, VideoPacket,
    VideoType,
};
use bridge_rtp::codec::Vp8Descriptor;
use bridge_units::{Bitrate, EndpointId, SourceId, Timestamp};
use std::sync::Arc;
use std::time::Duration;

pub(super) fn run(figures: &mut Figures) -> Result<()> {
    projection(figures)?;
    allocation(figures)
}

/// Packets of all three encodings, of which one is forwarded.
fn projection(figures: &mut Figures) -> Result<()> {
    let mut projection = SourceProjection::new(SSRC);
    projection.set_target(LayerIndex::new(1, 0, 2));
    let mut picture = 0_u16;
    let mut failed = false;
    let prepare = || {
        let mut packets = Vec::new();
        for _ in 0..FRAMES {
            packets.extend(frame(picture).inspect_err(|_| failed = true).unwrap_or_default());
            picture += 1;
        }
        packets
    };
    let calls = FRAMES * ENCODINGS * FRAME_PACKETS;
    let mut forwarded = 0;
    let sampled = prepared_nanoseconds(calls, prepare, |packets| {
        for packet in packets {
            forwarded += usize::from(projection.accept(packet).outcome.is_ok());
        }
    });
    ensure!(!failed && forwarded > 0, "nothing was projected");
    note(figures, "projection_vp8_simulcast", sampled);
    Ok(())
}

/// The packets of one picture in all encodings; the first is a key frame.
fn frame(picture: u16) -> Result<Vec<VideoPacket>> {
    let mut packets = Vec::new();
    for encoding in 0..ENCODINGS as u8 {
        for part in 0..FRAME_PACKETS as u16 {
            let [high, low] = (picture & 0x7fff).to_be_bytes();
            let start = if part == 0 { 0x90 } else { 0x80 };
            let inter_frame = u8::from(picture > 0);
            let payload = [start, 0xe0, 0x80 | high, low, low, 0, inter_frame, 0, 0, 1, 1, 1];
            let frame = Vp8Descriptor::parse(&payload).context("a descriptor that cannot be")?;
            packets.push(VideoPacket {
                encoding,
                ssrc: SSRC + u32::from(encoding),
                sequence_number: picture.wrapping_mul(FRAME_PACKETS as u16).wrapping_add(part),
                timestamp: u32::from(picture) * 3_000,
                marker: usize::from(part) + 1 == FRAME_PACKETS,
                payload_type: 100,
                received: Timestamp::from_millis(1_000) + FRAME_TIME * u32::from(picture),
                capture: None,
                frame: FrameDescription::Vp8(frame),
            });
        }
    }
    Ok(packets)
}

/// A run among 200 cameras of which 20 are forwarded.
fn allocation(figures: &mut Figures) -> Result<()> {
    let now = Timestamp::from_millis(1_000);
    let layers = camera();
    let owners = (0..SOURCES).map(|n| EndpointId::new(&format!("{n:08x}")));
    let owners: Vec<EndpointId> = owners.collect::<Option<_>>().context("an id that cannot be")?;
    let names: Vec<String> = (0..SOURCES).map(|n| format!("{n:08x}-v0")).collect();
    let candidates: Vec<CandidateSource<'_>> = (0_u32..)
        .zip(owners.iter().zip(&names))
        .map(|(id, (owner, name))| CandidateSource {
            id: SourceId(id),
            name,
            owner,
            video_type: VideoType::Camera,
            layers: &layers,
        })
        .collect();
    let config = Arc::new(AllocationConfig::default());
    let settings = AllocationSettings {
        last_n: LastN::new(20),
        on_stage_sources: vec![names[7].clone()],
        default_constraints: height(180),
        constraints: [(names[7].clone(), height(720))].into(),
        ..AllocationSettings::new(&config)
    };
    let me = EndpointId::new("cafe").context("an id that cannot be")?;
    let mut allocator = BandwidthAllocator::new(me, config, now);
    allocator.set_supports_rtx(true);
    allocator.set_settings(settings);
    allocator.handle_video_forwarded(now);
    let mut kbps = 0;
    let sampled = nanoseconds(|| {
        kbps = 1_000 + (kbps + 37) % 10_000;
        allocator.handle_estimate(Bitrate::from_kbps(kbps));
        allocator.allocate(now, &candidates);
    });
    ensure!(allocator.allocation().forwarded_sources().count() > 0, "nothing was allocated");
    note(figures, "allocation_200_sources_last_n_20", sampled);
    Ok(())
}

fn height(pixels: u32) -> VideoConstraints {
    VideoConstraints::from_max_height(MaxHeight::from_pixels(pixels))
}

/// Three encodings with three frame rates each.
fn camera() -> Vec<LayerState> {
    let places = (0_u8..3).flat_map(|encoding| (0_u8..3).map(move |temporal| (encoding, temporal)));
    places
        .zip([50, 100, 150, 165, 330, 500, 660, 1_320, 2_000])
        .map(|((encoding, temporal), kbps)| LayerState {
            index: LayerIndex::new(encoding, 0, temporal),
            height: Some(180 << encoding),
            frame_rate: Some([7.5, 15.0, 30.0][usize::from(temporal)]),
            bitrate: Bitrate::from_kbps(kbps),
            target_bitrate: None,
        })
        .collect()
}

const SSRC: u32 = 1_000;
const FRAMES: usize = 10;
const ENCODINGS: usize = 3;
const FRAME_PACKETS: usize = 8;
const FRAME_TIME: Duration = Duration::from_millis(33);
const SOURCES: usize = 200;
