//! The OpenSSL command line, with RSA and ECDSA certificates, as client and as server: it
//! connects, exports the same SRTP keys and exchanges data.

#[path = "common/command_line.rs"]
mod command_line;
mod common;

use bridge_dtls::{ClientBackend, DtlsError, DtlsRole, DtlsSettings, DtlsVersion, Profile};
use command_line::{Ours, Peer, PeerCertificate, free_port, is_installed};
use common::{certificate, context};

const RSA_2048: &[&str] = &["-newkey", "rsa:2048", "-sha256"];
/// What libjitsi makes for Jigasi by default.
const RSA_1024_SHA1: &[&str] = &["-newkey", "rsa:1024", "-sha1"];
const ECDSA: &[&str] = &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-sha256"];

fn all_profiles(client_backend: ClientBackend) -> DtlsSettings {
    DtlsSettings { srtp_profiles: Profile::ALL.to_vec(), client_backend, ..DtlsSettings::default() }
}

/// Handshake, equal keys, then a line in each direction.
fn assert_agreement(ours: &mut Ours, mut peer: Peer, profile: Profile) {
    let role = ours.session.role();
    let mut theirs = None;
    ours.run_until(|ours| {
        theirs = theirs.take().or_else(|| peer.keying(profile, role));
        ours.error.is_some() || (ours.connected.is_some() && theirs.is_some())
    });
    assert_eq!(ours.error, None);
    let (version, keying) = ours.connected.take().expect("connected");
    let theirs = theirs.expect("the peer exported its keys");
    assert_eq!(version, DtlsVersion::Dtls12);
    assert_eq!(keying.profile(), profile);
    assert_eq!(keying.local_key(), theirs.local_key());
    assert_eq!(keying.remote_key(), theirs.remote_key());
    assert_eq!(keying.local_salt(), theirs.local_salt());
    assert_eq!(keying.remote_salt(), theirs.remote_salt());

    ours.session.send(ours.now(), b"hello from the bridge\n").expect("sent");
    peer.say("hello from the peer");
    let mut heard = false;
    ours.run_until(|ours| {
        heard |= peer.printed("hello from the bridge").is_some();
        heard && ours.received.ends_with(b"\n")
    });
    assert!(heard, "the peer got our line");
    assert_eq!(ours.received, b"hello from the peer\n");
}

fn serve(request: &[&str], profile: Profile) {
    if !is_installed() {
        return;
    }
    let peer_certificate = PeerCertificate::generate(request);
    let context = context(all_profiles(ClientBackend::Dimpl));
    let mut ours = Ours::new(&context, DtlsRole::Server, &peer_certificate, None);
    let peer = Peer::client(ours.port(), &peer_certificate, profile);
    assert_agreement(&mut ours, peer, profile);
}

fn connect(request: &[&str], profile: Profile, backend: ClientBackend) {
    if !is_installed() {
        return;
    }
    let peer_certificate = PeerCertificate::generate(request);
    let context = context(all_profiles(backend));
    let port = free_port();
    let peer = Peer::server(port, &peer_certificate, profile);
    let mut ours = Ours::new(&context, DtlsRole::Client, &peer_certificate, Some(port));
    assert_agreement(&mut ours, peer, profile);
}

#[test]
fn a_client_with_an_rsa_certificate_is_served() {
    serve(RSA_2048, Profile::Aes128CmHmacSha1_80);
}

#[test]
fn a_client_with_a_weak_rsa_certificate_is_served() {
    serve(RSA_1024_SHA1, Profile::AeadAes128Gcm);
}

#[test]
fn a_client_with_an_ecdsa_certificate_is_served() {
    serve(ECDSA, Profile::AeadAes256Gcm);
}

#[test]
fn a_client_with_another_certificate_is_refused() {
    if !is_installed() {
        return;
    }
    let signalled = PeerCertificate::generate(ECDSA);
    let presented = PeerCertificate::generate(ECDSA);
    let context = context(all_profiles(ClientBackend::Dimpl));
    let mut ours = Ours::new(&context, DtlsRole::Server, &signalled, None);
    let _peer = Peer::client(ours.port(), &presented, Profile::AeadAes128Gcm);
    ours.run_until(|ours| ours.error.is_some() || ours.connected.is_some());
    assert!(matches!(ours.error, Some(DtlsError::Fingerprint(_))), "{:?}", ours.error);
    assert!(ours.connected.is_none());
}

#[test]
fn an_rsa_server_is_reached_with_openssl() {
    connect(RSA_2048, Profile::Aes128CmHmacSha1_80, ClientBackend::OpenSsl);
}

#[test]
fn an_ecdsa_server_is_reached_with_openssl() {
    connect(ECDSA, Profile::AeadAes128Gcm, ClientBackend::OpenSsl);
}

#[test]
fn an_ecdsa_server_is_reached_with_dimpl() {
    connect(ECDSA, Profile::AeadAes128Gcm, ClientBackend::Dimpl);
}

/// The limit that `client_backend` is for.
#[test]
fn an_rsa_server_is_not_reached_with_dimpl() {
    if !is_installed() {
        return;
    }
    let peer_certificate = PeerCertificate::generate(RSA_2048);
    let context = context(all_profiles(ClientBackend::Dimpl));
    let port = free_port();
    let _peer = Peer::server(port, &peer_certificate, Profile::AeadAes128Gcm);
    let mut ours = Ours::new(&context, DtlsRole::Client, &peer_certificate, Some(port));
    ours.run_until(|ours| ours.error.is_some() || ours.connected.is_some());
    const HANDSHAKE_FAILURE: u8 = 40;
    assert_eq!(ours.error, Some(DtlsError::Alert(HANDSHAKE_FAILURE)));
}
