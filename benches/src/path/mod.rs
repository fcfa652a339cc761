//! The packet path in memory: one real shard, one sender, its receivers, virtual time.
//!
//! What is measured is only what the shard does: opening, projecting, rewriting, sealing, pacing,
//! feedback and its timers. Participants seal and answer outside of the measured turns.

mod feedback;
mod measurement;
mod participant;
mod setup;
mod traffic;
mod wire;

pub(crate) use measurement::{AllocationMeter, Cost, InstructionMeter, Stopwatch};
use measurement::{Meter, NoMeter, Part};
pub(crate) use participant::Participant;
pub(crate) use wire::Datagram;

use anyhow::{Result, ensure};
use bridge_rtp::ExtensionType;
use bridge_shard::Shard;
use bridge_units::Timestamp;
use feedback::Feedback;
use std::net::SocketAddr;
use std::time::Duration;
use traffic::{FRAME_INTERVAL, FRAME_PACKETS, REPORT_INTERVAL, SOUND_INTERVAL, Traffic};
use wire::Wire;

/// What the receivers negotiated and what is sent to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PathSettings {
    /// How many there are.
    pub(crate) receivers: usize,
    /// With transport-wide feedback packets are numbered and paced and the link is estimated.
    pub(crate) transport_cc: bool,
    /// Frames of eight packets, or sound only.
    pub(crate) has_video: bool,
}

/// A shard and its participants, connected.
pub(crate) struct PacketPath {
    now: Timestamp,
    shard: Shard,
    wire: Wire,
    /// The sender first.
    participants: Vec<Participant>,
    traffic: Traffic,
    feedback: Feedback,
    settings: PathSettings,
    due: Due,
    arriving: Vec<Datagram>,
    arriving_count: usize,
    packets_in: u64,
}

/// When participants do something.
struct Due {
    frame: Timestamp,
    sound: Timestamp,
    report: Timestamp,
    signals: Timestamp,
}

/// What went through in a while.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Passed {
    /// RTP packets that the sender sent.
    pub(crate) packets_in: u64,
    /// RTP packets that left for receivers.
    pub(crate) packets_out: u64,
    /// Messages to the kernel that would have carried them.
    pub(crate) runs: u64,
}

impl PacketPath {
    /// Connects everybody and lets media run until the estimates have settled.
    pub(crate) fn warm(settings: PathSettings) -> Result<Self> {
        let mut path = setup::connected(settings)?;
        path.run(WARM_UP, &mut NoMeter)?;
        Ok(path)
    }

    /// Lets `time` of the call pass. An error if packets did not reach the receivers.
    pub(crate) fn run(&mut self, time: Duration, meter: &mut impl Meter) -> Result<Passed> {
        let before = self.passed();
        let end = self.now + time;
        while self.now < end {
            self.tick(meter)?;
        }
        let after = self.passed();
        Ok(Passed {
            packets_in: after.packets_in - before.packets_in,
            packets_out: after.packets_out - before.packets_out,
            runs: after.runs - before.runs,
        })
    }

    /// The shard, for those who measure a part of it.
    pub(crate) fn shard_and_wire(&mut self) -> (&mut Shard, &mut impl bridge_shard::EgressSink) {
        (&mut self.shard, &mut self.wire)
    }

    /// The call's time.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// The sender of media.
    pub(crate) fn sender(&mut self) -> &mut Participant {
        &mut self.participants[0]
    }

    fn passed(&self) -> Passed {
        // What reached the sender is feedback.
        let to_sender = self.wire.arrivals.first().map_or(0, |arrivals| arrivals.packets);
        Passed {
            packets_in: self.packets_in,
            packets_out: self.wire.packets() - to_sender,
            runs: self.wire.runs,
        }
    }

    /// A millisecond: what participants send, the shard's turn, what signals they got.
    fn tick(&mut self, meter: &mut impl Meter) -> Result<()> {
        self.wire.now = self.now;
        self.arriving_count = 0;
        self.send_media()?;
        if self.arriving_count > 0 {
            self.media_turn(meter);
        }
        self.arriving_count = 0;
        self.send_feedback()?;
        self.exchange_signals();
        if self.arriving_count > 0 || self.shard.poll_timeout() <= self.now {
            self.upkeep_turn(meter);
        }
        self.now += TICK;
        Ok(())
    }

    /// The shard forwards what the sender sent.
    fn media_turn(&mut self, meter: &mut impl Meter) {
        let Self { shard, wire, arriving, arriving_count, now, .. } = self;
        let arriving = &mut arriving[..*arriving_count];
        meter.around(Part::Media, || bridge_turn(shard, *now, arriving, wire, false));
    }

    /// The shard takes reports and serves its timers.
    fn upkeep_turn(&mut self, meter: &mut impl Meter) {
        let Self { shard, wire, arriving, arriving_count, now, .. } = self;
        let arriving = &mut arriving[..*arriving_count];
        meter.around(Part::Upkeep, || bridge_turn(shard, *now, arriving, wire, true));
    }

