use std::sync::Arc;
use std::time::Duration;

use bridge_srtp::{DtlsRole, KeyingMaterial, Profile};
use bridge_units::Timestamp;
use dimpl::{Config, Dtls, DtlsCertificate, Error, Output, ProtocolVersion, SrtpProfile};
use tracing::debug;

use crate::alert::plaintext_fatal_alert;
use crate::backend::Backend;
use crate::certificate::Certificate;
use crate::context::{Clock, DtlsContext, DtlsSettings, SettingsError};
use crate::error::DtlsError;
use crate::outbox::{DtlsEvent, DtlsVersion, Outbox};
use crate::peer_check::PeerCheck;

/// An association by dimpl: DTLS 1.2 and 1.3, ECDSA peers, simulated time.
pub(crate) struct DimplBackend {
    dtls: Dtls,
    clock: Clock,
    role: DtlsRole,
    check: PeerCheck,
    keying: Option<KeyingMaterial>,
    handshake_done: bool,
    connected: bool,
    shortest_wait: Duration,
    next_timeout: Option<Timestamp>,
}

/// What sessions share.
pub(crate) fn config(settings: &DtlsSettings) -> Result<Config, SettingsError> {
    let suites: Vec<_> = settings.cipher_suites.iter().filter_map(|suite| suite.dimpl()).collect();
    let mut builder = Config::builder()
        .mtu(settings.mtu)
        // ICE has proven the address; a cookie would cost a round trip (contract 13.3).
        .use_server_cookie(false)
        .require_client_certificate(true)
        .flight_start_rto(settings.first_retransmission)
        .flight_retries(FLIGHT_RETRIES)
        // The session's own limit decides.
        .handshake_timeout(2 * settings.handshake_timeout)
        .dtls12_cipher_suites(&suites);
    if !settings.dtls13 {
        builder = builder.dtls13_cipher_suites(&[]);
    }
    builder.build().map_err(|error| SettingsError::Dimpl(error.to_string()))
}

impl DimplBackend {
    pub(crate) fn new(
        now: Timestamp,
        context: &DtlsContext,
        certificate: &Certificate,
        role: DtlsRole,
        check: PeerCheck,
    ) -> Self {
        let certificate = DtlsCertificate {
            certificate: certificate.der().to_vec(),
            private_key: certificate.key_der().to_vec(),
        };
        let config = Arc::clone(&context.dimpl);
        let now = context.clock.instant(now);
        let dtls = if context.settings.dtls13 {
            Dtls::new_auto(config, certificate, now)
        } else {
            Dtls::new_12(config, certificate, now)
        };
        Self {
            dtls,
            clock: context.clock,
            role,
            check,
            keying: None,
            handshake_done: false,
            connected: false,
            shortest_wait: context.settings.first_retransmission / 4,
            next_timeout: None,
        }
    }

    /// Takes everything that dimpl has to say; it must be asked until it names a time.
    fn drain(&mut self, now: Timestamp, out: &mut Outbox) -> Result<(), DtlsError> {
        let mut buffer = [0; OUTPUT_LEN];
        for _ in 0..MAX_OUTPUTS {
            match self.dtls.poll_output(&mut buffer) {
                Output::Timeout(at) => {
                    // While a piece of a DTLS 1.3 flight is missing, dimpl wants to send an ACK at
                    // once, and again after each: its timer would never let time pass.
                    let earliest = now + self.shortest_wait;
                    self.next_timeout = self.clock.timestamp(at, now).map(|at| at.max(earliest));
                    return self.report_connected(out);
                }
                Output::Packet(datagram) => out.push_datagram(datagram.to_vec()),
                Output::PeerCert(der) => self.check.judge(der)?,
                Output::KeyingMaterial(block, profile) => {
                    let keying = KeyingMaterial::from_exporter(srtp(profile)?, &block, self.role);
                    self.keying = Some(keying.map_err(|_| DtlsError::Internal)?);
                }
                Output::Connected => self.handshake_done = true,
                Output::ApplicationData(data) => {
                    // Nothing counts before the certificate does.
                    self.check.verdict()?;
                    out.push_event(DtlsEvent::ApplicationData(data.to_vec()));
                }
                Output::CloseNotify => out.push_event(DtlsEvent::Closed),
                Output::BufferTooSmall { needed } => {
                    debug!(needed, "output of dimpl is longer than any datagram");
                    return Err(DtlsError::Internal);
                }
                _ => {}
            }
        }
        Err(DtlsError::Internal)
    }

