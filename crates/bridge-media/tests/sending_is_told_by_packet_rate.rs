//! Whether an endpoint sends audio or video follows from its packets of the last second.

use bridge_media::SendingActivity;
use bridge_units::{MediaType, Timestamp};

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(ms)
}

#[test]
fn at_first_any_packet_counts() {
    for media in [MediaType::Audio, MediaType::Video] {
        let mut sending = SendingActivity::new(at(1_000), media);
        assert!(!sending.is_sending(at(1_000)));
        sending.handle_packet(at(2_000));
        assert!(sending.is_sending(at(2_900)));
        assert!(!sending.is_sending(at(3_100)));
    }
}

#[test]
fn later_audio_needs_five_packets_a_second_and_video_one() {
    for (media, needed) in [(MediaType::Audio, 5), (MediaType::Video, 1)] {
        let mut sending = SendingActivity::new(at(0), media);
        for n in 1..=needed {
            assert!(!sending.is_sending(at(20_000 + n)));
            sending.handle_packet(at(20_000 + n));
        }
        assert!(sending.is_sending(at(20_900)));
        assert!(!sending.is_sending(at(21_100)));
    }
}
