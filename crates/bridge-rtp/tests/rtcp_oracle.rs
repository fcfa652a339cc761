//! What this crate builds is read by `rtcp-types`, and the other way round.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use bridge_rtp::rtcp::{
    ExtendedBlock, FirEntry, ReferenceAnswer, ReportBlock, RtcpCompound, RtcpPacket, RtcpWriter,
    SenderInfo, TransportFeedbackBuilder,
};
use bridge_units::{Bitrate, Timestamp};
use proptest::prelude::*;
use rtcp_types::prelude::*;
use rtcp_types::{
    App, Bye, Compound, Fir, Nack, PayloadFeedback, Pli, ReceiverReport, Sdes, SdesChunk, SdesItem,
    SenderReport, TransportFeedback, Twcc, TwccPacketStatus, Xr,
};
use rtcp_types::{
    DelaySinceLastReceiverReport, DelaySinceLastReceiverReportBlock, ReceiverReferenceTime,
};

fn block(seed: u32) -> ReportBlock {
    ReportBlock {
        ssrc: seed,
        fraction_lost: u8::try_from(seed % 256).unwrap(),
        cumulative_lost: i32::try_from(seed % 0x80_0000).unwrap(),
        extended_highest_sequence: seed.wrapping_mul(3),
        jitter: seed.wrapping_mul(5),
        last_sender_report: seed.wrapping_mul(7),
        delay_since_last_sender_report: seed.wrapping_mul(11),
    }
}

fn oracle_block(block: &ReportBlock) -> rtcp_types::ReportBlockBuilder {
    rtcp_types::ReportBlock::builder(block.ssrc)
        .fraction_lost(block.fraction_lost)
        .cumulative_lost(block.cumulative_lost.cast_unsigned())
        .extended_sequence_number(block.extended_highest_sequence)
        .interarrival_jitter(block.jitter)
        .last_sender_report_timestamp(block.last_sender_report)
        .delay_since_last_sender_report_timestamp(block.delay_since_last_sender_report)
}

fn oracle_bytes(packet: impl RtcpPacketWriter) -> Vec<u8> {
    let mut bytes = vec![0; packet.calculate_size().unwrap()];
    let len = packet.write_into(&mut bytes).unwrap();
    bytes.truncate(len);
    bytes
}

