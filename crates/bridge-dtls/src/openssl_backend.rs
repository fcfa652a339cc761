use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::time::Duration;

use bridge_srtp::{DtlsRole, KeyingMaterial, Profile};
use bridge_units::Timestamp;
use openssl::error::ErrorStack;
use openssl::ssl::{
    ErrorCode, Ssl, SslContext, SslContextBuilder, SslMethod, SslOptions, SslSessionCacheMode,
    SslStream, SslVerifyMode, SslVersion,
};
use openssl::x509::X509StoreContextRef;
use tracing::debug;
use zeroize::Zeroizing;

use crate::backend::Backend;
use crate::certificate::Certificate;
use crate::cipher_suite::CipherSuite;
use crate::context::{DtlsContext, DtlsSettings};
use crate::error::DtlsError;
use crate::outbox::{DtlsEvent, DtlsVersion, Outbox};
use crate::peer_check::PeerCheck;

/// An association by OpenSSL: DTLS 1.2, RSA and ECDSA peers.
///
/// OpenSSL reads the real clock for its retransmissions (first after 1 s) and only when it is
/// called. So flights are repeated here, on the time that is passed in: the same datagrams again,
/// of which a peer takes the records that it misses and drops the others as replays.
pub(crate) struct OpenSslBackend {
    stream: SslStream<Pipe>,
    role: DtlsRole,
    check: PeerCheck,
    connected: bool,
    /// The last flight is on its way.
    handshake_over: bool,
    closed: bool,
    flight: Flight,
}

/// The datagrams between OpenSSL and us.
#[derive(Default)]
struct Pipe {
    received: VecDeque<Vec<u8>>,
    to_send: VecDeque<Vec<u8>>,
}

/// What was sent last during the handshake, to be repeated until there is an answer.
struct Flight {
    datagrams: Vec<Vec<u8>>,
    first_interval: Duration,
    interval: Duration,
    next: Option<Timestamp>,
    /// Repetitions of a server's last flight that are left.
    final_repetitions: u32,
}

/// What sessions share.
pub(crate) fn context(settings: &DtlsSettings) -> Result<SslContext, ErrorStack> {
    let mut builder = SslContextBuilder::new(SslMethod::dtls())?;
    builder.set_min_proto_version(Some(SslVersion::DTLS1_2))?;
    builder.set_max_proto_version(Some(SslVersion::DTLS1_2))?;
    // Level 0 lets in RSA-1024 with SHA-1, which Jigasi presents. The certificate proves nothing
    // by itself: the fingerprint of signalling does. Suites and groups are ours to choose.
    builder.set_security_level(0);
    builder.set_cipher_list(&openssl_names(&settings.cipher_suites))?;
    builder.set_groups_list(GROUPS)?;
    builder.set_options(
        SslOptions::NO_QUERY_MTU | SslOptions::NO_TICKET | SslOptions::NO_RENEGOTIATION,
    );
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    builder.set_tlsext_use_srtp(&openssl_profiles(&settings.srtp_profiles))?;
    Ok(builder.build())
}

impl OpenSslBackend {
    pub(crate) fn new(
        context: &DtlsContext,
        certificate: &Certificate,
        role: DtlsRole,
        check: PeerCheck,
    ) -> Result<Self, DtlsError> {
        let ssl = new_ssl(context, certificate, role, check.clone());
        let stream = ssl
            .and_then(|ssl| SslStream::new(ssl, Pipe::default()))
            .map_err(|error| internal(&error))?;
        let first_interval = context.settings.first_retransmission;
        Ok(Self {
            stream,
            role,
            check,
            connected: false,
            handshake_over: false,
            closed: false,
            flight: Flight {
                datagrams: Vec::new(),
                first_interval,
                interval: first_interval,
                next: None,
                final_repetitions: MAX_FINAL_REPETITIONS,
            },
        })
    }

