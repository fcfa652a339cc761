//! The floor: a forwarder that does only what cannot be skipped.
//!
//! Receive a burst, open each packet, and for each receiver copy it, rewrite twelve header bytes, seal
//! it with that receiver's key and send it. No session, no demultiplexing, no report, no pacing: what
//! a bridge costs beyond this is the bridge's doing, and the ratio of both hardly depends on the
//! machine. One thread's CPU time, kernel included; the receivers are read by another core now and
//! then and never wake anybody.

mod crypto;
mod receivers;
mod transmission;

use crate::clock;
use crate::sampling::Sampled;
use anyhow::{Result, ensure};
use crypto::Keys;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, recvmmsg};
use receivers::Receivers;
use std::io::IoSliceMut;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
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

/// Microseconds of CPU for each packet sent, the median over many bursts.
pub(crate) fn measure(settings: FloorSettings, transmission: Transmission) -> Result<Sampled> {
    let mut forwarder = Forwarder::new(settings, transmission)?;
    let sent_each = (settings.receivers * settings.burst) as f64;
    let rounds = (PACKETS_PER_SAMPLE / (settings.receivers * settings.burst)).max(1);
    let begin = clock::wall();
    let mut values = Vec::new();
    while values.len() < LEAST_SAMPLES || begin.elapsed() < TIME {
        let mut time = std::time::Duration::ZERO;
        for _ in 0..rounds {
            forwarder.send_burst()?;
            let before = clock::thread_cpu();
            forwarder.forward_burst()?;
            time += clock::thread_cpu() - before;
        }
        values.push(time.as_nanos() as f64 / 1e3 / (sent_each * rounds as f64));
    }
    // The first sample pays for caches and for the kernel's memory.
    values.remove(0);
    ensure!(forwarder.receivers.received() > 0, "the receivers got nothing");
    Ok(Sampled::of(values))
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
    fn new(settings: FloorSettings, transmission: Transmission) -> Result<Self> {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let (socket, sender) = (UdpSocket::bind(any)?, UdpSocket::bind(any)?);
        sender.connect(socket.local_addr()?)?;
        let sealed = settings.packet_bytes + crypto::TAG;
        Ok(Self {
            settings,
            transmission,
            socket,
            sender,
            receivers: Receivers::start(settings.receivers)?,
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

    fn forward_burst(&mut self) -> Result<()> {
        self.receive()?;
        let sealed = self.settings.packet_bytes + crypto::TAG;
        for (n, packet) in (self.next..).zip(&mut self.inbound) {
            self.keys.open(n, packet)?;
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

    fn receive(&mut self) -> Result<()> {
        let mut headers = MultiHeaders::<SockaddrIn>::preallocate(self.inbound.len(), None);
        let mut places: Vec<[IoSliceMut<'_>; 1]> =
            self.inbound.iter_mut().map(|packet| [IoSliceMut::new(packet)]).collect();
        let flags = MsgFlags::MSG_DONTWAIT;
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
/// Of all samples of one way of sending.
const TIME: std::time::Duration = std::time::Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_sending_reaches_the_receivers() {
        for transmission in [Transmission::Sendto, Transmission::Sendmmsg, Transmission::Segments] {
            let settings = FloorSettings { receivers: 3, packet_bytes: 300, burst: 8 };
            let mut forwarder = Forwarder::new(settings, transmission).unwrap();
            for _ in 0..10 {
                forwarder.send_burst().unwrap();
                forwarder.forward_burst().unwrap();
            }
            let expected = 10 * 3 * 8;
            let received = forwarder.receivers.stop();
            assert_eq!(received, expected, "{}", transmission.name());
        }
    }
}
