//! Once streams and speakers are known, audio passes without allocation: levels, silence, loudness
//! and redundancy.

use std::time::Duration;

use bridge_media::{
    AudioPacket, LoudestConfig, LoudestSpeakers, RedConfig, RedStream, SilenceFilter,
    SpeechActivity, SpeechActivityConfig,
};
use bridge_rtp::AudioLevel;
use bridge_units::{EndpointId, Timestamp};

#[global_allocator]
static ALLOCATOR: bridge_allocations::Counting = bridge_allocations::Counting;

#[test]
fn packets_pass_without_allocation() {
    let mut silence = SilenceFilter::default();
    let mut plain = RedStream::new();
    let mut stripped = RedStream::new();
    let config = RedConfig::default();
    let mut out = [0; 1_200];
    let (mut written, mut emitted, mut before) = (0, 0, 0);
    for n in 0..3_000_u16 {
        if n == 1_000 {
            before = bridge_allocations::count();
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
    assert_eq!(bridge_allocations::count() - before, 0);
    assert!(written > 100_000 && emitted > 1_000);
}

/// 200 endpoints with 50 levels a second: only changes and decisions may cost memory.
#[test]
fn levels_are_taken_without_allocation() {
    let endpoints: Vec<_> = (0..200).filter_map(|n| EndpointId::new(&format!("{n:08x}"))).collect();
    let mut activity = SpeechActivity::new(SpeechActivityConfig::default());
    let config = LoudestConfig { route_loudest_only: true, ..LoudestConfig::default() };
    let mut loudest = LoudestSpeakers::new(config);
    let mut before = 0;
    endpoints.iter().for_each(|id| assert!(activity.add_endpoint(id.clone())));
    for step in 0..200_u64 {
        let now = Timestamp::from_millis(step * 20);
        if step == 100 {
            before = bridge_allocations::count();
        }
        for (n, id) in (0_u64..).zip(&endpoints) {
            let level = u8::try_from((n + step / 50) % 128).unwrap();
            let cooked = activity.handle_level(id, level, now).unwrap();
            loudest.handle_level(id, cooked, now);
        }
        activity.handle_timeout(now);
        loudest.handle_timeout(now - Duration::from_millis(1));
    }
    let allocations = bridge_allocations::count() - before;
    assert!(allocations < 20, "{allocations}");
}
