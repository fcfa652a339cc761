use crate::bytes::{read_u32, read_u64};
use crate::error::RtcpError;

/// The count field of SR and RR has five bits.
pub const MAX_REPORT_BLOCKS: usize = 31;

/// The sender's own part of an SR.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderInfo {
    /// The SSRC of the stream described.
    pub ssrc: u32,
    /// 32.32 fixed point seconds since 1900.
    pub ntp_timestamp: u64,
    /// The same instant in the stream's clock.
    pub rtp_timestamp: u32,
    /// Packets sent so far.
    pub packet_count: u32,
    /// Payload bytes sent so far.
    pub octet_count: u32,
}

/// A sender report. To rewrite one, change a copy of [`SenderReport::info`] and write it with
/// [`super::RtcpWriter::sender_report`].
#[derive(Clone, Copy, Debug)]
pub struct SenderReport<'a> {
    /// What the sender says about its stream.
    pub info: SenderInfo,
    /// What the sender received.
    pub blocks: ReportBlocks<'a>,
}

/// A receiver report.
#[derive(Clone, Copy, Debug)]
pub struct ReceiverReport<'a> {
    /// Who reports.
    pub sender_ssrc: u32,
    /// What it received.
    pub blocks: ReportBlocks<'a>,
}

/// The report blocks of an SR or RR.
#[derive(Clone, Copy, Debug)]
pub struct ReportBlocks<'a> {
    blocks: &'a [[u8; REPORT_BLOCK_LEN]],
}

/// What a receiver says about one stream (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// The stream reported on.
    pub ssrc: u32,
    /// Loss since the previous report in 1/256.
    pub fraction_lost: u8,
    /// Packets lost so far, 24 bits on the wire; negative with duplicates.
    pub cumulative_lost: i32,
    /// Cycles in the high half, highest sequence number in the low half.
    pub extended_highest_sequence: u32,
    /// In ticks of the stream's clock.
    pub jitter: u32,
    /// [`compact_ntp`] of the last SR received, 0 before the first.
    pub last_sender_report: u32,
    /// Time since then in 1/65536 s, 0 before the first SR.
    pub delay_since_last_sender_report: u32,
}

/// The middle 32 bits of an NTP timestamp: 16.16 fixed point seconds.
pub const fn compact_ntp(ntp_timestamp: u64) -> u32 {
    let [_, _, b2, b3, b4, b5, _, _] = ntp_timestamp.to_be_bytes();
    u32::from_be_bytes([b2, b3, b4, b5])
}

impl<'a> SenderReport<'a> {
    pub(super) fn parse(count: u8, body: &'a [u8]) -> Result<Self, RtcpError> {
        let info = SenderInfo::parse(body).ok_or(RtcpError::BodyTooShort)?;
        Ok(Self { info, blocks: ReportBlocks::parse(count, body, SENDER_INFO_LEN)? })
    }
}

impl SenderInfo {
    /// [`compact_ntp`] of the NTP timestamp: what a receiver echoes.
    pub const fn compact_ntp(&self) -> u32 {
        compact_ntp(self.ntp_timestamp)
    }

    fn parse(body: &[u8]) -> Option<Self> {
        Some(Self {
            ssrc: read_u32(body, 0)?,
            ntp_timestamp: read_u64(body, 4)?,
            rtp_timestamp: read_u32(body, 12)?,
            packet_count: read_u32(body, 16)?,
            octet_count: read_u32(body, 20)?,
        })
    }

    pub(super) fn to_bytes(self) -> [u8; SENDER_INFO_LEN] {
        let [s0, s1, s2, s3] = self.ssrc.to_be_bytes();
        let [n0, n1, n2, n3, n4, n5, n6, n7] = self.ntp_timestamp.to_be_bytes();
        let [r0, r1, r2, r3] = self.rtp_timestamp.to_be_bytes();
        let [p0, p1, p2, p3] = self.packet_count.to_be_bytes();
        let [o0, o1, o2, o3] = self.octet_count.to_be_bytes();
        [
            s0, s1, s2, s3, n0, n1, n2, n3, n4, n5, n6, n7, r0, r1, r2, r3, p0, p1, p2, p3, o0, o1,
            o2, o3,
        ]
    }
}

