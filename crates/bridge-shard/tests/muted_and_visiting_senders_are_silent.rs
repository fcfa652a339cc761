//! Force mute discards what it names, and visitors only listen.

mod common;

use bridge_rtp::rtcp::SenderInfo;
use bridge_rtp::{RtcpPacket, RtcpWriter};
use bridge_shard::SessionAction;
use common::{Join, TICK, VIDEO, World, audio_ssrc, numbered, video_ssrc};

fn send_both(world: &mut World, sender: usize, number: u16) {
    let video = video_ssrc(world.clients[sender].session, 0);
    world.send_audio(sender, [number]);
    world.clients[sender].send_rtp(&numbered(video, VIDEO, number));
    world.run_for(5 * TICK);
}

#[test]
fn mute_discards_one_kind_and_can_be_undone() {
    let mut world = World::with_clients(2, &[0, 1, 0]);
    let session = world.clients[0].session;
    let (audio, video) = (audio_ssrc(session), video_ssrc(session, 0));
    for (number, mute) in
        [(false, false), (true, false), (false, true), (true, true), (false, false)]
            .into_iter()
            .enumerate()
    {
        world.command(session, SessionAction::SetForceMute { audio: mute.0, video: mute.1 });
        world.run_for(TICK);
        send_both(&mut world, 0, number as u16);
        send_both(&mut world, 2, number as u16);
    }
    assert_eq!(world.heard(1, audio), [0, 1, 2], "without the gaps of what was muted");
    assert_eq!(world.heard(1, video), [2, 3, 4]);
    assert_eq!(world.heard(1, audio_ssrc(world.clients[2].session)), [0, 1, 2, 3, 4]);
    assert_eq!(world.totals().dropped_muted, 4);
}

#[test]
fn mute_holds_after_a_move() {
    let mut world = World::with_clients(2, &[0, 1]);
    let session = world.clients[0].session;
    world.command(session, SessionAction::SetForceMute { audio: true, video: true });
    world.land(0, 1);
    send_both(&mut world, 0, 1);
    send_both(&mut world, 0, 2);
    assert_eq!(world.totals().sessions_moved_here, 1);
    assert!(world.clients[1].rtp.is_empty());
}

#[test]
fn a_visitor_hears_and_is_not_heard() {
    let mut world = World::new(2);
    world.join(Join::at(0).as_visitor());
    world.join(Join::at(1));
    world.connect();
    send_both(&mut world, 0, 1);
    send_both(&mut world, 1, 1);
    let info = SenderInfo {
        ssrc: audio_ssrc(world.clients[0].session),
        ntp_timestamp: 1,
        rtp_timestamp: 1,
        packet_count: 1,
        octet_count: 1,
    };
    let mut buffer = [0; 100];
    let mut writer = RtcpWriter::new(&mut buffer);
    writer.sender_report(&info, &[]).unwrap();
    world.clients[0].send_rtcp(writer.as_bytes());
    world.run_for(5 * TICK);
    assert_eq!(world.clients[0].rtp.len(), 2);
    assert!(world.clients[1].rtp.is_empty());
    let reports = world.clients[1]
        .reports(|packet| matches!(packet, RtcpPacket::SenderReport(_)).then_some(()));
    assert!(reports.is_empty());
    assert_eq!(world.totals().dropped_muted, 2);
}
