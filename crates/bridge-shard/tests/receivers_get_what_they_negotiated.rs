//! Header extensions, retransmissions and feedback are those that an endpoint signalled.

#![allow(clippy::unwrap_used, reason = "functions of this test")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use bridge_rtp::{ExtensionType, RtcpPacket, RtcpWriter, RtpView};
use bridge_shard::{MediaDescription, SessionAction, SessionEventKind};
use bridge_units::Bitrate;
use common::{Join, RTX, TICK, VIDEO, World, audio_ssrc, media, rtp, rtx_ssrc, video_ssrc};

const ABS_SEND_TIME: u8 = 3;
const TRANSPORT_CC: u8 = 5;
const MID: u8 = 10;

fn negotiate(world: &mut World, client: usize, change: impl FnOnce(&mut MediaDescription)) {
    let mut description = media();
    change(&mut description);
    let session = world.clients[client].session;
    world.command(session, SessionAction::SetMedia(Arc::new(description)));
    world.run_for(TICK);
}

fn with_feedback(description: &mut MediaDescription, feedback: &[&str]) {
    for payload_type in &mut description.payload_types {
        payload_type.feedback = feedback.iter().map(ToString::to_string).collect();
    }
}

fn extension(packet: &[u8], id: u8) -> Option<Vec<u8>> {
    RtpView::parse(packet).unwrap().extension(id).map(<[u8]>::to_vec)
}

fn nack(ssrc: u32, number: u16) -> Vec<u8> {
    let mut buffer = [0; 100];
    let mut writer = RtcpWriter::new(&mut buffer);
    writer.nack(1, ssrc, [number]).unwrap();
    writer.as_bytes().to_vec()
}

/// Differs from JVB: audio has a number, too, and so counts in the estimate.
#[test]
fn all_that_is_sent_has_consecutive_transport_wide_numbers_from_one() {
    let mut world = World::with_clients(1, &[0, 0]);
    let session = world.clients[0].session;
    let ssrc = video_ssrc(session, 0);
    for number in 100..110 {
        world.clients[0].send_rtp(&rtp(ssrc, VIDEO, number, &[], &[7; 100]));
        world.send_audio(0, [number]);
        world.run_for(TICK);
    }
    let asked = world.heard(1, ssrc)[4];
    world.clients[1].send_rtcp(&nack(ssrc, asked));
    world.run_for(5 * TICK);
    assert_eq!(world.heard(1, rtx_ssrc(session, 0)), [1]);
    let numbers: Vec<_> = world.clients[1]
        .rtp
        .iter()
        .map(|packet| {
            assert_eq!(extension(packet, ABS_SEND_TIME), None, "one of the two");
            let data = extension(packet, TRANSPORT_CC).unwrap();
            u16::from_be_bytes(data.try_into().unwrap())
        })
        .collect();
    assert_eq!(numbers, (1..=numbers.len() as u16).collect::<Vec<_>>());
    assert!(numbers.len() >= 21, "{}", numbers.len());
}

#[test]
fn without_transport_wide_numbers_packets_have_their_send_time() {
    let mut world = World::with_clients(1, &[0, 0, 0]);
    negotiate(&mut world, 1, |media| with_feedback(media, &["nack", "goog-remb"]));
    negotiate(&mut world, 2, |media| {
        with_feedback(media, &["nack"]);
        let uri = ExtensionType::AbsSendTime.uri();
        media.header_extensions.retain(|(_, other)| other != uri);
    });
    let sent = world.now;
    world.send_audio(0, [1]);
    world.run_for(TICK);
    let [packet] = &world.clients[1].rtp[..] else { panic!("one packet") };
    assert_eq!(extension(packet, TRANSPORT_CC), None);
    let expected = bridge_rtp::abs_send_time(sent);
    assert_eq!(extension(packet, ABS_SEND_TIME), Some(expected.to_vec()));
    let [packet] = &world.clients[2].rtp[..] else { panic!("one packet") };
    assert_eq!((extension(packet, TRANSPORT_CC), extension(packet, ABS_SEND_TIME)), (None, None));
}

