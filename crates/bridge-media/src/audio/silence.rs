use bridge_rtp::AudioLevel;

/// Ends the forwarding of a source's silence after a few packets (JVB: `AudioLevelReader`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SilenceFilter {
    config: SilenceConfig,
    /// Silent packets that were forwarded without another between them.
    forwarded: u32,
}

/// Settings, `jmt.audio.level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SilenceConfig {
    /// Whether silence is discarded at all.
    pub discard_silence: bool,
    /// Silence is discarded once more packets than this were forwarded: one more passes.
    pub forwarded_silence_packets_limit: u32,
}

impl Default for SilenceConfig {
    fn default() -> Self {
        Self { discard_silence: true, forwarded_silence_packets_limit: 3 }
    }
}

impl SilenceFilter {
    /// Nothing forwarded yet.
    pub const fn new(config: SilenceConfig) -> Self {
        Self { config, forwarded: 0 }
    }

    /// Whether a packet passes, and notes that it did. Packets without a level pass and are not
    /// noted.
    pub fn accept(&mut self, level: Option<AudioLevel>) -> bool {
        let Some(level) = level else { return true };
        let passes = !self.refuses(level);
        if passes {
            self.forwarded = if level.is_silence() { self.forwarded.saturating_add(1) } else { 0 };
        }
        passes
    }

    /// Whether a packet with this level would be discarded.
    pub const fn refuses(&self, level: AudioLevel) -> bool {
        self.config.discard_silence
            && level.is_silence()
            && self.forwarded > self.config.forwarded_silence_packets_limit
    }
}

impl Default for SilenceFilter {
    fn default() -> Self {
        Self::new(SilenceConfig::default())
    }
}
