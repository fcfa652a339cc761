//! Sender reports as a receiver gets them.

use super::{Downlink, Outlet};
use bridge_rtp::RtcpWriter;
use bridge_rtp::rtcp::SenderInfo;
use bridge_units::{MediaType, SourceId, Timestamp};

/// A sender report without report blocks.
const SENDER_REPORT_LEN: usize = 28;

impl Downlink {
    /// Sends a source's report with the receiver's SSRC, timestamp and counts. Reports of other
    /// encodings than the one forwarded, and of sources of which nothing was sent, are left out.
    ///
    /// Differs from JVB, which forwards the first encoding's reports whatever is forwarded.
    pub(crate) fn forward_report(
        &mut self,
        now: Timestamp,
        source: SourceId,
        media: MediaType,
        info: SenderInfo,
        outlet: &mut Outlet<'_>,
    ) {
        let rewritten = match media {
            MediaType::Audio => self.audios.get(&source).and_then(|audio| audio.sent.report(info)),
            MediaType::Video => self.videos.get(&source).and_then(|source| {
                let projection = &source.projection;
                let (ssrc, rtp_timestamp) =
                    projection.rewrite_sender_report(info.ssrc, info.rtp_timestamp)?;
                source.sent.report(SenderInfo { ssrc, rtp_timestamp, ..info })
            }),
        };
        let Some(mut info) = rewritten else { return };
        if let Some(rewriting) = &self.rewriting {
            let (ssrc, timestamp) = (info.ssrc, info.rtp_timestamp);
            let Some(numbers) = rewriting.rewrite_sender_report(media, source, ssrc, timestamp)
            else {
                return;
            };
            (info.ssrc, info.rtp_timestamp) = numbers;
        }
        let mut buffer = [0; SENDER_REPORT_LEN];
        let mut writer = RtcpWriter::new(&mut buffer);
        if writer.sender_report(&info, &[]).is_err() {
            return;
        }
        outlet.rtcp(writer.as_bytes());
        let compact = (info.ntp_timestamp >> 16) as u32;
        self.round_trips.on_sender_report_sent(now, info.ssrc, compact);
    }
}
