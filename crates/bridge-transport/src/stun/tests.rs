use proptest::prelude::*;

use super::attribute::{FINGERPRINT, PRIORITY};
use super::*;

/// RFC 5769, section 2.1: a request with SOFTWARE, PRIORITY, ICE-CONTROLLED and USERNAME.
const RFC5769_REQUEST: &str = "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e2074657374\
    20636c69656e74002400046e0001ff80290008932ff9b151263b36000600096576746a3a68367659202020\
    000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf";
/// RFC 5769, section 2.2: the answer, mapped address 192.0.2.1:32853.
const RFC5769_RESPONSE: &str = "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563\
    746f7220002000080001a147e112a643000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004\
    c07d4c96";
const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        hex.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

#[test]
fn the_request_of_rfc_5769_is_understood() {
    let datagram = bytes(RFC5769_REQUEST);
    let message = Message::parse(&datagram).unwrap();
    let summary = Summary::of(message);
    assert!(message.is_binding());
    assert_eq!(message.class(), Class::Request);
    assert_eq!(binding_request_ufrag(&datagram), Some("evtj"));
    assert_eq!(message.username(), Some("evtj:h6vY"));
    assert_eq!(summary.priority, Some(0x6E00_01FF));
    assert_eq!(summary.controlled, Some(0x932F_F9B1_5126_3B36));
    assert!(!summary.malformed && summary.unknown.is_empty());
    assert!(summary.fingerprint_fits(message));
    assert!(summary.verifies(message, PASSWORD));
    assert!(!summary.verifies(message, "VOkJxbRl1RmTxUk/WvJxBu"));
}

#[test]
fn the_response_of_rfc_5769_is_understood() {
    let datagram = bytes(RFC5769_RESPONSE);
    let message = Message::parse(&datagram).unwrap();
    let summary = Summary::of(message);
    assert_eq!(message.class(), Class::Success);
    assert_eq!(summary.mapped_address, Some("192.0.2.1:32853".parse().unwrap()));
    assert!(summary.fingerprint_fits(message) && summary.verifies(message, PASSWORD));
    assert_eq!(binding_request_ufrag(&datagram), None);
}

#[test]
fn any_changed_bit_is_noticed() {
    let datagram = bytes(RFC5769_REQUEST);
    // Not the type and length of FINGERPRINT: another type after MESSAGE-INTEGRITY is ignored.
    let fingerprint = datagram.len() - 8;
    for bit in (0..fingerprint * 8).chain((fingerprint + 4) * 8..datagram.len() * 8) {
        let mut changed = datagram.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let accepted = Message::parse(&changed).is_some_and(|message| {
            let summary = Summary::of(message);
            !summary.malformed
                && summary.fingerprint_fits(message)
                && summary.verifies(message, PASSWORD)
                && message.bytes().len() == datagram.len()
        });
        assert!(!accepted, "bit {bit}");
    }
}

#[test]
fn headers_that_do_not_fit_are_refused() {
    let good = bytes(RFC5769_REQUEST);
    let with = |index: usize, value: u8| {
        let mut datagram = good.clone();
        datagram[index] = value;
        datagram
    };
    let truncated = good[..good.len() - 4].to_vec();
    for (name, datagram) in [
        ("empty", Vec::new()),
        ("short", good[..19].to_vec()),
        ("top bits", with(0, 0x80)),
        ("cookie", with(4, 0x22)),
        ("odd length", with(3, 0x59)),
        ("truncated", truncated),
        ("length field", with(3, 0x54)),
    ] {
        assert!(Message::parse(&datagram).is_none(), "{name}");
        assert_eq!(binding_request_ufrag(&datagram), None, "{name}");
        assert_eq!(transaction_id(&datagram), None, "{name}");
        assert_eq!(class(&datagram), None, "{name}");
    }
}

