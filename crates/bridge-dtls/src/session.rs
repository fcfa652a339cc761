use std::fmt;
use std::sync::Arc;

use bridge_srtp::DtlsRole;
use bridge_units::Timestamp;
use tracing::debug;

use crate::backend::Backend;
use crate::certificate::Certificate;
use crate::context::{ClientBackend, DtlsContext};
use crate::dimpl_backend::DimplBackend;
use crate::error::DtlsError;
use crate::fingerprint::Fingerprint;
use crate::hello_collector::{Collected, CollectedHello, HelloCollector};
use crate::openssl_backend::OpenSslBackend;
use crate::outbox::{DtlsCounters, DtlsEvent, Outbox};
use crate::peer_check::PeerCheck;

/// How often a handshake begins anew after damage. Damage that passes UDP's checksum is rare and
/// forgery needs a validated address, so that more than a few means a peer that cannot be helped.
pub const MAX_RESTARTS: u64 = 4;

/// One DTLS association with a peer.
///
/// Feed it datagrams and time; then poll transmits, events and the timeout until there are none.
/// An error means that the session is over, except from [`send`](Self::send) for
/// [`DtlsError::NotConnected`] and [`DtlsError::TooLong`].
pub struct DtlsSession {
    context: Arc<DtlsContext>,
    certificate: Arc<Certificate>,
    role: DtlsRole,
    check: PeerCheck,
    phase: Phase,
    outbox: Outbox,
    deadline: Timestamp,
    /// Why the latest attempt was given up, for a report when time runs out.
    last_damage: Option<DtlsError>,
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DtlsState {
    /// No keys yet.
    Handshaking,
    /// The peer is verified and the keys were reported.
    Connected,
    /// Closed by the peer or by us.
    Closed,
    /// The handshake or the association failed.
    Failed(DtlsError),
}

enum Phase {
    /// A server waits to see which backend it needs.
    AwaitingHello(HelloCollector),
    Running(Box<dyn Backend>),
    Closed,
    Failed(DtlsError),
}

impl DtlsSession {
    /// Begins a handshake; its time limit starts now. A client has its first flight ready.
    ///
    /// Fails only if the library does.
    pub fn new(
        now: Timestamp,
        context: Arc<DtlsContext>,
        certificate: Arc<Certificate>,
        role: DtlsRole,
    ) -> Result<Self, DtlsError> {
        let mut session = Self {
            check: PeerCheck::new(context.settings.accepted_hashes.clone()),
            phase: Phase::AwaitingHello(HelloCollector::default()),
            outbox: Outbox::default(),
            deadline: now + context.settings.handshake_timeout,
            last_damage: None,
            context,
            certificate,
            role,
        };
        session.begin(now)?;
        Ok(session)
    }

    /// Replaces what signalling says about the peer's certificate (at most 16 are looked at).
    /// What is set when the certificate arrives decides.
    pub fn set_remote_fingerprints(&mut self, fingerprints: Vec<Fingerprint>) {
        self.check.set_signalled(fingerprints);
    }

    /// Takes a datagram that came from the peer's validated address.
    pub fn handle_datagram(&mut self, now: Timestamp, datagram: &[u8]) -> Result<(), DtlsError> {
        if datagram.is_empty() {
            self.outbox.counters.datagrams_ignored += 1;
            return Ok(());
        }
        match &mut self.phase {
            Phase::AwaitingHello(collector) => match collector.handle_datagram(datagram) {
                Collected::Ignored => self.outbox.counters.datagrams_ignored += 1,
                Collected::Incomplete => {}
                Collected::Whole(hello) => return self.accept(now, &hello),
            },
            Phase::Running(backend) => {
                let result = backend.handle_datagram(now, datagram, &mut self.outbox);
                return self.settle(now, result);
            }
            Phase::Closed | Phase::Failed(_) => self.outbox.counters.datagrams_ignored += 1,
        }
        Ok(())
    }

    /// Lets timers fire that are due.
    pub fn handle_timeout(&mut self, now: Timestamp) -> Result<(), DtlsError> {
        if self.state() == DtlsState::Handshaking && now >= self.deadline {
            return self.fail(self.last_damage.unwrap_or(DtlsError::TimedOut));
        }
        match &mut self.phase {
            Phase::Running(backend) if backend.poll_timeout().is_some_and(|at| now >= at) => {
                let result = backend.handle_timeout(now, &mut self.outbox);
                self.settle(now, result)
            }
            _ => Ok(()),
        }
    }

    /// Seals one message, an SCTP packet, for the peer.
    pub fn send(&mut self, now: Timestamp, data: &[u8]) -> Result<(), DtlsError> {
        if data.len() > MAX_MESSAGE_LEN {
            return Err(DtlsError::TooLong);
        }
        match &mut self.phase {
            Phase::Running(backend) if backend.is_connected() => {
                let result = backend.send(now, data, &mut self.outbox);
                self.settle(now, result)
            }
            Phase::AwaitingHello(_) | Phase::Running(_) => Err(DtlsError::NotConnected),
            Phase::Closed => Err(DtlsError::Closed),
            Phase::Failed(error) => Err(*error),
        }
    }

