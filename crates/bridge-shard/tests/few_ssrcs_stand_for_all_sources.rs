//! A receiver that lets the bridge choose SSRCs sees no others, is told what they stand for, and is
//! understood when it asks about them.

mod common;

use bridge_rtp::{RtcpPacket, RtcpWriter, RtpView};
use bridge_shard::{ForwardingProgram, SessionAction, SessionEventKind, SourceMapping};
use bridge_units::{MediaType, SessionId};
use common::{
    Join, TICK, VIDEO, World, audio_ssrc, everything, packets::source_id, rtp, video_ssrc,
};

/// A sender, and a receiver with few SSRCs that gets all video.
fn world() -> World {
    let mut world = World::new(1);
    world.join(Join::at(0));
    world.join(Join::at(0).with_few_ssrcs());
    world.connect();
    let mapped = vec![source_id(world.clients[0].session, MediaType::Video)];
    let program = ForwardingProgram { mapped, ..everything() };
    let receiver = world.clients[1].session;
    world.command(receiver, SessionAction::SetForwarding(Box::new(program)));
    world.run_for(TICK);
    world
}

fn mapped(world: &World, to: SessionId, wanted: MediaType) -> Vec<SourceMapping> {
    let events = world.events.iter().filter(|event| event.session == to);
    let mappings = events.filter_map(|event| match &event.kind {
        SessionEventKind::SourcesMapped(media, mapped) if *media == wanted => Some(mapped.clone()),
        _ => None,
    });
    mappings.flatten().collect()
}

#[test]
fn audio_is_mapped_when_it_is_heard() {
    let mut world = world();
    let (sender, receiver) = (world.clients[0].session, world.clients[1].session);
    world.send_audio(0, 10..13);
    world.run_for(TICK);
    let [audio] = &mapped(&world, receiver, MediaType::Audio)[..] else { panic!("one mapping") };
    assert_eq!(audio.source, source_id(sender, MediaType::Audio));
    assert_eq!(audio.mid.as_deref(), Some("a0"));
    assert_ne!(audio.ssrc, audio_ssrc(sender));
    assert_eq!(world.heard(1, audio.ssrc), [10, 11, 12]);
    assert!(world.heard(1, audio_ssrc(sender)).is_empty());
    let packet = RtpView::parse(&world.clients[1].rtp[0]).unwrap();
    assert_eq!(packet.extension(10), Some(&b"a0"[..]), "packets carry the MID");
}

#[test]
fn video_is_mapped_as_the_program_says_and_asked_for_by_its_new_ssrc() {
    let mut world = world();
    let (sender, receiver) = (world.clients[0].session, world.clients[1].session);
    let [video] = &mapped(&world, receiver, MediaType::Video)[..] else { panic!("one mapping") };
    let video = video.clone();
    assert_eq!(video.source, source_id(sender, MediaType::Video));
    let original = video_ssrc(sender, 0);
    for number in 0..5 {
        world.clients[0].send_rtp(&rtp(original, VIDEO, number, &[], &[7; 100]));
    }
    world.run_for(TICK);
    let got = world.heard(1, video.ssrc);
    assert_eq!(got.len(), 5);
    assert!(world.heard(1, original).is_empty());
    world.forget_received();

    let mut buffer = [0; 200];
    let mut writer = RtcpWriter::new(&mut buffer);
    writer.nack(1, video.ssrc, [got[2]]).unwrap();
    writer.picture_loss_indication(1, video.ssrc).unwrap();
    writer.picture_loss_indication(1, original).unwrap();
    world.clients[1].send_rtcp(writer.as_bytes());
    world.run_for(TICK);
    assert_eq!(world.heard(1, video.rtx), [1], "sent again on the announced SSRC");
    let asked = world.clients[0].reports(|packet| match packet {
        RtcpPacket::PictureLossIndication(pli) => Some(pli.media_ssrc),
        _ => None,
    });
    assert_eq!(asked, [original]);
    assert_eq!(world.totals().dropped_unknown_ssrc, 1, "the unmapped SSRC is nobody's");
}
