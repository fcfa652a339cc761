use std::time::Duration;

use bridge_rtp::AudioLevel;
use bridge_units::{SourceId, Timestamp};

use super::received::ReceptionRefusal;
use super::stream_numbers::StreamNumbers;
use crate::audio::{SilenceConfig, SilenceFilter};

/// Audio SSRCs of one endpoint that were never signalled but forwarded, as in JVB. A sender has one
/// or two, for a moment, until its signalling arrives.
pub const MAX_UNANNOUNCED_AUDIO: usize = 4;

/// The audio SSRCs of one endpoint.
#[derive(Debug)]
pub(super) struct AudioStreams {
    silence: SilenceConfig,
    /// By SSRC.
    streams: Vec<AudioStream>,
}

/// One received audio SSRC.
#[derive(Debug)]
pub(super) struct AudioStream {
    ssrc: u32,
    /// Its source and its place in it, if it is signalled.
    pub(super) source: Option<(SourceId, u8)>,
    pub(super) numbers: StreamNumbers,
    silence: SilenceFilter,
    last_packet: Timestamp,
}

impl AudioStreams {
    pub(super) const fn new(silence: SilenceConfig) -> Self {
        Self { silence, streams: Vec::new() }
    }

    /// Those that `announced` tells, and the unannounced ones there were; known ones go on.
    pub(super) fn announce(&mut self, announced: &[(u32, SourceId, u8)]) {
        self.streams.retain_mut(|stream| {
            let now_announced = announced.iter().find(|(ssrc, ..)| *ssrc == stream.ssrc);
            let was_announced = stream.source.is_some();
            stream.source = now_announced.map(|(_, source, place)| (*source, *place));
            stream.source.is_some() || !was_announced
        });
        for (ssrc, source, place) in announced {
            if let Err(position) = self.position(*ssrc) {
                let stream = AudioStream::new(*ssrc, Some((*source, *place)), self.silence);
                self.streams.insert(position, stream);
            }
        }
    }

    /// The stream of a packet that arrives now.
    pub(super) fn stream_mut(
        &mut self,
        now: Timestamp,
        ssrc: u32,
    ) -> Result<&mut AudioStream, ReceptionRefusal> {
        let position = match self.position(ssrc) {
            Ok(position) => position,
            Err(_) => self.admit(now, ssrc)?,
        };
        let stream = self.streams.get_mut(position).ok_or(ReceptionRefusal::TooManyStreams)?;
        stream.last_packet = now;
        Ok(stream)
    }

    /// The source of a signalled SSRC, with its place in it.
    pub(super) fn source(&self, ssrc: u32) -> Option<(SourceId, u8)> {
        self.position(ssrc).ok().and_then(|position| self.streams.get(position)?.source)
    }

    /// Makes room for an unannounced SSRC; its position.
    fn admit(&mut self, now: Timestamp, ssrc: u32) -> Result<usize, ReceptionRefusal> {
        let unannounced = || self.streams.iter().enumerate().filter(|(_, s)| s.source.is_none());
        if unannounced().count() >= MAX_UNANNOUNCED_AUDIO {
            let (oldest, stream) = unannounced()
                .min_by_key(|(_, s)| s.last_packet)
                .ok_or(ReceptionRefusal::TooManyStreams)?;
            if now - stream.last_packet < UNANNOUNCED_IDLE {
                return Err(ReceptionRefusal::TooManyStreams);
            }
            self.streams.remove(oldest);
        }
        let position = self.position(ssrc).unwrap_or_else(|position| position);
        self.streams.insert(position, AudioStream::new(ssrc, None, self.silence));
        Ok(position)
    }

    fn position(&self, ssrc: u32) -> Result<usize, usize> {
        self.streams.binary_search_by_key(&ssrc, |stream| stream.ssrc)
    }
}

impl AudioStream {
    /// Whether a packet is offered to receivers.
    ///
    /// Differs from JVB: silence is counted for each SSRC instead of the endpoint, and packets without
    /// level are muted, too.
    pub(super) fn judge(
        &mut self,
        level: Option<AudioLevel>,
        is_empty: bool,
        is_muted: bool,
    ) -> Result<(), ReceptionRefusal> {
        if is_empty {
            Err(ReceptionRefusal::PaddingOnly)
        } else if level.is_some_and(|level| self.silence.refuses(level)) {
            Err(ReceptionRefusal::Silence)
        } else if is_muted {
            Err(ReceptionRefusal::Muted)
        } else {
            self.silence.accept(level);
            Ok(())
        }
    }

    fn new(ssrc: u32, source: Option<(SourceId, u8)>, silence: SilenceConfig) -> Self {
        Self {
            ssrc,
            source,
            silence: SilenceFilter::new(silence),
            numbers: StreamNumbers::default(),
            last_packet: Timestamp::ZERO,
        }
    }
}

/// After so long an unannounced SSRC makes room for another one.
const UNANNOUNCED_IDLE: Duration = Duration::from_secs(10);
