//! Who speaks, who is heard, and in which order endpoints are wanted by default (JVB:
//! `ConferenceSpeechActivity`).

use crate::conference::Conference;
use crate::endpoint::Endpoint;
use crate::environment::ConferenceSettings;
use crate::timers::Timer;
use bridge_media::{LoudestRouting, LoudestSpeakers, SpeechActivity, SpeechEvent, VideoType};
use bridge_shard::{AudioLevel, SessionAction, ShardCommand};
use bridge_signaling::bridge_channel::{BridgeChannelMessage, DominantSpeakerEndpointChangeEvent};
use bridge_units::{EndpointId, SessionId, Timestamp};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// The speakers of a conference. Visitors are none.
#[derive(Debug)]
pub(crate) struct Speakers {
    activity: SpeechActivity<EndpointId>,
    loudest: LoudestSpeakers<EndpointId>,
    /// `None` as long as everybody is heard.
    routing: Option<LoudestRouting<EndpointId>>,
    /// What the shards were told last.
    heard: Option<Arc<[SessionId]>>,
}

impl Speakers {
    pub(crate) fn new(settings: &ConferenceSettings) -> Self {
        Self {
            activity: SpeechActivity::new(settings.speech),
            loudest: LoudestSpeakers::new(settings.loudest),
            routing: None,
            heard: None,
        }
    }

    pub(crate) fn clear(&mut self, settings: &ConferenceSettings) {
        *self = Self::new(settings);
    }

    /// Endpoints that spoke last first, among them those with video.
    pub(crate) fn last_n_order(
        &self,
        endpoints: &BTreeMap<EndpointId, Endpoint>,
    ) -> Vec<EndpointId> {
        let has_video = |id: &EndpointId| {
            endpoints.get(id).is_some_and(|endpoint| endpoint.sources.has_video())
        };
        self.activity.last_n_order(has_video).cloned().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.activity.order().len()
    }

    /// Whether an endpoint spoke last, or is among those that are heard.
    pub(crate) fn is_recent_or_heard(&self, id: &EndpointId) -> bool {
        let is_heard = self.routing.as_ref().is_none_or(|routing| routing.routes(id));
        is_heard || self.activity.recent_speakers().contains(id)
    }

    /// What clients are told; nothing before anybody spoke.
    fn message(&self) -> Option<BridgeChannelMessage> {
        let (dominant, previous) = self.activity.recent_speakers().split_first()?;
        let event = DominantSpeakerEndpointChangeEvent {
            dominant_speaker_endpoint: dominant.to_string(),
            previous_speakers: previous.iter().map(ToString::to_string).collect(),
            silence: self.activity.is_silent(),
        };
        Some(BridgeChannelMessage::DominantSpeakerEndpointChangeEvent(event))
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        let (decision, quiet) = (self.activity.poll_timeout(), self.loudest.poll_timeout());
        decision.into_iter().chain(quiet).min()
    }

    /// `speech_activity` of the debug state.
    pub(crate) fn to_json(&self, endpoints: &BTreeMap<EndpointId, Endpoint>) -> Value {
        let names = |ids: &[EndpointId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
        let dominant = self.activity.dominant_speaker().map(ToString::to_string);
        json!({
            // The word "null", as in JVB.
            "dominantEndpoint": dominant.unwrap_or_else(|| "null".to_owned()),
            "dominantSpeakerIdentification": null,
            "endpointsBySpeechActivity": names(self.activity.order()),
            "endpointsInLastNOrder": names(&self.last_n_order(endpoints)),
            "recentSpeakers": names(self.activity.recent_speakers()),
            "silence": self.activity.is_silent(),
            "refusedLevels": self.activity.refused_reports(),
        })
    }
}

impl Conference {
    pub(crate) fn add_speaker(&mut self, id: &EndpointId) {
        self.speakers.activity.add_endpoint(id.clone());
    }

    pub(crate) fn remove_speaker(&mut self, id: &EndpointId) {
        self.speakers.loudest.remove_endpoint(id);
        let event = self.speakers.activity.remove_endpoint(id);
        self.speakers.loudest.set_dominant(self.speakers.activity.dominant_speaker().cloned());
        if event.is_some() {
            self.announce_speakers();
        }
    }

    /// How loud members were. What is muted by force is not heard, and what a bridge makes itself
    /// is nobody's speech.
    pub(crate) fn handle_audio_levels(&mut self, levels: &[AudioLevel]) {
        for level in levels {
            let id = self.sessions.get(&level.session);
            let Some(endpoint) = id.and_then(|id| self.endpoints.get(id)) else { continue };
            let source = level.source.and_then(|id| self.published.as_ref()?.source(id));
            let is_synthetic = source.is_some_and(|source| source.synthetic);
            if is_synthetic || endpoint.force_mute.audio || endpoint.traits.visitor {
                continue;
            }
            let loudness = SILENCE.saturating_sub(level.level);
            let cooked =
                self.speakers.activity.handle_level(&endpoint.id, loudness, level.received);
            if let Some(cooked) = cooked {
                self.speakers.loudest.handle_level(&endpoint.id, cooked, level.received);
            }
        }
        self.wait_for_speakers();
        self.follow_loudest();
    }

