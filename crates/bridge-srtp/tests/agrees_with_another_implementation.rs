//! What we seal rtc-srtp opens, and what it seals we open: RTP and RTCP, all profiles, across
//! rollovers of the sequence number.

use bridge_srtp::{DtlsRole, KeyingMaterial, OpenError, Profile, SrtpReceiver, SrtpSender};
use rtc_srtp::context::Context;
use rtc_srtp::crypto::default_provider;
use rtc_srtp::protection_profile::ProtectionProfile;

fn profiles() -> [(Profile, ProtectionProfile); 3] {
    [
        (Profile::AeadAes128Gcm, ProtectionProfile::AeadAes128Gcm),
        (Profile::AeadAes256Gcm, ProtectionProfile::AeadAes256Gcm),
        (Profile::Aes128CmHmacSha1_80, ProtectionProfile::Aes128CmHmacSha1_80),
    ]
}

fn keying(profile: Profile) -> KeyingMaterial {
    let block: Vec<u8> =
        (0..profile.exporter_len()).map(|at| (at * 37 + 11).to_le_bytes()[0]).collect();
    KeyingMaterial::from_exporter(profile, &block, DtlsRole::Server).expect("right length")
}

fn oracle(key: &[u8], salt: &[u8], profile: ProtectionProfile) -> Context {
    let provider = default_provider().expect("a provider is built in");
    Context::new(key, salt, profile, None, None, provider.crypto()).expect("keys fit the profile")
}

/// With two CSRCs, an extension of one word and `payload_len` bytes.
fn rtp(ssrc: u32, seq: u16, payload_len: usize) -> (Vec<u8>, Vec<u8>) {
    let mut header = vec![0x92, 0x60];
    header.extend(seq.to_be_bytes());
    header.extend([0, 0, 1, 2]);
    header.extend(ssrc.to_be_bytes());
    header.extend([1, 1, 1, 1, 2, 2, 2, 2]);
    header.extend([0xBE, 0xDE, 0, 1, 0x10, 0xFF, 0, 0]);
    let payload = (0..payload_len).map(|at| (at * 7 + usize::from(seq)).to_le_bytes()[0]).collect();
    (header, payload)
}

fn rtcp(ssrc: u32, words: u8) -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 1];
    packet.extend(ssrc.to_be_bytes());
    packet.extend([0x8F, 206, 0, words + 2]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend([0xAB; 4]);
    packet.extend(vec![0x5A; 4 * usize::from(words)]);
    packet
}

/// Sequence numbers that wrap twice.
fn sequence() -> impl Iterator<Item = u16> {
    [0xFFFE, 0xFFFF, 0, 1, 2, 0x6000, 0xB000, 0xFFFF, 0, 7].into_iter()
}

#[test]
fn the_other_opens_what_we_seal() {
    for (profile, theirs) in profiles() {
        let keying = keying(profile);
        let mut sender = SrtpSender::new(&keying);
        let mut oracle = oracle(keying.local_key(), keying.local_salt(), theirs);
        for (seq, payload_len) in sequence().zip([0, 1, 15, 16, 17, 1_200, 99, 1_000, 3, 64]) {
            for ssrc in [0x1234_5678, 0xFFFF_FFFF, 0] {
                let (header, payload) = rtp(ssrc, seq, payload_len);
                let mut sealed = [0; 1_500];
                let len = sender.seal_rtp(&header, &payload, &mut sealed).expect("sealed");
                assert_eq!(len, header.len() + payload.len() + profile.rtp_overhead());
                let opened = oracle.decrypt_rtp(&sealed[..len]).expect("authentic");
                assert_eq!(opened, [header, payload].concat(), "{profile:?} {ssrc:x} {seq}");
            }
        }
        for words in 0..20 {
            for ssrc in [0x1234_5678, 0xFFFF_FFFF] {
                let packet = rtcp(ssrc, words);
                let mut sealed = [0; 1_500];
                let len = sender.seal_rtcp(&packet, &mut sealed).expect("sealed");
                assert_eq!(len, packet.len() + profile.rtcp_overhead());
                let opened = oracle.decrypt_rtcp(&sealed[..len]).expect("authentic");
                assert_eq!(opened, packet, "{profile:?} {ssrc:x} {words}");
            }
        }
    }
}

#[test]
fn we_open_what_the_other_seals() {
    for (profile, theirs) in profiles() {
        let keying = keying(profile);
        let mut receiver = SrtpReceiver::new(&keying);
        let mut oracle = oracle(keying.remote_key(), keying.remote_salt(), theirs);
        for (seq, payload_len) in sequence().zip([0, 1, 15, 16, 17, 1_200, 99, 1_000, 3, 64]) {
            for ssrc in [0x1234_5678, 0xFFFF_FFFF, 0] {
                let (header, payload) = rtp(ssrc, seq, payload_len);
                let plain = [header.clone(), payload].concat();
                let mut packet = oracle.encrypt_rtp(&plain).expect("sealed").to_vec();
                let again = packet.clone();
                let len = receiver.open_rtp(&mut packet, header.len()).expect("authentic");
                assert_eq!(packet[..len], plain, "{profile:?} {ssrc:x} {seq}");
                let replayed = receiver.open_rtp(&mut again.clone(), header.len());
                assert_eq!(replayed, Err(OpenError::Replayed));
            }
        }
        for words in 0..20 {
            let plain = rtcp(0x1234_5678, words);
            let mut packet = oracle.encrypt_rtcp(&plain).expect("sealed").to_vec();
            let again = packet.clone();
            let len = receiver.open_rtcp(&mut packet).expect("authentic");
            assert_eq!(packet[..len], plain, "{profile:?} {words}");
            assert_eq!(receiver.open_rtcp(&mut again.clone()), Err(OpenError::Replayed));
        }
    }
}
