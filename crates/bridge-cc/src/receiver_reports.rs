use std::collections::BTreeMap;
use std::time::Duration;

use bridge_rtp::rtcp::{MAX_COMPOUND_LEN, MAX_REPORT_BLOCKS, ReportBlock, RtcpWriter, SenderInfo};
use bridge_rtp::{RtcpError, RtpHeader};
use bridge_units::{Bitrate, Timestamp};

use crate::receive_statistics::ReceiveStatistics;

/// Reports are written this often.
pub const REPORT_INTERVAL: Duration = Duration::from_millis(500);
/// The most streams of one peer. More than any client sends; the one that was silent for longest
/// gives way to a new one.
pub const MAX_STREAMS: usize = 1_024;
/// The most SSRCs that an estimate names.
pub const MAX_REMB_SSRCS: usize = 8;

/// The receiver reports owed to one peer: statistics of each of its streams and the timer.
///
/// ```
/// # use bridge_cc::{REPORT_INTERVAL, ReceiverReports};
/// # use bridge_rtp::RtpHeader;
/// # use bridge_units::Timestamp;
/// # let header = RtpHeader::parse(&[0x80, 111, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7]).unwrap();
/// let mut reports = ReceiverReports::new(Timestamp::ZERO);
/// reports.on_packet(Timestamp::from_millis(3), &header, 48_000);
/// let now = reports.poll_timeout();
/// assert_eq!(now, Timestamp::ZERO + REPORT_INTERVAL);
/// reports.handle_timeout(now, 0x5678, None, |compound| assert_eq!(compound.len(), 8 + 24));
/// ```
#[derive(Clone, Debug)]
pub struct ReceiverReports {
    streams: BTreeMap<u32, Stream>,
    next_report: Timestamp,
    evicted: u64,
}

/// A bandwidth estimate that rides with the reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiverEstimate<'a> {
    /// What the peer may send.
    pub bitrate: Bitrate,
    /// The streams that it is about; only the first [`MAX_REMB_SSRCS`] are told.
    pub ssrcs: &'a [u32],
}

#[derive(Clone, Copy, Debug)]
struct Stream {
    statistics: ReceiveStatistics,
    last_active: Timestamp,
}

impl ReceiverReports {
    /// No stream yet; the first report is due one interval after `now`.
    pub fn new(now: Timestamp) -> Self {
        Self { streams: BTreeMap::new(), next_report: now + REPORT_INTERVAL, evicted: 0 }
    }

    /// Notes a packet that arrived `now`; see [`ReceiveStatistics::on_packet`]. Leave out
    /// retransmission payload types. Allocates only with the first packet of a stream.
    pub fn on_packet(&mut self, now: Timestamp, header: &RtpHeader, clock_rate: u32) {
        self.stream(now, header.ssrc).on_packet(
            now,
            header.sequence_number,
            header.timestamp,
            clock_rate,
        );
    }

    /// Notes a sender report that arrived `now`.
    pub fn on_sender_report(&mut self, now: Timestamp, info: &SenderInfo) {
        self.stream(now, info.ssrc).on_sender_report(now, info);
    }

    /// Forgets a stream that is no longer signalled.
    pub fn remove(&mut self, ssrc: u32) {
        self.streams.remove(&ssrc);
    }

    /// If reports are due `now`: hands compounds of at most 1500 bytes to `emit`, with a block for
    /// each stream that received anything since its last one, at most 31 in an RR, and the estimate
    /// behind them. Without both, nothing.
    pub fn handle_timeout(
        &mut self,
        now: Timestamp,
        sender_ssrc: u32,
        estimate: Option<ReceiverEstimate<'_>>,
        mut emit: impl FnMut(&[u8]),
    ) {
        if now < self.next_report {
            return;
        }
        let next = self.next_report + REPORT_INTERVAL;
        // Missed intervals are not made up for.
        self.next_report = if next > now { next } else { now + REPORT_INTERVAL };
        let mut buffer = [0; MAX_COMPOUND_LEN];
        let mut compounds = Compounds { writer: RtcpWriter::new(&mut buffer), emit: &mut emit };
        let mut blocks = [ReportBlock::default(); MAX_REPORT_BLOCKS];
        let mut new_blocks =
            self.streams.values_mut().filter_map(|stream| stream.statistics.report_block(now));
        loop {
            let count =
                blocks.iter_mut().zip(&mut new_blocks).map(|(slot, block)| *slot = block).count();
            if count == 0 {
                break;
            }
            let blocks = blocks.get(..count).unwrap_or_default();
            compounds.append(|writer| writer.receiver_report(sender_ssrc, blocks));
        }
        if let Some(ReceiverEstimate { bitrate, ssrcs }) = estimate {
            let ssrcs = ssrcs.get(..MAX_REMB_SSRCS).unwrap_or(ssrcs);
            compounds.append(|writer| {
                writer.receiver_estimated_max_bitrate(sender_ssrc, bitrate, ssrcs)
            });
        }
        compounds.flush();
    }