    /// Goes on with whatever was received.
    fn advance(&mut self, now: Timestamp, out: &mut Outbox) -> Result<(), DtlsError> {
        let result = if self.connected {
            self.read(out)
        } else {
            self.shake_hands(out)
                .and_then(|()| if self.connected { self.read(out) } else { Ok(()) })
        };
        self.collect_output(now, out);
        result
    }

    fn shake_hands(&mut self, out: &mut Outbox) -> Result<(), DtlsError> {
        match self.stream.do_handshake() {
            Ok(()) => {}
            Err(error) if is_pause(&error) => return Ok(()),
            Err(error) => {
                return Err(self.check.refusal().unwrap_or_else(|| classify(&error)));
            }
        }
        self.check.verdict()?;
        let keying = self.export_keys()?;
        self.connected = true;
        out.push_event(DtlsEvent::Connected { version: DtlsVersion::Dtls12, keying });
        Ok(())
    }

    fn export_keys(&self) -> Result<KeyingMaterial, DtlsError> {
        let ssl = self.stream.ssl();
        let profile = ssl
            .selected_srtp_profile()
            .and_then(|profile| u16::try_from(profile.id().as_raw()).ok())
            .and_then(Profile::from_id)
            .ok_or(DtlsError::NoSrtpProfile)?;
        let mut block = Zeroizing::new(vec![0; profile.exporter_len()]);
        ssl.export_keying_material(&mut block, EXPORTER_LABEL, None)
            .map_err(|error| internal(&error))?;
        KeyingMaterial::from_exporter(profile, &block, self.role).map_err(|_| DtlsError::Internal)
    }

    fn read(&mut self, out: &mut Outbox) -> Result<(), DtlsError> {
        let mut buffer = [0; MAX_PLAINTEXT_LEN];
        // Each datagram holds at least one record; what it holds is bounded by its length.
        for _ in 0..MAX_READS {
            match self.stream.ssl_read(&mut buffer) {
                Ok(len) => {
                    let data = buffer.get(..len).unwrap_or_default().to_vec();
                    out.push_event(DtlsEvent::ApplicationData(data));
                }
                Err(error) if is_pause(&error) => return Ok(()),
                Err(error) if error.code() == ErrorCode::ZERO_RETURN => {
                    if !self.closed {
                        self.closed = true;
                        out.push_event(DtlsEvent::Closed);
                    }
                    return Ok(());
                }
                Err(error) => return Err(classify(&error)),
            }
        }
        Ok(())
    }

    /// Moves what OpenSSL wrote to the outbox. During the handshake it is the new flight.
    fn collect_output(&mut self, now: Timestamp, out: &mut Outbox) {
        let written: Vec<_> = self.stream.get_mut().to_send.drain(..).collect();
        if !self.handshake_over && !written.is_empty() {
            self.flight.restart(now, written.clone());
        }
        if self.connected {
            self.handshake_over = true;
            self.flight.next = None;
        }
        for datagram in written {
            out.push_datagram(datagram);
        }
    }

    /// The side that speaks last repeats its flight when the peer's comes again, for as long as
    /// the peer may have missed it (RFC 6347, 4.2.4). OpenSSL does it only for a repetition with
    /// new record numbers, and a backend like this one repeats with the old.
    fn repeat_last_flight(&mut self, datagram: &[u8], queued: usize, out: &mut Outbox) {
        let wanted = self.role == DtlsRole::Server
            && is_plaintext_handshake(datagram)
            && out.datagrams.len() == queued;
        if wanted && self.flight.final_repetitions > 0 {
            self.flight.final_repetitions -= 1;
            self.flight.repeat(out);
        }
    }
}

impl Backend for OpenSslBackend {
    fn start(&mut self, now: Timestamp, out: &mut Outbox) -> Result<(), DtlsError> {
        self.advance(now, out)
    }

