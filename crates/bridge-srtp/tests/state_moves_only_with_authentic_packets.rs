//! Rollover counters, replay windows and limits, seen from outside.

use bridge_srtp::{
    DtlsRole, KeyingMaterial, MAX_RECEIVE_STREAMS, MAX_SEND_STREAMS, OpenError, Profile, SealError,
    SrtpReceiver, SrtpSender,
};
use proptest::prelude::*;

const HEADER_LEN: usize = 12;

fn pair(profile: Profile) -> (SrtpSender, SrtpReceiver) {
    let block: Vec<u8> = (0..).take(profile.exporter_len()).collect();
    let keying = |role| KeyingMaterial::from_exporter(profile, &block, role).expect("right length");
    (SrtpSender::new(&keying(DtlsRole::Client)), SrtpReceiver::new(&keying(DtlsRole::Server)))
}

fn header(ssrc: u32, seq: u16) -> [u8; HEADER_LEN] {
    let mut header = [0x80, 96, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0];
    header[2..4].copy_from_slice(&seq.to_be_bytes());
    header[8..].copy_from_slice(&ssrc.to_be_bytes());
    header
}

fn seal(sender: &mut SrtpSender, ssrc: u32, seq: u16) -> Vec<u8> {
    let mut out = vec![0; 200];
    let len = sender.seal_rtp(&header(ssrc, seq), b"some payload", &mut out).expect("sealed");
    out.truncate(len);
    out
}

fn open(receiver: &mut SrtpReceiver, packet: &[u8]) -> Result<Vec<u8>, OpenError> {
    let mut packet = packet.to_vec();
    let len = receiver.open_rtp(&mut packet, HEADER_LEN)?;
    Ok(packet[HEADER_LEN..len].to_vec())
}

fn rtcp(ssrc: u32) -> Vec<u8> {
    [&[0x80, 201, 0, 1], &ssrc.to_be_bytes()[..], &[0x81, 206, 0, 2], &[7; 8]].concat()
}

#[test]
fn a_late_packet_across_the_wrap_has_the_old_rollover_counter() {
    for profile in Profile::ALL {
        let (mut sender, mut receiver) = pair(profile);
        for seq in [0xFFF0, 0xFFFF, 0, 1] {
            assert!(open(&mut receiver, &seal(&mut sender, 1, seq)).is_ok(), "{profile:?} {seq}");
        }
        // Overtaken by those behind the wrap.
        assert!(open(&mut receiver, &seal(&mut sender, 1, 0xFFFE)).is_ok(), "{profile:?}");
        assert!(open(&mut receiver, &seal(&mut sender, 1, 2)).is_ok(), "{profile:?}");
    }
}

#[test]
fn an_index_is_sealed_once() {
    for profile in Profile::ALL {
        let (mut sender, _) = pair(profile);
        for seq in [0xFFF0, 0xFFFF, 0, 1] {
            seal(&mut sender, 1, seq);
        }
        // The same numbers again, and one that is so far behind that nobody knows any more.
        for seq in [0xFFFF, 0, 1, 0xFF00] {
            let refused = sender.seal_rtp(&header(1, seq), b"another payload", &mut [0; 100]);
            assert_eq!(refused, Err(SealError::Repeated), "{profile:?} {seq}");
        }
    }
}

#[test]
fn the_replay_window_ends_after_64_packets() {
    let (mut sender, mut receiver) = pair(Profile::AeadAes128Gcm);
    let packets: Vec<_> = (0..200).map(|seq| seal(&mut sender, 1, seq)).collect();
    assert!(open(&mut receiver, &packets[100]).is_ok());
    assert!(open(&mut receiver, &packets[37]).is_ok());
    assert_eq!(open(&mut receiver, &packets[36]), Err(OpenError::TooOld));
    assert_eq!(open(&mut receiver, &packets[37]), Err(OpenError::Replayed));
    assert_eq!(open(&mut receiver, &packets[100]), Err(OpenError::Replayed));
    assert!(open(&mut receiver, &packets[101]).is_ok());
    assert_eq!(open(&mut receiver, &packets[37]), Err(OpenError::TooOld));
}

