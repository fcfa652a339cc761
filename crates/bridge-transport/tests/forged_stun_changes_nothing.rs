//! STUN that is not signed with our password is refused as the contract says and changes nothing.

mod common;

use std::time::Duration;

use bridge_dtls::Setup;
use bridge_transport::{DtlsDropCause, StunDropCause};
use common::{
    BRIDGE_PASSWORD, BRIDGE_UFRAG, Client, Request, World, address, answer_code, client_address,
};

const CONTROLLING: u16 = 0x802A;

#[test]
fn each_kind_gets_its_answer() {
    let user = format!("{BRIDGE_UFRAG}:client");
    let signed = |request: Request| request.signed(BRIDGE_PASSWORD).bytes();
    let mut bad_fingerprint = signed(Request::check(1, &user));
    *bad_fingerprint.last_mut().unwrap() ^= 1;
    let mut indication = signed(Request::check(1, &user));
    indication[1] = 0x11;
    let priority_missing = Request::new(1).attribute(0x0006, user.as_bytes());
    let cases = [
        ("no integrity", Request::check(1, &user).bytes(), StunDropCause::NoIntegrity, Some(400)),
        (
            "wrong password",
            Request::check(1, &user).signed("guess").bytes(),
            StunDropCause::BadIntegrity,
            Some(401),
        ),
        (
            "another session's ufrag",
            signed(Request::check(1, "somebody:client")),
            StunDropCause::UnknownUser,
            Some(401),
        ),
        (
            "another client's ufrag",
            signed(Request::check(1, &format!("{BRIDGE_UFRAG}:other"))),
            StunDropCause::UnknownUser,
            Some(401),
        ),
        ("no priority", signed(priority_missing), StunDropCause::MissingPriority, Some(400)),
        (
            "unknown attribute",
            signed(Request::check(1, &user).attribute(0x7001, &[0; 4])),
            StunDropCause::UnknownAttribute,
            Some(420),
        ),
        ("bad fingerprint", bad_fingerprint, StunDropCause::BadFingerprint, None),
        ("no username", signed(Request::new(1)), StunDropCause::NoUsername, None),
        ("half a username", signed(Request::check(1, "x")), StunDropCause::NoUsername, None),
        ("indication", indication, StunDropCause::NotBinding, None),
        ("not STUN", vec![0; 24], StunDropCause::Malformed, None),
    ];
    let mut world = World::with_client();
    world.signal(Some(Setup::Active));
    let from = address("203.0.113.66:6666");
    for (name, datagram, cause, code) in cases {
        world.sent.clear();
        world.stun_drops.clear();
        world.inject(from, &datagram);
        assert_eq!(world.stun_drops, [cause], "{name}");
        let answers = world.sent_to(from, world.now);
        let codes: Vec<_> = answers.iter().map(|bytes| answer_code(bytes)).collect();
        assert_eq!(codes, Vec::from_iter(code.map(Some)), "{name}");
        assert!(!world.bridge.is_valid_source(from), "{name}");
        let len = answers.first().map_or(0, |answer| answer.len());
        assert!(len <= 2 * datagram.len() + 64, "{name}: no amplifier");
    }
}

#[test]
fn the_role_is_not_lost_to_a_forger() {
    let mut world = World::with_client();
    world.signal(Some(Setup::Active));
    world.run_until(Duration::from_secs(5), World::is_connected);
    for from in [client_address(), address("203.0.113.66:6666")] {
        let forged = Request::check(9, &format!("{BRIDGE_UFRAG}:client"))
            .attribute(CONTROLLING, &u64::MAX.to_be_bytes());
        world.inject(from, &forged.bytes());
        let forged = Request::check(9, &format!("{BRIDGE_UFRAG}:client"))
            .attribute(CONTROLLING, &u64::MAX.to_be_bytes());
        world.inject(from, &forged.signed("guess").bytes());
    }
    assert!(world.bridge.is_controlling());
    world.run_for(Duration::from_secs(60));
    assert_eq!(world.bridge.selected().map(|(_, remote)| remote), Some(client_address()));
}

#[test]
fn forged_answers_validate_nothing() {
    let mut world = World::default();
    // A client that never answers, so that the bridge's checks stay open.
    world.clients.push(Client::new(client_address()));
    let check = Request::check(1, &format!("{BRIDGE_UFRAG}:client")).signed(BRIDGE_PASSWORD);
    world.clients[0].gone = true;
    world.inject(client_address(), &check.bytes());
    world.signal(Some(Setup::Active));
    world.run_for(Duration::from_millis(100));
    let asked = world.sent_to(client_address(), world.now - Duration::from_millis(100));
    let request = asked.iter().find(|bytes| bytes.starts_with(&[0, 1])).unwrap().to_vec();
    let mut answer = Request::new(0).attribute(0x0020, &[0, 1, 0, 0, 0, 0, 0, 0]).bytes();
    answer[0..2].copy_from_slice(&[1, 1]);
    answer[8..20].copy_from_slice(&request[8..20]);
    let answer = answer[..32].to_vec();
    let mut unsigned = answer.clone();
    unsigned[3] = 12;
    world.stun_drops.clear();
    world.inject(client_address(), &unsigned);
    let unknown = {
        let mut unknown = unsigned.clone();
        unknown[8] ^= 1;
        unknown
    };
    world.inject(client_address(), &unknown);
    assert_eq!(world.stun_drops, [StunDropCause::BadIntegrity, StunDropCause::UnknownTransaction]);
    assert_eq!(world.bridge.selected(), None);
}

#[test]
fn dtls_from_an_address_without_checks_is_dropped() {
    let mut world = World::connected();
    world.inject(address("203.0.113.66:6666"), &[22; 100]);
    assert_eq!(world.dtls_drops, [DtlsDropCause::UnvalidatedSource]);
}