#[test]
fn packets_and_their_retransmissions_have_one_mid() {
    let mut world = World::new(1);
    world.join(Join::at(0));
    world.join(Join::at(0).with_few_ssrcs());
    world.connect();
    let video =
        common::packets::source_id(world.clients[0].session, bridge_units::MediaType::Video);
    let program = bridge_shard::ForwardingProgram { mapped: vec![video], ..common::everything() };
    let receiver = world.clients[1].session;
    world.command(receiver, SessionAction::SetForwarding(Box::new(program)));
    world.run_for(TICK);
    let original = video_ssrc(world.clients[0].session, 0);
    for number in 0..5 {
        world.clients[0].send_rtp(&rtp(original, VIDEO, number, &[(MID, b"7")], &[7; 100]));
    }
    world.run_for(TICK);
    let (ssrc, number) = {
        let packet = RtpView::parse(&world.clients[1].rtp[2]).unwrap();
        (packet.header().ssrc, packet.header().sequence_number)
    };
    world.clients[1].send_rtcp(&nack(ssrc, number));
    world.run_for(5 * TICK);
    let again = world.clients[1].rtp.iter().filter(|packet| packet[1] & 0x7f == RTX).count();
    assert_eq!((again, world.clients[1].rtp.len()), (1, 6));
    for packet in &world.clients[1].rtp {
        let view = RtpView::parse(packet).unwrap();
        let mids: Vec<_> = view.extensions().filter(|element| element.id == MID).collect();
        assert_eq!(mids.len(), 1);
        assert_eq!(mids[0].data(packet), Some(&b"v0"[..]));
    }
}

/// Differs from JVB, which sends the packet once more as it was: an index is sealed once only.
#[test]
fn a_receiver_without_retransmission_stream_is_sent_nothing_again() {
    let mut world = World::with_clients(1, &[0, 0]);
    negotiate(&mut world, 1, |media| media.payload_types.retain(|kind| kind.number != RTX));
    let ssrc = video_ssrc(world.clients[0].session, 0);
    world.clients[0].send_rtp(&rtp(ssrc, VIDEO, 7, &[], &[7; 100]));
    world.run_for(TICK);
    let got = world.heard(1, ssrc);
    world.clients[1].send_rtcp(&nack(ssrc, got[0]));
    world.run_for(5 * TICK);
    assert_eq!(world.clients[1].rtp.len(), 1);
    assert_eq!(world.totals().retransmissions_out, 0);
}

#[test]
fn who_signals_transport_wide_feedback_gets_it_and_nobody_else() {
    let mut world = World::with_clients(1, &[0, 0]);
    negotiate(&mut world, 1, |media| with_feedback(media, &["nack", "goog-remb"]));
    // An estimate takes five seconds.
    for number in 0..350_u16 {
        for client in 0..2 {
            let ssrc = audio_ssrc(world.clients[client].session);
            let now = bridge_rtp::abs_send_time(world.now);
            let elements = [(ABS_SEND_TIME, &now[..]), (TRANSPORT_CC, &number.to_be_bytes())];
            let packet = rtp(ssrc, common::AUDIO, number, &elements, &[0; 500]);
            world.clients[client].send_rtp(&packet);
        }
        world.run_for(Duration::from_millis(20));
    }
    let count = |client: usize| {
        let of = |kind: fn(&RtcpPacket<'_>) -> bool| {
            world.clients[client].reports(|packet| kind(packet).then_some(())).len()
        };
        (
            of(|packet| matches!(packet, RtcpPacket::TransportFeedback(_))),
            of(|packet| matches!(packet, RtcpPacket::ReceiverEstimatedMaxBitrate(_))),
        )
    };
    let (feedback, estimates) = count(0);
    assert!(feedback > 20 && estimates == 0, "{feedback} {estimates}");
    let (feedback, estimates) = count(1);
    assert!(feedback == 0 && estimates > 2, "{feedback} {estimates}");
}

#[test]
fn an_estimate_of_the_receiver_counts_unless_feedback_was_signalled() {
    let mut world = World::with_clients(1, &[0, 0, 0]);
    negotiate(&mut world, 1, |media| with_feedback(media, &["nack", "goog-remb"]));
    for client in [1, 2] {
        let mut buffer = [0; 100];
        let mut writer = RtcpWriter::new(&mut buffer);
        writer.receiver_estimated_max_bitrate(1, Bitrate::from_kbps(512), &[5]).unwrap();
        world.clients[client].send_rtcp(writer.as_bytes());
    }
    world.run_for(5 * TICK);
    let told = |world: &World, client: usize| {
        let session = world.clients[client].session;
        world.saw(session, |kind| {
            matches!(kind, SessionEventKind::Estimate(Some(rate)) if *rate == Bitrate::from_kbps(512))
        })
    };
    assert!(told(&world, 1) && !told(&world, 2));
}

#[test]
fn a_visitors_wish_for_a_key_frame_reaches_the_sender() {
    let mut world = World::new(1);
    world.join(Join::at(0));
    world.join(Join::at(0).as_visitor());
    world.connect();
    let ssrc = video_ssrc(world.clients[0].session, 0);
    let mut buffer = [0; 100];
    let mut writer = RtcpWriter::new(&mut buffer);
    writer.picture_loss_indication(1, ssrc).unwrap();
    world.clients[1].send_rtcp(writer.as_bytes());
    world.run_for(5 * TICK);
    let asked = world.clients[0].reports(|packet| match packet {
        RtcpPacket::PictureLossIndication(pli) => Some(pli.media_ssrc),
        _ => None,
    });
    assert_eq!(asked, [ssrc]);
}
