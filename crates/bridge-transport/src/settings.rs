use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bridge_dtls::{Certificate, DtlsContext};

use crate::clock::Clock;
use crate::setup::LocalIce;

/// What one session needs to begin.
pub struct TransportSettings {
    /// What it shares with all others.
    pub context: Arc<TransportContext>,
    /// Our ICE credentials and role.
    pub local: LocalIce,
    /// The real addresses that the shard's sockets are bound to (never the wildcard, never a mapped
    /// address): the host candidates, at most [`crate::MAX_LOCAL_ADDRESSES`].
    pub local_addresses: Arc<[SocketAddr]>,
    /// The certificate whose fingerprint was signalled.
    pub certificate: Arc<Certificate>,
    /// Whether the peer may open an SCTP association.
    pub sctp: bool,
}

/// What the configuration says about transports, made once per process.
pub struct TransportContext {
    pub(crate) dtls: Arc<DtlsContext>,
    pub(crate) ice: IceSettings,
    pub(crate) clock: Clock,
}

impl TransportContext {
    /// `clock_origin` is the `Instant` of [`bridge_units::Timestamp::ZERO`]; any will do in
    /// simulated time.
    pub fn new(dtls: Arc<DtlsContext>, ice: IceSettings, clock_origin: Instant) -> Arc<Self> {
        Arc::new(Self { dtls, ice, clock: Clock::new(clock_origin) })
    }
}

/// What the configuration says about ICE.
#[derive(Clone, Debug)]
pub struct IceSettings {
    /// The SOFTWARE attribute of every STUN message (`ice4j.software`), 64 bytes of it at most;
    /// empty: none.
    pub software: String,
    /// Which pairs are kept alive (`videobridge.ice.keep-alive-strategy`).
    pub keep_alive: KeepAlive,
    /// Timers.
    pub timers: IceTimers,
}

/// Which pairs are checked again and again after ICE has terminated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeepAlive {
    /// Only the selected one.
    #[default]
    SelectedOnly,
    /// Every pair that succeeded.
    AllSucceeded,
}

/// The timers of ICE; the defaults are JVB's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IceTimers {
    /// Ta: the time between two checks.
    pub pace: Duration,
    /// The wait before the first retransmission.
    pub initial_rto: Duration,
    /// The longest wait between two transmissions.
    pub max_rto: Duration,
    /// Transmissions of one check, the first included.
    pub transmissions: usize,
    /// From the end of the last check to FAILED.
    pub failure_delay: Duration,
    /// From COMPLETED to TERMINATED (`ice4j.ice.termination-delay`).
    pub termination_delay: Duration,
    /// Between two consent checks (`ice4j.consent-freshness.interval`), varied by 20 %.
    pub consent_interval: Duration,
}

impl Default for IceSettings {
    fn default() -> Self {
        Self {
            software: "ice4j.org".to_owned(),
            keep_alive: KeepAlive::default(),
            timers: IceTimers::default(),
        }
    }
}

impl Default for IceTimers {
    fn default() -> Self {
        Self {
            pace: Duration::from_millis(20),
            initial_rto: Duration::from_millis(100),
            max_rto: Duration::from_millis(1600),
            transmissions: 7,
            failure_delay: Duration::from_secs(5),
            termination_delay: Duration::from_secs(3),
            consent_interval: Duration::from_secs(5),
        }
    }
}
