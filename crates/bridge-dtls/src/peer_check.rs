use std::sync::{Arc, Mutex, PoisonError};

use crate::error::DtlsError;
use crate::fingerprint::{Fingerprint, FingerprintHash, verify_certificate};

/// Fingerprints of one peer that are remembered. A description has one or two; each is compared.
pub(crate) const MAX_FINGERPRINTS: usize = 16;

/// What signalling says about the peer's certificate, and the verdict over it.
///
/// Shared with OpenSSL's verification callback, which must own what it uses. The lock is taken
/// when signalling changes and when a certificate arrives, never per packet and never contended.
#[derive(Clone)]
pub(crate) struct PeerCheck {
    state: Arc<Mutex<State>>,
}

struct State {
    accepted: Vec<FingerprintHash>,
    signalled: Vec<Fingerprint>,
    verdict: Option<Result<(), DtlsError>>,
}

impl PeerCheck {
    pub(crate) fn new(accepted: Vec<FingerprintHash>) -> Self {
        let state = State { accepted, signalled: Vec::new(), verdict: None };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    pub(crate) fn set_signalled(&self, mut signalled: Vec<Fingerprint>) {
        signalled.truncate(MAX_FINGERPRINTS);
        self.with(|state| state.signalled = signalled);
    }

    /// Judges the peer's leaf certificate by what is signalled now and remembers the verdict.
    pub(crate) fn judge(&self, der: &[u8]) -> Result<(), DtlsError> {
        self.with(|state| {
            let verdict = verify_certificate(der, &state.signalled, &state.accepted)
                .map_err(DtlsError::Fingerprint);
            state.verdict = Some(verdict);
            verdict
        })
    }

    /// Forgets the verdict, for a new attempt.
    pub(crate) fn reset(&self) {
        self.with(|state| state.verdict = None);
    }

    /// The verdict; no certificate is a failure.
    pub(crate) fn verdict(&self) -> Result<(), DtlsError> {
        self.with(|state| state.verdict.unwrap_or(Err(DtlsError::CertificateMissing)))
    }

    /// Whether a certificate was judged and refused.
    pub(crate) fn refusal(&self) -> Option<DtlsError> {
        self.with(|state| state.verdict.and_then(Result::err))
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::FingerprintMismatch;

    #[test]
    fn nothing_is_accepted_unless_a_signalled_certificate_arrived() {
        let check = PeerCheck::new(FingerprintHash::ACCEPTED.to_vec());
        assert_eq!(check.verdict(), Err(DtlsError::CertificateMissing));
        let unsignalled = Err(DtlsError::Fingerprint(FingerprintMismatch::NotSignalled));
        assert_eq!(check.judge(b"peer"), unsignalled);
        assert_eq!(check.verdict(), unsignalled);
        check.set_signalled(vec![Fingerprint::of(b"peer", FingerprintHash::Sha256)]);
        assert_eq!(check.judge(b"peer"), Ok(()));
        assert_eq!(check.verdict(), Ok(()));
        assert_eq!(check.refusal(), None);
        check.reset();
        assert_eq!(check.verdict(), Err(DtlsError::CertificateMissing));
        assert!(check.judge(b"other").is_err());
        assert!(check.refusal().is_some());
    }
}
