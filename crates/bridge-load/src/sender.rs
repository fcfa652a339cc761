//! The thread that sends all media.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread::JoinHandle;
use std::time::Duration;

use bridge_io::Clock;
use bridge_rtp::RtcpWriter;
use bridge_rtp::rtcp::MAX_COMPOUND_LEN;
use bridge_srtp::{MAX_RTCP_OVERHEAD, MAX_RTP_OVERHEAD};
use bridge_units::Timestamp;
use rustc_hash::FxHashMap;

use crate::command::{
    MAX_WAITING_COMMANDS, SenderCommand, SenderSnapshot, SendingEndpoint, SendingPath,
};
use crate::error::LoadError;
use crate::media_stream::{MediaStream, WrittenPacket};
use crate::stream_id::{StreamId, StreamKind};
use crate::video_frames::VideoShape;
use crate::wall_clock::WallClock;

/// The thread, as others see it.
pub(crate) struct SenderThread {
    commands: SyncSender<SenderCommand>,
    thread: Option<JoinHandle<()>>,
}

struct SenderLoop {
    clock: Clock,
    wall_clock: WallClock,
    shape: VideoShape,
    commands: Receiver<SenderCommand>,
    endpoints: FxHashMap<u32, Sending>,
    /// Due times of streams, by endpoint and index there; with one of its number of streams, of its
    /// reports.
    due: BinaryHeap<Reverse<(Timestamp, u32, usize)>>,
    is_running: bool,
    counts: SenderSnapshot,
}

struct Sending {
    endpoint: SendingEndpoint,
    streams: Vec<MediaStream>,
    encodings: u8,
    transport_sequence: u16,
}

impl SenderThread {
    pub(crate) fn start(clock: Clock, shape: VideoShape) -> Result<Self, LoadError> {
        let (sender, commands) = mpsc::sync_channel(MAX_WAITING_COMMANDS);
        let mut sending = SenderLoop {
            clock,
            wall_clock: WallClock::start(clock),
            shape,
            commands,
            endpoints: FxHashMap::default(),
            due: BinaryHeap::new(),
            is_running: false,
            counts: SenderSnapshot::default(),
        };
        let thread = std::thread::Builder::new().name("load-send".into());
        let thread = thread.spawn(move || sending.run()).map_err(LoadError::io("a thread"))?;
        Ok(Self { commands: sender, thread: Some(thread) })
    }

    pub(crate) fn commands(&self) -> SyncSender<SenderCommand> {
        self.commands.clone()
    }

    pub(crate) fn command(&self, command: SenderCommand) -> Result<(), LoadError> {
        self.commands.send(command).map_err(|_| LoadError::ThreadEnded)
    }

    pub(crate) fn snapshot(&self) -> Result<SenderSnapshot, LoadError> {
        let (reply, answer) = mpsc::sync_channel(1);
        self.command(SenderCommand::Snapshot(reply))?;
        answer.recv().map_err(|_| LoadError::ThreadEnded)
    }
}

impl Drop for SenderThread {
    fn drop(&mut self) {
        let _ = self.commands.send(SenderCommand::Stop);
        if let Some(thread) = self.thread.take() {
            // A panic has been reported by the thread itself.
            let _ = thread.join();
        }
    }
}