    fn handle_datagram(
        &mut self,
        now: Timestamp,
        datagram: &[u8],
        out: &mut Outbox,
    ) -> Result<(), DtlsError> {
        let queued = out.datagrams.len();
        self.stream.get_mut().received.push_back(datagram.to_vec());
        let repetition_possible = self.handshake_over;
        self.advance(now, out)?;
        if repetition_possible {
            self.repeat_last_flight(datagram, queued, out);
        }
        Ok(())
    }

    fn handle_timeout(&mut self, now: Timestamp, out: &mut Outbox) -> Result<(), DtlsError> {
        if self.connected || self.flight.next.is_none_or(|next| now < next) {
            return Ok(());
        }
        // OpenSSL's own timer may be due as well; then it has just repeated the flight.
        let queued = out.datagrams.len();
        self.flight.back_off(now);
        self.advance(now, out)?;
        if out.datagrams.len() == queued {
            self.flight.repeat(out);
        }
        Ok(())
    }

    fn send(&mut self, now: Timestamp, data: &[u8], out: &mut Outbox) -> Result<(), DtlsError> {
        if data.is_empty() {
            return Ok(());
        }
        self.stream.ssl_write(data).map_err(|error| classify(&error))?;
        self.collect_output(now, out);
        Ok(())
    }

    fn close(&mut self, now: Timestamp, out: &mut Outbox) {
        if self.connected {
            if let Err(error) = self.stream.shutdown() {
                debug!(%error, "cannot say goodbye");
            }
            self.collect_output(now, out);
        }
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        // The last flight is kept, but from now on repeated only when the peer repeats its own.
        self.flight.next.filter(|_| !self.connected)
    }

    fn is_connected(&self) -> bool {
        self.connected
    }
}

impl Flight {
    fn restart(&mut self, now: Timestamp, datagrams: Vec<Vec<u8>>) {
        self.datagrams = datagrams;
        self.interval = self.first_interval;
        self.next = Some(now + self.interval);
    }

    fn back_off(&mut self, now: Timestamp) {
        self.interval = (2 * self.interval).min(MAX_RETRANSMISSION_INTERVAL);
        self.next = Some(now + self.interval);
    }

    fn repeat(&self, out: &mut Outbox) {
        for datagram in &self.datagrams {
            out.push_datagram(datagram.clone());
        }
    }
}

/// OpenSSL asks for one datagram at a time and gets nothing when there is none.
impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(datagram) = self.received.pop_front() else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        // What does not fit is cut off, as recv does with datagrams.
        for (to, from) in buffer.iter_mut().zip(&datagram) {
            *to = *from;
        }
        Ok(datagram.len().min(buffer.len()))
    }
}

