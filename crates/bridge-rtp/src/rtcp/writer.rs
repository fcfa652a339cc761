use bridge_units::Bitrate;

use super::extended_report::{
    ANSWER_WORDS, ANSWERS, REFERENCE_TIME, REFERENCE_TIME_WORDS, ReferenceAnswer,
};
use super::feedback::{FIR_ENTRY_LEN, FirEntry, REMB_NAME, remb_exponent_mantissa};
use super::report::{MAX_REPORT_BLOCKS, ReportBlock, SenderInfo};
use super::transport_feedback_builder::TransportFeedbackBuilder;
use super::{RTCP_HEADER_LEN, feedback_format, packet_type};
use crate::bytes::ByteWriter;
use crate::error::RtcpError;

/// The longest compound that the bridge sends, in bytes.
pub const MAX_COMPOUND_LEN: usize = 1_500;

/// Appends RTCP packets to a borrowed buffer, whose length is the limit of the compound.
///
/// A packet that does not fit leaves the compound as it was.
pub struct RtcpWriter<'a> {
    out: ByteWriter<'a>,
}

impl<'a> RtcpWriter<'a> {
    /// An empty compound at the start of `buffer`.
    pub fn new(buffer: &'a mut [u8]) -> Self {
        Self { out: ByteWriter::new(buffer) }
    }

    /// Appends an SR.
    ///
    /// # Errors
    /// [`RtcpError::TooManyEntries`] for more than 31 blocks, [`RtcpError::BufferTooSmall`].
    pub fn sender_report(
        &mut self,
        info: &SenderInfo,
        blocks: &[ReportBlock],
    ) -> Result<(), RtcpError> {
        let count = block_count(blocks)?;
        self.packet(packet_type::SENDER_REPORT, count, |out| {
            out.put(&info.to_bytes())?;
            put_blocks(out, blocks)
        })
    }

    /// Appends an RR.
    ///
    /// # Errors
    /// [`RtcpError::TooManyEntries`] for more than 31 blocks, [`RtcpError::BufferTooSmall`].
    pub fn receiver_report(
        &mut self,
        sender_ssrc: u32,
        blocks: &[ReportBlock],
    ) -> Result<(), RtcpError> {
        let count = block_count(blocks)?;
        self.packet(packet_type::RECEIVER_REPORT, count, |out| {
            out.put_u32(sender_ssrc)?;
            put_blocks(out, blocks)
        })
    }

    /// Appends a generic NACK for these numbers; nothing if there are none. Numbers in ascending
    /// order, wrapping, give the fewest pairs.
    ///
    /// # Errors
    /// [`RtcpError::BufferTooSmall`].
    pub fn nack(
        &mut self,
        sender_ssrc: u32,
        media_ssrc: u32,
        sequence_numbers: impl IntoIterator<Item = u16>,
    ) -> Result<(), RtcpError> {
        let mut sequence_numbers = sequence_numbers.into_iter();
        let Some(mut first) = sequence_numbers.next() else { return Ok(()) };
        let mut following = 0_u16;
        self.packet(packet_type::TRANSPORT_FEEDBACK, feedback_format::NACK, |out| {
            out.put_u32(sender_ssrc)?;
            out.put_u32(media_ssrc)?;
            for sequence in sequence_numbers {
                match sequence.wrapping_sub(first) {
                    0 => {}
                    distance @ 1..=16 => following |= 1 << (distance - 1),
                    _ => {
                        out.put_u16(first)?;
                        out.put_u16(following)?;
                        (first, following) = (sequence, 0);
                    }
                }
            }
            out.put_u16(first)?;
            out.put_u16(following)
        })
    }

    /// Appends a PLI.
    ///
    /// # Errors
    /// [`RtcpError::BufferTooSmall`].
    pub fn picture_loss_indication(
        &mut self,
        sender_ssrc: u32,
        media_ssrc: u32,
    ) -> Result<(), RtcpError> {
        let format = feedback_format::PICTURE_LOSS_INDICATION;
        self.packet(packet_type::PAYLOAD_FEEDBACK, format, |out| {
            out.put_u32(sender_ssrc)?;
            out.put_u32(media_ssrc)
        })
    }

    /// Appends a FIR. Its media SSRC is 0 (RFC 5104 section 4.3.1.2).
    ///
    /// # Errors
    /// [`RtcpError::BufferTooSmall`].
    pub fn full_intra_request(
        &mut self,
        sender_ssrc: u32,
        entries: &[FirEntry],
    ) -> Result<(), RtcpError> {
        let format = feedback_format::FULL_INTRA_REQUEST;
        self.packet(packet_type::PAYLOAD_FEEDBACK, format, |out| {
            out.put_u32(sender_ssrc)?;
            out.put_u32(0)?;
            for entry in entries {
                let [s0, s1, s2, s3] = entry.ssrc.to_be_bytes();
                let bytes: [u8; FIR_ENTRY_LEN] = [s0, s1, s2, s3, entry.sequence_number, 0, 0, 0];
                out.put(&bytes)?;
            }
            Some(())
        })
    }

