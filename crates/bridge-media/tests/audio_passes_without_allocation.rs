//! Once streams and speakers are known, audio passes without allocation: levels, silence, loudness
//! and redundancy.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use bridge_media::{
    AudioPacket, LoudestConfig, LoudestSpeakers, RedConfig, RedStream, SilenceFilter,
    SpeechActivity, SpeechActivityConfig,
};
use bridge_rtp::AudioLevel;
use bridge_units::{EndpointId, Timestamp};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

#[expect(unsafe_code, reason = "counting allocations needs an allocator; it only forwards")]
// SAFETY: every call is forwarded unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn packets_pass_without_allocation() {
    let mut silence = SilenceFilter::default();
    let mut plain = RedStream::new();
    let mut stripped = RedStream::new();
    let config = RedConfig::default();
    let mut out = [0; 1_200];
    let (mut written, mut emitted) = (0, 0);
    for n in 0..3_000_u16 {
        if n == 1_000 {
            ALLOCATIONS.set(0);
        }
        let is_silent = n % 100 > 60;
        let level = AudioLevel { level: if is_silent { 127 } else { 30 }, voice_activity: true };
        if n % 17 == 0 || !silence.accept(Some(level)) {
            continue;
        }
        let payload = [7; 160];
        let packet = AudioPacket {
            sequence_number: n,
            timestamp: u32::from(n) * 960,
            payload_type: 111,
            voice_activity: true,
            payload: payload.get(..usize::from(n % 160)).unwrap(),
        };
        let Some(len) = plain.protect(&packet, &config, &mut out) else { continue };
        written += len;
        let packet = AudioPacket { payload_type: 112, payload: &out[..len], ..packet };
        let _ = stripped.strip(&packet, |_| emitted += 1);
    }
    assert_eq!(ALLOCATIONS.get(), 0);
    assert!(written > 100_000 && emitted > 1_000);
}

/// 200 endpoints with 50 levels a second: only changes and decisions may cost memory.
#[test]
fn levels_are_taken_without_allocation() {
    let endpoints: Vec<_> = (0..200).filter_map(|n| EndpointId::new(&format!("{n:08x}"))).collect();
    let mut activity = SpeechActivity::new(SpeechActivityConfig::default());
    let config = LoudestConfig { route_loudest_only: true, ..LoudestConfig::default() };
    let mut loudest = LoudestSpeakers::new(config);
    endpoints.iter().for_each(|id| assert!(activity.add_endpoint(id.clone())));
    for step in 0..200_u64 {
        let now = Timestamp::from_millis(step * 20);
        if step == 100 {
            ALLOCATIONS.set(0);
        }
        for (n, id) in (0_u64..).zip(&endpoints) {
            let level = u8::try_from((n + step / 50) % 128).unwrap();
            let cooked = activity.handle_level(id, level, now).unwrap();
            loudest.handle_level(id, cooked, now);
        }
        activity.handle_timeout(now);
        loudest.handle_timeout(now - Duration::from_millis(1));
    }
    assert!(ALLOCATIONS.get() < 20, "{}", ALLOCATIONS.get());
}
