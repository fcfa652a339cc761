//! The peer is dcSCTP's Rust port, written by others: what browsers run.

use std::time::{Duration, Instant};

use dcsctp::api::{
    DcSctpSocket, Message, Options, PpId, SendOptions, SocketEvent, SocketTime, StreamId,
};
use proptest::prelude::*;

use super::*;

/// A client and our side over a link of 20 ms that loses `loss` percent.
struct World {
    now: Timestamp,
    client: Box<dyn DcSctpSocket>,
    bridge: DataChannel,
    link: Vec<(Timestamp, bool, Vec<u8>)>,
    loss: u32,
    random: u32,
    client_events: Vec<SocketEvent>,
    bridge_events: Vec<ChannelEvent>,
}

impl World {
    fn new(loss: u32) -> Self {
        #[expect(clippy::disallowed_methods, reason = "an arbitrary origin of simulated time")]
        let clock = Clock::new(Instant::now());
        Self {
            now: Timestamp::ZERO,
            client: client(),
            bridge: DataChannel::new(clock),
            link: Vec::new(),
            loss,
            random: 0x1234_5678,
            client_events: Vec::new(),
            bridge_events: Vec::new(),
        }
    }

    fn connected(loss: u32) -> Self {
        let mut world = Self::new(loss);
        world.client.connect();
        world.client_sends(0, 50, &open_message());
        world.run_until(|world| world.bridge_events.contains(&ChannelEvent::Opened));
        world.bridge_events.clear();
        world
    }

    fn client_sends(&mut self, stream: u16, ppid: u32, payload: &[u8]) {
        let message = Message::new(StreamId(stream), PpId(ppid), payload.to_vec());
        self.client.send(message, &SendOptions::default()).unwrap();
    }

    fn is_lost(&mut self) -> bool {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        self.random % 100 < self.loss
    }

    fn flush(&mut self) {
        let arrival = self.now + Duration::from_millis(20);
        while let Some(event) = self.client.poll_event() {
            match event {
                SocketEvent::SendPacket(packet) => {
                    if !self.is_lost() {
                        self.link.push((arrival, true, packet));
                    }
                }
                event => self.client_events.push(event),
            }
        }
        while let Some(event) = self.bridge.poll_event() {
            self.bridge_events.push(event);
        }
        while let Some(packet) = self.bridge.poll_transmit(self.now) {
            assert!(packet.len() <= 1191, "{}", packet.len());
            if !self.is_lost() {
                self.link.push((arrival, false, packet.to_vec()));
            }
        }
    }

    fn step(&mut self) {
        self.flush();
        let arrival = self.link.iter().map(|(at, ..)| *at).min().unwrap_or(Timestamp::FAR_FUTURE);
        let client_due = self.client.poll_timeout() - SocketTime::zero();
        let due = arrival.min(self.bridge.poll_timeout()).min(Timestamp::ZERO + client_due);
        self.now = due.max(self.now);
        self.client.advance_time(SocketTime::zero() + self.now.since(Timestamp::ZERO));
        let (arrived, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.link).into_iter().partition(|(at, ..)| *at <= self.now);
        self.link = rest;
        for (_, to_bridge, packet) in arrived {
            if to_bridge {
                self.bridge.handle_input(self.now, &packet);
            } else {
                self.client.handle_input(&packet);
            }
            self.flush();
        }
        self.bridge.handle_timeout(self.now);
        self.flush();
    }

    fn run_until(&mut self, done: impl Fn(&Self) -> bool) {
        let end = self.now + Duration::from_secs(120);
        while !done(self) {
            assert!(self.now < end, "not done after 120 s of simulated time");
            self.step();
        }
    }

    fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step();
        }
    }

    fn messages(&self) -> Vec<&str> {
        let messages = self.bridge_events.iter().filter_map(|event| match event {
            ChannelEvent::Message(text) => Some(text.as_str()),
            _ => None,
        });
        messages.collect()
    }
}

fn client() -> Box<dyn DcSctpSocket> {
    let options = Options {
        max_retransmissions: None,
        max_init_retransmits: None,
        max_timer_backoff_duration: Some(Duration::from_secs(3)),
        ..Options::default()
    };
    dcsctp::new_socket("client", &options)
}

