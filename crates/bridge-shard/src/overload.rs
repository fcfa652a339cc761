//! What a shard drops when it has more to do than it can: the oldest media first, audio last.
//!
//! The kernel tells how long a datagram waited in the socket. Media that waited long is of no use
//! to anybody, and forwarding it to a hundred receivers makes what is behind it late, too; so it is
//! dropped before it costs anything. STUN, DTLS, RTCP and so signalling are never dropped here.

use bridge_metrics::ShardCounters;
use bridge_units::MediaType;
use std::time::Duration;

/// Video that waited longer is dropped: a frame's time at 30 a second, twice over.
const MAX_VIDEO_AGE: Duration = Duration::from_millis(60);

/// Audio that waited longer is dropped: a jitter buffer has given it up.
const MAX_AUDIO_AGE: Duration = Duration::from_millis(200);

/// Whether media that waited for `age` is to be dropped.
pub(crate) fn is_too_old(media: MediaType, age: Duration) -> bool {
    age > match media {
        MediaType::Audio => MAX_AUDIO_AGE,
        MediaType::Video => MAX_VIDEO_AGE,
    }
}

/// Counts a dropped packet.
pub(crate) fn count(media: MediaType, counters: &mut ShardCounters) {
    match media {
        MediaType::Audio => counters.dropped_overload_audio += 1,
        MediaType::Video => counters.dropped_overload_video += 1,
    }
}
