//! What the threads of the generator tell one another.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use bridge_srtp::SrtpSender;

use crate::endpoint::Endpoint;
use crate::histogram::Histogram;
use crate::media_stream::StreamPlan;
use crate::reception::ReceptionCounts;
use crate::scenario::Place;

/// For the thread that sends.
pub(crate) enum SenderCommand {
    /// An endpoint with streams has connected.
    Add(Box<SendingEndpoint>),
    /// An endpoint has left.
    Remove(u32),
    /// A compound that a sending endpoint's receiving side has to say.
    Rtcp { endpoint: u32, compound: Vec<u8> },
    /// Somebody wants a key frame of this stream.
    KeyFrame(u32),
    /// Packets of this stream are to be sent again.
    Nack { ssrc: u32, sequences: Vec<u16> },
    /// Media begins.
    Start,
    /// Media ends.
    Pause,
    /// Each sender's video has this many packets a second from now on.
    SetRate(f64),
    /// Asks for what was sent so far.
    Snapshot(SyncSender<SenderSnapshot>),
    /// The thread ends.
    Stop,
}

/// The sending side of an endpoint.
pub(crate) struct SendingEndpoint {
    pub(crate) number: u32,
    pub(crate) path: SendingPath,
    pub(crate) streams: Vec<StreamPlan>,
}

/// How an endpoint's packets leave.
pub(crate) enum SendingPath {
    /// A thin endpoint's.
    Thin { socket: Arc<UdpSocket>, remote: SocketAddr, srtp: Box<SrtpSender> },
    /// A full one's: its connection does all but writing packets.
    Webrtc(tokio::sync::mpsc::Sender<Vec<u8>>),
}

/// What was sent so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SenderSnapshot {
    /// RTP packets.
    pub(crate) packets: u64,
    /// Their bytes, as UDP payload.
    pub(crate) bytes: u64,
    /// Packets sent again.
    pub(crate) retransmitted: u64,
    /// What the kernel did not take.
    pub(crate) refused: u64,
    /// Times that the thread was so late that packets were left out.
    pub(crate) late: u64,
}

/// For a thread that receives.
pub(crate) enum ReceiverCommand {
    /// An endpoint was signalled; it begins to connect.
    Add(Box<Endpoint>),
    /// An endpoint leaves.
    Remove(u32),
    /// Asks for what was received; durations since the last time.
    Snapshot(SyncSender<ReceiverSnapshot>),
    /// The thread ends.
    Stop,
}

/// What a receiving thread's endpoints got.
#[derive(Clone)]
pub(crate) struct ReceiverSnapshot {
    /// Endpoints that were added and have not left.
    pub(crate) endpoints: usize,
    /// Those of them that have keys.
    pub(crate) connected: usize,
    /// Those of them that connected and got no media yet.
    pub(crate) silent: usize,
    /// Those of all whose bridge channel is to open and has not.
    pub(crate) without_channel: usize,
    /// Those that got sound but no pictures.
    pub(crate) without_video: usize,
    /// Those that were connected and have no path any more.
    pub(crate) disconnected: usize,
    /// Since the oldest of the last answered consent checks.
    pub(crate) oldest_consent: Duration,
    /// Since the thread began.
    pub(crate) counts: ReceptionCounts,
    /// Since the last snapshot.
    pub(crate) durations: Durations,
}

/// How long things took.
#[derive(Clone)]
pub(crate) struct Durations {
    /// From sending to the first receiver's process.
    pub(crate) first: Histogram,
    /// To the last one's.
    pub(crate) last: Histogram,
    /// To any sampled one's.
    pub(crate) any: Histogram,
    /// From the request for an endpoint to its keys.
    pub(crate) join: Histogram,
    /// To its first media packet.
    pub(crate) first_media: Histogram,
}

impl Durations {
    pub(crate) fn new() -> Self {
        Self {
            first: Histogram::new(),
            last: Histogram::new(),
            any: Histogram::new(),
            join: Histogram::new(),
            first_media: Histogram::new(),
        }
    }

    /// Notes a delay of a sampled receiver.
    pub(crate) fn record_delay(&mut self, place: Place, delay: Duration) {
        self.any.record(delay);
        match place {
            Place::First => self.first.record(delay),
            Place::Last => self.last.record(delay),
            Place::Between => {}
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.first.add(&other.first);
        self.last.add(&other.last);
        self.any.add(&other.any);
        self.join.add(&other.join);
        self.first_media.add(&other.first_media);
    }

    pub(crate) fn clear(&mut self) {
        self.first.clear();
        self.last.clear();
        self.any.clear();
        self.join.clear();
        self.first_media.clear();
    }
}

/// Commands that may wait for a thread. Endpoints' reports are dropped beyond it; whoever controls
/// the run waits.
pub(crate) const MAX_WAITING_COMMANDS: usize = 4_096;