    /// Time to decide who speaks.
    pub(crate) fn check_speakers(&mut self, now: Timestamp) {
        let event = self.speakers.activity.handle_timeout(now);
        self.speakers.loudest.handle_timeout(now);
        if event.is_some() {
            self.speakers.loudest.set_dominant(self.speakers.activity.dominant_speaker().cloned());
            self.announce_speakers();
        }
        if let Some(SpeechEvent::DominantSpeaker(speaker)) = event {
            self.counters.dominant_speaker_changes += 1;
            self.refresh_video_sources();
            self.plan_keyframe(now, &speaker);
        }
        self.wait_for_speakers();
        self.follow_loudest();
    }

    /// What a client is told when its channel opens.
    pub(crate) fn send_speakers(&mut self, id: &EndpointId) {
        if let Some(message) = self.speakers.message() {
            self.send(id, &message);
        }
    }

    /// Who is heard changes with loudness.
    pub(crate) fn follow_loudest(&mut self) {
        if let Some(routing) = self.speakers.loudest.poll_change() {
            self.speakers.routing = Some(routing.clone());
            self.refresh_heard();
        }
    }

    /// Who is heard also changes with subscriptions and sources.
    pub(crate) fn refresh_heard(&mut self) {
        let heard = self.speakers.routing.as_ref().filter(|routing| !routing.has_room);
        let heard = heard.map(|routing| self.sessions_heard(routing));
        if heard != self.speakers.heard {
            self.speakers.heard.clone_from(&heard);
            self.command_all(ShardCommand::SetLoudest(self.identity.id, heard));
        }
    }

    /// A new speaker's picture is wanted large: asks for a key frame before the receivers do.
    pub(crate) fn request_keyframe(&mut self, session: SessionId) {
        let Some(id) = self.sessions.get(&session).cloned() else { return };
        let first = self.video.iter().find(|source| source.description.endpoint == id);
        if let Some(source) = first.map(|source| source.description.id) {
            self.command(&id, SessionAction::RequestKeyframe(source));
        }
    }

    fn wait_for_speakers(&mut self) {
        match self.speakers.poll_timeout() {
            Some(at) => self.timers.set(Timer::SpeechActivity, at),
            None => self.timers.clear(Timer::SpeechActivity),
        }
    }

    fn announce_speakers(&mut self) {
        if let Some(message) = self.speakers.message() {
            self.send_to_all(&message);
        }
    }

    /// Differs from JVB in granularity: who is subscribed to by name is heard with all its sources,
    /// where JVB exempts single sources.
    fn sessions_heard(&self, routing: &LoudestRouting<EndpointId>) -> Arc<[SessionId]> {
        let mut heard: BTreeSet<EndpointId> = routing.speakers.iter().cloned().collect();
        heard.extend(self.explicitly_subscribed());
        let sessions = heard.iter().filter_map(|id| Some(self.endpoints.get(id)?.session));
        sessions.collect()
    }

    /// Only worth it where the speaker is shown large at once: if somebody has a camera on stage.
    /// Receivers switch when they hear of it, so the request waits until they have.
    fn plan_keyframe(&mut self, now: Timestamp, speaker: &EndpointId) {
        if self.endpoints.len() <= 2 {
            return;
        }
        let Some(sender) = self.endpoints.get(speaker) else { return };
        let cameras = self.video.iter().filter(|source| source.video_type == VideoType::Camera);
        let cameras: BTreeSet<&str> = cameras.map(|source| &*source.description.name).collect();
        let others = || self.endpoints.values().filter(|endpoint| endpoint.id != *speaker);
        let has_camera_on_stage = |endpoint: &Endpoint| {
            let mut on_stage = endpoint.wishes.video().on_stage_sources.iter();
            on_stage.any(|name| cameras.contains(name.as_str()))
        };
        if !others().any(has_camera_on_stage) {
            self.counters.preemptive_keyframes_suppressed += 1;
            return;
        }
        self.counters.preemptive_keyframes_sent += 1;
        let slowest = others().filter_map(|endpoint| endpoint.progress.round_trip).max();
        let to_receivers = slowest.unwrap_or_default() + KEYFRAME_MARGIN;
        let to_sender = sender.progress.round_trip.unwrap_or_default();
        let delay = to_receivers.saturating_sub(to_sender);
        self.timers.set(Timer::Keyframe(sender.session), now + delay);
    }
}

/// RFC 6464: the level of silence; speech activity counts the other way.
const SILENCE: u8 = 127;

/// In JVB `Conference.dominantSpeakerChanged`.
const KEYFRAME_MARGIN: Duration = Duration::from_millis(10);