#[test]
fn a_forged_new_ssrc_takes_no_state() {
    for profile in Profile::ALL {
        let (_, mut receiver) = pair(profile);
        for ssrc in 0..3_000 {
            let mut forged = [&header(ssrc, 5)[..], &[0; 40]].concat();
            let opened = receiver.open_rtp(&mut forged, HEADER_LEN);
            assert_eq!(opened, Err(OpenError::Unauthenticated));
        }
        assert_eq!(receiver.rtp_stream_count(), 0);
    }
}

#[test]
fn a_forged_packet_moves_no_rollover_counter() {
    for profile in Profile::ALL {
        let (mut sender, mut receiver) = pair(profile);
        assert!(open(&mut receiver, &seal(&mut sender, 1, 0xFFF0)).is_ok());
        let mut forged = seal(&mut sender, 1, 0xFFFF);
        forged[2..4].copy_from_slice(&3_u16.to_be_bytes());
        assert_eq!(open(&mut receiver, &forged), Err(OpenError::Unauthenticated));
        assert!(open(&mut receiver, &seal(&mut sender, 1, 0xFFF1)).is_ok(), "{profile:?}");
    }
}

#[test]
fn receive_streams_are_limited_and_the_least_recently_used_goes() {
    let (mut sender, mut receiver) = pair(Profile::AeadAes128Gcm);
    let limit = u32::try_from(MAX_RECEIVE_STREAMS).expect("small");
    let first = seal(&mut sender, 0, 1);
    assert!(open(&mut receiver, &first).is_ok());
    let packets: Vec<_> = (1..=limit).map(|ssrc| seal(&mut sender, ssrc, 1)).collect();
    for packet in &packets {
        assert!(open(&mut receiver, packet).is_ok());
    }
    let second = &packets[1];
    assert_eq!(receiver.rtp_stream_count(), MAX_RECEIVE_STREAMS);
    // SSRC 0 was forgotten, so that even its first packet is new; SSRC 2 was not.
    assert!(open(&mut receiver, &first).is_ok());
    assert_eq!(open(&mut receiver, second), Err(OpenError::Replayed));
}

#[test]
fn a_sender_never_forgets_a_stream_that_rolled_over() {
    let (mut sender, mut receiver) = pair(Profile::AeadAes128Gcm);
    for seq in [0xFFFF, 0, 1] {
        assert!(open(&mut receiver, &seal(&mut sender, 7, seq)).is_ok());
    }
    let limit = u32::try_from(MAX_SEND_STREAMS).expect("small");
    for ssrc in 100..100 + limit + 10 {
        seal(&mut sender, ssrc, 1);
    }
    assert_eq!(sender.rtp_stream_count(), MAX_SEND_STREAMS);
    assert!(open(&mut receiver, &seal(&mut sender, 7, 2)).is_ok());
}

#[test]
fn a_sender_full_of_streams_that_rolled_over_refuses_more() {
    let (mut sender, _) = pair(Profile::AeadAes128Gcm);
    for ssrc in 0..u32::try_from(MAX_SEND_STREAMS).expect("small") {
        seal(&mut sender, ssrc, 0xFFFF);
        seal(&mut sender, ssrc, 0);
    }
    let refused = sender.seal_rtp(&header(u32::MAX, 1), b"", &mut [0; 100]);
    assert_eq!(refused, Err(SealError::TooManyStreams));
}

#[test]
fn rtcp_indexes_rise_whatever_the_ssrc() {
    for profile in Profile::ALL {
        let (mut sender, mut receiver) = pair(profile);
        let mut packets = Vec::new();
        for ssrc in [1, 2, 1, 1, 2] {
            let mut out = [0; 100];
            let len = sender.seal_rtcp(&rtcp(ssrc), &mut out).expect("sealed");
            packets.push(out[..len].to_vec());
        }
        for at in [1, 0, 4, 3, 2] {
            assert_eq!(receiver.open_rtcp(&mut packets[at].clone()), Ok(20), "{profile:?}");
        }
        for packet in &packets {
            let replayed = receiver.open_rtcp(&mut packet.clone());
            assert_eq!(replayed, Err(OpenError::Replayed), "{profile:?}");
        }
    }
}

#[test]
fn rtcp_in_the_clear_is_refused() {
    for (profile, word_at) in [(Profile::AeadAes128Gcm, 4), (Profile::Aes128CmHmacSha1_80, 14)] {
        let (mut sender, mut receiver) = pair(profile);
        let mut out = [0; 100];
        let len = sender.seal_rtcp(&rtcp(1), &mut out).expect("sealed");
        out[len - word_at] &= 0x7F;
        assert_eq!(receiver.open_rtcp(&mut out[..len]), Err(OpenError::Unencrypted));
    }
}