impl SenderLoop {
    fn run(&mut self) {
        loop {
            self.send_due();
            let next = self.due.peek().map_or(Timestamp::FAR_FUTURE, |next| next.0.0);
            let pause = next.since(self.clock.now()).min(LONGEST_PAUSE);
            match self.commands.recv_timeout(pause) {
                Ok(command) => {
                    if !self.obey(command) {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Whether to go on.
    fn obey(&mut self, command: SenderCommand) -> bool {
        match command {
            SenderCommand::Add(endpoint) => self.add(*endpoint),
            SenderCommand::Remove(number) => drop(self.endpoints.remove(&number)),
            SenderCommand::Rtcp { endpoint, compound } => {
                if let Some(sending) = self.endpoints.get_mut(&endpoint) {
                    sending.send_rtcp(&compound);
                }
            }
            SenderCommand::KeyFrame(ssrc) => self.request_key_frame(ssrc),
            SenderCommand::Nack { ssrc, sequences } => self.send_again(ssrc, &sequences),
            SenderCommand::Start => {
                self.is_running = true;
                let waiting: Vec<u32> = self.endpoints.keys().copied().collect();
                waiting.into_iter().for_each(|number| self.begin(number));
            }
            SenderCommand::Pause => {
                self.is_running = false;
                self.due.clear();
            }
            SenderCommand::SetRate(rate) => {
                self.shape.rate = rate;
                for sending in self.endpoints.values_mut() {
                    let encodings = sending.encodings;
                    let streams = sending.streams.iter_mut();
                    streams.for_each(|stream| stream.set_rate(self.shape, encodings));
                }
            }
            SenderCommand::Snapshot(reply) => {
                // Whoever asked may be gone.
                let _ = reply.send(self.counts);
            }
            SenderCommand::Stop => return false,
        }
        true
    }

    fn add(&mut self, endpoint: SendingEndpoint) {
        let number = endpoint.number;
        let is_video = |kind| matches!(kind, StreamKind::Video(_));
        let encodings = endpoint.streams.iter().filter(|s| is_video(s.id.kind)).count();
        let sending = Sending {
            endpoint,
            streams: Vec::new(),
            encodings: encodings as u8,
            transport_sequence: 0,
        };
        self.endpoints.insert(number, sending);
        if self.is_running {
            self.begin(number);
        }
    }

    /// Endpoints begin at different times within a frame, so that they do not all send at once.
    fn begin(&mut self, number: u32) {
        let Some(sending) = self.endpoints.get_mut(&number) else { return };
        let phase = f64::from(number) * GOLDEN_RATIO;
        let start = self.clock.now() + PHASES.mul_f64(phase.fract());
        if sending.streams.is_empty() {
            let plans = sending.endpoint.streams.iter();
            sending.streams = plans
                .map(|plan| MediaStream::new(*plan, sending.encodings, self.shape, start))
                .collect();
        }
        for (index, stream) in sending.streams.iter_mut().enumerate() {
            stream.skip_to(start);
            self.due.push(Reverse((stream.due(), number, index)));
        }
        self.due.push(Reverse((start + REPORT_INTERVAL, number, sending.streams.len())));
    }

    fn request_key_frame(&mut self, ssrc: u32) {
        let number = StreamId::of_ssrc(ssrc).map(|id| id.endpoint);
        let Some(sending) = number.and_then(|number| self.endpoints.get_mut(&number)) else {
            return;
        };
        let streams = sending.streams.iter_mut().filter(|stream| stream.ssrc() == ssrc);
        streams.for_each(MediaStream::request_key_frame);
    }

    fn send_again(&mut self, ssrc: u32, sequences: &[u16]) {
        let number = StreamId::of_ssrc(ssrc).map(|id| id.endpoint);
        let Some(sending) = number.and_then(|number| self.endpoints.get_mut(&number)) else {
            return;
        };
        let Some(index) = sending.streams.iter().position(|stream| stream.ssrc() == ssrc) else {
            return;
        };
        for sequence in sequences {
            sending.send_again(self.clock.now(), index, *sequence, &mut self.counts);
        }
    }

    fn send_due(&mut self) {
        // Commands have their turn even when sending never catches up.
        for _ in 0..MAX_SENT_AT_ONCE {
            let now = self.clock.now();
            let Some(Reverse((at, number, index))) = self.due.peek().copied() else { return };
            if at > now {
                return;
            }
            self.due.pop();
            let Some(sending) = self.endpoints.get_mut(&number) else { continue };
            let Some(stream) = sending.streams.get_mut(index) else {
                sending.send_reports(now, self.wall_clock);
                self.due.push(Reverse((now + REPORT_INTERVAL, number, index)));
                continue;
            };
            if now.since(at) > MAX_LATE {
                self.counts.late += 1;
                stream.skip_to(now);
            }
            sending.send_packet(now, index, &mut self.counts);
            if let Some(stream) = sending.streams.get(index) {
                self.due.push(Reverse((stream.due(), number, index)));
            }
        }
    }
}

impl Sending {
    fn send_packet(&mut self, now: Timestamp, index: usize, counts: &mut SenderSnapshot) {
        let mut plain = [0; MAX_PACKET_LEN];
        let Some(stream) = self.streams.get_mut(index) else { return };
        let Some(written) = stream.write(now, self.transport_sequence, &mut plain) else { return };
        match self.seal_and_send(&plain, written) {
            Some(bytes) => {
                counts.packets += 1;
                counts.bytes += bytes;
            }
            None => counts.refused += 1,
        }
    }

    fn send_again(
        &mut self,
        now: Timestamp,
        index: usize,
        sequence: u16,
        counts: &mut SenderSnapshot,
    ) {
        let mut plain = [0; MAX_PACKET_LEN];
        let Some(stream) = self.streams.get_mut(index) else { return };
        let written = stream.write_again(now, sequence, self.transport_sequence, &mut plain);
        if written.and_then(|written| self.seal_and_send(&plain, written)).is_some() {
            counts.retransmitted += 1;
        }
    }

    /// The bytes that went out; `None` if the kernel took none.
    fn seal_and_send(&mut self, plain: &[u8], written: WrittenPacket) -> Option<u64> {
        self.transport_sequence = self.transport_sequence.wrapping_add(1);
        let plain = plain.get(..written.len)?;
        match &mut self.endpoint.path {
            SendingPath::Thin { socket, remote, srtp } => {
                let mut sealed = [0; MAX_PACKET_LEN];
                let (header, payload) = plain.split_at(written.header_len);
                let len = srtp.seal_rtp(header, payload, &mut sealed).ok()?;
                socket.send_to(sealed.get(..len)?, *remote).ok()?;
                Some(len as u64)
            }
            SendingPath::Webrtc(packets) => {
                packets.try_send(plain.to_vec()).ok()?;
                Some(plain.len() as u64)
            }
        }
    }

    fn send_reports(&mut self, now: Timestamp, wall_clock: WallClock) {
        let mut buffer = [0; MAX_COMPOUND_LEN];
        let mut writer = RtcpWriter::new(&mut buffer);
        for stream in &self.streams {
            // Four streams fit by far.
            let _ = writer.sender_report(&stream.sender_info(now, wall_clock), &[]);
        }
        let compound = writer.as_bytes().to_vec();
        self.send_rtcp(&compound);
    }

    /// Full endpoints have reports of their own.
    fn send_rtcp(&mut self, compound: &[u8]) {
        let SendingPath::Thin { socket, remote, srtp } = &mut self.endpoint.path else { return };
        let mut sealed = [0; MAX_COMPOUND_LEN + MAX_RTCP_OVERHEAD];
        if let Ok(len) = srtp.seal_rtcp(compound, &mut sealed) {
            let datagram = sealed.get(..len).unwrap_or_default();
            // As good as lost on the way.
            let _ = socket.send_to(datagram, *remote);
        }
    }
}

const MAX_PACKET_LEN: usize = 1_500 + MAX_RTP_OVERHEAD;
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// Later than this, what is due is left out instead of sent all at once.
const MAX_LATE: Duration = Duration::from_millis(500);
const MAX_SENT_AT_ONCE: usize = 1_000;
const PHASES: Duration = Duration::from_millis(33);
const GOLDEN_RATIO: f64 = 0.618_033_988_75;
