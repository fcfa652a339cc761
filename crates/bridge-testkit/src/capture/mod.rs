//! What a real browser sent, kept as a text file, and the recorder that makes such files.

mod format;
mod payload;
mod recorder;
mod session;

pub use format::CaptureError;
pub use recorder::CaptureRecorder;

use std::path::PathBuf;
use std::time::Duration;

use bridge_rtp::rtcp::SenderInfo;

use crate::simulation::SimulatedCodec;

/// The packets of one video source as a browser sent them, media bodies left out.
///
/// A file of the folder `captures`, whose `README.md` describes the format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// Who sent, for people.
    pub sender: String,
    /// The codec.
    pub codec: SimulatedCodec,
    /// Payload types of media and retransmissions.
    pub payload_types: (u8, u8),
    /// Ids and URIs of the header extensions that were negotiated.
    pub extensions: Vec<(u8, String)>,
    /// From the lowest to the highest.
    pub encodings: Vec<CapturedEncoding>,
    /// Packets of all encodings, as they arrived.
    pub packets: Vec<CapturedPacket>,
    /// Sender reports of all encodings, as they arrived.
    pub reports: Vec<CapturedReport>,
}

/// One encoding of a [`Capture`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapturedEncoding {
    /// The SSRC of its media.
    pub ssrc: u32,
    /// The SSRC of its retransmissions.
    pub rtx_ssrc: u32,
}

/// One packet of a [`Capture`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapturedPacket {
    /// When it arrived, since the first packet.
    pub at: Duration,
    /// Which encoding it belongs to.
    pub encoding: usize,
    /// The number that it had.
    pub sequence_number: u16,
    /// The RTP timestamp that it had.
    pub timestamp: u32,
    /// The M bit.
    pub marker: bool,
    /// Bytes of the payload; those that [`Self::head`] does not have were media.
    pub payload_len: usize,
    /// The payload's beginning: what anybody but a decoder reads.
    pub head: Vec<u8>,
    /// `(id, data)` of the header extensions that do not belong to the transport.
    pub extensions: Vec<(u8, Vec<u8>)>,
}

/// One sender report of a [`Capture`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapturedReport {
    /// When it arrived, since the first packet.
    pub at: Duration,
    /// Which encoding it is about.
    pub encoding: usize,
    /// What it said.
    pub info: SenderInfo,
}

impl Capture {
    /// The one of this codec that is kept in the repository: with the dependency descriptor as a
    /// header extension or without it.
    ///
    /// # Errors
    /// [`CaptureError`]: it is not there, or cannot be read.
    pub fn stored(codec: SimulatedCodec, descriptor: bool) -> Result<Self, CaptureError> {
        let path = Self::path(codec, descriptor);
        let text = std::fs::read_to_string(&path)
            .map_err(|source| CaptureError::File { path: path.display().to_string(), source })?;
        Self::parse(&text)
    }

    /// Where the one of this codec is kept.
    pub fn path(codec: SimulatedCodec, descriptor: bool) -> PathBuf {
        let form = if descriptor { "-with-descriptor" } else { "" };
        let name = format!("captures/{}{form}.txt", codec.name().to_ascii_lowercase());
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
    }

    /// Leaves out what was sent before the first key frame of each encoding; times count from the
    /// first packet that is left.
    #[must_use]
    pub(crate) fn trimmed_to_key_frames(mut self) -> Self {
        let mut has_begun = vec![false; self.encodings.len()];
        let codec = self.codec;
        self.packets.retain(|packet| {
            let Some(begun) = has_begun.get_mut(packet.encoding) else { return false };
            *begun |= payload::starts_key_frame(codec, packet);
            *begun
        });
        let begin = self.packets.first().map_or(Duration::ZERO, |packet| packet.at);
        for packet in &mut self.packets {
            packet.at -= begin;
        }
        self.reports.retain(|report| report.at >= begin);
        for report in &mut self.reports {
            report.at -= begin;
        }
        self
    }

    /// The numbers of each encoding that are missing between its first and its last packet.
    pub(crate) fn gaps(&self) -> u64 {
        let mut gaps = 0;
        for encoding in 0..self.encodings.len() {
            let of_encoding = |packet: &&CapturedPacket| packet.encoding == encoding;
            let numbers = self.packets.iter().filter(of_encoding).map(|p| p.sequence_number);
            let mut last = None;
            for number in numbers {
                let step = last.map_or(1, |last| number.wrapping_sub(last));
                gaps += u64::from(step != 1);
                last = Some(number);
            }
        }
        gaps
    }
}
