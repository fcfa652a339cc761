//! One DTLS association with a peer, sans-I/O, behind one seam with two backends.
//!
//! [`DtlsSession`] turns datagrams of a validated address into SRTP keys and SCTP payloads. Chain
//! validation does not exist in WebRTC: the fingerprints of signalling decide (RFC 8122, RFC 8827,
//! 5), and they do so before [`DtlsEvent::Connected`] is reported, the same way in both backends.
//!
//! | role | peer | backend |
//! |---|---|---|
//! | server | ClientHello offers DTLS 1.3, and no better SRTP profile with 1.2 | dimpl (ECDSA peers) |
//! | server | any other | OpenSSL, DTLS 1.2 (RSA and ECDSA peers) |
//! | client | any | `client_backend`: dimpl (1.2, 1.3; ECDSA servers) or OpenSSL (1.2; RSA too) |
//!
//! Why two: dimpl runs in simulated time and speaks 1.3, but refuses RSA certificates, which
//! GStreamer-based clients (webrtcbin, gst-meet) and Jigasi present; all of those speak 1.2.
//! Browsers have ECDSA certificates. As client the version is not known before the ClientHello is
//! out, so it is a setting; the bridge is client only towards peers that insist on `passive`.
//!
//! SRTP profiles: OpenSSL keeps the configured order in both roles. dimpl's order is fixed at
//! AES-256-GCM, AES-128-GCM, counter mode in 1.2 and as client; as server in 1.3 it takes the
//! client's first. Chromium's first is counter mode, so Chromium is served with 1.2 and AES-GCM.
//!
//! Differs from JVB: DTLS 1.3 is spoken too (JVB: 1.2 only).

#![forbid(unsafe_code)]

mod alert;
mod backend;
mod certificate;
mod cipher_suite;
mod client_hello;
mod context;
mod dimpl_backend;
mod error;
mod fingerprint;
mod hello_collector;
mod openssl_backend;
mod outbox;
mod peer_check;
mod session;
mod setup;

pub use bridge_srtp::{DtlsRole, KeyingMaterial, Profile};
pub use certificate::{CERTIFICATE_ROTATION, Certificate, CertificateError};
pub use cipher_suite::CipherSuite;
pub use context::{ClientBackend, DtlsContext, DtlsSettings, SettingsError};
pub use error::DtlsError;
pub use fingerprint::{
    Fingerprint, FingerprintHash, FingerprintMismatch, FingerprintParseError, verify_certificate,
};
pub use outbox::{DtlsCounters, DtlsEvent, DtlsVersion, MAX_QUEUED_DATAGRAMS, MAX_QUEUED_EVENTS};
pub use session::{DtlsSession, DtlsState, MAX_RESTARTS};
pub use setup::{Setup, SetupError, role_after};
