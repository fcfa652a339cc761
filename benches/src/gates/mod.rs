//! Budgets of the packet path: instructions and heap allocations for each forwarded packet. Unlike
//! seconds they hardly depend on what else the machine does.

mod budgets;
mod callgrind;

use crate::figures::{Figures, Unit};
use crate::packet_path;
use crate::path::{InstructionMeter, PERIOD, PacketPath, PathSettings, ensure_delivered};
use anyhow::{Context, Result, bail};
use budgets::Budgets;
use std::path::Path;

/// Whether budgets are held against what was measured, or made from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Check,
    Renew,
}

/// Measures what has a budget, and checks the budgets or writes new ones. Everything that is over its
/// budget is told before this fails.
pub(crate) fn run(purpose: Purpose, folder: &Path, budgets_file: &Path) -> Result<()> {
    let mut measured = Figures::here();
    allocations(&mut measured)?;
    instructions(&mut measured, folder)?;
    if purpose == Purpose::Renew {
        Budgets::from_measured(&measured).write(budgets_file)?;
        println!("{} is renewed; say in the commit why it had to be", budgets_file.display());
        return Ok(());
    }
    let broken = Budgets::read(budgets_file)?.broken(&measured);
    if broken.is_empty() {
        println!("every budget of the packet path is kept");
        return Ok(());
    }
    for line in &broken {
        println!("BROKEN: {line}");
    }
    bail!(
        "{} of the packet path's budgets broke. Find what costs (`callgrind_annotate {}`), or, if the \
         cost is worth it, renew them with `cargo xtask bench --gates --renew` and say why",
        broken.len(),
        folder.join(callgrind::OUTPUT).display()
    )
}

/// What runs under callgrind: prints how many packets the counted turns forwarded.
pub(crate) fn counted() -> Result<()> {
    let mut path = PacketPath::warm(COUNTED)?;
    let mut packets = 0;
    for _ in 0..COUNTED_PERIODS {
        let passed = path.run(PERIOD, &mut InstructionMeter)?;
        ensure_delivered(passed, COUNTED.receivers)?;
        packets += passed.packets_out;
    }
    println!("{packets}");
    Ok(())
}

fn allocations(measured: &mut Figures) -> Result<()> {
    for transport_cc in [true, false] {
        let settings = PathSettings { transport_cc, ..COUNTED };
        let mut path = PacketPath::warm(settings)?;
        let cost = packet_path::allocations(&mut path, settings)?;
        let name = packet_path::name(settings);
        measured.add(&format!("{name}.allocations_forwarding"), Unit::Allocations, cost.media);
        measured.add(&format!("{name}.allocations"), Unit::Allocations, cost.total());
    }
    Ok(())
}

fn instructions(measured: &mut Figures, folder: &Path) -> Result<()> {
    let profile = callgrind::profile(folder).context("callgrind did not measure")?;
    let packets = profile.packets as f64;
    let name = packet_path::name(COUNTED);
    let total = profile.instructions as f64 / packets;
    let own = profile.instructions_without_crypto as f64 / packets;
    measured.add(&format!("{name}.instructions"), Unit::Instructions, total);
    measured.add(&format!("{name}.instructions_without_crypto"), Unit::Instructions, own);
    Ok(())
}

/// Receiver-heavy, as forwarding is, and small enough for callgrind.
const COUNTED: PathSettings = PathSettings { receivers: 10, transport_cc: true, has_video: true };
/// Some thousand packets in, ten times as many out.
const COUNTED_PERIODS: usize = 5;
