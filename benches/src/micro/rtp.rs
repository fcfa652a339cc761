//! Reading and writing headers and reports.

use super::note;
use crate::figures::Figures;
use crate::sampling::nanoseconds;
use anyhow::{Result, anyhow};
use bridge_rtp::rtcp::{ReportBlock, SenderInfo};
use bridge_rtp::{
    AddedExtension, ExtensionIdSet, RtcpCompound, RtcpPacket, RtcpWriter, RtpHeader,
    TransportFeedbackBuilder, write_header, write_packet,
};
use bridge_units::Timestamp;
use std::hint::black_box;
use std::time::Duration;

pub(super) fn run(figures: &mut Figures) -> Result<()> {
    let packet = packet()?;
    let header = RtpHeader::parse(&packet)?;
    let parse = nanoseconds(|| {
        let _ = black_box(RtpHeader::parse(black_box(&packet)));
    });
    note(figures, "rtp_parse_header", parse);
    let find = nanoseconds(|| {
        black_box(header.extension_data(black_box(&packet), TRANSPORT_CC));
    });
    note(figures, "rtp_find_extension", find);
    let mut keep = ExtensionIdSet::EMPTY;
    keep.insert(AUDIO_LEVEL);
    let mut out = [0; 256];
    let mut number = 0_u16;
    let write = nanoseconds(|| {
        number = number.wrapping_add(1);
        let data = number.to_be_bytes();
        let added = [AddedExtension { id: TRANSPORT_CC, data: &data }];
        let mut renumbered = header;
        renumbered.sequence_number = number;
        let _ = black_box(write_header(&packet, &renumbered, &keep, &added, &mut out));
    });
    note(figures, "rtp_write_header", write);
    reports(figures)
}

fn reports(figures: &mut Figures) -> Result<()> {
    let mut buffer = [0; 1_400];
    let mut writer = RtcpWriter::new(&mut buffer);
    let info = SenderInfo { ssrc: 7, packet_count: 1_000, ..SenderInfo::default() };
    writer.sender_report(&info, &[ReportBlock { ssrc: 9, ..ReportBlock::default() }])?;
    writer.picture_loss_indication(7, 9)?;
    let compound = writer.as_bytes().to_vec();
    let parse = nanoseconds(|| {
        let packets = RtcpCompound::parse(black_box(&compound)).map(|c| c.packets().count());
        let _ = black_box(packets);
    });
    note(figures, "rtcp_parse_compound", parse);
    let begin = Timestamp::from_millis(1_000);
    let mut builder = TransportFeedbackBuilder::new(7, 9, 1, 1, begin);
    for number in 1..=FEEDBACK_PACKETS {
        let at = begin + Duration::from_millis(number.into());
        builder.add_received(number, at).map_err(|refusal| anyhow!("{refusal:?}"))?;
    }
    let mut writer = RtcpWriter::new(&mut buffer);
    writer.transport_feedback(&builder)?;
    let feedback = writer.as_bytes().to_vec();
    let parse = nanoseconds(|| {
        let Ok(compound) = RtcpCompound::parse(black_box(&feedback)) else { return };
        for (packet, _) in compound.packets() {
            if let RtcpPacket::TransportFeedback(feedback) = packet {
                black_box(
                    feedback.statuses().filter(|status| status.delta_ticks.is_some()).count(),
                );
            }
        }
    });
    note(figures, "rtcp_parse_feedback_of_100", parse);
    Ok(())
}

/// A packet with the header extensions that a browser sends.
fn packet() -> Result<Vec<u8>> {
    let mut plain = vec![0x5a; 1_150];
    plain[..12].copy_from_slice(&[0x80, 100, 0, 1, 0, 0, 0, 1, 0, 0, 0, 7]);
    let added = [
        AddedExtension { id: AUDIO_LEVEL, data: &[0x80] },
        AddedExtension { id: 3, data: &[1, 2, 3] },
        AddedExtension { id: TRANSPORT_CC, data: &[0, 1] },
        AddedExtension { id: 10, data: b"0" },
    ];
    let mut out = vec![0; 1_400];
    let header = RtpHeader::parse(&plain)?;
    let (_, len) = write_packet(&plain, &header, &ExtensionIdSet::EMPTY, &added, &mut out)?;
    out.truncate(len);
    Ok(out)
}

const AUDIO_LEVEL: u8 = 1;
const TRANSPORT_CC: u8 = 5;
const FEEDBACK_PACKETS: u16 = 100;