    fn report_connected(&mut self, out: &mut Outbox) -> Result<(), DtlsError> {
        if self.connected || !self.handshake_done {
            return Ok(());
        }
        self.check.verdict()?;
        let keying = self.keying.take().ok_or(DtlsError::NoSrtpProfile)?;
        let version = match self.dtls.protocol_version() {
            Some(ProtocolVersion::DTLS1_3) => DtlsVersion::Dtls13,
            _ => DtlsVersion::Dtls12,
        };
        self.connected = true;
        out.push_event(DtlsEvent::Connected { version, keying });
        Ok(())
    }
}

impl Backend for DimplBackend {
    fn start(&mut self, now: Timestamp, out: &mut Outbox) -> Result<(), DtlsError> {
        self.dtls.set_active(self.role == DtlsRole::Client);
        self.handle_timeout(now, out)
    }

    fn handle_datagram(
        &mut self,
        now: Timestamp,
        datagram: &[u8],
        out: &mut Outbox,
    ) -> Result<(), DtlsError> {
        // Also keeps dimpl's rule that time is told before the first packet.
        self.dtls.handle_timeout(self.clock.instant(now)).map_err(|error| classify(&error))?;
        let undecided = self.dtls.protocol_version().is_none();
        if undecided && let Some(description) = plaintext_fatal_alert(datagram) {
            return Err(DtlsError::Alert(description));
        }
        match self.dtls.handle_packet(datagram) {
            Ok(()) => {}
            // A client that waits for the ServerHello got another piece of the server's flight
            // first. Its state is intact, and the flight comes again.
            Err(Error::UnexpectedMessage(
                dimpl::UnexpectedMessageError::UnrecognizedAutoServerResponse,
            )) => out.counters.datagrams_ignored += 1,
            Err(error) => return Err(self.check.refusal().unwrap_or_else(|| classify(&error))),
        }
        self.drain(now, out)
    }

    fn handle_timeout(&mut self, now: Timestamp, out: &mut Outbox) -> Result<(), DtlsError> {
        self.dtls.handle_timeout(self.clock.instant(now)).map_err(|error| classify(&error))?;
        self.drain(now, out)
    }

    fn send(&mut self, now: Timestamp, data: &[u8], out: &mut Outbox) -> Result<(), DtlsError> {
        self.dtls.handle_timeout(self.clock.instant(now)).map_err(|error| classify(&error))?;
        self.dtls.send_application_data(data).map_err(|error| classify(&error))?;
        self.drain(now, out)
    }

    fn close(&mut self, now: Timestamp, out: &mut Outbox) {
        if let Err(error) = self.dtls.close() {
            debug!(%error, "cannot close");
            return;
        }
        if let Err(error) = self.drain(now, out) {
            debug!(%error, "cannot say goodbye");
        }
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        self.next_timeout
    }

    fn is_connected(&self) -> bool {
        self.connected
    }
}

fn srtp(profile: SrtpProfile) -> Result<Profile, DtlsError> {
    match profile {
        SrtpProfile::AEAD_AES_128_GCM => Ok(Profile::AeadAes128Gcm),
        SrtpProfile::AEAD_AES_256_GCM => Ok(Profile::AeadAes256Gcm),
        SrtpProfile::AES128_CM_SHA1_80 => Ok(Profile::Aes128CmHmacSha1_80),
        _ => Err(DtlsError::NoSrtpProfile),
    }
}

fn classify(error: &Error) -> DtlsError {
    use dimpl::{CertificateError as Certificate, SecurityError as Security};
    debug!(%error, "dimpl");
    match error {
        Error::CertificateError(
            Certificate::NoServerCertificateReceived | Certificate::NoClientCertificateReceived,
        ) => DtlsError::CertificateMissing,
        Error::CertificateError(_) => DtlsError::CertificateInvalid,
        Error::SecurityError(Security::FatalAlert { description }) => {
            DtlsError::Alert(*description)
        }
        Error::SecurityError(
            Security::NoMutuallyAcceptableCipherSuite
            | Security::NoCommonCipherSuite
            | Security::NoCommonKeyExchangeGroup
            | Security::UnsupportedServerVersion(_)
            | Security::UnsupportedClientVersion(_)
            | Security::ExtendedMasterSecretNotNegotiated,
        ) => DtlsError::NoCommonParameters,
        Error::Timeout(_) => DtlsError::TimedOut,
        Error::ConnectionClosed => DtlsError::Closed,
        Error::ConfigError(_) | Error::InvalidState(_) | Error::TransmitQueueFull => {
            DtlsError::Internal
        }
        _ => DtlsError::Protocol,
    }
}

/// Longer than any output: a record has at most 16 KiB of plaintext (RFC 6347, 4.1).
const OUTPUT_LEN: usize = 17 * 1024;
/// Outputs of one call; dimpl's queues hold 10 datagrams to send and 30 received.
const MAX_OUTPUTS: usize = 256;
/// With doubling from any sensible start more than the handshake's time limit.
const FLIGHT_RETRIES: usize = 16;