    /// When to call [`Self::handle_timeout`].
    pub fn poll_timeout(&self) -> Timestamp {
        self.next_report
    }

    /// The statistics of every stream, by SSRC.
    pub fn statistics(&self) -> impl Iterator<Item = &ReceiveStatistics> {
        self.streams.values().map(|stream| &stream.statistics)
    }

    /// Streams that gave way to new ones because there were [`MAX_STREAMS`].
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    fn stream(&mut self, now: Timestamp, ssrc: u32) -> &mut ReceiveStatistics {
        if self.streams.len() >= MAX_STREAMS && !self.streams.contains_key(&ssrc) {
            self.evict();
        }
        let stream = self.streams.entry(ssrc).or_insert_with(|| Stream {
            statistics: ReceiveStatistics::new(ssrc),
            last_active: now,
        });
        stream.last_active = now;
        &mut stream.statistics
    }

    fn evict(&mut self) {
        let oldest = self.streams.iter().min_by_key(|(_, stream)| stream.last_active);
        if let Some((&ssrc, _)) = oldest {
            self.streams.remove(&ssrc);
            self.evicted += 1;
        }
    }
}

/// Fills compounds and hands each full one on.
struct Compounds<'a, F: FnMut(&[u8])> {
    writer: RtcpWriter<'a>,
    emit: &'a mut F,
}

