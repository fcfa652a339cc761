use thiserror::Error;

use crate::fingerprint::FingerprintMismatch;

/// Why a session failed or refused a call. Small and `Copy`, so that it can be counted by variant;
/// the library's own words go to the log at debug level.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq, Hash)]
pub enum DtlsError {
    /// The peer sent a fatal alert with this description (RFC 8446, 6).
    #[error("alert received: description={0}")]
    Alert(u8),
    /// The peer's certificate cannot be read or its signature is wrong.
    #[error("peer certificate invalid")]
    CertificateInvalid,
    /// The peer sent no certificate.
    #[error("peer sent no certificate")]
    CertificateMissing,
    /// The session was closed, by the peer or by us.
    #[error("session is closed")]
    Closed,
    /// The peer's certificate does not have a fingerprint that signalling announced.
    #[error("fingerprint not accepted: {0}")]
    Fingerprint(#[from] FingerprintMismatch),
    /// The library failed on our side: out of memory, entropy, or a bad local key.
    #[error("internal DTLS failure")]
    Internal,
    /// No common version, cipher suite, group or signature algorithm.
    #[error("no common parameters")]
    NoCommonParameters,
    /// The peer did not negotiate one of our SRTP profiles.
    #[error("no common SRTP profile")]
    NoSrtpProfile,
    /// Data cannot be sent before the handshake is complete.
    #[error("handshake is not complete")]
    NotConnected,
    /// A malformed or unexpected message, or one that fails a cryptographic check.
    #[error("protocol violation")]
    Protocol,
    /// The handshake did not complete in time.
    #[error("handshake timed out")]
    TimedOut,
    /// The message is longer than one record.
    #[error("message too long")]
    TooLong,
}

impl DtlsError {
    /// A name for counters and statistics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Alert(_) => "alert",
            Self::CertificateInvalid => "certificate_invalid",
            Self::CertificateMissing => "certificate_missing",
            Self::Closed => "closed",
            Self::Fingerprint(FingerprintMismatch::Different) => "fingerprint_different",
            Self::Fingerprint(FingerprintMismatch::NotSignalled) => "fingerprint_not_signalled",
            Self::Internal => "internal",
            Self::NoCommonParameters => "no_common_parameters",
            Self::NoSrtpProfile => "no_srtp_profile",
            Self::NotConnected => "not_connected",
            Self::Protocol => "protocol",
            Self::TimedOut => "timed_out",
            Self::TooLong => "too_long",
        }
    }

    /// Whether damage on the way can have caused this, so that a new attempt may succeed.
    pub(crate) const fn may_be_damage(self) -> bool {
        matches!(self, Self::Protocol | Self::CertificateInvalid)
    }
}
