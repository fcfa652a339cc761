//! What receivers ask for reaches the right sender, on whichever shard it is, and what ends at the
//! bridge ends there.

mod common;

use std::sync::Arc;
use std::time::Duration;

use bridge_rtp::rtcp::{ExtendedBlock, FirEntry, ReferenceAnswer, ReportBlock, SenderInfo};
use bridge_rtp::{RtcpPacket, RtcpWriter};
use bridge_shard::{SessionAction, SessionEventKind};
use bridge_units::Timestamp;
use common::{BRIDGE_SSRC, TICK, VIDEO, World, audio_ssrc, rtp, rtx_ssrc, video_ssrc};

fn rtcp(write: impl FnOnce(&mut RtcpWriter<'_>)) -> Vec<u8> {
    let mut buffer = [0; 1_500];
    let mut writer = RtcpWriter::new(&mut buffer);
    write(&mut writer);
    writer.as_bytes().to_vec()
}

/// SSRC and numbers of the NACKs that a client got.
fn nacks(world: &World, client: usize) -> Vec<(u32, Vec<u16>)> {
    world.clients[client].reports(|packet| match packet {
        RtcpPacket::Nack(nack) => {
            assert_eq!(nack.sender_ssrc, BRIDGE_SSRC);
            Some((nack.media_ssrc, nack.sequence_numbers().collect()))
        }
        _ => None,
    })
}

fn keyframe_requests(world: &World, client: usize) -> Vec<u32> {
    world.clients[client].reports(|packet| match packet {
        RtcpPacket::PictureLossIndication(pli) => Some(pli.media_ssrc),
        RtcpPacket::FullIntraRequest(fir) => fir.entries().next().map(|entry| entry.ssrc),
        _ => None,
    })
}

#[test]
fn a_nack_is_answered_here_and_does_not_reach_the_sender() {
    for receiver_shard in [0, 1] {
        let mut world = World::with_clients(2, &[0, receiver_shard, 0]);
        let session = world.clients[0].session;
        let ssrc = video_ssrc(session, 0);
        for number in 100..110 {
            world.clients[0].send_rtp(&rtp(ssrc, VIDEO, number, &[], &[7; 100]));
        }
        world.run_for(5 * TICK);
        let got = world.heard(1, ssrc);
        assert_eq!(got.len(), 10);
        world.forget_received();
        let never_sent = got[0].wrapping_sub(1_000);
        let nack = rtcp(|writer| writer.nack(1, ssrc, [got[3], got[7], never_sent]).unwrap());
        world.clients[1].send_rtcp(&nack);
        world.run_for(5 * TICK);
        assert_eq!(world.heard(1, rtx_ssrc(session, 0)), [1, 2], "a stream of its own");
        assert!(world.heard(1, ssrc).is_empty());
        assert!(world.heard(2, rtx_ssrc(session, 0)).is_empty(), "nobody else asked");
        assert!(nacks(&world, 0).is_empty());
        let totals = world.totals();
        assert_eq!((totals.nacks_in, totals.retransmissions_out, totals.nack_misses), (1, 2, 1));
    }
}

#[test]
fn feedback_for_unknown_streams_goes_nowhere() {
    let mut world = World::with_clients(2, &[0, 1]);
    world.clients[1].send_rtcp(&rtcp(|writer| {
        writer.nack(1, 0xdead_beef, [1]).unwrap();
        writer.picture_loss_indication(1, 0xdead_beef).unwrap();
    }));
    world.run_for(5 * TICK);
    let totals = world.totals();
    assert_eq!((totals.dropped_unknown_ssrc, totals.nack_misses), (1, 1));
    assert!(world.clients[0].rtcp.is_empty());
}

#[test]
fn keyframe_requests_follow_a_sender_that_moves() {
    let mut world = World::with_clients(3, &[0, 1]);
    let ssrc = video_ssrc(world.clients[0].session, 0);
    for round in 0..30_u16 {
        world.land(0, usize::from(round) % 3);
        world.send_audio(0, [round]);
        let pli = rtcp(|writer| writer.picture_loss_indication(1, ssrc).unwrap());
        world.clients[1].send_rtcp(&pli);
        world.run_for(Duration::from_millis(4_000));
    }
    assert!(world.totals().sessions_moved_here > 5);
    assert_eq!(keyframe_requests(&world, 0).len(), 30);
}

#[test]
fn keyframe_requests_reach_the_sender_throttled() {
    for receiver_shard in [0, 1] {
        let mut world = World::with_clients(2, &[0, receiver_shard, receiver_shard]);
        let ssrc = video_ssrc(world.clients[0].session, 0);
        let pli = rtcp(|writer| writer.picture_loss_indication(1, ssrc).unwrap());
        let fir = rtcp(|writer| {
            writer.full_intra_request(1, &[FirEntry { ssrc, sequence_number: 1 }]).unwrap();
        });
        for _ in 0..10 {
            world.clients[1].send_rtcp(&pli);
            world.clients[2].send_rtcp(&fir);
        }
        world.run_for(10 * TICK);
        assert_eq!(keyframe_requests(&world, 0), [ssrc], "one for all within 200 ms");
        world.run_for(Duration::from_millis(250));
        world.clients[1].send_rtcp(&pli);
        world.run_for(10 * TICK);
        assert_eq!(keyframe_requests(&world, 0).len(), 2);
        let totals = world.totals();
        assert_eq!((totals.keyframe_requests_in, totals.keyframe_requests_out), (21, 2));
    }
}

/// JVB passes on the last packet of a compound only.
#[test]
fn every_packet_of_a_compound_counts() {
    let mut world = World::with_clients(2, &[0, 1]);
    let (sender, receiver) = (world.clients[0].session, world.clients[1].session);
    let (own, wanted) = (video_ssrc(sender, 0), video_ssrc(receiver, 0));
    world.clients[0].send_rtp(&rtp(own, VIDEO, 1, &[], &[7; 100]));
    world.run_for(5 * TICK);
    let info = SenderInfo { ssrc: own, ntp_timestamp: 1 << 40, ..SenderInfo::default() };
    world.clients[0].send_rtcp(&rtcp(|writer| {
        writer.sender_report(&info, &[]).unwrap();
        writer.picture_loss_indication(1, wanted).unwrap();
        writer.nack(1, wanted, [1]).unwrap();
    }));
    world.run_for(5 * TICK);
    let reports = world.clients[1].reports(|packet| match packet {
        RtcpPacket::SenderReport(report) => Some(report.info.ssrc),
        _ => None,
    });
    assert_eq!((reports, keyframe_requests(&world, 1)), (vec![own], vec![wanted]));
    assert_eq!(world.totals().nack_misses, 1);
}

#[test]
fn senders_are_asked_in_the_way_that_they_understand() {
    for (feedback, plis, firs) in [
        (&["nack pli"][..], 2, 0),
        (&["ccm fir"], 0, 2),
        (&["ccm fir", "nack pli"], 2, 0),
        (&["nack", "transport-cc"], 0, 0),
    ] {
        let mut world = World::with_clients(1, &[0, 0]);
        let ssrc = video_ssrc(world.clients[0].session, 0);
        let mut media = common::media();
        for payload_type in &mut media.payload_types {
            payload_type.feedback = feedback.iter().map(ToString::to_string).collect();
        }
        let sender = world.clients[0].session;
        world.command(sender, SessionAction::SetMedia(Arc::new(media)));
        world.run_for(TICK);
        let fir = [FirEntry { ssrc, sequence_number: 7 }];
        for request in [
            rtcp(|writer| writer.picture_loss_indication(1, ssrc).unwrap()),
            rtcp(|writer| writer.full_intra_request(1, &fir).unwrap()),
        ] {
            world.clients[1].send_rtcp(&request);
            world.run_for(Duration::from_millis(300));
        }
        assert_eq!(keyframe_requests(&world, 0), vec![ssrc; plis + firs], "{feedback:?}");
        let numbers = world.clients[0].reports(|packet| match packet {
            RtcpPacket::FullIntraRequest(fir) => fir.entries().next().map(|e| e.sequence_number),
            _ => None,
        });
        assert_eq!(numbers.len(), firs);
        assert!(numbers.windows(2).all(|pair| pair[0] != pair[1]), "each is a new command");
    }
}

#[test]
fn a_peer_that_is_sent_nothing_is_asked_for_its_round_trip() {
    let mut world = World::with_clients(1, &[0]);
    let session = world.clients[0].session;
    let references = |world: &World| {
        world.clients[0].reports(|packet| match packet {
            RtcpPacket::ExtendedReport(report) => {
                assert_eq!(report.sender_ssrc, BRIDGE_SSRC);
                report.blocks().find_map(|block| match block {
                    ExtendedBlock::ReferenceTime(ntp) => Some(ntp),
                    _ => None,
                })
            }
            _ => None,
        })
    };
    world.run_for(Duration::from_secs(3));
    assert!(references(&world).is_empty(), "who sends nothing is not asked");
    for number in 0..100 {
        world.send_audio(0, [number]);
        world.run_for(Duration::from_millis(20));
    }
    let asked = references(&world);
    assert_eq!(asked.len(), 1, "not with every report");
    // It came back 30 ms after it was received.
    let late = Duration::from_millis(30);
    let since = world.now
        - Timestamp::from_nanos(
            u64::try_from((u128::from(asked[0]) * 1_000_000_000) >> 32).unwrap(),
        );
    let delay = since - late;
    let foreign = ReferenceAnswer::new(BRIDGE_SSRC + 1, asked[0], delay / 2);
    let answer = ReferenceAnswer::new(BRIDGE_SSRC, asked[0], delay);
    let bytes = rtcp(|writer| writer.extended_report(9, None, &[foreign, answer]).unwrap());
    world.clients[0].send_rtcp(&bytes);
    world.run_for(5 * TICK);
    let told = world.events.iter().find_map(|event| match event.kind {
        SessionEventKind::RoundTrip(time) if event.session == session => Some(time),
        _ => None,
    });
    let told = told.expect("a round trip");
    assert!(told.abs_diff(late) <= 2 * TICK, "{told:?}");
}

#[test]
fn a_peer_that_asks_for_its_round_trip_is_answered() {
    let mut world = World::with_clients(1, &[0]);
    let ntp = 0x0001_2345_6789_abcd;
    world.clients[0].send_rtcp(&rtcp(|writer| writer.extended_report(9, Some(ntp), &[]).unwrap()));
    world.run_for(Duration::from_secs(2));
    let answers = world.clients[0].reports(|packet| match packet {
        RtcpPacket::ExtendedReport(report) => report.blocks().find_map(|block| match block {
            ExtendedBlock::Answers(answers) => answers.iter().next(),
            _ => None,
        }),
        _ => None,
    });
    let [answer] = answers[..] else { panic!("one answer: {answers:?}") };
    assert_eq!((answer.ssrc, answer.last_reference), (9, 0x2345_6789));
    assert!(answer.delay < 65_536, "within a second: {}", answer.delay);
}

#[test]
fn sender_reports_are_forwarded_without_report_blocks() {
    let mut world = World::with_clients(2, &[0, 0, 1]);
    let session = world.clients[0].session;
    let info = SenderInfo {
        ssrc: video_ssrc(session, 0),
        ntp_timestamp: 0x0123_4567_89ab_cdef,
        rtp_timestamp: 90_000,
        packet_count: 10,
        octet_count: 1_000,
    };
    for number in 100..103 {
        world.clients[0].send_rtp(&rtp(info.ssrc, VIDEO, number, &[], &[7; 100]));
    }
    world.run_for(5 * TICK);
    let block = ReportBlock { ssrc: 5, ..ReportBlock::default() };
    let other = SenderInfo { ssrc: video_ssrc(session, 1), ..info };
    let foreign = SenderInfo { ssrc: audio_ssrc(world.clients[1].session), ..info };
    for info in [info, other, foreign] {
        world.clients[0].send_rtcp(&rtcp(|writer| writer.sender_report(&info, &[block]).unwrap()));
    }
    world.run_for(5 * TICK);
    for receiver in [1, 2] {
        let reports = world.clients[receiver].reports(|packet| match packet {
            RtcpPacket::SenderReport(report) => Some((report.info, report.blocks.len())),
            _ => None,
        });
        let [(got, 0)] = reports[..] else { panic!("the first encoding's only: {reports:?}") };
        assert_eq!((got.ssrc, got.ntp_timestamp), (info.ssrc, info.ntp_timestamp));
        assert_eq!((got.packet_count, got.octet_count), (3, 300), "what this receiver was sent");
    }
    assert!(world.clients[0].rtcp.is_empty());
}

#[test]
fn the_bridge_reports_what_it_received_and_ends_what_receivers_report() {
    let mut world = World::with_clients(2, &[0, 1]);
    let session = world.clients[0].session;
    let ssrc = video_ssrc(session, 0);
    let block = ReportBlock { ssrc, ..ReportBlock::default() };
    world.clients[1].send_rtcp(&rtcp(|writer| writer.receiver_report(1, &[block]).unwrap()));
    for number in 0..100_u16 {
        let sequence = number.to_be_bytes();
        world.clients[0].send_rtp(&rtp(ssrc, VIDEO, number, &[(5, &sequence)], &[0; 100]));
        world.run_for(Duration::from_millis(10));
    }
    world.run_for(Duration::from_secs(1));
    let highest = world.clients[0].reports(|packet| match packet {
        RtcpPacket::ReceiverReport(report) => {
            assert_eq!(report.sender_ssrc, BRIDGE_SSRC);
            report.blocks.iter().find(|b| b.ssrc == ssrc).map(|b| b.extended_highest_sequence)
        }
        _ => None,
    });
    assert_eq!(highest.last(), Some(&99));
    let told: usize = world.clients[0]
        .reports(|packet| match packet {
            RtcpPacket::TransportFeedback(f) => {
                Some(f.statuses().filter(|status| status.delta_ticks.is_some()).count())
            }
            _ => None,
        })
        .into_iter()
        .sum();
    assert!(told >= 90, "transport-wide feedback about {told} of 100 packets");
    assert!(world.clients[1].rtcp.is_empty(), "receiver got {:?}", world.clients[1].rtcp.len());
    let reports = world.clients[0].rtcp.len();
    world.run_for(Duration::from_secs(3));
    assert!(world.clients[0].rtcp.len() <= reports + 1, "silence costs nothing");
}

/// The client keeps sending and answers nothing: when consent has run out there is no path to send
/// reports on. The timer must not stay due.
#[test]
fn a_sender_without_a_path_back_does_not_keep_the_shard_busy() {
    let mut world = World::with_clients(1, &[0, 0]);
    world.send_audio(0, [0]);
    world.run_for(Duration::from_secs(1));
    world.clients[0].deaf = true;
    for number in 1..40 {
        world.send_audio(0, [number]);
        world.run_for(Duration::from_secs(1));
    }
    assert_eq!(world.heard(1, audio_ssrc(world.clients[0].session)).len(), 40);
    // Silence from here on: once the receiver's link is idle, hardly a deadline comes.
    world.run_for(Duration::from_secs(6));
    let mut due = 0;
    for _ in 0..500 {
        world.tick();
        due += usize::from(world.shards[0].poll_timeout() <= world.now);
    }
    assert!(due < 20, "{due} deadlines in a second");
    world.send_audio(0, [40]);
    world.tick();
    let mut wire = common::Wire::default();
    let shard = &mut world.shards[0];
    let mut turns = 0;
    while shard.poll_timeout() <= world.now && turns < 100 {
        shard.handle_timeout(world.now, &mut wire);
        turns += 1;
    }
    assert!(turns < 3, "{turns} turns without getting anywhere");
}
