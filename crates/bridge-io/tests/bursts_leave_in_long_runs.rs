//! A burst that arrives packet by packet leaves as one message for each of many receivers; what is
//! forwarded to a few is never held back.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must stop")]
#![allow(clippy::print_stdout, reason = "a measurement tells its figures")]

mod common;

use common::{Bridge, Client};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bridge_io::{CoalescingSettings, ReceiveBuffers, UdpSocket};
use bridge_units::{SessionId, Timestamp};

const BURST: u16 = 8;

/// Session 1 sends to all others.
struct OneToMany {
    bridge: Bridge,
    clients: Vec<Client>,
    next: u16,
}

impl OneToMany {
    fn start(receivers: u64, coalescing: CoalescingSettings) -> Self {
        let bridge = Bridge::start(receivers + 1, 1, coalescing);
        let mut clients: Vec<_> =
            (1..=receivers + 1).map(|id| bridge.join(SessionId(id))).collect();
        bridge.run(&mut clients, |clients| clients.iter().all(|client| client.connected));
        Self { bridge, clients, next: 0 }
    }

    /// Sends a burst packet by packet; when each went.
    fn burst(&mut self, payload: usize, gap: Duration) -> Vec<(u16, Timestamp)> {
        let sender = &mut self.clients[0];
        let clock = self.bridge.clock;
        let packets: Vec<_> = (0..BURST).map(|i| sender.seal(self.next + i, payload)).collect();
        let mut next = clock.now();
        let mut sent = Vec::new();
        for (i, packet) in (self.next..).zip(packets) {
            while clock.now() < next {
                std::hint::spin_loop();
            }
            sent.push((i, clock.now()));
            sender.socket.send_to(&packet, self.bridge.address).unwrap();
            next += gap;
        }
        self.next += BURST;
        sent
    }

    fn paced_bursts(
        &mut self,
        count: usize,
        period: Duration,
        gap: Duration,
    ) -> Vec<(u16, Timestamp)> {
        let mut sent = Vec::new();
        for _ in 0..count {
            sent.extend(self.burst(1_150, gap));
            std::thread::sleep(period);
        }
        sent
    }

    fn bursts(&mut self, count: usize) {
        for _ in 0..count {
            self.burst(160, Duration::from_micros(20));
            let next = self.bridge.clock.now() + Duration::from_millis(10);
            let clock = self.bridge.clock;
            self.bridge.run(&mut self.clients, |_| clock.now() >= next);
        }
        let expected = usize::from(self.next);
        self.bridge.run(&mut self.clients, |clients| {
            clients[1..].iter().all(|client| client.heard.len() >= expected)
        });
        std::thread::sleep(Duration::from_millis(1_200));
    }
}

#[test]
fn of_many_receivers() {
    let mut call = OneToMany::start(12, CoalescingSettings::default());
    call.bursts(60);
    for client in &call.clients[1..] {
        assert_eq!(client.heard, (0..call.next).collect::<Vec<_>>());
    }
    let windows = call.bridge.io(|io| io.coalescing_windows);
    let messages = call.bridge.io(|io| io.coalesced_messages);
    assert!(windows > 20, "{windows}");
    assert!(messages > 3 * windows, "{messages} in {windows}");
}

#[test]
fn but_nobody_waits_when_it_is_off_or_for_a_few() {
    let off = CoalescingSettings { window: Duration::ZERO, min_fan_out: 0 };
    for (receivers, coalescing) in [(12, off), (2, CoalescingSettings::default())] {
        let mut call = OneToMany::start(receivers, coalescing);
        call.bursts(30);
        assert_eq!(call.bridge.io(|io| io.coalescing_windows), 0);
    }
}

/// CPU time of the shard's thread for each packet sent, and delays of the first and last receiver.
/// With nothing else running: `cargo test --release -- --ignored --nocapture`; the variables
/// RECEIVERS, GAPS, WINDOWS and PERIODS (microseconds) may hold other lists.
#[test]
#[ignore = "a measurement"]
fn burst_measurement() {
    let list = |name: &str, default: &str| -> Vec<u64> {
        let text = std::env::var(name).unwrap_or_else(|_| default.to_owned());
        text.split_whitespace().map(|number| number.parse().unwrap()).collect()
    };
    println!(
        "receivers period gap window | us/packet run | first p50 p99 | last p50 p99 | long turns"
    );
    for receivers in list("RECEIVERS", "100 10 5 3") {
        for period in list("PERIODS", "8000") {
            for gap in list("GAPS", "10 60") {
                for window in list("WINDOWS", "0 100 200 300 500 800 0 100 200 300 500 800") {
                    measure(receivers, [period, gap, window].map(Duration::from_micros));
                }
            }
        }
    }
}

