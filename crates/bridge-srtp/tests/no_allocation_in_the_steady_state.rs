//! After the first packet of an SSRC neither opening nor sealing allocates.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use bridge_srtp::{DtlsRole, KeyingMaterial, Profile, SrtpReceiver, SrtpSender};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct CountingAllocator;

#[expect(unsafe_code, reason = "counting allocations needs an allocator; it only forwards")]
// SAFETY: every call is forwarded unchanged to the system's allocator.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps GlobalAlloc's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps GlobalAlloc's contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

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
        let before = ALLOCATIONS.get();
        assert!(before > 0, "the allocator counts");
        for seq in 2..100 {
            one_round(seq);
        }
        assert_eq!(ALLOCATIONS.get() - before, 0, "{profile:?}");
    }
}