impl<'a> ReceiverReport<'a> {
    pub(super) fn parse(count: u8, body: &'a [u8]) -> Result<Self, RtcpError> {
        let sender_ssrc = read_u32(body, 0).ok_or(RtcpError::BodyTooShort)?;
        Ok(Self { sender_ssrc, blocks: ReportBlocks::parse(count, body, SSRC_LEN)? })
    }
}

impl<'a> ReportBlocks<'a> {
    /// Bytes behind the blocks are a profile-specific extension and ignored.
    fn parse(count: u8, body: &'a [u8], offset: usize) -> Result<Self, RtcpError> {
        let (blocks, _) = body.get(offset..).unwrap_or_default().as_chunks();
        let blocks = blocks.get(..usize::from(count)).ok_or(RtcpError::BodyTooShort)?;
        Ok(Self { blocks })
    }

    /// The blocks in order.
    pub fn iter(&self) -> impl Iterator<Item = ReportBlock> + use<'a> {
        self.blocks.iter().map(ReportBlock::from_bytes)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }
}

impl ReportBlock {
    fn from_bytes(bytes: &[u8; REPORT_BLOCK_LEN]) -> Self {
        let word = |index: usize| read_u32(bytes, index * 4).unwrap_or_default();
        let loss = word(1);
        let [fraction_lost, ..] = loss.to_be_bytes();
        Self {
            ssrc: word(0),
            fraction_lost,
            // Sign extension of 24 bits.
            cumulative_lost: (loss << 8).cast_signed() >> 8,
            extended_highest_sequence: word(2),
            jitter: word(3),
            last_sender_report: word(4),
            delay_since_last_sender_report: word(5),
        }
    }

    pub(super) fn to_words(self) -> [u32; REPORT_BLOCK_LEN / 4] {
        let lost = self.cumulative_lost.clamp(MIN_CUMULATIVE_LOST, MAX_CUMULATIVE_LOST);
        let loss = u32::from(self.fraction_lost) << 24 | lost.cast_unsigned() & 0x00ff_ffff;
        [
            self.ssrc,
            loss,
            self.extended_highest_sequence,
            self.jitter,
            self.last_sender_report,
            self.delay_since_last_sender_report,
        ]
    }
}

const SSRC_LEN: usize = 4;
const SENDER_INFO_LEN: usize = 24;
const REPORT_BLOCK_LEN: usize = 24;
/// A signed 24-bit field; RFC 3550 appendix A.3 clamps.
const MAX_CUMULATIVE_LOST: i32 = 0x007f_ffff;
const MIN_CUMULATIVE_LOST: i32 = -0x0080_0000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compact_ntp_is_the_middle() {
        assert_eq!(compact_ntp(0x0102_0304_0506_0708), 0x0304_0506);
        // The number that JVB's own sample report has.
        let info = SenderInfo { ntp_timestamp: 1_675_428_102 << 16, ..SenderInfo::default() };
        assert_eq!(info.compact_ntp(), 1_675_428_102);
    }

    #[test]
    fn cumulative_loss_is_signed_and_clamped() {
        for (lost, read) in [
            (0, 0),
            (-1, -1),
            (0x007f_ffff, 0x007f_ffff),
            (i32::MAX, 0x007f_ffff),
            (i32::MIN, -0x0080_0000),
        ] {
            let block =
                ReportBlock { cumulative_lost: lost, fraction_lost: 200, ..ReportBlock::default() };
            let mut bytes = [0; REPORT_BLOCK_LEN];
            for (chunk, word) in bytes.chunks_mut(4).zip(block.to_words()) {
                chunk.copy_from_slice(&word.to_be_bytes());
            }
            let parsed = ReportBlock::from_bytes(&bytes);
            assert_eq!((parsed.cumulative_lost, parsed.fraction_lost), (read, 200));
        }
    }
}
