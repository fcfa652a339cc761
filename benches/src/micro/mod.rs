//! The steps of a packet's way, each by itself.

mod congestion;
mod decisions;
mod demultiplexing;
mod rtp;
mod srtp;

use crate::figures::{Figures, Unit};
use crate::sampling::Sampled;
use anyhow::Result;

/// Measures every step.
pub(crate) fn run(figures: &mut Figures) -> Result<()> {
    srtp::run(figures)?;
    rtp::run(figures)?;
    congestion::run(figures)?;
    demultiplexing::run(figures)?;
    decisions::run(figures)
}

fn note(figures: &mut Figures, name: &str, sampled: Sampled) {
    figures.add_sampled(&format!("micro.{name}"), Unit::Nanoseconds, sampled);
}