#[test]
fn a_wrong_fingerprint_or_one_that_is_not_last_is_noticed() {
    let base =
        || MessageWriter::request([7; 12]).username("a:b").attribute(PRIORITY, &[0, 0, 0, 1]);
    let mut wrong = base().finish(Some("pw"));
    if let Some(last) = wrong.last_mut() {
        *last ^= 1;
    }
    let message = Message::parse(&wrong).unwrap();
    assert!(!Summary::of(message).fingerprint_fits(message));

    let mut early = base().attribute(FINGERPRINT, &[0; 4]).username("x:y").finish(None);
    early[3] = (early.len() - 20) as u8;
    assert!(Summary::of(Message::parse(&early).unwrap()).malformed);
}

#[test]
fn unknown_attributes_are_listed_and_those_after_integrity_ignored() {
    let datagram = MessageWriter::request([7; 12])
        .username("a:b")
        .attribute(0x7777, &[1])
        .attribute(0xC057, &[0, 1, 0, 2])
        .finish(Some("pw"));
    let summary = Summary::of(Message::parse(&datagram).unwrap());
    assert_eq!(summary.unknown, [0x7777]);
}

#[test]
fn answers_are_read_back_by_the_ice_library() {
    let hmac = |key: &[u8], parts: &[&[u8]]| sign(key, parts);
    for address in ["192.0.2.7:1234", "[2001:db8::7]:65535"] {
        let address = address.parse().unwrap();
        let datagram = MessageWriter::success([9; 12])
            .xor_mapped_address(address)
            .software("bridge")
            .finish(Some("password"));
        let read = is::stun::StunMessage::parse(&datagram).unwrap();
        assert_eq!(read.mapped_address(), Some(address));
        assert!(read.verify(b"password", hmac));
        let own = Message::parse(&datagram).unwrap();
        assert_eq!(Summary::of(own).mapped_address, Some(address));
    }
    let datagram = MessageWriter::error([9; 12], 487, "Role Conflict").finish(Some("password"));
    let read = is::stun::StunMessage::parse(&datagram).unwrap();
    assert_eq!(read.error_code(), Some((487, "Role Conflict")));
    assert!(read.verify(b"password", hmac));
}

#[test]
fn software_is_added_to_a_message_of_the_ice_library() {
    let hmac = |key: &[u8], parts: &[&[u8]]| sign(key, parts);
    let mut buffer = [0; 512];
    let id = is::stun::TransId::new();
    let len = is::stun::StunMessage::binding_request("remote:local", id, true, 99, 7, true)
        .to_bytes(Some(b"password"), &mut buffer, hmac)
        .unwrap();
    let original = Message::parse(&buffer[..len]).unwrap();
    let datagram = with_software(original, "bridge", "password");
    let message = Message::parse(&datagram).unwrap();
    let summary = Summary::of(message);
    assert!(summary.verifies(message, "password") && summary.fingerprint_fits(message));
    assert_eq!(summary.controlling, Some(99));
    assert_eq!(message.transaction_id(), original.transaction_id());
    let software = message.attributes().flatten().find(|a| a.kind == attribute::SOFTWARE);
    assert_eq!(software.map(|a| a.value), Some(&b"bridge"[..]));
    assert!(is::stun::StunMessage::parse(&datagram).unwrap().use_candidate());
}

proptest! {
    #[test]
    fn nothing_panics(datagram in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = (binding_request_ufrag(&datagram), transaction_id(&datagram), is_stun(&datagram));
    }

    #[test]
    fn no_body_panics(body in proptest::collection::vec(any::<u8>(), 0..120), kind in 0u8..4) {
        let mut datagram = vec![0, kind << 4 | 1, 0, 0];
        let length = body.len() / 4 * 4;
        datagram[3] = length as u8;
        datagram.extend_from_slice(&MAGIC_COOKIE);
        datagram.extend_from_slice(&[1; 12]);
        datagram.extend_from_slice(&body[..length]);
        let message = Message::parse(&datagram).unwrap();
        let summary = Summary::of(message);
        let _ = (summary.verifies(message, "x"), summary.fingerprint_fits(message));
        let _ = (message.local_ufrag(), with_software(message, "s", "p"));
    }
}
