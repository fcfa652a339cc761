use std::collections::VecDeque;

/// Packets of one session that are held (JVB: the same of RTP and of RTCP).
const MAX_PACKETS: usize = 1_024;

/// Bytes of one session that are held: a second of what a client sends before it knows its link. JVB
/// has no such limit.
const MAX_BYTES: usize = 256 * 1_024;

/// Media that came before the keys, oldest first: it may overtake the end of the handshake, and the
/// first packets of a key frame are worth waiting for (JVB: `SrtpTransformer`).
#[derive(Default)]
pub(crate) struct EarlyMedia {
    packets: VecDeque<Box<[u8]>>,
    bytes: usize,
}

impl EarlyMedia {
    /// Holds a packet; answers how many others gave way to it, the oldest first.
    pub(crate) fn hold(&mut self, packet: &[u8]) -> u64 {
        let mut lost = 0;
        while self.packets.len() >= MAX_PACKETS || self.bytes + packet.len() > MAX_BYTES {
            let Some(oldest) = self.packets.pop_front() else { break };
            self.bytes -= oldest.len();
            lost += 1;
        }
        self.bytes += packet.len();
        self.packets.push_back(packet.into());
        lost
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// All that was held; nothing is any more.
    pub(crate) fn take(&mut self) -> VecDeque<Box<[u8]>> {
        self.bytes = 0;
        std::mem::take(&mut self.packets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_give_way() {
        let mut early = EarlyMedia::default();
        let lost: u64 = (0..1_025_u16).map(|n| early.hold(&n.to_be_bytes())).sum();
        assert_eq!(lost, 1);
        let held = early.take();
        assert_eq!((held.len(), &*held[0]), (1_024, &[0, 1][..]));
        assert!(early.is_empty());
        assert_eq!((0..300).map(|_| early.hold(&[0; 1_024])).sum::<u64>(), 300 - 256);
    }
}
