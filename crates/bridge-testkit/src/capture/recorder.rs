use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bridge_demo::{ColibriAnswer, ColibriHandler};
use bridge_signaling::colibri2::{
    ConferenceModified, ConferenceModify, Endpoint, MediaKind, MediaSource, Source, Sources,
};
use bridge_units::Timestamp;
use tokio::net::UdpSocket;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::Capture;
use super::session::Session;
use crate::TestkitError;
use crate::simulation::SimulatedCodec;

/// Takes the place of a bridge towards one browser, and keeps what the browser sends.
///
/// It ends the browser's transport itself, so that packets are seen as they were before encryption,
/// and tells the browser of a link without loss or limit.
pub struct CaptureRecorder {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    origin: Instant,
    session: Mutex<Session>,
    /// Something is to be sent without a datagram having come.
    changed: Notify,
}

impl CaptureRecorder {
    /// Listens on a free port of loopback.
    pub async fn start() -> Result<Arc<Self>, TestkitError> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let socket = socket.map_err(TestkitError::io(LOOPBACK))?;
        let address = socket.local_addr().map_err(TestkitError::io(LOOPBACK))?;
        let session = Session::new(Timestamp::ZERO, address);
        let shared = Arc::new(Shared {
            origin: Instant::now(),
            session: Mutex::new(session),
            changed: Notify::new(),
        });
        let task = tokio::spawn(receive(socket, Arc::clone(&shared)));
        Ok(Arc::new(Self { shared, task }))
    }

    /// Keeps what comes within `time`, from a key frame on, with a key frame asked for in each
    /// `key_frame_interval`.
    pub async fn record(
        &self,
        sender: &str,
        codec: SimulatedCodec,
        time: Duration,
        key_frame_interval: Duration,
    ) -> Result<Capture, TestkitError> {
        self.with_session(|now, session| session.begin(now, sender, codec));
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.with_session(|_, session| session.request_key_frames());
            tokio::time::sleep(key_frame_interval.min(end - Instant::now())).await;
        }
        let (capture, unopened) =
            self.with_session(|_, session| (session.end(), session.unopened()));
        let capture = capture.map(Capture::trimmed_to_key_frames);
        let bad = |detail: String| TestkitError::unexpected("the browser", detail);
        let capture = capture.ok_or_else(|| bad("nothing".to_owned()))?;
        let (packets, gaps) = (capture.packets.len(), capture.gaps());
        if packets == 0 || gaps > 0 || unopened > 0 {
            return Err(bad(format!("{packets} packets, {gaps} gaps, {unopened} unopened")));
        }
        Ok(capture)
    }

    fn with_session<T>(&self, act: impl FnOnce(Timestamp, &mut Session) -> T) -> T {
        let now = self.shared.now();
        let result = act(now, &mut self.shared.session());
        self.shared.changed.notify_one();
        result
    }

    fn answer(&self, request: &ConferenceModify) -> ConferenceModified {
        let mut answered = Vec::new();
        for endpoint in request.endpoints.iter().filter(|endpoint| !endpoint.expire) {
            let mut answer = Endpoint::new(endpoint.id.clone());
            self.with_session(|now, session| {
                session.handle_request(now, endpoint);
                answer.transport = endpoint.create.then(|| session.transport_description());
            });
            answered.push(answer);
        }
        let feedback = |kind, name: &str, ssrc| MediaSource {
            sources: vec![Source::named(ssrc, name)],
            ..MediaSource::new(kind, name)
        };
        let sources = Sources {
            media_sources: vec![
                feedback(MediaKind::Audio, "jvb-a0", AUDIO_FEEDBACK_SSRC),
                feedback(MediaKind::Video, "jvb-v0", VIDEO_FEEDBACK_SSRC),
            ],
        };
        ConferenceModified {
            endpoints: answered,
            sources: Some(sources),
            ..ConferenceModified::default()
        }
    }
}

impl ColibriHandler for CaptureRecorder {
    fn conference_modify(&self, request: ConferenceModify) -> ColibriAnswer {
        let answer = self.answer(&request);
        Box::pin(async move { Ok(answer) })
    }
}

impl Drop for CaptureRecorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    /// Not zero: some times are counted backwards from now.
    fn now(&self) -> Timestamp {
        Timestamp::ZERO + BEGIN + self.origin.elapsed()
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be sent now, and when to come again.
    fn advance(&self) -> (Vec<(SocketAddr, Vec<u8>)>, Instant) {
        let mut session = self.session();
        session.advance(self.now());
        let wait = session.poll_timeout().since(self.now()).clamp(SHORTEST_WAIT, LONGEST_WAIT);
        (session.take_departures(), Instant::now() + wait)
    }
}

async fn receive(socket: UdpSocket, shared: Arc<Shared>) {
    let mut buffer = vec![0; MAX_DATAGRAM];
    loop {
        let (departures, due) = shared.advance();
        for (to, datagram) in departures {
            // The browser may have gone.
            let _ = socket.send_to(&datagram, to).await;
        }
        tokio::select! {
            received = socket.recv_from(&mut buffer) => {
                if let Ok((len, from)) = received {
                    shared.session().handle_datagram(shared.now(), from, &buffer[..len]);
                }
            }
            () = tokio::time::sleep_until(due) => {}
            () = shared.changed.notified() => {}
        }
    }
}

const LOOPBACK: &str = "loopback";
const AUDIO_FEEDBACK_SSRC: u32 = 2;
const VIDEO_FEEDBACK_SSRC: u32 = 3;
const BEGIN: Duration = Duration::from_secs(10);
const SHORTEST_WAIT: Duration = Duration::from_millis(1);
const LONGEST_WAIT: Duration = Duration::from_secs(1);
const MAX_DATAGRAM: usize = 2_048;