fn built(write: impl FnOnce(&mut RtcpWriter<'_>)) -> Vec<u8> {
    let mut buffer = [0; 1_500];
    let mut writer = RtcpWriter::new(&mut buffer);
    write(&mut writer);
    writer.as_bytes().to_vec()
}

#[test]
fn reports_are_byte_equal() {
    for count in [0_u32, 1, 31] {
        let blocks: Vec<_> = (1..=count).map(|index| block(index * 7_919)).collect();
        let rr = blocks.iter().fold(ReceiverReport::builder(42), |rr, block| {
            rr.add_report_block(oracle_block(block))
        });
        let ours = built(|writer| writer.receiver_report(42, &blocks).unwrap());
        assert_eq!(ours, oracle_bytes(rr));

        let info = SenderInfo {
            ssrc: 43,
            ntp_timestamp: 0x0102_0304_0506_0708,
            rtp_timestamp: 0x1112_1314,
            packet_count: 77,
            octet_count: 88,
        };
        let sr = SenderReport::builder(info.ssrc)
            .ntp_timestamp(info.ntp_timestamp)
            .rtp_timestamp(info.rtp_timestamp)
            .packet_count(info.packet_count)
            .octet_count(info.octet_count);
        let sr = blocks.iter().fold(sr, |sr, block| sr.add_report_block(oracle_block(block)));
        let ours = built(|writer| writer.sender_report(&info, &blocks).unwrap());
        assert_eq!(ours, oracle_bytes(sr));

        let compound = RtcpCompound::parse(&ours).unwrap();
        let (RtcpPacket::SenderReport(parsed), _) = compound.packets().next().unwrap() else {
            panic!("sender report");
        };
        assert_eq!(parsed.info, info);
        assert_eq!(parsed.blocks.iter().collect::<Vec<_>>(), blocks);
    }
}

#[test]
fn keyframe_requests_are_byte_equal() {
    let oracle = PayloadFeedback::builder_owned(Pli::builder()).sender_ssrc(1).media_ssrc(2);
    let ours = built(|writer| writer.picture_loss_indication(1, 2).unwrap());
    assert_eq!(ours, oracle_bytes(oracle));

    let fir = Fir::builder().add_ssrc(9, 42);
    let oracle = PayloadFeedback::builder_owned(fir).sender_ssrc(1).media_ssrc(0);
    let entry = FirEntry { ssrc: 9, sequence_number: 42 };
    let ours = built(|writer| writer.full_intra_request(1, &[entry]).unwrap());
    assert_eq!(ours, oracle_bytes(oracle));
    let compound = RtcpCompound::parse(&ours).unwrap();
    let (RtcpPacket::FullIntraRequest(parsed), _) = compound.packets().next().unwrap() else {
        panic!("full intra request");
    };
    assert_eq!(parsed.entries().collect::<Vec<_>>(), [entry]);
}

#[test]
fn packets_of_others_are_understood() {
    let chunk = SdesChunk::builder(5).add_item(SdesItem::builder(SdesItem::CNAME, "cname"));
    let data = [1, 2, 3, 4];
    let compound = Compound::builder()
        .add_packet(ReceiverReport::builder(5))
        .add_packet(Sdes::builder().add_chunk(chunk))
        .add_packet(App::builder(6, "name").data(&data))
        .add_packet(Xr::builder().sender_ssrc(8))
        .add_packet(Bye::builder().add_source(5).add_source(6).reason("bye").padding(4));
    let bytes = oracle_bytes(compound);
    let packets: Vec<_> = RtcpCompound::parse(&bytes).unwrap().packets().map(|p| p.0).collect();
    let [
        RtcpPacket::ReceiverReport(rr),
        RtcpPacket::SourceDescription(sdes),
        RtcpPacket::Application(app),
        RtcpPacket::ExtendedReport(xr),
        RtcpPacket::Goodbye(bye),
    ] = &packets[..]
    else {
        panic!("{packets:?}");
    };
    assert!(rr.blocks.is_empty() && rr.sender_ssrc == 5);
    let items: Vec<_> = sdes.items().collect();
    assert_eq!((items.len(), items[0].ssrc, items[0].value), (1, 5, &b"cname"[..]));
    assert_eq!((app.sender_ssrc, &app.name, app.data), (6, b"name", &data[..]));
    assert_eq!(xr.sender_ssrc, 8);
    assert_eq!(bye.ssrcs().collect::<Vec<_>>(), [5, 6]);
    assert_eq!(bye.reason, Some(&b"bye"[..]));
}

#[test]
fn extended_reports_are_byte_equal() {
    let reference = ReceiverReferenceTime::builder().ntp_timestamp(0x0123_4567_89ab_cdef);
    let answer = |seed: u32| ReferenceAnswer {
        ssrc: seed,
        last_reference: seed.wrapping_mul(7_919),
        delay: seed.wrapping_mul(65_537),
    };
    let sub_block = |answer: &ReferenceAnswer| {
        DelaySinceLastReceiverReportBlock::builder()
            .ssrc(answer.ssrc)
            .last_receiver_report(answer.last_reference)
            .delay_since_last_receiver_report_timestamp(answer.delay)
    };
    let answers = [answer(1), answer(2), answer(0xffff_fff0)];
    let delays = answers.iter().fold(DelaySinceLastReceiverReport::builder(), |block, answer| {
        block.add_block(sub_block(answer))
    });
    let oracle = oracle_bytes(Xr::builder().sender_ssrc(42).add_block(reference).add_block(delays));
    let time = 0x0123_4567_89ab_cdef;
    let ours = built(|writer| writer.extended_report(42, Some(time), &answers).unwrap());
    assert_eq!(ours, oracle);
    let compound = RtcpCompound::parse(&oracle).unwrap();
    let (RtcpPacket::ExtendedReport(report), _) = compound.packets().next().unwrap() else {
        panic!("extended report");
    };
    let blocks: Vec<_> = report.blocks().collect();
    let [ExtendedBlock::ReferenceTime(read), ExtendedBlock::Answers(delays)] = blocks[..] else {
        panic!("{blocks:?}");
    };
    assert_eq!((report.sender_ssrc, read), (42, time));
    assert_eq!(delays.iter().collect::<Vec<_>>(), answers);
    assert!(built(|writer| writer.extended_report(42, None, &[]).unwrap()).is_empty());
}

#[test]
fn remb_survives_its_own_format() {
    let ssrcs = [1, 2, 3];
    let bytes = built(|writer| {
        writer.receiver_estimated_max_bitrate(9, Bitrate::from_bps(50_000_000), &ssrcs).unwrap();
    });
    let compound = RtcpCompound::parse(&bytes).unwrap();
    let (RtcpPacket::ReceiverEstimatedMaxBitrate(remb), _) = compound.packets().next().unwrap()
    else {
        panic!("remb");
    };
    assert_eq!(remb.sender_ssrc, 9);
    assert_eq!(remb.bitrate, Bitrate::from_bps(49_999_872));
    assert_eq!(remb.ssrcs().collect::<Vec<_>>(), ssrcs);
}

#[test]
fn what_does_not_fit_leaves_the_compound_alone() {
    let mut buffer = [0; 20];
    let mut writer = RtcpWriter::new(&mut buffer);
    writer.receiver_report(1, &[]).unwrap();
    writer.picture_loss_indication(1, 2).unwrap();
    let before = writer.as_bytes().to_vec();
    let full = bridge_rtp::RtcpError::BufferTooSmall;
    assert_eq!(writer.picture_loss_indication(1, 2), Err(full));
    assert_eq!(writer.nack(1, 2, [3]), Err(full));
    assert_eq!(writer.raw(&[0]), Err(full));
    assert_eq!(writer.as_bytes(), before);
    assert_eq!(writer.nack(1, 2, []), Ok(()));
    let many = [block(1); 32];
    assert_eq!(writer.receiver_report(1, &many), Err(bridge_rtp::RtcpError::TooManyEntries));
    assert_eq!((writer.len(), writer.is_empty()), (20, false));
    writer.clear();
    assert!(writer.is_empty());
}

proptest! {
    #[test]
    fn nack_round_trips_through_the_oracle(
        start in any::<u16>(),
        gaps in prop::collection::vec(1_u16..40, 0..60),
    ) {
        let mut sequence = start;
        let mut lost = vec![start];
        for gap in gaps {
            sequence = sequence.wrapping_add(gap);
            lost.push(sequence);
        }
        let ours = built(|writer| writer.nack(1, 2, lost.iter().copied()).unwrap());
        let oracle = TransportFeedback::parse(&ours).unwrap();
        let read: Vec<_> = oracle.parse_fci::<Nack<'_>>().unwrap().entries().collect();
        prop_assert_eq!(&read, &lost);
        let compound = RtcpCompound::parse(&ours).unwrap();
        let (RtcpPacket::Nack(nack), _) = compound.packets().next().unwrap() else {
            panic!("nack");
        };
        prop_assert_eq!(nack.sequence_numbers().collect::<Vec<_>>(), lost);
    }

    #[test]
    fn our_transport_feedback_is_read_by_the_oracle(
        base in any::<u16>(),
        start_micros in 0_u64..100_000_000,
        arrivals in prop::collection::vec((0_u16..40, -20_000_i64..90_000), 1..300),
    ) {
        let mut now = start_micros + 10_000_000;
        let base_time = Timestamp::from_micros(now);
        let mut builder = TransportFeedbackBuilder::new(1, 2, 3, base, base_time);
        let mut sequence = base;
        let mut expected = Vec::new();
        let mut last_tick = now / 64_000 * 256;
        for (gap, step) in arrivals {
            now = now.saturating_add_signed(step);
            let sequence_before = sequence;
            sequence = sequence.wrapping_add(gap);
            if builder.add_received(sequence, Timestamp::from_micros(now)).is_err() {
                break;
            }
            for missing in 0..gap {
                expected.push((sequence_before.wrapping_add(missing), TwccPacketStatus::NotReceived));
            }
            let tick = (now + 125) / 250;
            let delta = i16::try_from(tick.cast_signed() - last_tick.cast_signed()).unwrap();
            expected.push((sequence, TwccPacketStatus::Received { delta }));
            last_tick = tick;
            sequence = sequence.wrapping_add(1);
        }
        let ours = built(|writer| writer.transport_feedback(&builder).unwrap());
        prop_assert!(ours.len() <= 1_200);
        let oracle = TransportFeedback::parse(&ours).unwrap();
        let twcc = oracle.parse_fci::<Twcc<'_>>().unwrap();
        prop_assert_eq!(twcc.base_sequence_number(), base);
        prop_assert_eq!(twcc.feedback_packet_count(), 3);
        let reference = u32::try_from(base_time.as_millis() / 64 % (1 << 24)).unwrap();
        prop_assert_eq!(twcc.reference_time(), reference);
        let read: Vec<_> = twcc.packets().collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn transport_feedback_of_the_oracle_is_read(
        base in any::<u16>(),
        reference_time in 0_u32..(1 << 24),
        statuses in prop::collection::vec(
            prop_oneof![
                2 => Just(TwccPacketStatus::NotReceived),
                4 => (0_i16..256).prop_map(|delta| TwccPacketStatus::Received { delta }),
                1 => any::<i16>().prop_map(|delta| TwccPacketStatus::Received { delta }),
            ],
            1..400,
        ),
    ) {
        let twcc = Twcc::builder(base, reference_time, 200, &statuses, None);
        let bytes =
            oracle_bytes(TransportFeedback::builder_owned(twcc).sender_ssrc(1).media_ssrc(2));
        let compound = RtcpCompound::parse(&bytes).unwrap();
        let (RtcpPacket::TransportFeedback(feedback), _) = compound.packets().next().unwrap()
        else {
            panic!("transport feedback");
        };
        prop_assert_eq!(feedback.reference_time, reference_time);
        prop_assert_eq!(feedback.feedback_count, 200);
        let read: Vec<_> = feedback.statuses().map(|status| status.delta_ticks).collect();
        let expected: Vec<_> = statuses.iter().map(|status| match status {
            TwccPacketStatus::NotReceived => None,
            TwccPacketStatus::Received { delta } => Some(*delta),
        }).collect();
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn both_refuse_the_same_reports(
        packets in prop::collection::vec(
            (0_u8..4, 200_u8..202, prop::collection::vec(any::<u8>(), 0..80)), 1..4,
        ),
    ) {
        let mut bytes = Vec::new();
        for (count, packet_type, body) in &packets {
            let words = u8::try_from(body.len() / 4).unwrap();
            bytes.extend([0x80 | count, *packet_type, 0, words]);
            bytes.extend(&body[..usize::from(words) * 4]);
        }
        let theirs = Compound::parse(&bytes)
            .is_ok_and(|compound| compound.into_iter().all(|packet| packet.is_ok()));
        prop_assert_eq!(RtcpCompound::parse(&bytes).is_ok(), theirs);
    }
}
