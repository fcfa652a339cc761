//! How long a bridge takes to answer while it has other things to do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use bridge_dtls::Fingerprint;
use bridge_io::Clock;
use bridge_transport::LocalIce;

use crate::colibri_client::{ColibriClient, NewEndpoint, own_transport};
use crate::error::LoadError;
use crate::http_client::HttpClient;
use crate::random;
use crate::scenario::EndpointPlan;

/// A thread that asks for the bridge's health and for a conference of its own, again and again.
pub(crate) struct SignallingProbe {
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<ProbeResult>>,
}

/// What the answers took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProbeResult {
    /// Rounds of all requests.
    pub(crate) rounds: u64,
    /// Requests that failed.
    pub(crate) failures: u64,
    /// The slowest answer about the bridge's health.
    pub(crate) slowest_health: Duration,
    /// The slowest answer to the request for a conference with an endpoint.
    pub(crate) slowest_allocation: Duration,
}

struct Probe {
    clock: Clock,
    bridge: SocketAddr,
    fingerprint: Fingerprint,
    result: ProbeResult,
}

impl SignallingProbe {
    pub(crate) fn start(
        clock: Clock,
        bridge: SocketAddr,
        fingerprint: Fingerprint,
    ) -> Result<Self, LoadError> {
        let ends = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&ends);
        let mut probe = Probe { clock, bridge, fingerprint, result: ProbeResult::default() };
        let thread = std::thread::Builder::new().name("load-probe".into());
        let thread = thread.spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                probe.round();
                std::thread::sleep(PAUSE);
            }
            probe.result
        });
        Ok(Self { ends, thread: Some(thread.map_err(LoadError::io("a thread"))?) })
    }

    /// Ends with the round under way.
    pub(crate) fn finish(mut self) -> Result<ProbeResult, LoadError> {
        self.ends.store(true, Ordering::Relaxed);
        let thread = self.thread.take().ok_or(LoadError::ThreadEnded)?;
        thread.join().map_err(|_| LoadError::ThreadEnded)
    }
}

impl Drop for SignallingProbe {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic has been reported by the thread itself.
            let _ = thread.join();
        }
    }
}

impl Probe {
    /// Connections are new each time, as those of load balancers are.
    fn round(&mut self) {
        self.result.rounds += 1;
        let begin = self.clock.now();
        let health = HttpClient::new(self.bridge).send_json("GET", HEALTH, "");
        let took = self.clock.now().since(begin);
        self.result.slowest_health = self.result.slowest_health.max(took);
        self.result.failures += u64::from(!health.is_ok_and(|answer| answer.status == 200));

        let mut client = ColibriClient::new(self.bridge, format!("load-probe-{}", random::hex(8)));
        let plan = EndpointPlan::idle();
        let ice = LocalIce { ufrag: random::hex(4), password: random::hex(16), controlling: false };
        let transport = Some(own_transport(&ice, &self.fingerprint));
        let begin = self.clock.now();
        let allocated =
            client.create_endpoint(NewEndpoint { plan: &plan, transport, sctp: true }, true);
        let took = self.clock.now().since(begin);
        self.result.slowest_allocation = self.result.slowest_allocation.max(took);
        self.result.failures +=
            u64::from(allocated.is_err() || client.expire_conference().is_err());
    }
}

const HEALTH: &str = "/about/health";
const PAUSE: Duration = Duration::from_millis(250);
