//! A client that sends bursts at its own pace.

use super::FloorSettings;
use super::crypto::Keys;
use crate::clock;
use crate::cores;
use anyhow::Result;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Ends its thread when dropped.
pub(super) struct LiveSender {
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl LiveSender {
    /// Sends a burst every `interval` on a connected socket.
    pub(super) fn start(
        socket: UdpSocket,
        settings: FloorSettings,
        interval: Duration,
    ) -> Result<Self> {
        let ends = Arc::new(AtomicBool::new(false));
        let keys = Keys::new(0)?;
        let thread = std::thread::Builder::new().name("floor-sender".into()).spawn({
            let ends = Arc::clone(&ends);
            move || send(&socket, &keys, settings, interval, &ends)
        })?;
        Ok(Self { ends, thread: Some(thread) })
    }
}

impl Drop for LiveSender {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // It cannot have panicked; if it had, nothing would arrive.
            let _ = thread.join();
        }
    }
}

fn send(
    socket: &UdpSocket,
    keys: &Keys,
    settings: FloorSettings,
    interval: Duration,
    ends: &AtomicBool,
) {
    cores::pin(cores::GENERATOR);
    let mut due = clock::wall();
    let mut number = 0;
    while !ends.load(Ordering::Acquire) {
        for _ in 0..settings.burst {
            // What cannot be sent does not arrive, and the forwarder says so.
            if let Ok(packet) = keys.sealed_packet(number, settings.packet_bytes) {
                let _ = socket.send(&packet);
            }
            number += 1;
        }
        due += interval;
        std::thread::sleep(due.saturating_duration_since(clock::wall()));
    }
}
