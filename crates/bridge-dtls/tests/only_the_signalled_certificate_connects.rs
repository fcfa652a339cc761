//! The fingerprint decides, in every backend and role, before anything is reported.

mod common;

use bridge_dtls::{
    ClientBackend, DtlsError, DtlsSettings, DtlsState, Fingerprint, FingerprintHash,
    FingerprintMismatch,
};
use common::{Network, Pair};

fn pairs() -> Vec<Pair> {
    let openssl_client =
        DtlsSettings { client_backend: ClientBackend::OpenSsl, ..DtlsSettings::default() };
    let server12 = DtlsSettings { dtls13: false, ..DtlsSettings::default() };
    [
        (DtlsSettings::default(), DtlsSettings::default()),
        (DtlsSettings::default(), server12.clone()),
        (openssl_client, server12),
    ]
    .into_iter()
    .map(|(client, server)| Pair::new(client, server, Network::PERFECT, 1))
    .collect()
}

fn other() -> Fingerprint {
    Fingerprint::of(b"another certificate", FingerprintHash::Sha256)
}

#[test]
fn a_server_refuses_another_certificate() {
    for mut pair in pairs() {
        pair.server.session.set_remote_fingerprints(vec![other()]);
        pair.handshake();
        let refused = DtlsError::Fingerprint(FingerprintMismatch::Different);
        assert_eq!(pair.server.error, Some(refused));
        assert_eq!(pair.server.session.state(), DtlsState::Failed(refused));
        assert!(pair.server.connected.is_none());
        let now = pair.now;
        assert_eq!(pair.server.session.send(now, b"secret"), Err(refused));
    }
}

#[test]
fn a_client_refuses_another_certificate() {
    for mut pair in pairs() {
        pair.client.session.set_remote_fingerprints(vec![other()]);
        pair.handshake();
        let refused = DtlsError::Fingerprint(FingerprintMismatch::Different);
        assert_eq!(pair.client.error, Some(refused));
        assert!(pair.client.connected.is_none());
        assert!(pair.server.connected.is_none(), "the server never saw a valid Finished");
    }
}

#[test]
fn no_fingerprint_is_a_failure() {
    for mut pair in pairs() {
        pair.server.session.set_remote_fingerprints(Vec::new());
        pair.handshake();
        let refused = DtlsError::Fingerprint(FingerprintMismatch::NotSignalled);
        assert_eq!(pair.server.error, Some(refused));
        assert!(pair.server.connected.is_none());
    }
}

#[test]
fn one_of_several_fingerprints_is_enough() {
    for mut pair in pairs() {
        let certificate = pair.client.session.certificate().clone();
        pair.server.session.set_remote_fingerprints(vec![
            other(),
            certificate.fingerprint(FingerprintHash::Sha256),
            Fingerprint::of(b"weaker hashes do not count", FingerprintHash::Sha1),
        ]);
        pair.handshake();
        pair.assert_connected_with_equal_keys();
    }
}
