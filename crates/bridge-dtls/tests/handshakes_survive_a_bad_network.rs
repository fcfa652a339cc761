//! Both backends in both roles, in simulated time, with loss, duplicates and reordering.

mod common;

use std::time::Duration;

use bridge_dtls::{ClientBackend, DtlsSettings, DtlsVersion, Profile};
use common::{Network, Pair, context};

/// Who is on which side.
#[derive(Clone, Copy, Debug)]
enum Case {
    /// dimpl on both sides.
    Dtls13,
    /// dimpl as client, OpenSSL as server.
    Dtls12,
    /// OpenSSL on both sides.
    Dtls12OpenSslClient,
}

impl Case {
    const ALL: [Self; 3] = [Self::Dtls13, Self::Dtls12, Self::Dtls12OpenSslClient];

    fn settings(self) -> (DtlsSettings, DtlsSettings) {
        let mut client = DtlsSettings::default();
        let mut server = DtlsSettings::default();
        match self {
            Self::Dtls13 => {}
            Self::Dtls12 => server.dtls13 = false,
            Self::Dtls12OpenSslClient => client.client_backend = ClientBackend::OpenSsl,
        }
        (client, server)
    }

    const fn version(self) -> DtlsVersion {
        match self {
            Self::Dtls13 => DtlsVersion::Dtls13,
            Self::Dtls12 | Self::Dtls12OpenSslClient => DtlsVersion::Dtls12,
        }
    }
}

#[test]
fn a_handshake_on_a_good_network_needs_no_repetition() {
    for case in Case::ALL {
        let (client, server) = case.settings();
        let mut pair = Pair::new(client, server, Network::PERFECT, 1);
        let begin = pair.now;
        pair.handshake();
        assert_eq!(pair.assert_connected_with_equal_keys(), case.version(), "{case:?}");
        // Two round trips of 40 ms at most; no HelloVerifyRequest.
        assert!(pair.now.since(begin) <= Duration::from_millis(80), "{case:?} {:?}", pair.now);
    }
}

#[test]
fn handshakes_complete_under_loss() {
    for case in Case::ALL {
        let (client, server) = case.settings();
        let (client, server) = (context(client), context(server));
        for loss_percent in [0, 10, 20] {
            for seed in 0..15 {
                let network = Network::lossy(loss_percent);
                let mut pair = Pair::with_contexts(&client, &server, network, seed);
                pair.handshake();
                assert!(
                    pair.client.connected.is_some() && pair.server.connected.is_some(),
                    "{case:?}, loss {loss_percent} %, seed {seed}: {:?} {:?}",
                    pair.client.session,
                    pair.server.session,
                );
                assert_eq!(pair.assert_connected_with_equal_keys(), case.version());
            }
        }
    }
}

#[test]
fn data_passes_both_ways_and_close_is_noticed() {
    for case in Case::ALL {
        let (client, server) = case.settings();
        let mut pair = Pair::new(client, server, Network::PERFECT, 7);
        pair.handshake();
        let longest = vec![0x42; 1_191];
        let now = pair.now;
        pair.client.session.send(now, b"from the client").expect("sent");
        pair.client.session.send(now, &longest).expect("sent");
        pair.server.session.send(now, b"from the server").expect("sent");
        pair.run_until(now + Duration::from_secs(1), |_| false);
        assert_eq!(pair.server.received, [b"from the client".to_vec(), longest], "{case:?}");
        assert_eq!(pair.client.received, [b"from the server"], "{case:?}");

        let now = pair.now;
        pair.client.session.close(now);
        pair.run_until(now + Duration::from_secs(1), |_| false);
        assert!(pair.server.closed, "{case:?}");
        assert!(pair.server.session.send(pair.now, b"late").is_err(), "{case:?}");
    }
}

#[test]
fn our_order_of_srtp_profiles_decides_where_openssl_serves() {
    use Profile::{AeadAes128Gcm, AeadAes256Gcm, Aes128CmHmacSha1_80};
    for order in [
        vec![AeadAes128Gcm, AeadAes256Gcm],
        vec![AeadAes256Gcm],
        vec![Aes128CmHmacSha1_80, AeadAes128Gcm],
    ] {
        let server =
            DtlsSettings { dtls13: false, srtp_profiles: order.clone(), ..DtlsSettings::default() };
        let mut pair = Pair::new(DtlsSettings::default(), server, Network::PERFECT, 1);
        pair.handshake();
        pair.assert_connected_with_equal_keys();
        let keying = &pair.server.connected.as_ref().expect("connected").1;
        assert_eq!(keying.profile(), order[0]);
    }
}

#[test]
fn without_a_peer_time_runs_out() {
    for case in Case::ALL {
        let (client, server) = case.settings();
        let mut pair =
            Pair::new(client, server, Network { loss_percent: 100, ..Network::PERFECT }, 1);
        let begin = pair.now;
        pair.handshake();
        let timed_out = Some(bridge_dtls::DtlsError::TimedOut);
        assert_eq!((pair.client.error, pair.server.error), (timed_out, timed_out), "{case:?}");
        assert_eq!(pair.now.since(begin), Duration::from_secs(30), "{case:?}");
        assert_eq!(pair.client.session.poll_timeout(), None);
    }
}