#[test]
fn sizes_are_checked() {
    for profile in Profile::ALL {
        let (mut sender, mut receiver) = pair(profile);
        let sealed = seal(&mut sender, 1, 1);
        for len in 0..HEADER_LEN + profile.rtp_overhead() {
            let opened = receiver.open_rtp(&mut sealed[..len].to_vec(), HEADER_LEN);
            assert_eq!(opened, Err(OpenError::TooShort));
        }
        for header_len in [0, 11, sealed.len() - profile.rtp_overhead() + 1, usize::MAX] {
            let opened = receiver.open_rtp(&mut sealed.clone(), header_len);
            assert_eq!(opened, Err(OpenError::TooShort), "{header_len}");
        }
        for len in 0..8 + profile.rtcp_overhead() {
            assert_eq!(receiver.open_rtcp(&mut vec![0x80; len]), Err(OpenError::TooShort));
        }
        let mut out = [0; 100];
        assert_eq!(sender.seal_rtp(&[0; 11], b"", &mut out), Err(SealError::TooShort));
        assert_eq!(sender.seal_rtcp(&[0; 7], &mut out), Err(SealError::TooShort));
        let fits = 12 + 3 + profile.rtp_overhead();
        let too_small = sender.seal_rtp(&header(1, 2), b"abc", &mut out[..fits - 1]);
        assert_eq!(too_small, Err(SealError::OutputTooSmall));
        assert_eq!(sender.seal_rtp(&header(1, 2), b"abc", &mut out[..fits]), Ok(fits));
        let fits = 20 + profile.rtcp_overhead();
        let too_small = sender.seal_rtcp(&rtcp(1), &mut out[..fits - 1]);
        assert_eq!(too_small, Err(SealError::OutputTooSmall));
        let mut large = vec![0; 70_000];
        let too_long = sender.seal_rtp(&header(1, 3), &[0; 66_000], &mut large);
        assert_eq!(too_long, Err(SealError::TooLong));
        assert_eq!(sender.seal_rtcp(&[0; 66_000], &mut large), Err(SealError::TooLong));
    }
}

fn any_profile() -> impl Strategy<Value = Profile> {
    prop::sample::select(Profile::ALL.to_vec())
}

proptest! {
    #[test]
    fn opening_inverts_sealing(
        profile in any_profile(),
        ssrc: u32,
        seq: u16,
        extra in 0..20_usize,
        payload in prop::collection::vec(any::<u8>(), 0..1_400),
    ) {
        let (mut sender, mut receiver) = pair(profile);
        let header = [&header(ssrc, seq)[..], &vec![0x33; extra]].concat();
        let mut out = vec![0; 1_500];
        let len = sender.seal_rtp(&header, &payload, &mut out).expect("sealed");
        let opened = receiver.open_rtp(&mut out[..len], header.len());
        prop_assert_eq!(opened, Ok(header.len() + payload.len()));
        prop_assert_eq!(&out[..header.len()], &header[..]);
        prop_assert_eq!(&out[header.len()..header.len() + payload.len()], &payload[..]);
    }

    #[test]
    fn any_changed_bit_is_noticed(profile in any_profile(), bit in 0..8_usize, at in 0..24_usize) {
        let (mut sender, mut receiver) = pair(profile);
        let mut packet = seal(&mut sender, 1, 1);
        packet[at] ^= 1 << bit;
        prop_assert_eq!(open(&mut receiver, &packet), Err(OpenError::Unauthenticated));
        let mut out = [0; 100];
        let len = sender.seal_rtcp(&rtcp(1), &mut out).expect("sealed");
        out[at % 20] ^= 1 << bit;
        prop_assert_eq!(receiver.open_rtcp(&mut out[..len]), Err(OpenError::Unauthenticated));
    }

    #[test]
    fn nothing_received_panics(
        profile in any_profile(),
        mut packet in prop::collection::vec(any::<u8>(), 0..200),
        header_len in 0..220_usize,
    ) {
        let (_, mut receiver) = pair(profile);
        prop_assert!(receiver.open_rtp(&mut packet, header_len).is_err());
        prop_assert!(receiver.open_rtcp(&mut packet).is_err());
    }
}