    /// Ends the session; a connected peer is told.
    pub fn close(&mut self, now: Timestamp) {
        if let Phase::Running(backend) = &mut self.phase {
            backend.close(now, &mut self.outbox);
        }
        if !matches!(self.phase, Phase::Failed(_)) {
            self.phase = Phase::Closed;
        }
    }

    /// Copies the next datagram for the peer to `buffer` and returns its length. A buffer of 1500
    /// bytes always suffices if messages for [`send`](Self::send) stay below 1400.
    pub fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<usize> {
        self.outbox.pop_datagram(buffer)
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<DtlsEvent> {
        self.outbox.events.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        match &self.phase {
            Phase::AwaitingHello(_) => Some(self.deadline),
            Phase::Running(backend) if backend.is_connected() => backend.poll_timeout(),
            Phase::Running(backend) => {
                Some(backend.poll_timeout().map_or(self.deadline, |at| at.min(self.deadline)))
            }
            Phase::Closed | Phase::Failed(_) => None,
        }
    }

    /// Where the session stands.
    pub fn state(&self) -> DtlsState {
        match &self.phase {
            Phase::AwaitingHello(_) => DtlsState::Handshaking,
            Phase::Running(backend) if backend.is_connected() => DtlsState::Connected,
            Phase::Running(_) => DtlsState::Handshaking,
            Phase::Closed => DtlsState::Closed,
            Phase::Failed(error) => DtlsState::Failed(*error),
        }
    }

    /// Our role.
    pub const fn role(&self) -> DtlsRole {
        self.role
    }

    /// The certificate that we present.
    pub const fn certificate(&self) -> &Arc<Certificate> {
        &self.certificate
    }

    /// What was refused or repeated so far.
    pub const fn counters(&self) -> DtlsCounters {
        self.outbox.counters
    }

    /// A new attempt.
    fn begin(&mut self, now: Timestamp) -> Result<(), DtlsError> {
        self.check.reset();
        self.phase = Phase::AwaitingHello(HelloCollector::default());
        if self.role == DtlsRole::Server {
            return Ok(());
        }
        let mut backend = match self.context.settings.client_backend {
            ClientBackend::Dimpl => self.dimpl(now),
            ClientBackend::OpenSsl => self.openssl()?,
        };
        backend.start(now, &mut self.outbox)?;
        self.phase = Phase::Running(backend);
        Ok(())
    }

    /// A server chooses its backend and hands it the ClientHello.
    fn accept(&mut self, now: Timestamp, hello: &CollectedHello) -> Result<(), DtlsError> {
        let settings = &self.context.settings;
        let is_best = hello.hello.is_served_best_by_dtls13(&settings.srtp_profiles);
        let mut backend =
            if settings.dtls13 && is_best { self.dimpl(now) } else { self.openssl()? };
        let outbox = &mut self.outbox;
        let result = backend.start(now, outbox).and_then(|()| {
            hello.datagrams.iter().try_for_each(|piece| backend.handle_datagram(now, piece, outbox))
        });
        self.phase = Phase::Running(backend);
        self.settle(now, result)
    }

    /// What a backend's result means for the session.
    fn settle(&mut self, now: Timestamp, result: Result<(), DtlsError>) -> Result<(), DtlsError> {
        if let Err(error) = result {
            let handshaking = self.state() == DtlsState::Handshaking;
            if handshaking && error.may_be_damage() && self.outbox.counters.restarts < MAX_RESTARTS
            {
                return self.restart(now, error);
            }
            return self.fail(error);
        }
        if let Some(DtlsEvent::Closed) = self.outbox.events.back() {
            self.phase = Phase::Closed;
        }
        Ok(())
    }

    /// Forgets the attempt, with the alert that it may have left for the peer.
    fn restart(&mut self, now: Timestamp, error: DtlsError) -> Result<(), DtlsError> {
        debug!(%error, "handshake begins anew");
        self.outbox.counters.restarts += 1;
        self.last_damage = Some(error);
        self.outbox.datagrams.clear();
        self.begin(now).or_else(|error| self.fail(error))
    }

    fn fail(&mut self, error: DtlsError) -> Result<(), DtlsError> {
        self.phase = Phase::Failed(error);
        Err(error)
    }

    fn dimpl(&self, now: Timestamp) -> Box<dyn Backend> {
        Box::new(DimplBackend::new(
            now,
            &self.context,
            &self.certificate,
            self.role,
            self.check.clone(),
        ))
    }

    fn openssl(&self) -> Result<Box<dyn Backend>, DtlsError> {
        let backend =
            OpenSslBackend::new(&self.context, &self.certificate, self.role, self.check.clone())?;
        Ok(Box::new(backend))
    }
}

impl fmt::Debug for DtlsSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DtlsSession")
            .field("role", &self.role)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

/// Plaintext of a record (RFC 6347, 4.1).
const MAX_MESSAGE_LEN: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_can_move_to_another_shard() {
        const fn is_send<T: Send>() {}
        is_send::<DtlsSession>();
    }
}