fn open_message() -> Vec<u8> {
    let (label, protocol) = ("JVB data channel", "http://jitsi.org/protocols/colibri");
    let mut message = vec![3, 0, 0, 0, 0, 0, 0, 0, 0, label.len() as u8, 0, protocol.len() as u8];
    message.extend_from_slice(label.as_bytes());
    message.extend_from_slice(protocol.as_bytes());
    message
}

#[test]
fn the_client_opens_and_strings_flow_both_ways() {
    let mut world = World::connected(0);
    world.run_until(|world| world.client.messages_ready_count() > 0);
    let ack = world.client.get_next_message().unwrap();
    assert_eq!((ack.stream_id.0, ack.ppid.0, &*ack.payload), (0, 50, &[2][..]));
    world.client_sends(0, 51, b"{\"colibriClass\":\"ClientHello\"}");
    assert!(world.bridge.send("{\"colibriClass\":\"ServerHello\"}"));
    world.run_until(|world| {
        world.messages() == ["{\"colibriClass\":\"ClientHello\"}"]
            && world.client.messages_ready_count() == 1
    });
    let message = world.client.get_next_message().unwrap();
    assert_eq!((message.stream_id.0, message.ppid.0), (0, 51));
    assert_eq!(message.payload, b"{\"colibriClass\":\"ServerHello\"}");
}

#[test]
fn as_a_client_we_open_and_strings_flow_both_ways() {
    for (loss, is_dtls_client) in [(0, true), (0, false), (20, true)] {
        let mut world = World::new(loss);
        assert!(world.bridge.set_opener("JVB data channel", "http://jitsi.org/protocols/colibri"));
        assert!(!world.bridge.set_opener("another", ""));
        assert_eq!(world.bridge.poll_transmit(world.now), None, "not before it can connect");
        world.bridge.connect(is_dtls_client);
        world.run_until(|world| world.client.messages_ready_count() > 0);
        let open = world.client.get_next_message().unwrap();
        let stream = open.stream_id.0;
        assert_eq!((stream, open.ppid.0), (u16::from(!is_dtls_client), 50));
        assert_eq!(open.payload, open_message());
        assert!(!world.bridge.is_open() && !world.bridge.send("early"));

        // Neither another message, nor a confirmation elsewhere, opens it.
        world.client_sends(stream, 50, &[4]);
        world.client_sends(stream + 2, 50, &[2]);
        world.client_sends(stream, 50, &[2]);
        world.client_sends(stream, 51, b"from the peer");
        world.run_until(|world| world.messages() == ["from the peer"]);
        assert_eq!(world.bridge_events[0], ChannelEvent::Opened);
        assert_eq!(world.bridge.counters().messages_ignored, 2);
        assert!(world.bridge.send("from us"));
        world.run_until(|world| world.client.messages_ready_count() > 0);
        let message = world.client.get_next_message().unwrap();
        assert_eq!((message.stream_id.0, message.ppid.0), (stream, 51));
        assert_eq!(message.payload, b"from us");
        world.client_sends(7, 50, &open_message());
        world.run_until(|world| world.bridge.counters().channels_rejected == 1);
    }
}

#[test]
fn large_messages_survive_twenty_percent_loss() {
    let mut world = World::connected(20);
    let text = "x".repeat(200_000);
    world.client_sends(0, 51, text.as_bytes());
    assert!(world.bridge.send(&text));
    world.run_until(|world| {
        world.messages() == [text.as_str()] && world.client.messages_ready_count() == 2
    });
    world.client.get_next_message();
    assert_eq!(world.client.get_next_message().unwrap().payload.len(), text.len());
}

#[test]
fn a_second_channel_is_not_acknowledged() {
    let mut world = World::connected(0);
    world.client_sends(2, 50, &open_message());
    world.client_sends(2, 51, b"to nobody");
    world.client_sends(0, 51, b"to us");
    world.run_until(|world| !world.messages().is_empty());
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.messages(), ["to us"]);
    assert_eq!(world.client.messages_ready_count(), 1, "one ACK only");
    let counters = world.bridge.counters();
    assert_eq!((counters.channels_rejected, counters.messages_ignored), (1, 1));
}

