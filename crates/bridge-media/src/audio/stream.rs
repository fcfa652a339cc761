use bridge_rtp::{AudioLevel, SequenceUnwrapper};

use super::silence::{SilenceConfig, SilenceFilter};
use crate::renumbering::{Renumbering, low_16_bits};

/// The packets of one audio source as they are received: which are forwarded to all receivers, and
/// with which numbers (JVB: `AudioLevelReader` and the silence discarder).
///
/// Differs from JVB: silence is counted per source instead of per endpoint, and a force-muted
/// source is mute without level extension, too. Sources that the bridge makes itself (synthetic
/// ones) do not come through here.
#[derive(Clone, Debug)]
pub struct AudioStream {
    silence: SilenceFilter,
    unwrapper: SequenceUnwrapper,
    renumbering: Renumbering<BLOCKS>,
}

/// What happens to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioOutcome {
    /// The number under which it is forwarded.
    pub forwarded: Result<u16, AudioRefusal>,
    /// What to report to [`SpeechActivity`](super::SpeechActivity), 0 for silence to 127.
    pub reported_level: Option<u8>,
}

/// Why a packet is forwarded to nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AudioRefusal {
    /// The silence went on for longer than is forwarded.
    Silence,
    /// The endpoint is force-muted.
    Muted,
    /// Others are louder.
    NotLoudest,
    /// It came too late to have a number.
    TooLate,
}

impl AudioStream {
    /// Of a new source.
    pub const fn new(config: SilenceConfig) -> Self {
        Self {
            silence: SilenceFilter::new(config),
            unwrapper: SequenceUnwrapper::new(),
            renumbering: Renumbering::new(),
        }
    }

    /// Decides about a received packet. `level` is of the header extension, if it has one;
    /// `is_routed` says whether the endpoint is among the loudest
    /// ([`LoudestRouting::routes`](super::LoudestRouting::routes)), which only matters for packets
    /// with a level.
    pub fn handle_packet(
        &mut self,
        sequence_number: u16,
        level: Option<AudioLevel>,
        is_muted: bool,
        is_routed: bool,
    ) -> AudioOutcome {
        let index = self.unwrapper.update(sequence_number);
        let (refusal, reported_level) = match level {
            Some(level) if self.silence.refuses(level) => (Some(AudioRefusal::Silence), None),
            _ if is_muted => (Some(AudioRefusal::Muted), None),
            None => (None, None),
            Some(level) => {
                self.silence.accept(Some(level));
                let refusal = (!is_routed).then_some(AudioRefusal::NotLoudest);
                (refusal, Some(AudioLevel::SILENCE.saturating_sub(level.level)))
            }
        };
        let forwarded = match refusal {
            Some(refusal) => {
                self.renumbering.discard(index);
                Err(refusal)
            }
            None => self.renumbering.forward(index).map(low_16_bits).ok_or(AudioRefusal::TooLate),
        };
        AudioOutcome { forwarded, reported_level }
    }

    /// Takes out a packet that is nothing but padding.
    pub fn discard(&mut self, sequence_number: u16) {
        let index = self.unwrapper.update(sequence_number);
        self.renumbering.discard(index);
    }

    /// The number of a lost packet that was recovered from the redundancy of a later one, which
    /// [`Self::handle_packet`] has let pass. `None` if it was not lost: it came before, was
    /// discarded, or is too old.
    pub fn accept_recovered(&mut self, sequence_number: u16) -> Option<u16> {
        let index = self.unwrapper.interpret(sequence_number);
        if self.unwrapper.highest().is_none_or(|highest| index > highest)
            || self.renumbering.has_seen(index)
        {
            return None;
        }
        self.renumbering.forward(index).map(low_16_bits)
    }
}

impl Default for AudioStream {
    fn default() -> Self {
        Self::new(SilenceConfig::default())
    }
}

/// 1024 packets, 20 s; JVB keeps none of audio.
const BLOCKS: usize = 16;
