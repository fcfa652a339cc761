use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bridge_srtp::Profile;
use bridge_units::Timestamp;
use openssl::error::ErrorStack;
use openssl::ssl::SslContext;
use thiserror::Error;

use crate::cipher_suite::CipherSuite;
use crate::fingerprint::FingerprintHash;
use crate::{dimpl_backend, openssl_backend};

/// Which implementation is the client when the peer insists on being the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientBackend {
    /// DTLS 1.2 and 1.3, servers with ECDSA certificates.
    #[default]
    Dimpl,
    /// DTLS 1.2, servers with ECDSA or RSA certificates.
    OpenSsl,
}

/// What the configuration says about DTLS.
#[derive(Clone, Debug)]
pub struct DtlsSettings {
    /// `jmt.dtls.handshake-timeout`: from the session's start to its keys.
    pub handshake_timeout: Duration,
    /// `jmt.srtp.protection-profiles`, preferred first; see the crate's head for its reach.
    pub srtp_profiles: Vec<Profile>,
    /// `jmt.dtls.cipher-suites`, preferred first; for DTLS 1.2.
    pub cipher_suites: Vec<CipherSuite>,
    /// `jmt.dtls.accepted-fingerprint-hash-functions`, strongest first.
    pub accepted_hashes: Vec<FingerprintHash>,
    /// Whether DTLS 1.3 is spoken with peers that offer it.
    pub dtls13: bool,
    /// The implementation of the client role.
    pub client_backend: ClientBackend,
    /// Time to the first retransmission of a flight; doubles with each.
    ///
    /// Differs from JVB (1 s): round trips of a call are far shorter, and libwebrtc starts at
    /// 50 ms, so that one lost datagram must not cost a second of silence.
    pub first_retransmission: Duration,
    /// Largest datagram of a handshake, in bytes.
    ///
    /// Differs from JVB (1408): 1200 passes every path that WebRTC media passes.
    pub mtu: usize,
}

/// Checked settings with everything that sessions share, made once per process.
pub struct DtlsContext {
    pub(crate) settings: DtlsSettings,
    pub(crate) clock: Clock,
    pub(crate) dimpl: Arc<dimpl::Config>,
    pub(crate) openssl: SslContext,
}

/// Why settings cannot be used.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// No cipher suite that our ECDSA certificate can serve.
    #[error("no ECDSA cipher suite is configured")]
    NoCipherSuite,
    /// No SRTP profile is left.
    #[error("no SRTP protection profile is configured")]
    NoSrtpProfile,
    /// No accepted hash function, so that every handshake would fail.
    #[error("no fingerprint hash function is accepted")]
    NoHashFunction,
    /// A duration is zero, or the MTU is out of `MIN_MTU..=MAX_MTU`.
    #[error("{0} is out of range")]
    OutOfRange(&'static str),
    /// dimpl refused its configuration.
    #[error("dimpl: {0}")]
    Dimpl(String),
    /// OpenSSL refused its configuration.
    #[error("OpenSSL")]
    OpenSsl(#[from] ErrorStack),
}

/// The one place where a [`Timestamp`] becomes the `Instant` that dimpl wants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
}

impl DtlsContext {
    /// `clock_origin` is the `Instant` of [`Timestamp::ZERO`]; any will do in simulated time.
    pub fn new(settings: DtlsSettings, clock_origin: Instant) -> Result<Arc<Self>, SettingsError> {
        settings.check()?;
        Ok(Arc::new(Self {
            dimpl: Arc::new(dimpl_backend::config(&settings)?),
            openssl: openssl_backend::context(&settings)?,
            clock: Clock { origin: clock_origin },
            settings,
        }))
    }

    /// The settings it was made from.
    pub const fn settings(&self) -> &DtlsSettings {
        &self.settings
    }
}

impl DtlsSettings {
    fn check(&self) -> Result<(), SettingsError> {
        if !self.cipher_suites.iter().any(|suite| suite.is_ecdsa()) {
            return Err(SettingsError::NoCipherSuite);
        }
        if self.srtp_profiles.is_empty() {
            return Err(SettingsError::NoSrtpProfile);
        }
        if self.accepted_hashes.is_empty() {
            return Err(SettingsError::NoHashFunction);
        }
        if !(MIN_MTU..=MAX_MTU).contains(&self.mtu) {
            return Err(SettingsError::OutOfRange("mtu"));
        }
        if self.handshake_timeout.is_zero() {
            return Err(SettingsError::OutOfRange("handshake timeout"));
        }
        if self.first_retransmission.is_zero() {
            return Err(SettingsError::OutOfRange("first retransmission"));
        }
        Ok(())
    }
}

impl Clock {
    pub(crate) fn instant(self, at: Timestamp) -> Instant {
        let since_origin = Duration::from_nanos(at.as_nanos());
        self.origin.checked_add(since_origin).unwrap_or(self.origin)
    }

    /// `None` for times so far away that they mean "never".
    pub(crate) fn timestamp(self, at: Instant, now: Timestamp) -> Option<Timestamp> {
        let since_origin = at.saturating_duration_since(self.origin);
        let at = Timestamp::ZERO + since_origin;
        (at.since(now) < NEVER).then_some(at)
    }
}

impl Default for DtlsSettings {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(30),
            srtp_profiles: vec![Profile::AeadAes128Gcm, Profile::Aes128CmHmacSha1_80],
            cipher_suites: CipherSuite::DEFAULT.to_vec(),
            accepted_hashes: FingerprintHash::ACCEPTED.to_vec(),
            dtls13: true,
            client_backend: ClientBackend::default(),
            first_retransmission: Duration::from_millis(200),
            mtu: 1200,
        }
    }
}

impl fmt::Debug for DtlsContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DtlsContext").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// OpenSSL's own lower bound is near this; a path below it carries no media either.
const MIN_MTU: usize = 576;
/// What fits an Ethernet frame after IP and UDP.
const MAX_MTU: usize = 1472;
/// dimpl says "in ten years" when it waits for nothing.
const NEVER: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_cannot_work_are_refused() {
        let edit = |change: fn(&mut DtlsSettings)| {
            let mut settings = DtlsSettings::default();
            change(&mut settings);
            settings.check().err().map(|error| error.to_string())
        };
        assert_eq!(edit(|_| ()), None);
        for (change, error) in [
            (
                (|s| s.cipher_suites = vec![CipherSuite::EcdheRsaAes128GcmSha256])
                    as fn(&mut DtlsSettings),
                "no ECDSA cipher suite is configured",
            ),
            (|s| s.srtp_profiles.clear(), "no SRTP protection profile is configured"),
            (|s| s.accepted_hashes.clear(), "no fingerprint hash function is accepted"),
            (|s| s.mtu = 100, "mtu is out of range"),
            (|s| s.mtu = 9_000, "mtu is out of range"),
            (|s| s.handshake_timeout = Duration::ZERO, "handshake timeout is out of range"),
            (|s| s.first_retransmission = Duration::ZERO, "first retransmission is out of range"),
        ] {
            assert_eq!(edit(change).as_deref(), Some(error));
        }
    }
}
