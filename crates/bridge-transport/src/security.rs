//! DTLS and the SRTP contexts that come out of it (`jvb: DtlsTransport`, `jmt: DtlsStack`).

use std::sync::Arc;

use bridge_dtls::{
    Certificate, DtlsContext, DtlsError, DtlsEvent, DtlsRole, DtlsSession, DtlsState, DtlsVersion,
    Fingerprint, KeyingMaterial, Profile, Setup, SetupError, role_after,
};
use bridge_srtp::{SrtpReceiver, SrtpSender};
use bridge_units::Timestamp;

use crate::event::DtlsDropCause;

/// Both directions of a session's SRTP and SRTCP.
pub struct SrtpContexts {
    /// Opens what the peer sends.
    pub receiver: SrtpReceiver,
    /// Seals what we send.
    pub sender: SrtpSender,
}

pub(crate) struct Security {
    context: Arc<DtlsContext>,
    certificate: Arc<Certificate>,
    role: Option<DtlsRole>,
    fingerprints: Vec<Fingerprint>,
    writeable: bool,
    session: Option<Box<DtlsSession>>,
    /// Datagrams that came before the session could begin.
    early: Vec<Box<[u8]>>,
    srtp: Option<Box<SrtpContexts>>,
    /// The failure that has not been reported.
    failure: Option<DtlsError>,
}

#[derive(Debug)]
pub(crate) enum SecurityEvent {
    Connected { version: DtlsVersion, profile: Profile },
    ApplicationData(Vec<u8>),
    Closed,
    Failed(DtlsError),
}

impl Security {
    pub(crate) fn new(context: Arc<DtlsContext>, certificate: Arc<Certificate>) -> Self {
        Self {
            context,
            certificate,
            role: None,
            fingerprints: Vec::new(),
            writeable: false,
            session: None,
            early: Vec::new(),
            srtp: None,
            failure: None,
        }
    }

    /// An update without fingerprints leaves those that are known.
    pub(crate) fn set_remote(
        &mut self,
        now: Timestamp,
        fingerprints: &[Fingerprint],
        setup: Option<Setup>,
    ) -> Result<(), SetupError> {
        if !fingerprints.is_empty() {
            self.fingerprints = fingerprints.iter().take(MAX_FINGERPRINTS).cloned().collect();
            if let Some(session) = &mut self.session {
                session.set_remote_fingerprints(self.fingerprints.clone());
            }
        }
        self.role = role_after(self.role, setup.map(Setup::name))?;
        self.begin(now);
        Ok(())
    }

    /// ICE has a pair that works: the handshake may begin.
    pub(crate) fn set_writeable(&mut self, now: Timestamp) {
        self.writeable = true;
        self.begin(now);
    }

    pub(crate) fn handle_datagram(
        &mut self,
        now: Timestamp,
        datagram: &[u8],
    ) -> Result<(), DtlsDropCause> {
        let Some(session) = &mut self.session else {
            if self.early.len() >= MAX_EARLY || self.failure.is_some() {
                return Err(DtlsDropCause::TooEarly);
            }
            self.early.push(datagram.into());
            return Ok(());
        };
        if matches!(session.state(), DtlsState::Closed | DtlsState::Failed(_)) {
            return Err(DtlsDropCause::Ended);
        }
        let result = session.handle_datagram(now, datagram);
        self.note(result);
        Ok(())
    }

    pub(crate) fn handle_timeout(&mut self, now: Timestamp) {
        if let Some(session) = &mut self.session {
            let result = session.handle_timeout(now);
            self.note(result);
        }
    }

    /// Seals an SCTP packet. What DTLS does not take is lost, as on any network.
    pub(crate) fn send(&mut self, now: Timestamp, packet: &[u8]) {
        if let Some(session) = &mut self.session {
            match session.send(now, packet) {
                Ok(()) | Err(DtlsError::NotConnected | DtlsError::TooLong) => {}
                failed => self.note(failed),
            }
        }
    }

    /// Tells a connected peer that the session ends.
    pub(crate) fn close(&mut self, now: Timestamp) {
        if let Some(session) = &mut self.session {
            session.close(now);
        }
    }

    pub(crate) fn poll_transmit(&mut self, out: &mut [u8]) -> Option<usize> {
        self.session.as_mut()?.poll_transmit(out)
    }

    pub(crate) fn poll_event(&mut self) -> Option<SecurityEvent> {
        match self.session.as_mut().and_then(|session| session.poll_event()) {
            Some(DtlsEvent::Connected { version, keying }) => {
                Some(self.connected(version, &keying))
            }
            Some(DtlsEvent::ApplicationData(data)) => Some(SecurityEvent::ApplicationData(data)),
            Some(DtlsEvent::Closed) => Some(SecurityEvent::Closed),
            None => self.failure.take().map(SecurityEvent::Failed),
        }
    }

    pub(crate) fn poll_timeout(&self) -> Timestamp {
        self.session.as_ref().and_then(|s| s.poll_timeout()).unwrap_or(Timestamp::FAR_FUTURE)
    }

    /// Whether we are the DTLS client; only then, and not before the role is settled.
    pub(crate) fn is_client(&self) -> bool {
        self.role == Some(DtlsRole::Client)
    }

    pub(crate) fn srtp(&mut self) -> Option<&mut SrtpContexts> {
        self.srtp.as_deref_mut()
    }

    fn begin(&mut self, now: Timestamp) {
        let (true, None, Some(role)) = (self.writeable, &self.session, self.role) else { return };
        match DtlsSession::new(now, self.context.clone(), self.certificate.clone(), role) {
            Ok(mut session) => {
                session.set_remote_fingerprints(self.fingerprints.clone());
                self.session = Some(Box::new(session));
                for datagram in std::mem::take(&mut self.early) {
                    // A refusal is counted by the session itself.
                    let _ = self.handle_datagram(now, &datagram);
                }
            }
            Err(error) => self.failure = Some(error),
        }
    }

    fn connected(&mut self, version: DtlsVersion, keying: &KeyingMaterial) -> SecurityEvent {
        self.srtp = Some(Box::new(SrtpContexts {
            receiver: SrtpReceiver::new(keying),
            sender: SrtpSender::new(keying),
        }));
        SecurityEvent::Connected { version, profile: keying.profile() }
    }

    fn note(&mut self, result: Result<(), DtlsError>) {
        if let Err(error) = result {
            self.failure = Some(error);
        }
    }
}

/// A ClientHello with post-quantum shares is two datagrams, and a few retransmissions of it; a
/// client repeats what does not fit (JVB keeps 128).
const MAX_EARLY: usize = 8;
/// One for each hash function, and some more.
const MAX_FINGERPRINTS: usize = 16;
