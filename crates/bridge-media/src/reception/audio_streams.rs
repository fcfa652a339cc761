use std::time::Duration;

use bridge_units::{SourceId, Timestamp};

use super::received::ReceptionRefusal;
use super::stream_numbers::StreamNumbers;

/// Audio SSRCs of one endpoint that were never signalled but forwarded, as in JVB. A sender has one
/// or two, for a moment, until its signalling arrives.
pub const MAX_UNANNOUNCED_AUDIO: usize = 4;

/// The audio SSRCs of one endpoint.
#[derive(Debug, Default)]
pub(super) struct AudioStreams {
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
    last_packet: Timestamp,
}

impl AudioStreams {
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
                let stream = AudioStream::new(*ssrc, Some((*source, *place)));
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
        self.streams.insert(position, AudioStream::new(ssrc, None));
        Ok(position)
    }

    fn position(&self, ssrc: u32) -> Result<usize, usize> {
        self.streams.binary_search_by_key(&ssrc, |stream| stream.ssrc)
    }
}

impl AudioStream {
    fn new(ssrc: u32, source: Option<(SourceId, u8)>) -> Self {
        Self { ssrc, source, numbers: StreamNumbers::default(), last_packet: Timestamp::ZERO }
    }
}

/// After so long an unannounced SSRC makes room for another one.
const UNANNOUNCED_IDLE: Duration = Duration::from_secs(10);
