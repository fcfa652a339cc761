//! After the first packet of an SSRC neither opening nor sealing allocates.

use bridge_srtp::{DtlsRole, KeyingMaterial, Profile, SrtpReceiver, SrtpSender};

#[global_allocator]
static ALLOCATOR: bridge_allocations::Counting = bridge_allocations::Counting;

#[test]
fn no_allocation_in_the_steady_state() {
    for profile in Profile::ALL {
        let block: Vec<u8> = (0..).take(profile.exporter_len()).collect();
        let keying =
            |role| KeyingMaterial::from_exporter(profile, &block, role).expect("right length");
        let mut sender = SrtpSender::new(&keying(DtlsRole::Client));
        let mut receiver = SrtpReceiver::new(&keying(DtlsRole::Server));
        let mut packet = [0; 1_500];
        let mut one_round = |seq: u16| {
            for ssrc in 0..10_u8 {
                let seq = seq.to_be_bytes();
                let header = [0x80, 96, seq[0], seq[1], 0, 0, 0, 9, 0, 0, 0, ssrc];
                let len = sender.seal_rtp(&header, &[7; 1_100], &mut packet).expect("sealed");
                assert_eq!(receiver.open_rtp(&mut packet[..len], 12), Ok(1_112));
                let len = sender
                    .seal_rtcp(&[0x80, 201, 0, 1, 0, 0, 0, ssrc], &mut packet)
                    .expect("sealed");
                assert_eq!(receiver.open_rtcp(&mut packet[..len]), Ok(8));
            }
        };
        one_round(1);
        let before = bridge_allocations::count();
        assert!(before > 0, "the allocator counts");
        for seq in 2..100 {
            one_round(seq);
        }
        assert_eq!(bridge_allocations::count() - before, 0, "{profile:?}");
    }
}
