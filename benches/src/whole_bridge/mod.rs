//! The whole bridge on loopback against the floor, in the same minutes on the same packets.

mod bridge_process;
mod load;

use crate::figures::{Figures, Unit};
use crate::floor::{self, Conditions, FloorSettings, Transmission};
use crate::sampling::Sampled;
use anyhow::{Context, Result};
use bridge_process::BridgeProcess;
use load::{Load, LoadResult};
use std::time::Duration;

/// Runs bridge and floor by turns and notes what the bridge costs more.
pub(crate) fn run(figures: &mut Figures) -> Result<()> {
    for workload in [&FRAMES, &SINGLES] {
        measure(figures, workload)?;
    }
    Ok(())
}

/// One kind of packets, for the bridge and for the floor.
struct Workload {
    name: &'static str,
    load: Load,
    floor: FloorSettings,
    /// The ways of sending that the bridge can be compared with; it is, with the last.
    transmissions: &'static [Transmission],
    /// From one burst to the next under the load generator.
    interval: Duration,
}

/// What the rounds of a workload found.
#[derive(Default)]
struct Rounds {
    bridge: Vec<f64>,
    floors: Vec<Vec<f64>>,
    live_floor: Vec<f64>,
    ratios: Vec<f64>,
    live_ratios: Vec<f64>,
    last: Option<LoadResult>,
}

impl Workload {
    /// What the last way of sending costs under the load generator's circumstances.
    fn live_floor(&self) -> Result<f64> {
        let transmission = self.transmissions.last().context("no way of sending")?;
        let conditions = Conditions::Live(self.interval);
        Ok(floor::measure(self.floor, *transmission, conditions)?.median)
    }
}

impl Rounds {
    /// Notes what is compared; answers the last round's result.
    fn note(
        self,
        figures: &mut Figures,
        prefix: &str,
        transmissions: &[Transmission],
    ) -> Option<LoadResult> {
        for (transmission, values) in transmissions.iter().zip(self.floors) {
            let name = format!("{prefix}.floor_{}", transmission.name());
            figures.add_sampled(&name, Unit::Microseconds, Sampled::of(values));
        }
        for (name, unit, values) in [
            ("floor_live", Unit::Microseconds, self.live_floor),
            ("bridge", Unit::Microseconds, self.bridge),
            ("ratio", Unit::Ratio, self.ratios),
            ("ratio_live", Unit::Ratio, self.live_ratios),
        ] {
            figures.add_sampled(&format!("{prefix}.{name}"), unit, Sampled::of(values));
        }
        self.last
    }
}

fn measure(figures: &mut Figures, workload: &Workload) -> Result<()> {
    let mut rounds =
        Rounds { floors: vec![Vec::new(); workload.transmissions.len()], ..Rounds::default() };
    let bridge = BridgeProcess::start().context("the bridge did not start")?;
    let name = workload.name;
    println!(">>> {name}: {ROUNDS} rounds of floor and bridge");
    let mut bytes_per_endpoint = None;
    for _ in 0..ROUNDS {
        let mut floor = f64::NAN;
        for (transmission, values) in workload.transmissions.iter().zip(&mut rounds.floors) {
            let conditions = Conditions::Saturated;
            floor = floor::measure(workload.floor, *transmission, conditions)?.median;
            values.push(floor);
        }
        let live_floor = workload.live_floor()?;
        rounds.live_floor.push(live_floor);
        let result = workload.load.run(&bridge)?;
        rounds.bridge.push(result.micros_per_packet);
        rounds.ratios.push(result.micros_per_packet / floor);
        rounds.live_ratios.push(result.micros_per_packet / live_floor);
        // Later rounds use memory again that the first one took.
        bytes_per_endpoint = bytes_per_endpoint.or(result.bytes_per_endpoint);
        rounds.last = Some(result);
    }
    let prefix = format!("loopback.{name}");
    let last = rounds.note(figures, &prefix, workload.transmissions);
    let start_time = bridge.start_time.as_secs_f64() * 1e3;
    figures.add(&format!("{prefix}.start_time"), Unit::Milliseconds, start_time);
    figures.add(&format!("{prefix}.idle_memory"), Unit::Bytes, bridge.idle_bytes as f64);
    if let Some(bytes) = bytes_per_endpoint {
        figures.add(&format!("{prefix}.memory_per_endpoint"), Unit::Bytes, bytes);
    }
    if let Some(result) = last {
        note_details(figures, &prefix, &result);
    }
    Ok(())
}

fn note_details(figures: &mut Figures, prefix: &str, result: &LoadResult) {
    for (name, value) in [
        ("delay_first_p50", result.delay_first_p50),
        ("delay_last_p50", result.delay_last_p50),
        ("delay_last_p99", result.delay_last_p99),
    ] {
        if let Some(value) = value {
            figures.add(&format!("{prefix}.{name}"), Unit::Microseconds, value);
        }
    }
    let rate = result.packets_per_second;
    figures.add(&format!("{prefix}.packets_out"), Unit::PacketsPerSecond, rate);
    if result.loss_ratio > MAX_LOSS {
        println!("warning: {:.2} % were lost: this is overload", result.loss_ratio * 100.0);
    }
    for warning in &result.warnings {
        println!("warning: {warning}");
    }
}

/// With more the figures are those of another kind of work.
const MAX_LOSS: f64 = 0.001;
/// Floor and bridge by turns, so that what disturbs one disturbs both.
const ROUNDS: usize = 3;

/// Video: frames of eight equal packets.
const FRAMES: Workload = Workload {
    name: "frames",
    load: Load {
        name: "frames",
        arguments: &["--rate", "1000", "--frame-packets", "8", "--packet-bytes", "1184"],
    },
    floor: FloorSettings { receivers: 100, packet_bytes: 1_184, burst: 8 },
    transmissions: &[Transmission::Sendto, Transmission::Sendmmsg, Transmission::Segments],
    interval: Duration::from_millis(8),
};

/// Sound: small packets, each alone.
const SINGLES: Workload = Workload {
    name: "singles",
    load: Load {
        name: "singles",
        arguments: &["--rate", "300", "--singles", "--packet-bytes", "160"],
    },
    floor: FloorSettings { receivers: 100, packet_bytes: 160, burst: 1 },
    transmissions: &[Transmission::Sendto, Transmission::Sendmmsg],
    interval: Duration::from_micros(3_333),
};
