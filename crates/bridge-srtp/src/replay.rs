use crate::error::OpenError;

/// Packets behind the newest that are still told apart from replays (RFC 3711, 3.3.2: at least
/// 64; the contract's value for RTP and RTCP).
pub const REPLAY_WINDOW_PACKETS: u64 = 64;

/// The newest index that was opened and which of the 64 up to it were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReplayWindow {
    newest: u64,
    /// Bit n: the packet `newest - n` was opened.
    seen: u64,
}

impl ReplayWindow {
    /// After the first packet.
    pub(crate) const fn starting_at(index: u64) -> Self {
        Self { newest: index, seen: 1 }
    }

    /// Marks `index`, whose packet was authenticated after [`check`](Self::check) let it pass.
    pub(crate) const fn record(&mut self, index: u64) {
        if index > self.newest {
            let step = index - self.newest;
            self.seen = if step < REPLAY_WINDOW_PACKETS { self.seen << step | 1 } else { 1 };
            self.newest = index;
        } else if self.newest - index < REPLAY_WINDOW_PACKETS {
            self.seen |= 1 << (self.newest - index);
        }
    }

    /// Whether a packet of this index may be new.
    pub(crate) const fn check(&self, index: u64) -> Result<(), OpenError> {
        if index > self.newest {
            return Ok(());
        }
        let age = self.newest - index;
        if age >= REPLAY_WINDOW_PACKETS {
            Err(OpenError::TooOld)
        } else if self.seen >> age & 1 == 1 {
            Err(OpenError::Replayed)
        } else {
            Ok(())
        }
    }

    pub(crate) const fn newest(&self) -> u64 {
        self.newest
    }
}

/// The 48-bit index of a packet with sequence number `seq` when the newest so far is `newest`
/// (RFC 3711, 3.3.1 and appendix A).
///
/// With no rollover yet there is no earlier counter to go back to, so a large jump is read as a
/// jump forwards, as libsrtp does; the tag decides.
pub(crate) const fn extend_sequence_number(newest: u64, seq: u16) -> u64 {
    let rollovers = newest >> 16;
    let newest_seq = (newest & 0xFFFF) as u16;
    let rollovers = if newest_seq < HALF {
        if seq > newest_seq && seq - newest_seq > HALF {
            rollovers.saturating_sub(1)
        } else {
            rollovers
        }
    } else if newest_seq - HALF > seq {
        rollovers + 1
    } else {
        rollovers
    };
    rollovers << 16 | seq as u64
}

/// Half the range of sequence numbers.
const HALF: u16 = 1 << 15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replay_window_edges() {
        let mut window = ReplayWindow::starting_at(1_000);
        assert_eq!(window.check(1_000), Err(OpenError::Replayed));
        assert_eq!(window.check(937), Ok(()));
        assert_eq!(window.check(936), Err(OpenError::TooOld));
        window.record(937);
        assert_eq!(window.check(937), Err(OpenError::Replayed));
        window.record(1_001);
        assert_eq!(window.check(937), Err(OpenError::TooOld));
        assert_eq!(window.check(1_000), Err(OpenError::Replayed));
        window.record(1_064);
        assert_eq!(window.check(1_001), Err(OpenError::Replayed));
        assert_eq!(window.check(1_002), Ok(()));
        window.record(1_128);
        assert_eq!(window.check(1_064), Err(OpenError::TooOld));
        assert_eq!(window.check(1_065), Ok(()));
        assert_eq!(window.newest(), 1_128);
    }

    #[test]
    fn sequence_numbers_extend_across_the_wrap_in_both_directions() {
        let cases = [
            // newest, seq, index
            (5, 6, 6),
            (5, 5, 5),
            (5, 4, 4),
            (0xFFFF, 0, 0x1_0000),
            (0xFFF0, 3, 0x1_0003),
            (0x1_0003, 0xFFFE, 0xFFFE),
            (0x1_0003, 4, 0x1_0004),
            (0x5_7FFF, 0xFFFF, 0x5_FFFF),
            (0x5_7FFE, 0xFFFF, 0x4_FFFF),
            (0x5_8000, 0, 0x5_0000),
            (0x5_8001, 0, 0x6_0000),
            // No rollover to go back to.
            (2, 0xFFFF, 0xFFFF),
            (0, 0x9000, 0x9000),
        ];
        for (newest, seq, index) in cases {
            assert_eq!(extend_sequence_number(newest, seq), index, "{newest:x} {seq:x}");
        }
    }
}
