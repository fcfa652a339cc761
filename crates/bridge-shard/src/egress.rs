//! What leaves a shard: sealed datagrams in one arena, cut into runs.
//!
//! A run is a sequence of datagrams to one destination, all of one size except that the last may be
//! shorter: exactly what the kernel takes as one UDP_SEGMENT message. Datagrams are appended
//! receiver by receiver, so runs are contiguous by construction and nothing is copied to make them.

use std::net::SocketAddr;
use std::ops::AddAssign;

/// Bytes of sealed datagrams that are collected before they are sent: half the receive burst of a
/// 100-participant conference; small enough to stay in the second-level cache.
pub(crate) const EGRESS_ARENA_BYTES: usize = 512 * 1024;

/// Datagrams in one run: the kernel's UDP_MAX_SEGMENTS was 64 until Linux 6.9.
pub(crate) const MAX_RUN_SEGMENTS: usize = 64;

/// Bytes in one run: the largest UDP payload over IPv4.
pub(crate) const MAX_RUN_BYTES: usize = 65_507;

/// Runs collected before they are sent.
pub(crate) const MAX_RUNS: usize = 1_024;

/// The largest datagram that a shard sends: an Ethernet frame's worth.
pub const MAX_DATAGRAM_BYTES: usize = 1_500;

/// Index of a local address in the list that all shards bind.
pub type LocalIndex = u16;

/// Datagrams for one destination, contiguous in the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The local address to send from.
    pub local: LocalIndex,
    /// Where they go.
    pub remote: SocketAddr,
    /// Offset of the first datagram in the arena.
    pub start: usize,
    /// Total bytes.
    pub bytes: usize,
    /// Size of each datagram but the last.
    pub segment: usize,
    /// How many datagrams.
    pub segments: usize,
    /// A shorter datagram ended the run.
    closed: bool,
}

/// Takes runs to the network. Implemented by the socket driver, and by tests.
pub trait EgressSink {
    /// Sends all runs. Whatever cannot be sent is dropped and counted by the sink.
    fn send(&mut self, arena: &[u8], runs: &[Run]) -> SendOutcome;
}

/// What became of the runs of one send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendOutcome {
    /// Datagrams that the kernel took.
    pub datagrams: u64,
    /// Bytes that the kernel took.
    pub bytes: u64,
    /// Messages that carried them.
    pub messages: u64,
    /// Datagrams that the kernel refused (its buffer is full, or the destination is unreachable).
    pub refused: u64,
}

impl AddAssign for SendOutcome {
    fn add_assign(&mut self, other: Self) {
        self.datagrams += other.datagrams;
        self.bytes += other.bytes;
        self.messages += other.messages;
        self.refused += other.refused;
    }
}

/// The arena and its runs.
pub struct Egress {
    arena: Box<[u8]>,
    used: usize,
    runs: Vec<Run>,
    outcome: SendOutcome,
}

impl Egress {
    /// An empty egress; the only allocation it ever makes.
    pub fn new() -> Self {
        Self {
            arena: vec![0; EGRESS_ARENA_BYTES].into_boxed_slice(),
            used: 0,
            runs: Vec::with_capacity(MAX_RUNS),
            outcome: SendOutcome::default(),
        }
    }

    /// Room for one more datagram; sends what is there first if it is getting full.
    pub fn room(&mut self, sink: &mut dyn EgressSink) -> &mut [u8] {
        if self.used + MAX_DATAGRAM_BYTES > self.arena.len() || self.runs.len() == MAX_RUNS {
            self.flush(sink);
        }
        &mut self.arena[self.used..self.used + MAX_DATAGRAM_BYTES]
    }

    /// Keeps the first `len` bytes written into [`Self::room`] as a datagram to `remote`.
    pub fn commit(&mut self, local: LocalIndex, remote: SocketAddr, len: usize) {
        debug_assert!(len <= MAX_DATAGRAM_BYTES);
        if len == 0 {
            return;
        }
        let start = self.used;
        self.used += len;
        if let Some(run) = self.runs.last_mut()
            && run.accepts(local, remote, len)
        {
            run.bytes += len;
            run.segments += 1;
            run.closed = len < run.segment;
            return;
        }
        self.runs.push(Run {
            local,
            remote,
            start,
            bytes: len,
            segment: len,
            segments: 1,
            closed: false,
        });
    }

    /// Sends everything collected.
    pub fn flush(&mut self, sink: &mut dyn EgressSink) {
        if !self.runs.is_empty() {
            self.outcome += sink.send(&self.arena[..self.used], &self.runs);
        }
        self.runs.clear();
        self.used = 0;
    }

    /// What became of everything sent so far.
    pub fn outcome(&self) -> SendOutcome {
        self.outcome
    }
}

impl Default for Egress {
    fn default() -> Self {
        Self::new()
    }
}

impl Run {
    fn accepts(&self, local: LocalIndex, remote: SocketAddr, len: usize) -> bool {
        !self.closed
            && len <= self.segment
            && self.remote == remote
            && self.local == local
            && self.segments < MAX_RUN_SEGMENTS
            && self.bytes + len <= MAX_RUN_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Collector(Vec<(SocketAddr, Vec<usize>)>);

    impl EgressSink for Collector {
        fn send(&mut self, arena: &[u8], runs: &[Run]) -> SendOutcome {
            for run in runs {
                let bytes = &arena[run.start..run.start + run.bytes];
                self.0.push((run.remote, bytes.chunks(run.segment).map(<[u8]>::len).collect()));
            }
            SendOutcome::default()
        }
    }

    fn remote(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    fn sent(datagrams: &[(u16, usize)]) -> Vec<(u16, Vec<usize>)> {
        let (mut egress, mut sink) = (Egress::new(), Collector::default());
        for (port, len) in datagrams {
            egress.room(&mut sink);
            egress.commit(0, remote(*port), *len);
        }
        egress.flush(&mut sink);
        sink.0.into_iter().map(|(to, sizes)| (to.port(), sizes)).collect()
    }

    #[test]
    fn a_run_ends_with_a_shorter_datagram_another_destination_or_a_longer_one() {
        assert_eq!(
            sent(&[(1, 1147), (1, 1147), (1, 1146), (1, 1146), (2, 1146), (2, 1147)]),
            vec![(1, vec![1147, 1147, 1146]), (1, vec![1146]), (2, vec![1146]), (2, vec![1147]),]
        );
    }

    #[test]
    fn a_run_never_exceeds_the_kernels_limits() {
        let runs = sent(&vec![(1, 1_200); 200]);
        assert_eq!(runs.iter().map(|(_, sizes)| sizes.len()).sum::<usize>(), 200);
        for (_, sizes) in runs {
            assert!(sizes.len() <= MAX_RUN_SEGMENTS);
            assert!(sizes.iter().sum::<usize>() <= MAX_RUN_BYTES);
        }
    }

    #[test]
    fn a_full_arena_is_sent_and_nothing_is_lost() {
        let count = 3 * EGRESS_ARENA_BYTES / 1_000;
        let runs = sent(&(0..count).map(|i| (i as u16, 1_000)).collect::<Vec<_>>());
        assert_eq!(runs.len(), count);
    }
}
