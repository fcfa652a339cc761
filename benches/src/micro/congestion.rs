//! Transport-wide feedback: made for senders, taken from receivers.

use super::note;
use crate::figures::Figures;
use crate::sampling::prepared_nanoseconds;
use anyhow::{Context, Result};
use bridge_cc::{BandwidthEstimator, EstimateSource, EstimatorConfig, TransportFeedbackGenerator};
use bridge_rtp::{RtcpCompound, RtcpPacket, RtcpWriter, TransportFeedbackBuilder};
use bridge_units::{DataSize, Timestamp};
use std::time::Duration;

pub(super) fn run(figures: &mut Figures) -> Result<()> {
    generator(figures);
    estimator(figures)
}

/// A packet's share of noting arrivals and telling them every 100 packets.
fn generator(figures: &mut Figures) {
    let mut generator = TransportFeedbackGenerator::new();
    let (mut now, mut number, mut written) = (Timestamp::from_millis(1_000), 0_u16, 0);
    let sampled = prepared_nanoseconds(
        BATCH,
        || (),
        |()| {
            for _ in 0..BATCH {
                now += Duration::from_micros(500);
                number = number.wrapping_add(1);
                if generator.on_packet(now, number, number.is_multiple_of(8), 7) {
                    written += generator.write_feedback(now, 1, |bytes| {
                        std::hint::black_box(bytes);
                    });
                }
            }
        },
    );
    debug_assert!(written > 0);
    note(figures, "transport_cc_generate", sampled);
}

/// A packet's share of noting departures and learning of arrivals every 100 packets.
fn estimator(figures: &mut Figures) -> Result<()> {
    let mut now = Timestamp::from_millis(1_000);
    let source = EstimateSource::TransportFeedback;
    let mut estimator = BandwidthEstimator::new(now, &EstimatorConfig::default(), source);
    let mut told = 0;
    let mut next = 1_u16;
    let sampled = prepared_nanoseconds(
        usize::from(FEEDBACK_PACKETS),
        || {
            let base = next;
            next = next.wrapping_add(FEEDBACK_PACKETS);
            let begin = now;
            now += SPACING * u32::from(FEEDBACK_PACKETS);
            (begin, now, feedback(base, begin).unwrap_or_default())
        },
        |(begin, end, bytes)| {
            for n in 0..FEEDBACK_PACKETS {
                let number = estimator.next_sequence();
                let at = *begin + SPACING * u32::from(n);
                estimator.on_packet_sent(at, number, DataSize::from_bytes(1_184), None);
            }
            let Ok(compound) = RtcpCompound::parse(bytes) else { return };
            if let Some((RtcpPacket::TransportFeedback(feedback), _)) = compound.packets().next() {
                told += estimator.on_feedback(*end + DELAY, &feedback).len();
            }
            estimator.handle_timeout(*end + DELAY);
        },
    );
    anyhow::ensure!(told > 0, "the estimator was told nothing");
    estimator.estimate().context("there is no estimate")?;
    note(figures, "transport_cc_estimate", sampled);
    Ok(())
}

fn feedback(base: u16, begin: Timestamp) -> Result<Vec<u8>> {
    let mut builder = TransportFeedbackBuilder::new(7, 9, 1, base, begin + DELAY);
    for n in 0..FEEDBACK_PACKETS {
        let at = begin + DELAY + SPACING * u32::from(n);
        let added = builder.add_received(base.wrapping_add(n), at);
        anyhow::ensure!(added.is_ok(), "{added:?}");
    }
    let mut buffer = [0; 1_400];
    let mut writer = RtcpWriter::new(&mut buffer);
    writer.transport_feedback(&builder)?;
    Ok(writer.as_bytes().to_vec())
}

const BATCH: usize = 1_000;
const FEEDBACK_PACKETS: u16 = 100;
const SPACING: Duration = Duration::from_micros(500);
const DELAY: Duration = Duration::from_millis(10);
