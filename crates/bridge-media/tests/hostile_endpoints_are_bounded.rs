//! Whatever an endpoint sends, nothing breaks and no number of an SSRC leaves twice.

#![allow(clippy::unwrap_used, reason = "functions of this test")]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use bridge_media::EndpointReception;
use bridge_rtp::SequenceUnwrapper;
use bridge_rtp::rtcp::SenderInfo;
use common::at_ms;
use common::endpoint::{
    ALLOCATION_ID, AUDIO, AUDIO_SSRC, AV1, CAMERA, DESCRIPTOR_ID, H264, LEVEL_ID, OPUS, RTX, Rtp,
    SSRCS, ULPFEC, VP8, VP9, audio, receive, reception, video,
};
use common::vp8::Vp8Sender;
use proptest::prelude::*;

fn packets() -> impl Strategy<Value = Rtp> {
    let payload_type = prop::sample::select(vec![VP8, VP8, VP9, AV1, H264, RTX, ULPFEC, OPUS, 5]);
    let ssrc = prop::sample::select(vec![SSRCS[0], SSRCS[1], SSRCS[0] + 100, AUDIO_SSRC, 7]);
    let number = prop_oneof![0_u16..40, 65_500_u16.., any::<u16>()];
    let id = prop::sample::select(vec![LEVEL_ID, DESCRIPTOR_ID, ALLOCATION_ID]);
    let extension = (id, prop::collection::vec(any::<u8>(), 0..20));
    let bytes = prop::collection::vec(any::<u8>(), 0..24);
    let padding = prop_oneof![3 => Just(0_u8), 1 => any::<u8>()];
    (payload_type, ssrc, number, prop::collection::vec(extension, 0..3), bytes, padding).prop_map(
        |(payload_type, ssrc, number, extensions, payload, padding)| Rtp {
            extensions,
            padding,
            ..Rtp::new(payload_type, ssrc, number, &payload)
        },
    )
}

#[derive(Clone, Debug)]
enum Event {
    Packet(Rtp),
    Mute(bool, bool),
    Forward(bool),
    Sources(u8),
    Report(u32, u64),
}

fn events() -> impl Strategy<Value = Event> {
    prop_oneof![
        40 => packets().prop_map(Event::Packet),
        1 => any::<(bool, bool)>().prop_map(|(audio, video)| Event::Mute(audio, video)),
        1 => any::<bool>().prop_map(Event::Forward),
        1 => any::<u8>().prop_map(Event::Sources),
        1 => any::<(u32, u64)>().prop_map(|(rtp, ntp)| Event::Report(rtp, ntp)),
    ]
}

/// The numbers that left, unwrapped as a receiver does.
#[derive(Default)]
struct Numbers {
    unwrapper: SequenceUnwrapper,
    seen: BTreeSet<i64>,
}

fn apply(reception: &mut EndpointReception, ms: u64, event: &Event) -> Option<(u32, u16)> {
    match event {
        Event::Packet(rtp) => {
            let output = receive(reception, at_ms(ms), rtp).ok()?;
            return (!output.bytes.is_empty()).then(|| (output.header.ssrc, output.number()));
        }
        Event::Mute(audio, video) => reception.set_force_mute(*audio, *video),
        Event::Forward(forwarded) => reception.set_audio_forwarded(*forwarded),
        // Always with the SSRCs whose numbers are watched.
        Event::Sources(0..128) => {
            reception.set_sources(&[audio(AUDIO, AUDIO_SSRC), video(CAMERA, &SSRCS)]);
        }
        Event::Sources(_) => {
            reception.set_sources(&[video(CAMERA, &SSRCS[..2]), audio(AUDIO, AUDIO_SSRC)]);
        }
        Event::Report(rtp_timestamp, ntp_timestamp) => {
            let (ssrc, rtp_timestamp, ntp_timestamp) = (SSRCS[0], *rtp_timestamp, *ntp_timestamp);
            let info = SenderInfo { ssrc, rtp_timestamp, ntp_timestamp, ..SenderInfo::default() };
            reception.handle_sender_report(at_ms(ms), &info);
        }
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 100,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn numbers_leave_once_whatever_arrives(
        events in prop::collection::vec((events(), 0_u64..400), 0..250),
    ) {
        let mut reception = reception();
        let mut left: BTreeMap<u32, Numbers> = BTreeMap::new();
        let mut ms = 0;
        for (event, wait) in &events {
            ms += wait;
            if let Some((ssrc, number)) = apply(&mut reception, ms, event) {
                let numbers = left.entry(ssrc).or_default();
                let index = numbers.unwrapper.update(number);
                prop_assert!(numbers.seen.insert(index), "{number} of {ssrc} left twice");
            }
            let mut asked = 0;
            reception.poll_nack(at_ms(ms), None, |_, numbers| asked += numbers.count());
            prop_assert!(asked <= 3 * bridge_media::MAX_MISSING);
            prop_assert!(reception.poll_layers(at_ms(ms)).is_none_or(|(id, _)| id == CAMERA));
            reception.poll_keyframe_wish();
        }
        prop_assert!(reception.poll_layers(at_ms(ms)).is_none(), "polled until there is nothing");

        // A sane sender is received after all that, at the latest when it is past everything that
        // was remembered.
        reception.set_force_mute(false, false);
        let packets = Vp8Sender::of_encoding(1, SSRCS[1], 1).frames(1_100);
        for (n, packet) in packets.iter().enumerate() {
            let outcome = receive(&mut reception, at_ms(ms), &Rtp::of(packet));
            prop_assert!(outcome.is_ok() || n < 1_050, "{outcome:?}");
        }
    }
}