fn measure(receivers: u64, [period, gap, window]: [Duration; 3]) {
    const BURSTS: usize = 300;
    let mut call = OneToMany::start(receivers, CoalescingSettings { window, min_fan_out: 0 });
    // The clients' own loop ends here: what follows is shorter than any timeout of theirs.
    let sockets: Vec<_> = call.clients[1..]
        .iter()
        .map(|client| UdpSocket::plain(client.socket.try_clone().unwrap()).unwrap())
        .collect();
    let clock = call.bridge.clock;
    let stop = AtomicBool::new(false);
    let (first, rest) = sockets.split_first().unwrap();
    let (last, others) = rest.split_last().unwrap();
    std::thread::scope(|scope| {
        let listen = |socket| {
            let stop = &stop;
            move || arrivals(socket, stop, clock)
        };
        let (first, last) = (scope.spawn(listen(first)), scope.spawn(listen(last)));
        scope.spawn(|| drain(others, &stop));
        call.paced_bursts(40, period, gap);
        std::thread::sleep(Duration::from_millis(200));
        let long_turns = call.bridge.io(|io| io.long_turns);
        let (cpu, before) = (shard_cpu(), call.bridge.counters());
        let sent = call.paced_bursts(BURSTS, period, gap);
        std::thread::sleep(Duration::from_millis(200));
        let (cpu, after) = (shard_cpu() - cpu, call.bridge.counters());
        stop.store(true, Ordering::Relaxed);
        let packets = (after.rtp_out - before.rtp_out) as f64;
        let run = packets / (after.runs_out - before.runs_out) as f64;
        let first = delays(&sent, &first.join().unwrap());
        let last = delays(&sent, &last.join().unwrap());
        println!(
            "{receivers:4} {:6} {:4} {:5} | {:.2} {run:.2} | {:5} {:5} | {:5} {:5} | {}",
            period.as_micros(),
            gap.as_micros(),
            window.as_micros(),
            cpu as f64 / 1_000.0 / packets,
            first.0,
            first.1,
            last.0,
            last.1,
            call.bridge.io(|io| io.long_turns) - long_turns,
        );
    });
}

fn drain(sockets: &[UdpSocket], stop: &AtomicBool) {
    let mut buffers = ReceiveBuffers::new();
    while !stop.load(Ordering::Relaxed) {
        for socket in sockets {
            while socket.receive(&mut buffers).is_ok_and(|count| count == 32) {}
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn arrivals(
    socket: &UdpSocket,
    stop: &AtomicBool,
    clock: bridge_io::Clock,
) -> Vec<(u16, Timestamp)> {
    let mut buffers = ReceiveBuffers::new();
    let mut arrived = Vec::new();
    let timeout = rustix::event::Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
    while !stop.load(Ordering::Relaxed) {
        let mut readable = [rustix::event::PollFd::new(socket, rustix::event::PollFlags::IN)];
        let _ = rustix::event::poll(&mut readable, Some(&timeout));
        if socket.receive(&mut buffers).is_err() {
            continue;
        }
        let now = clock.now();
        buffers.for_each(|_, datagram| {
            if datagram.len() > 1_000 {
                arrived.push((u16::from_be_bytes([datagram[2], datagram[3]]), now));
            }
        });
    }
    arrived
}

/// Median and 99th percentile in microseconds.
fn delays(sent: &[(u16, Timestamp)], arrived: &[(u16, Timestamp)]) -> (u128, u128) {
    let mut delays: Vec<_> = arrived
        .iter()
        .filter_map(|(number, at)| {
            let first = sent.first()?.0;
            Some((*at - sent.get(usize::from(number.checked_sub(first)?))?.1).as_micros())
        })
        .collect();
    delays.sort_unstable();
    let at = |share: usize| delays.get(delays.len() * share / 100).copied().unwrap_or(0);
    (at(50), at(99))
}

/// CPU time of the newest thread that is named as a shard's, in nanoseconds.
fn shard_cpu() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks
        .filter_map(|task| {
            let path = task.ok()?.path();
            let name = std::fs::read_to_string(path.join("comm")).ok()?;
            let stat = std::fs::read_to_string(path.join("schedstat")).ok()?;
            name.starts_with("shard-").then(|| stat.split(' ').next()?.parse::<u64>().ok())?
        })
        .sum()
}