#[test]
fn other_payloads_are_ignored_and_the_association_lives() {
    let mut world = World::connected(0);
    for (ppid, payload) in
        [(53, &b"binary"[..]), (56, b"\0"), (57, b"\0"), (99, b"?"), (51, b"\xff"), (50, b"\x09")]
    {
        world.client_sends(0, ppid, payload);
    }
    world.client_sends(0, 51, b"text");
    world.run_until(|world| !world.messages().is_empty());
    assert_eq!(world.messages(), ["text"]);
    assert_eq!(world.bridge.counters().messages_ignored, 6);
}

#[test]
fn nothing_is_sent_before_the_peer_begins() {
    let mut world = World::new(0);
    assert!(!world.bridge.send("early"));
    world.bridge.handle_timeout(Timestamp::from_millis(60_000));
    assert_eq!(world.bridge.poll_transmit(Timestamp::from_millis(60_000)), None);
    assert_eq!(world.bridge.poll_timeout(), Timestamp::FAR_FUTURE);
}

#[test]
fn a_slow_peer_cannot_make_us_buffer_without_end() {
    let mut world = World::connected(0);
    let text = "x".repeat(100_000);
    let accepted = (0..100).filter(|_| world.bridge.send(&text)).count();
    assert!((19..=20).contains(&accepted), "{accepted}");
    assert!(!world.bridge.send(""));
    assert!(!world.bridge.send(&"x".repeat(MAX_MESSAGE_LEN + 1)));
    assert_eq!(world.bridge.counters().messages_refused as usize, 100 - accepted + 2);
}

#[test]
fn a_client_that_begins_anew_gets_a_new_channel() {
    let mut world = World::connected(0);
    world.client = client();
    world.client.connect();
    world.client_sends(0, 50, &open_message());
    world.run_until(|world| world.bridge_events.contains(&ChannelEvent::Opened));
    assert_eq!(world.bridge_events, [ChannelEvent::Closed, ChannelEvent::Opened]);
    world.client_sends(0, 51, b"again");
    world.run_until(|world| world.messages() == ["again"]);
}

#[test]
fn a_late_copy_of_the_first_packet_does_no_harm() {
    let mut world = World::new(0);
    world.client.connect();
    world.client_sends(0, 50, &open_message());
    world.flush();
    let init = world.link[0].2.clone();
    world.run_until(|world| world.bridge_events.contains(&ChannelEvent::Opened));
    world.bridge.handle_input(world.now, &init);
    world.client_sends(0, 51, b"still here");
    world.run_until(|world| world.messages() == ["still here"]);
}

#[test]
fn an_aborted_association_closes_the_channel() {
    let mut world = World::connected(0);
    world.client.close();
    world.run_until(|world| world.bridge_events.contains(&ChannelEvent::Closed));
    assert!(!world.bridge.is_open() && !world.bridge.send("x"));
}

#[test]
fn too_many_streams_end_the_association() {
    let mut world = World::connected(0);
    for stream in 1..=association::MAX_STREAMS as u16 {
        world.client_sends(stream, 51, b"x");
    }
    world.run_until(|world| world.bridge_events.contains(&ChannelEvent::Closed));
}

proptest! {
    #[test]
    fn garbage_never_panics(
        packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..100), 0..20)
    ) {
        let mut world = World::new(0);
        for packet in &packets {
            world.bridge.handle_input(world.now, packet);
            world.flush();
        }
    }

    #[test]
    fn damaged_packets_never_panic(position in 0usize..60, value: u8, count in 1usize..12) {
        let mut world = World::new(0);
        world.client.connect();
        world.client_sends(0, 50, &open_message());
        for _ in 0..count {
            world.flush();
            for (_, _, packet) in &mut world.link {
                if let Some(byte) = packet.get_mut(position) {
                    *byte = value;
                }
                fix_checksum(packet);
            }
            world.step();
        }
    }
}

/// Makes damage reach the parser behind the checksum.
fn fix_checksum(packet: &mut [u8]) {
    if packet.len() < 12 {
        return;
    }
    packet[8..12].fill(0);
    let crc = packet.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { (crc >> 1) ^ 0x82F6_3B78 } else { crc >> 1 }
        })
    });
    packet[8..12].copy_from_slice(&(!crc).to_le_bytes());
}
