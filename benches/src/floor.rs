//! The floor: a forwarder that does only what cannot be skipped.
//!
//! Receive a burst, open each packet, and for each receiver copy it, rewrite twelve header bytes, seal
//! it with that receiver's key and send it. No session, no demultiplexing, no report, no pacing: what
//! a bridge costs beyond this is the bridge's doing, and the ratio of both hardly depends on the
//! machine. One thread's CPU time, kernel included; the receivers are read by another core.

mod crypto;
mod live_sender;
mod receivers;
mod transmission;

use crate::clock;
use crate::sampling::Sampled;
use anyhow::{Result, ensure};
use crypto::Keys;
use live_sender::LiveSender;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, recvmmsg};
use receivers::{Reading, Receivers};
use std::io::IoSliceMut;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;
pub(crate) use transmission::Transmission;

/// What is forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FloorSettings {
    /// How many get each packet.
    pub(crate) receivers: usize,
    /// Bytes of a packet before it is sealed, from the RTP header on.
    pub(crate) packet_bytes: usize,
    /// Packets that arrive at once, and leave as one run where segments are used.
    pub(crate) burst: usize,
}

/// Under which circumstances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conditions {
    /// One burst after the other with everything in the caches, and nobody waits at the receivers'
    /// sockets: the least that the packets can cost.
    Saturated,
    /// As a bridge has it under the load generator: a burst comes every so often and wakes the
    /// forwarder, and the receivers are read as the generator reads its own.
    Live(Duration),
}

/// Microseconds of CPU for each packet sent, the median over many bursts.
pub(crate) fn measure(
    settings: FloorSettings,
    transmission: Transmission,
    conditions: Conditions,
) -> Result<Sampled> {
    let values = match conditions {
        Conditions::Saturated => saturated(settings, transmission)?,
        Conditions::Live(interval) => live(settings, transmission, interval)?,
    };
    // The first sample pays for caches and for the kernel's memory.
    Ok(Sampled::of(values.into_iter().skip(1).collect()))
}

fn saturated(settings: FloorSettings, transmission: Transmission) -> Result<Vec<f64>> {
    let mut forwarder = Forwarder::new(settings, transmission, Reading::Idle)?;
    let rounds = (PACKETS_PER_SAMPLE / (settings.receivers * settings.burst)).max(1);
    let begin = clock::wall();
    let mut values = Vec::new();
    while values.len() < LEAST_SAMPLES || begin.elapsed() < TIME {
        let mut time = Duration::ZERO;
        for _ in 0..rounds {
            forwarder.send_burst()?;
            let before = clock::thread_cpu();
            forwarder.forward_burst(MsgFlags::MSG_DONTWAIT)?;
            time += clock::thread_cpu() - before;
        }
        values.push(settings.micros_per_packet(time, rounds));
    }
    ensure!(forwarder.receivers.received() > 0, "the receivers got nothing");
    Ok(values)
}

/// Waiting costs what it costs a bridge: everything that this thread does counts.
fn live(
    settings: FloorSettings,
    transmission: Transmission,
    interval: Duration,
) -> Result<Vec<f64>> {
    let mut forwarder = Forwarder::new(settings, transmission, Reading::Watched)?;
    forwarder.socket.set_read_timeout(Some(LONGEST_WAIT))?;
    let _sender = LiveSender::start(forwarder.sender.try_clone()?, settings, interval)?;
    let rounds = (LIVE_SAMPLE.as_nanos() / interval.as_nanos().max(1)).max(1) as usize;
    let begin = clock::wall();
    let mut values = Vec::new();
    while values.len() < LEAST_SAMPLES || begin.elapsed() < TIME {
        let before = clock::thread_cpu();
        for _ in 0..rounds {
            forwarder.forward_burst(MsgFlags::empty())?;
        }
        values.push(settings.micros_per_packet(clock::thread_cpu() - before, rounds));
    }
    ensure!(forwarder.receivers.received() > 0, "the receivers got nothing");
    Ok(values)
}

impl FloorSettings {
    fn micros_per_packet(self, time: Duration, bursts: usize) -> f64 {
        time.as_nanos() as f64 / 1e3 / (self.receivers * self.burst * bursts) as f64
    }
}

struct Forwarder {
    settings: FloorSettings,
    transmission: Transmission,
    socket: UdpSocket,
    sender: UdpSocket,
    receivers: Receivers,
    keys: Keys,
    inbound: Vec<Vec<u8>>,
    egress: Vec<u8>,
    next: u64,
}

