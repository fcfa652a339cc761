//! Whatever arrives, nothing panics, and the wrong peer never connects.

mod common;

use bridge_dtls::{ClientBackend, DtlsSettings, MAX_RESTARTS};
use common::{Network, Pair, Random, context};

fn settings() -> [(DtlsSettings, DtlsSettings); 3] {
    let default = DtlsSettings::default;
    [
        (default(), default()),
        (default(), DtlsSettings { dtls13: false, ..default() }),
        (DtlsSettings { client_backend: ClientBackend::OpenSsl, ..default() }, default()),
    ]
}

fn flip_often(random: &mut Random, datagram: &mut Vec<u8>) {
    if random.below(3) == 0 {
        for _ in 0..=random.below(4) {
            let at = random.below(u64::try_from(datagram.len()).expect("short"));
            let bit = random.below(8);
            datagram[usize::try_from(at).expect("short")] ^= 1 << bit;
        }
    }
    if random.below(20) == 0 {
        let len = random.below(u64::try_from(datagram.len()).expect("short"));
        datagram.truncate(usize::try_from(len).expect("short"));
    }
}

#[expect(clippy::ptr_arg, reason = "the type of a tamperer, which may also shorten")]
fn flip_rarely(random: &mut Random, datagram: &mut Vec<u8>) {
    if random.below(25) == 0 {
        let at = random.below(u64::try_from(datagram.len()).expect("short"));
        datagram[usize::try_from(at).expect("short")] ^= 0x10;
    }
}

#[test]
fn corrupted_datagrams_never_panic() {
    let mut connected = 0;
    for (client, server) in settings() {
        let (client, server) = (context(client), context(server));
        for seed in 0..40 {
            let mut pair = Pair::with_contexts(&client, &server, Network::lossy(5), seed);
            pair.tamper = Some(flip_often);
            pair.handshake();
            if pair.client.connected.is_some() && pair.server.connected.is_some() {
                let (client, server) = (&pair.client.connected, &pair.server.connected);
                let key = |side: &Option<(_, bridge_dtls::KeyingMaterial)>, local| {
                    let keying = &side.as_ref().expect("connected").1;
                    if local { keying.local_key().to_vec() } else { keying.remote_key().to_vec() }
                };
                assert_eq!(key(client, true), key(server, false));
                connected += 1;
            }
            assert!(pair.client.session.counters().restarts <= MAX_RESTARTS);
            assert!(pair.server.session.counters().restarts <= MAX_RESTARTS);
        }
    }
    assert!(connected > 0, "some handshakes survive even this");
}

#[test]
fn rare_damage_mostly_costs_a_repetition_only() {
    for (client, server) in settings() {
        let (client, server) = (context(client), context(server));
        let mut connected = 0;
        for seed in 0..20 {
            let mut pair = Pair::with_contexts(&client, &server, Network::PERFECT, seed);
            pair.tamper = Some(flip_rarely);
            pair.handshake();
            let both = pair.client.connected.is_some() && pair.server.connected.is_some();
            connected += u32::from(both);
        }
        assert!(connected >= 14, "{connected} of 20");
    }
}

#[test]
fn noise_is_ignored() {
    let mut random = Random::new(3);
    for (client, server) in settings() {
        let mut pair = Pair::new(client, server, Network::PERFECT, 1);
        for _ in 0..2_000 {
            let len = random.below(200);
            let noise: Vec<u8> = (0..len).map(|_| random.below(256).to_le_bytes()[0]).collect();
            let now = pair.now;
            let _ = pair.server.session.handle_datagram(now, &noise);
        }
        pair.handshake();
        pair.assert_connected_with_equal_keys();
    }
}
