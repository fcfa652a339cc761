//! What all conferences of a bridge share: configuration, addresses, certificate, session numbers.

use crate::candidate::LocalAddresses;
use bridge_dtls::{Certificate, FingerprintHash};
use bridge_media::{AllocationConfig, ConnectivityConfig, LoudestConfig, SpeechActivityConfig};
use bridge_units::{SessionId, ShardId};
use std::num::NonZeroU16;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// The surroundings of every conference; shared, and read-only but for the next session
/// number and the certificate.
pub struct ConferenceEnvironment {
    /// How many shards there are.
    pub shards: NonZeroU16,
    /// Where sessions start.
    pub placement: Placement,
    /// Whose fingerprint is signalled to new endpoints.
    pub certificate: CurrentCertificate,
    /// What is signalled as candidates.
    pub addresses: LocalAddresses,
    /// The configuration.
    pub settings: ConferenceSettings,
    /// Numbers for new sessions.
    pub session_ids: SessionIds,
}

/// The configuration of conferences; the defaults are those of `reference.conf`.
#[derive(Clone, Debug, PartialEq)]
pub struct ConferenceSettings {
    /// `videobridge.ice.ufrag-prefix`. A colon in it would break the demultiplexing of checks and
    /// is left out.
    pub ufrag_prefix: String,
    /// `jmt.dtls.local-fingerprint-hash-function`.
    pub fingerprint_hash: FingerprintHash,
    /// `videobridge.sctp.enabled`.
    pub sctp: bool,
    /// `videobridge.ice.restart.enabled`.
    pub ice_restart: bool,
    /// `videobridge.entity-expiration.check-interval`.
    pub expiry_check_interval: Duration,
    /// `videobridge.entity-expiration.timeout`: how long an endpoint may be silent.
    pub inactivity_timeout: Duration,
    /// `videobridge.cc` and the limits on the number of sources.
    pub allocation: Arc<AllocationConfig>,
    /// `videobridge.speech-activity`.
    pub speech: SpeechActivityConfig,
    /// `videobridge.loudest`.
    pub loudest: LoudestConfig,
    /// `videobridge.ep-connection-status`.
    pub connectivity: ConnectivityConfig,
    /// `videobridge.connection-stats`; `None` if clients are not told.
    pub connection_stats_interval: Option<Duration>,
    /// `videobridge.stats-filter-threshold`: up to so many endpoints, everybody gets everybody's
    /// statistics.
    pub stats_filter_threshold: usize,
    /// Our full version, if `videobridge.version.announce` says that clients may know it.
    pub announced_version: Option<String>,
}

/// Where sessions start. The kernel may bring a client's packets to another shard; the session
/// moves there then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// By session number, one shard after another.
    RoundRobin,
    /// All on one shard, for tests that want to see them move. Taken modulo the number of shards.
    Forced(ShardId),
}

/// The certificate of new sessions. Each session keeps the one that it began with.
#[derive(Debug)]
pub struct CurrentCertificate(RwLock<Arc<Certificate>>);

/// Hands out session numbers, each once in the life of the process.
#[derive(Debug, Default)]
pub struct SessionIds(AtomicU64);

impl ConferenceEnvironment {
    /// Where `session` starts.
    pub(crate) fn initial_shard(&self, session: SessionId) -> ShardId {
        let shards = self.shards.get();
        match self.placement {
            Placement::RoundRobin => {
                let shard = session.0 % u64::from(shards);
                ShardId(u16::try_from(shard).expect("less than the number of shards, a u16"))
            }
            Placement::Forced(ShardId(shard)) => ShardId(shard % shards),
        }
    }
}

impl Default for ConferenceSettings {
    fn default() -> Self {
        Self {
            ufrag_prefix: String::new(),
            fingerprint_hash: FingerprintHash::Sha256,
            sctp: true,
            ice_restart: true,
            expiry_check_interval: Duration::from_secs(60),
            inactivity_timeout: Duration::from_secs(60),
            allocation: Arc::default(),
            speech: SpeechActivityConfig::default(),
            loudest: LoudestConfig::default(),
            connectivity: ConnectivityConfig::default(),
            connection_stats_interval: Some(Duration::from_secs(10)),
            stats_filter_threshold: 20,
            announced_version: None,
        }
    }
}

impl CurrentCertificate {
    /// Begins with `certificate`.
    pub fn new(certificate: Arc<Certificate>) -> Self {
        Self(RwLock::new(certificate))
    }

    /// Replaces it for sessions that begin from now on (JVB: after 24 h).
    pub fn replace(&self, certificate: Arc<Certificate>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = certificate;
    }

    /// The one for a session that begins now.
    pub fn current(&self) -> Arc<Certificate> {
        // A poisoned lock holds a whole value nevertheless: it is only ever replaced.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl SessionIds {
    /// The next number, from 0.
    pub fn next_id(&self) -> SessionId {
        // Relaxed: only the uniqueness of the number matters, nothing is published with it.
        SessionId(self.0.fetch_add(1, Ordering::Relaxed))
    }
}
