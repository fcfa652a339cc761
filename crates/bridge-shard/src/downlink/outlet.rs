use crate::egress::{Egress, EgressSink, LocalIndex};
use bridge_metrics::ShardCounters;
use bridge_rtp::RtcpWriter;
use bridge_rtp::rtcp::{MAX_COMPOUND_LEN, ReferenceAnswer};
use bridge_srtp::SealError;
use bridge_transport::SrtpContexts;
use std::net::SocketAddr;

/// The way out to one receiver.
pub(crate) struct Outlet<'a> {
    pub(crate) path: (LocalIndex, SocketAddr),
    pub(crate) srtp: &'a mut SrtpContexts,
    pub(crate) egress: &'a mut Egress,
    pub(crate) counters: &'a mut ShardCounters,
    pub(crate) sink: &'a mut dyn EgressSink,
}

impl Outlet<'_> {
    /// Seals and sends an RTP packet; whether it went.
    pub(crate) fn rtp(&mut self, header: &[u8], payload: &[u8]) -> bool {
        let sealed = self.srtp.sender.seal_rtp(header, payload, self.egress.room(self.sink));
        self.commit_rtp(sealed)
    }

    /// Seals and sends an RTP packet whose payload of `len` bytes `fill` writes; whether it went.
    pub(crate) fn rtp_with(
        &mut self,
        header: &[u8],
        len: usize,
        fill: impl FnOnce(&mut [u8]),
    ) -> bool {
        let room = self.egress.room(self.sink);
        let sealed = self.srtp.sender.seal_rtp_with(header, len, room, fill);
        self.commit_rtp(sealed)
    }

    /// Seals and sends an RTCP packet.
    pub(crate) fn rtcp(&mut self, packet: &[u8]) {
        match self.srtp.sender.seal_rtcp(packet, self.egress.room(self.sink)) {
            Ok(len) => {
                self.counters.rtcp_out += 1;
                self.commit(len);
            }
            Err(_) => self.counters.dropped_seal_failed += 1,
        }
    }

    /// Seals and sends an extended report with a reference time and answers to others.
    pub(crate) fn extended_report(
        &mut self,
        sender: u32,
        reference_time: Option<u64>,
        answers: &[ReferenceAnswer],
    ) {
        let mut buffer = [0; MAX_COMPOUND_LEN];
        let mut writer = RtcpWriter::new(&mut buffer);
        if writer.extended_report(sender, reference_time, answers).is_ok() {
            self.rtcp(writer.as_bytes());
        }
    }

    /// Sends what was sealed in the arena's room; whether it went.
    pub(super) fn commit_rtp(&mut self, sealed: Result<usize, SealError>) -> bool {
        match sealed {
            Ok(len) => {
                self.counters.rtp_out += 1;
                self.commit(len);
            }
            Err(_) => self.counters.dropped_seal_failed += 1,
        }
        sealed.is_ok()
    }

    fn commit(&mut self, len: usize) {
        let (local, remote) = self.path;
        self.egress.commit(local, remote, len);
    }
}