    fn send_media(&mut self) -> Result<()> {
        let Self { traffic, participants, arriving, arriving_count, due, now, .. } = self;
        let sender = &mut participants[0];
        let mut take = |sender: &mut Participant, packet: &[u8], is_rtcp: bool| {
            let place = next_place(arriving, arriving_count);
            if is_rtcp { sender.seal_rtcp(packet, place) } else { sender.seal_rtp(packet, place) }
        };
        let mut packets = 0;
        if self.settings.has_video && due.frame <= *now {
            due.frame += FRAME_INTERVAL;
            packets += FRAME_PACKETS as u64;
            traffic.frame(|packet| take(sender, packet, false))?;
        }
        if due.sound <= *now {
            due.sound += SOUND_INTERVAL;
            packets += 1;
            take(sender, traffic.sound()?, false)?;
        }
        if due.report <= *now {
            due.report += REPORT_INTERVAL;
            traffic.reports(*now, |report| take(sender, report, true))?;
        }
        self.packets_in += packets;
        Ok(())
    }

    fn send_feedback(&mut self) -> Result<()> {
        if !self.settings.transport_cc {
            return Ok(());
        }
        let Self { feedback, participants, wire, arriving, arriving_count, now, .. } = self;
        let receivers = participants.iter_mut().zip(&mut wire.arrivals).enumerate().skip(1);
        for (index, (participant, arrivals)) in receivers {
            if let Some(compound) = feedback.poll(*now, index, arrivals)? {
                participant.seal_rtcp(compound, next_place(arriving, arriving_count))?;
            }
        }
        Ok(())
    }

    /// STUN and DTLS between the shard and everybody.
    fn exchange_signals(&mut self) {
        let Self { participants, wire, arriving, arriving_count, due, now, .. } = self;
        for (participant, mut datagram) in wire.signals.drain(..) {
            if let Some(participant) = participants.get_mut(participant) {
                participant.handle(*now, datagram.content());
                due.signals = *now;
            }
        }
        if due.signals > *now {
            return;
        }
        due.signals = *now + SIGNAL_INTERVAL;
        for participant in participants {
            participant.advance(*now, |from, bytes| {
                *next_place(arriving, arriving_count) = Datagram::from_bytes(from, bytes);
            });
        }
    }
}

/// One turn of the shard as its driver's thread takes it.
fn bridge_turn(
    shard: &mut Shard,
    now: Timestamp,
    arriving: &mut [Datagram],
    wire: &mut Wire,
    has_timers: bool,
) {
    for datagram in arriving {
        let from = datagram.from;
        shard.handle_datagram(now, 0, from, datagram.content(), wire);
    }
    shard.end_batch(now, wire);
    if has_timers && shard.poll_timeout() <= now {
        shard.handle_timeout(now, wire);
        shard.end_batch(now, wire);
    }
}

/// Room for one more datagram; grows only while participants connect.
fn next_place<'a>(arriving: &'a mut Vec<Datagram>, count: &mut usize) -> &'a mut Datagram {
    if *count == arriving.len() {
        arriving.push(Datagram::empty());
    }
    *count += 1;
    &mut arriving[*count - 1]
}

/// That everything reached everybody and nothing came twice; padding may add a little.
pub(crate) fn ensure_delivered(passed: Passed, receivers: usize) -> Result<()> {
    let expected = passed.packets_in * receivers as u64;
    ensure!(
        passed.packets_out * 100 >= expected * 97 && passed.packets_out * 100 <= expected * 105,
        "of {} packets to {receivers} receivers {} went out: the path is broken",
        passed.packets_in,
        passed.packets_out
    );
    Ok(())
}

/// The address that the shard is bound to.
pub(crate) fn bridge_address() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 10_000))
}

/// Where participant `index` is.
fn participant_address(index: usize) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, 7], FIRST_PORT + index as u16))
}

/// Negotiated header extensions.
const EXTENSIONS: [(u8, ExtensionType); 3] = [
    (1, ExtensionType::AudioLevel),
    (3, ExtensionType::AbsSendTime),
    (5, ExtensionType::TransportCc),
];
const AUDIO: u8 = 111;
const VIDEO: u8 = 100;
const RTX: u8 = 101;
const AUDIO_SSRC: u32 = 1_001;
const VIDEO_SSRC: u32 = 1_010;
const RTX_SSRC: u32 = 1_020;
/// The sender's port; receivers follow.
const FIRST_PORT: u16 = 20_000;
/// The time between two turns of everything.
const TICK: Duration = Duration::from_millis(1);
/// How often participants look at their transports' timers.
const SIGNAL_INTERVAL: Duration = Duration::from_millis(50);
/// Until estimates have found that the link takes all of it.
const WARM_UP: Duration = Duration::from_secs(6);
/// After so much of the call everything has happened as often as on average: frames, sound, and
/// feedback of every receiver.
pub(crate) const PERIOD: Duration = Duration::from_millis(800);

#[cfg(test)]
mod tests;
