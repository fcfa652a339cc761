//! What shards report of sessions.

use crate::conference::Conference;
use crate::endpoint::{DtlsState, IceState};
use crate::timers::Timer;
use bridge_shard::SessionEventKind;
use bridge_units::{EndpointId, Timestamp};
use std::time::Duration;

impl Conference {
    pub(crate) fn handle_event_of(
        &mut self,
        now: Timestamp,
        id: &EndpointId,
        kind: SessionEventKind,
    ) {
        match kind {
            SessionEventKind::ChannelOpened => self.handle_channel_opened(id),
            SessionEventKind::ChannelMessage(text) => self.handle_channel_message(id, &text),
            SessionEventKind::SourceLayers(source, layers) => self.set_layers(source, *layers),
            SessionEventKind::AudioLevels(levels) => self.handle_audio_levels(&levels),
            SessionEventKind::Estimate(estimate) => self.set_estimate(now, id, estimate),
            SessionEventKind::FirstVideoSent => self.note_first_video(now, id),
            SessionEventKind::SourcesMapped(media, mappings) => {
                self.handle_sources_mapped(id, media, &mappings);
            }
            SessionEventKind::Crashed => {
                self.counters.sessions_crashed += 1;
                self.expire_endpoint(id);
            }
            progress => self.note_progress(now, id, &progress),
        }
    }

    fn note_progress(&mut self, now: Timestamp, id: &EndpointId, kind: &SessionEventKind) {
        let Some(endpoint) = self.endpoints.get_mut(id) else { return };
        let progress = &mut endpoint.progress;
        match kind {
            SessionEventKind::Moved(shard) => endpoint.move_to(*shard),
            SessionEventKind::IceConnected { relayed } => {
                progress.last_activity = Some(now);
                self.connectivity.handle_activity(id, now);
                if progress.ice == IceState::Checking {
                    self.counters.ice_succeeded += 1;
                    self.counters.ice_succeeded_relayed += u64::from(*relayed);
                }
                progress.ice = IceState::Connected { relayed: *relayed };
            }
            SessionEventKind::IceFailed => {
                self.counters.ice_failed += u64::from(progress.ice != IceState::Failed);
                progress.ice = IceState::Failed;
            }
            SessionEventKind::DtlsConnected { version, profile } => {
                progress.last_activity = Some(now);
                let (version, profile) = (format!("{version:?}"), format!("{profile:?}"));
                progress.dtls = DtlsState::Connected { version, profile };
                if !std::mem::replace(&mut progress.channel_awaited, true) {
                    let check = Timer::ChannelCheck(endpoint.session);
                    self.timers.set(check, now + CHANNEL_CHECK_DELAY);
                }
            }
            SessionEventKind::DtlsFailed => {
                self.counters.dtls_failed += 1;
                progress.dtls = DtlsState::Failed;
            }
            SessionEventKind::Activity => {
                progress.last_activity = Some(now);
                self.connectivity.handle_activity(id, now);
            }
            SessionEventKind::RoundTrip(time) => progress.round_trip = Some(*time),
            SessionEventKind::ChannelClosed => progress.channel_open = false,
            _ => {}
        }
    }
}

/// When an endpoint without bridge channel is counted (JVB: `Endpoint`, 30 s after DTLS).
const CHANNEL_CHECK_DELAY: Duration = Duration::from_secs(30);