impl<'a, F: FnMut(&[u8])> Compounds<'a, F> {
    fn append(&mut self, write: impl Fn(&mut RtcpWriter<'a>) -> Result<(), RtcpError>) {
        if write(&mut self.writer).is_err() {
            self.flush();
            let written = write(&mut self.writer);
            debug_assert!(written.is_ok(), "an empty compound takes any one packet");
        }
    }

    fn flush(&mut self) {
        if !self.writer.is_empty() {
            (self.emit)(self.writer.as_bytes());
            self.writer.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use bridge_rtp::rtcp::{RtcpCompound, RtcpPacket};

    use super::*;

    const SENDER_SSRC: u32 = 0xb21d;

    fn header(ssrc: u32, sequence_number: u16) -> RtpHeader {
        let mut bytes = [0x80, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        bytes[2..4].copy_from_slice(&sequence_number.to_be_bytes());
        bytes[8..12].copy_from_slice(&ssrc.to_be_bytes());
        RtpHeader::parse(&bytes).unwrap()
    }

    fn due(reports: &mut ReceiverReports, estimate: Option<ReceiverEstimate<'_>>) -> Vec<Vec<u8>> {
        let mut compounds = Vec::new();
        let now = reports.poll_timeout();
        reports.handle_timeout(now, SENDER_SSRC, estimate, |bytes| compounds.push(bytes.to_vec()));
        compounds
    }

    /// The number of blocks of each RR, and how many REMBs.
    fn content(compound: &[u8]) -> (Vec<usize>, usize) {
        let mut blocks = Vec::new();
        let mut estimates = 0;
        for (packet, _) in RtcpCompound::parse(compound).unwrap() {
            match packet {
                RtcpPacket::ReceiverReport(rr) => {
                    assert_eq!(rr.sender_ssrc, SENDER_SSRC);
                    blocks.push(rr.blocks.len());
                }
                RtcpPacket::ReceiverEstimatedMaxBitrate(remb) => {
                    assert!(remb.ssrcs().count() <= MAX_REMB_SSRCS);
                    estimates += 1;
                }
                other => panic!("{other:?}"),
            }
        }
        (blocks, estimates)
    }

    #[test]
    fn only_active_streams_are_reported_on_time() {
        let mut reports = ReceiverReports::new(Timestamp::from_millis(100));
        reports.on_packet(Timestamp::from_millis(110), &header(1, 5), 90_000);
        reports.on_packet(Timestamp::from_millis(120), &header(2, 5), 48_000);
        let early = Timestamp::from_millis(599);
        reports.handle_timeout(early, SENDER_SSRC, None, |_| panic!("not due"));
        assert_eq!(reports.poll_timeout(), Timestamp::from_millis(600));
        let compounds = due(&mut reports, None);
        assert_eq!(compounds.len(), 1);
        assert_eq!(content(&compounds[0]), (vec![2], 0));

        reports.on_packet(Timestamp::from_millis(700), &header(2, 6), 48_000);
        assert_eq!(reports.poll_timeout(), Timestamp::from_millis(1_100));
        assert_eq!(content(&due(&mut reports, None)[0]), (vec![1], 0));
        assert!(due(&mut reports, None).is_empty());
        assert_eq!(reports.statistics().count(), 2);
    }

    #[test]
    fn forty_streams_need_two_reports() {
        let mut reports = ReceiverReports::new(Timestamp::ZERO);
        (0..40).for_each(|ssrc| reports.on_packet(Timestamp::ZERO, &header(ssrc, 1), 90_000));
        let compounds = due(&mut reports, None);
        assert_eq!(compounds.len(), 1);
        assert_eq!(content(&compounds[0]), (vec![31, 9], 0));
    }

    #[test]
    fn compounds_are_split_at_their_limit() {
        let mut reports = ReceiverReports::new(Timestamp::ZERO);
        (0..100).for_each(|ssrc| reports.on_packet(Timestamp::ZERO, &header(ssrc, 1), 90_000));
        let ssrcs = [1; 20];
        let estimate = ReceiverEstimate { bitrate: Bitrate::from_kbps(800), ssrcs: &ssrcs };
        let compounds = due(&mut reports, Some(estimate));
        assert!(compounds.iter().all(|compound| compound.len() <= MAX_COMPOUND_LEN));
        let contents: Vec<_> = compounds.iter().map(|compound| content(compound)).collect();
        assert_eq!(contents, [(vec![31], 0), (vec![31], 0), (vec![31, 7], 1)]);
    }

    #[test]
    fn an_estimate_is_sent_alone() {
        let mut reports = ReceiverReports::new(Timestamp::ZERO);
        let estimate = ReceiverEstimate { bitrate: Bitrate::from_kbps(800), ssrcs: &[1] };
        let compounds = due(&mut reports, Some(estimate));
        assert_eq!(compounds.len(), 1);
        assert_eq!(content(&compounds[0]), (vec![], 1));
    }

    #[test]
    fn sender_reports_reach_their_stream() {
        let mut reports = ReceiverReports::new(Timestamp::ZERO);
        let info = SenderInfo { ssrc: 1, ntp_timestamp: 7 << 16, ..SenderInfo::default() };
        reports.on_sender_report(Timestamp::from_millis(250), &info);
        assert!(due(&mut reports, None).is_empty());
        reports.on_packet(Timestamp::from_millis(600), &header(1, 1), 90_000);
        let compounds = due(&mut reports, None);
        let (packet, _) = RtcpCompound::parse(&compounds[0]).unwrap().packets().next().unwrap();
        let RtcpPacket::ReceiverReport(rr) = packet else { panic!("receiver report") };
        let block = rr.blocks.iter().next().unwrap();
        assert_eq!((block.last_sender_report, block.delay_since_last_sender_report), (7, 49_152));
    }

    #[test]
    fn missed_intervals_are_not_made_up_for() {
        let mut reports = ReceiverReports::new(Timestamp::ZERO);
        reports.handle_timeout(Timestamp::from_millis(5_200), SENDER_SSRC, None, |_| {});
        assert_eq!(reports.poll_timeout(), Timestamp::from_millis(5_700));
        reports.handle_timeout(Timestamp::from_millis(5_900), SENDER_SSRC, None, |_| {});
        assert_eq!(reports.poll_timeout(), Timestamp::from_millis(6_200));
    }

    #[test]
    fn the_longest_silent_stream_gives_way() {
        let mut reports = ReceiverReports::new(Timestamp::ZERO);
        let streams = u32::try_from(MAX_STREAMS).unwrap();
        for ssrc in 0..streams {
            reports.on_packet(Timestamp::from_millis(u64::from(ssrc)), &header(ssrc, 1), 90_000);
        }
        reports.on_packet(Timestamp::from_millis(5_000), &header(0, 2), 90_000);
        reports.on_packet(Timestamp::from_millis(5_001), &header(streams, 1), 90_000);
        assert_eq!((reports.statistics().count(), reports.evicted()), (MAX_STREAMS, 1));
        let ssrcs: Vec<_> = reports.statistics().map(ReceiveStatistics::ssrc).collect();
        assert!(ssrcs.contains(&0) && !ssrcs.contains(&1) && ssrcs.contains(&streams));
        reports.remove(0);
        assert_eq!(reports.statistics().count(), MAX_STREAMS - 1);
    }
}
