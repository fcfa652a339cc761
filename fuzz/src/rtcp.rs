//! A decrypted RTCP compound, and what is written after reading it.

use bridge_rtp::rtcp::{
    ExtendedBlock, ExtendedReport, FirEntry, Nack, ReferenceAnswer, ReportBlock, SenderInfo,
    TransportFeedbackBuilder, set_media_ssrc, set_sender_ssrc,
};
use bridge_rtp::{RtcpCompound, RtcpPacket, RtcpWriter};
use bridge_units::{Bitrate, Timestamp};

/// One datagram.
pub fn run(data: &[u8]) {
    let Ok(compound) = RtcpCompound::parse(data) else { return };
    let mut len = 0;
    for (packet, bytes) in compound {
        len += bytes.len();
        read(&packet);
        let mut copy = bytes.to_vec();
        let is_changed = set_sender_ssrc(&mut copy, 5) & set_media_ssrc(&mut copy, 6);
        assert!(!is_changed || RtcpCompound::parse(&copy).is_ok());
    }
    assert_eq!(len, data.len(), "the packets are the compound");
}

/// One of each kind.
pub fn seeds() -> Vec<Vec<u8>> {
    let block = ReportBlock { ssrc: 7, extended_highest_sequence: 70_000, ..Default::default() };
    let fir = [FirEntry { ssrc: 9, sequence_number: 3 }];
    let mut feedback = TransportFeedbackBuilder::new(1, 2, 3, 65_530, Timestamp::from_millis(500));
    for (n, sequence) in [65_530_u16, 65_531, 2, 9, 40].into_iter().enumerate() {
        let arrival = Timestamp::from_millis(500 + 7 * n as u64);
        let added = feedback.add_received(sequence, arrival);
        debug_assert!(added.is_ok());
    }
    vec![
        written(|writer| {
            writer.sender_report(&SenderInfo::default(), &[block])?;
            writer.raw(&[0x81, 202, 0, 3, 0, 0, 0, 1, 1, 3, b'a', b'b', b'c', 0, 0, 0])
        }),
        written(|writer| {
            writer.receiver_report(1, &[block, block])?;
            writer.nack(1, 2, [1, 2, 3, 17, 40, 65_535])?;
            writer.picture_loss_indication(1, 2)?;
            writer.full_intra_request(1, &fir)?;
            writer.receiver_estimated_max_bitrate(1, Bitrate::from_kbps(700), &[2, 3])
        }),
        written(|writer| writer.transport_feedback(&feedback)),
        written(|writer| {
            writer.raw(&[0x82, 203, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2])?;
            writer.raw(&[0x80, 204, 0, 2, 0, 0, 0, 1, b'n', b'a', b'm', b'e'])?;
            writer.raw(&[0x80, 207, 0, 1, 0, 0, 0, 1])?;
            writer.extended_report(1, Some(7 << 32), &[ReferenceAnswer::default(); 3])?;
            writer.raw(&[0xa1, 210, 0, 1, 0, 0, 0, 4])
        }),
    ]
}

fn read(packet: &RtcpPacket<'_>) {
    match packet {
        RtcpPacket::SenderReport(report) => {
            assert_eq!(report.blocks.iter().count(), report.blocks.len());
        }
        RtcpPacket::ReceiverReport(report) => {
            assert_eq!(report.blocks.iter().count(), report.blocks.len());
        }
        RtcpPacket::SourceDescription(description) => {
            let _items = description.items().count();
        }
        RtcpPacket::Goodbye(goodbye) => assert!(goodbye.ssrcs().count() <= 31),
        RtcpPacket::Nack(nack) => write_again(nack),
        RtcpPacket::TransportFeedback(feedback) => {
            let statuses = feedback.statuses().count();
            assert_eq!(statuses, usize::from(feedback.status_count));
        }
        RtcpPacket::FullIntraRequest(request) => {
            let _entries = request.entries().count();
        }
        RtcpPacket::ReceiverEstimatedMaxBitrate(estimate) => {
            assert!(estimate.ssrcs().count() <= 255);
        }
        RtcpPacket::ExtendedReport(report) => report_again(report),
        RtcpPacket::Application(_)
        | RtcpPacket::PictureLossIndication(_)
        | RtcpPacket::Unknown(_) => {}
    }
}

/// Times and answers that were read are written so that they are read again.
fn report_again(report: &ExtendedReport<'_>) {
    let round_trips = |report: &ExtendedReport<'_>| {
        let (mut time, mut answers) = (None, Vec::new());
        for block in report.blocks() {
            match block {
                ExtendedBlock::ReferenceTime(ntp) => time = Some(ntp),
                ExtendedBlock::Answers(block) => answers.extend(block.iter()),
                ExtendedBlock::Other { .. } => {}
            }
        }
        (time, answers)
    };
    let (time, answers) = round_trips(report);
    let mut buffer = [0; 1_500];
    let mut writer = RtcpWriter::new(&mut buffer);
    if writer.extended_report(report.sender_ssrc, time, &answers).is_err() {
        return;
    }
    let Ok(compound) = RtcpCompound::parse(writer.as_bytes()) else {
        return assert!(time.is_none() && answers.is_empty());
    };
    for (packet, _) in compound {
        let RtcpPacket::ExtendedReport(again) = packet else { continue };
        assert_eq!(round_trips(&again), (time, answers.clone()));
    }
}

/// What was read as lost is written as lost.
fn write_again(nack: &Nack<'_>) {
    let numbers: Vec<u16> = nack.sequence_numbers().collect();
    let mut buffer = [0; 1_500];
    let mut writer = RtcpWriter::new(&mut buffer);
    if writer.nack(1, 2, numbers.iter().copied()).is_err() {
        return;
    }
    let Ok(compound) = RtcpCompound::parse(writer.as_bytes()) else {
        return assert!(numbers.is_empty());
    };
    let again: Vec<u16> = compound
        .packets()
        .filter_map(|(packet, _)| match packet {
            RtcpPacket::Nack(nack) => Some(nack.sequence_numbers().collect::<Vec<_>>()),
            _ => None,
        })
        .flatten()
        .collect();
    assert!(numbers.iter().all(|number| again.contains(number)), "{numbers:?} {again:?}");
}

fn written(
    write: impl FnOnce(&mut RtcpWriter<'_>) -> Result<(), bridge_rtp::RtcpError>,
) -> Vec<u8> {
    let mut buffer = [0; 1_500];
    let mut writer = RtcpWriter::new(&mut buffer);
    let result = write(&mut writer);
    debug_assert_eq!(result, Ok(()));
    writer.as_bytes().to_vec()
}