/// Each write is one datagram.
impl Write for Pipe {
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        self.to_send.push_back(datagram.to_vec());
        Ok(datagram.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn new_ssl(
    context: &DtlsContext,
    certificate: &Certificate,
    role: DtlsRole,
    check: PeerCheck,
) -> Result<Ssl, ErrorStack> {
    let mut ssl = Ssl::new(&context.openssl)?;
    ssl.set_certificate(certificate.x509())?;
    ssl.set_private_key(certificate.key())?;
    ssl.set_mtu(u32::try_from(context.settings.mtu).unwrap_or(u32::MAX))?;
    // As server: ask for a certificate and insist on one (contract 13.3).
    let mode = SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT;
    ssl.set_verify_callback(mode, move |_, chain| judge_leaf(&check, chain));
    match role {
        DtlsRole::Client => ssl.set_connect_state(),
        DtlsRole::Server => ssl.set_accept_state(),
    }
    Ok(ssl)
}

/// Nothing but the leaf's fingerprint counts: no issuer, date or purpose.
///
/// Differs from JVB, which wants a fingerprint for every certificate of a chain: RFC 8122, 5
/// speaks of the end entity's, and WebRTC certificates are self-signed.
fn judge_leaf(check: &PeerCheck, chain: &X509StoreContextRef) -> bool {
    if chain.error_depth() != 0 {
        return true;
    }
    let Some(Ok(der)) = chain.current_cert().map(|leaf| leaf.to_der()) else {
        return false;
    };
    check.judge(&der).is_ok()
}

/// Whether a datagram begins with a handshake record of epoch 0.
const fn is_plaintext_handshake(datagram: &[u8]) -> bool {
    matches!(datagram, [HANDSHAKE, _, _, 0, 0, ..])
}

/// Whether OpenSSL only waits for the peer.
fn is_pause(error: &openssl::ssl::Error) -> bool {
    matches!(error.code(), ErrorCode::WANT_READ | ErrorCode::WANT_WRITE)
}

fn classify(error: &openssl::ssl::Error) -> DtlsError {
    debug!(%error, "OpenSSL");
    let reason = error
        .ssl_error()
        .and_then(|stack| stack.errors().first())
        .map_or(0, openssl::error::Error::reason_code);
    match reason {
        reason::NO_SHARED_CIPHER
        | reason::UNSUPPORTED_PROTOCOL
        | reason::NO_SUITABLE_SIGNATURE_ALGORITHM
        | reason::NO_SHARED_GROUPS => DtlsError::NoCommonParameters,
        reason::PEER_DID_NOT_RETURN_A_CERTIFICATE => DtlsError::CertificateMissing,
        reason::CERTIFICATE_VERIFY_FAILED => DtlsError::CertificateInvalid,
        reason => reason
            .checked_sub(reason::ALERT_BASE)
            .and_then(|description| u8::try_from(description).ok())
            .map_or(DtlsError::Protocol, DtlsError::Alert),
    }
}

fn internal(error: &ErrorStack) -> DtlsError {
    debug!(%error, "OpenSSL");
    DtlsError::Internal
}

fn openssl_names(suites: &[CipherSuite]) -> String {
    let names: Vec<_> = suites.iter().map(|suite| suite.openssl_name()).collect();
    names.join(":")
}

fn openssl_profiles(profiles: &[Profile]) -> String {
    let names: Vec<_> = profiles
        .iter()
        .map(|profile| match profile {
            Profile::AeadAes128Gcm => "SRTP_AEAD_AES_128_GCM",
            Profile::AeadAes256Gcm => "SRTP_AEAD_AES_256_GCM",
            Profile::Aes128CmHmacSha1_80 => "SRTP_AES128_CM_SHA1_80",
        })
        .collect();
    names.join(":")
}

/// RFC 5764, 4.2.
const EXPORTER_LABEL: &str = "EXTRACTOR-dtls_srtp";
const GROUPS: &str = "X25519:P-256:P-384:P-521";
/// Plaintext of a record (RFC 6347, 4.1).
const MAX_PLAINTEXT_LEN: usize = 16 * 1024;
/// Records that one datagram can hold: 1500 bytes in records of at least 38.
const MAX_READS: usize = 64;
/// Beyond this a repeated flight is not rarer: the handshake's time limit is near.
const MAX_RETRANSMISSION_INTERVAL: Duration = Duration::from_secs(3);

/// More repetitions of a client's flight than this do not fit into its time limit.
const MAX_FINAL_REPETITIONS: u32 = 16;
/// The content type of handshake records.
const HANDSHAKE: u8 = 22;

/// Reason codes of OpenSSL's `sslerr.h`, which the crate does not export.
mod reason {
    pub(super) const CERTIFICATE_VERIFY_FAILED: i32 = 134;
    pub(super) const NO_SHARED_CIPHER: i32 = 193;
    pub(super) const PEER_DID_NOT_RETURN_A_CERTIFICATE: i32 = 199;
    pub(super) const UNSUPPORTED_PROTOCOL: i32 = 258;
    pub(super) const NO_SUITABLE_SIGNATURE_ALGORITHM: i32 = 118;
    pub(super) const NO_SHARED_GROUPS: i32 = 410;
    /// A received alert has this plus its description.
    pub(super) const ALERT_BASE: i32 = 1000;
}
