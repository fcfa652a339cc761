//! What the packet path costs in user space.

use crate::figures::{Figures, Unit};
use crate::path::{
    AllocationMeter, Cost, PERIOD, PacketPath, PathSettings, Stopwatch, ensure_delivered,
};
use crate::sampling::Sampled;
use anyhow::Result;

/// Measures time and allocations of a forwarded packet, with few and many receivers.
pub(crate) fn run(figures: &mut Figures) -> Result<()> {
    for receivers in [1, 10, 100] {
        for transport_cc in [true, false] {
            let settings = PathSettings { receivers, transport_cc, has_video: true };
            measure(figures, settings)?;
        }
    }
    measure(figures, PathSettings { receivers: 100, transport_cc: true, has_video: false })
}

/// The name under which the figures of these settings are kept.
pub(crate) fn name(settings: PathSettings) -> String {
    let PathSettings { receivers, transport_cc, has_video } = settings;
    let feedback = if transport_cc { "feedback" } else { "plain" };
    let media = if has_video { "" } else { ".audio" };
    format!("path.{receivers}_receivers.{feedback}{media}")
}

/// Allocations for each forwarded packet in steady state, told apart by what turns were for.
pub(crate) fn allocations(path: &mut PacketPath, settings: PathSettings) -> Result<Cost> {
    let mut meter = AllocationMeter::default();
    let mut packets = 0;
    for _ in 0..ALLOCATION_PERIODS {
        let passed = path.run(PERIOD, &mut meter)?;
        ensure_delivered(passed, settings.receivers)?;
        packets += passed.packets_out;
    }
    Ok(meter.take().per(packets))
}

fn measure(figures: &mut Figures, settings: PathSettings) -> Result<()> {
    let name = name(settings);
    let mut path = PacketPath::warm(settings)?;
    let mut watch = Stopwatch::new();
    let (mut total, mut media) = (Vec::new(), Vec::new());
    let (mut runs, mut packets) = (0, 0);
    while total.len() < LEAST_PERIODS || (packets < PACKETS && total.len() < MAX_PERIODS) {
        let passed = path.run(PERIOD, &mut watch)?;
        ensure_delivered(passed, settings.receivers)?;
        let cost = watch.take().per(passed.packets_out);
        total.push(cost.total());
        media.push(cost.media);
        runs += passed.runs;
        packets += passed.packets_out;
    }
    figures.add_sampled(&format!("{name}.time"), Unit::Nanoseconds, Sampled::of(total));
    figures.add_sampled(&format!("{name}.time_forwarding"), Unit::Nanoseconds, Sampled::of(media));
    let run_length = packets as f64 / runs.max(1) as f64;
    figures.add(&format!("{name}.run_length"), Unit::Packets, run_length);
    let allocations = allocations(&mut path, settings)?;
    figures.add(&format!("{name}.allocations"), Unit::Allocations, allocations.total());
    let forwarding = format!("{name}.allocations_forwarding");
    figures.add(&forwarding, Unit::Allocations, allocations.media);
    Ok(())
}

/// Enough for a median.
const LEAST_PERIODS: usize = 25;
/// With few receivers a period is short, and more of them are measured.
const MAX_PERIODS: usize = 400;
const PACKETS: u64 = 1_000_000;
/// Some seconds of the call: ICE, reports and estimators have had their turn.
const ALLOCATION_PERIODS: usize = 10;