    /// Appends a REMB. The bitrate loses all but its 18 highest bits. Its media SSRC is 0.
    ///
    /// # Errors
    /// [`RtcpError::TooManyEntries`] for more than 255 SSRCs, [`RtcpError::BufferTooSmall`].
    pub fn receiver_estimated_max_bitrate(
        &mut self,
        sender_ssrc: u32,
        bitrate: Bitrate,
        ssrcs: &[u32],
    ) -> Result<(), RtcpError> {
        let count = u8::try_from(ssrcs.len()).map_err(|_| RtcpError::TooManyEntries)?;
        let (exponent, mantissa) = remb_exponent_mantissa(bitrate);
        let [_, mantissa2, mantissa1, mantissa0] = mantissa.to_be_bytes();
        let format = feedback_format::APPLICATION_LAYER;
        self.packet(packet_type::PAYLOAD_FEEDBACK, format, |out| {
            out.put_u32(sender_ssrc)?;
            out.put_u32(0)?;
            out.put(&REMB_NAME)?;
            out.put(&[count, exponent << 2 | mantissa2, mantissa1, mantissa0])?;
            ssrcs.iter().try_for_each(|&ssrc| out.put_u32(ssrc))
        })
    }

    /// Appends an XR with what there is: a reference time, and answers to those of others; nothing
    /// without both.
    ///
    /// # Errors
    /// [`RtcpError::TooManyEntries`] for answers that no block can hold,
    /// [`RtcpError::BufferTooSmall`].
    pub fn extended_report(
        &mut self,
        sender_ssrc: u32,
        reference_time: Option<u64>,
        answers: &[ReferenceAnswer],
    ) -> Result<(), RtcpError> {
        if reference_time.is_none() && answers.is_empty() {
            return Ok(());
        }
        let words = u16::try_from(answers.len()).ok().and_then(|n| n.checked_mul(ANSWER_WORDS));
        let words = words.ok_or(RtcpError::TooManyEntries)?;
        self.packet(packet_type::EXTENDED_REPORT, 0, |out| {
            out.put_u32(sender_ssrc)?;
            if let Some(ntp) = reference_time {
                out.put(&[REFERENCE_TIME, 0])?;
                out.put_u16(REFERENCE_TIME_WORDS)?;
                out.put(&ntp.to_be_bytes())?;
            }
            if answers.is_empty() {
                return Some(());
            }
            out.put(&[ANSWERS, 0])?;
            out.put_u16(words)?;
            answers.iter().flat_map(|a| a.to_words()).try_for_each(|word| out.put_u32(word))
        })
    }

    /// Appends a transport-wide feedback. Padded with zero bytes without P bit, as JVB does.
    ///
    /// # Errors
    /// [`RtcpError::BufferTooSmall`].
    pub fn transport_feedback(
        &mut self,
        feedback: &TransportFeedbackBuilder,
    ) -> Result<(), RtcpError> {
        self.append(|out| {
            let start = out.len();
            out.put(&feedback.head(feedback.padded_len()))?;
            feedback.chunks().try_for_each(|chunk| out.put_u16(chunk))?;
            out.put(feedback.deltas())?;
            out.pad_to_word(start)
        })
    }

    /// Appends a complete packet as it is.
    ///
    /// # Errors
    /// [`RtcpError::BufferTooSmall`].
    pub fn raw(&mut self, packet: &[u8]) -> Result<(), RtcpError> {
        self.append(|out| out.put(packet))
    }

    /// Takes everything out again.
    pub fn clear(&mut self) {
        self.out.truncate(0);
    }

    /// The compound so far.
    pub fn as_bytes(&self) -> &[u8] {
        self.out.written()
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether nothing was appended.
    pub fn is_empty(&self) -> bool {
        self.out.len() == 0
    }

    /// Writes a header, the body, and then the length into the header.
    fn packet(
        &mut self,
        packet_type: u8,
        count: u8,
        body: impl FnOnce(&mut ByteWriter<'a>) -> Option<()>,
    ) -> Result<(), RtcpError> {
        self.append(|out| {
            let start = out.len();
            out.put(&[VERSION_BITS | count, packet_type, 0, 0])?;
            body(out)?;
            let words = (out.len() - start) / 4 - RTCP_HEADER_LEN / 4;
            let words = u16::try_from(words).ok()?;
            out.overwrite(start + LENGTH_OFFSET, &words.to_be_bytes())
        })
    }

    fn append(
        &mut self,
        write: impl FnOnce(&mut ByteWriter<'a>) -> Option<()>,
    ) -> Result<(), RtcpError> {
        let start = self.out.len();
        let written = write(&mut self.out);
        if written.is_none() {
            self.out.truncate(start);
        }
        written.ok_or(RtcpError::BufferTooSmall)
    }
}

fn block_count(blocks: &[ReportBlock]) -> Result<u8, RtcpError> {
    u8::try_from(blocks.len())
        .ok()
        .filter(|&count| usize::from(count) <= MAX_REPORT_BLOCKS)
        .ok_or(RtcpError::TooManyEntries)
}

fn put_blocks(out: &mut ByteWriter<'_>, blocks: &[ReportBlock]) -> Option<()> {
    blocks.iter().flat_map(|block| block.to_words()).try_for_each(|word| out.put_u32(word))
}

const VERSION_BITS: u8 = 0x80;
/// Of the length field in the common header.
const LENGTH_OFFSET: usize = 2;