impl Forwarder {
    fn new(settings: FloorSettings, transmission: Transmission, reading: Reading) -> Result<Self> {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let (socket, sender) = (UdpSocket::bind(any)?, UdpSocket::bind(any)?);
        sender.connect(socket.local_addr()?)?;
        let sealed = settings.packet_bytes + crypto::TAG;
        Ok(Self {
            settings,
            transmission,
            socket,
            sender,
            receivers: Receivers::start(settings.receivers, reading)?,
            keys: Keys::new(settings.receivers)?,
            inbound: vec![vec![0; sealed]; settings.burst],
            egress: vec![0; sealed * settings.burst * settings.receivers],
            next: 0,
        })
    }

    /// What a client does; not measured.
    fn send_burst(&mut self) -> Result<()> {
        for n in 0..self.settings.burst as u64 {
            let packet = self.keys.sealed_packet(self.next + n, self.settings.packet_bytes)?;
            self.sender.send(&packet)?;
        }
        Ok(())
    }

    fn forward_burst(&mut self, flags: MsgFlags) -> Result<()> {
        self.receive(flags)?;
        let sealed = self.settings.packet_bytes + crypto::TAG;
        for packet in &mut self.inbound {
            self.keys.open(packet)?;
        }
        let mut room = self.egress.chunks_exact_mut(sealed);
        for receiver in 0..self.settings.receivers {
            for (n, packet) in (self.next..).zip(&self.inbound) {
                let Some(out) = room.next() else { break };
                self.keys.seal(receiver, n, packet, out)?;
            }
        }
        let addresses = self.receivers.addresses();
        self.transmission.send(
            &self.socket,
            addresses,
            &self.egress,
            sealed,
            self.settings.burst,
        )?;
        self.next += self.settings.burst as u64;
        Ok(())
    }

    fn receive(&mut self, flags: MsgFlags) -> Result<()> {
        let mut headers = MultiHeaders::<SockaddrIn>::preallocate(self.inbound.len(), None);
        let mut places: Vec<[IoSliceMut<'_>; 1]> =
            self.inbound.iter_mut().map(|packet| [IoSliceMut::new(packet)]).collect();
        let received =
            recvmmsg(self.socket.as_raw_fd(), &mut headers, places.iter_mut(), flags, None)?;
        let count = received.count();
        ensure!(count == self.settings.burst, "loopback lost a packet: {count} of a burst");
        Ok(())
    }
}

/// Packets between two looks at the clock.
const PACKETS_PER_SAMPLE: usize = 4_000;
const LEAST_SAMPLES: usize = 12;
/// How long one sample takes where packets come at their own pace.
const LIVE_SAMPLE: Duration = Duration::from_millis(250);
/// For a packet of the sender.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// Of all samples of one way of sending.
const TIME: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: FloorSettings = FloorSettings { receivers: 3, packet_bytes: 300, burst: 8 };

    #[test]
    fn every_way_of_sending_reaches_the_receivers() {
        for transmission in [Transmission::Sendto, Transmission::Sendmmsg, Transmission::Segments] {
            for reading in [Reading::Idle, Reading::Watched] {
                let mut forwarder = Forwarder::new(SETTINGS, transmission, reading).unwrap();
                for _ in 0..10 {
                    forwarder.send_burst().unwrap();
                    forwarder.forward_burst(MsgFlags::MSG_DONTWAIT).unwrap();
                }
                let expected = 10 * 3 * 8;
                let received = forwarder.receivers.stop();
                assert_eq!(received, expected, "{} {reading:?}", transmission.name());
            }
        }
    }

    #[test]
    fn bursts_that_come_by_themselves_are_forwarded() {
        let reading = Reading::Watched;
        let mut forwarder = Forwarder::new(SETTINGS, Transmission::Segments, reading).unwrap();
        forwarder.socket.set_read_timeout(Some(LONGEST_WAIT)).unwrap();
        let sender = forwarder.sender.try_clone().unwrap();
        let live = LiveSender::start(sender, SETTINGS, Duration::from_millis(2)).unwrap();
        for _ in 0..10 {
            forwarder.forward_burst(MsgFlags::empty()).unwrap();
        }
        drop(live);
        assert_eq!(forwarder.receivers.stop(), 10 * 3 * 8);
    }
}
