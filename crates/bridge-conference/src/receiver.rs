//! What an endpoint wants to receive, as it said over the bridge channel (JVB: `AllocationSettings`,
//! `AudioSubscription`).

use crate::limits::MAX_WISHED_SOURCES;
use bridge_media::{AllocationConfig, AllocationSettings, LastN, VideoConstraints};
use bridge_signaling::bridge_channel::{self, ReceiverAudioSubscription, ReceiverVideoConstraints};
use bridge_units::Bitrate;
use serde_json::{Map, Value, json};

/// One receiver's wishes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ReceiverWishes {
    video: AllocationSettings,
    constraints_received: bool,
    audio: Option<ReceiverAudioSubscription>,
}

impl ReceiverWishes {
    pub(crate) fn new(config: &AllocationConfig) -> Self {
        Self { video: AllocationSettings::new(config), constraints_received: false, audio: None }
    }

    /// The signalled `initial-last-n`; the client's own constraints win, also over a later one.
    pub(crate) fn set_initial_last_n(&mut self, value: i32) {
        if !self.constraints_received {
            self.set_last_n(value);
        }
    }

    /// `LastNChangedEvent`, which does not count as constraints.
    pub(crate) fn set_last_n(&mut self, value: i32) {
        self.video.last_n = LastN::from_signaled(value);
    }

    /// `ReceiverVideoConstraints`: what is absent stays as it was.
    pub(crate) fn set_constraints(
        &mut self,
        said: ReceiverVideoConstraints,
        config: &AllocationConfig,
    ) {
        if let Some(last_n) = said.last_n {
            self.set_last_n(last_n);
        }
        if let Some(mut names) = said.on_stage_sources {
            names.truncate(MAX_WISHED_SOURCES);
            self.video.on_stage_sources = names;
        }
        if let Some(mut names) = said.selected_sources {
            names.truncate(MAX_WISHED_SOURCES);
            self.video.selected_sources = names;
        }
        match said.default_constraints {
            Some(constraints) => self.video.default_constraints = of_message(&constraints),
            None if self.constraints_received => {}
            None => {
                let height = config.default_max_height;
                self.video.default_constraints = VideoConstraints::from_max_height(height);
            }
        }
        if let Some(constraints) = said.constraints {
            let kept = constraints.into_iter().take(MAX_WISHED_SOURCES);
            self.video.constraints = kept.map(|(name, c)| (name, of_message(&c))).collect();
        }
        if let (Some(limit), Some(said)) =
            (config.assumed_bandwidth_limit, said.assumed_bandwidth_bps)
        {
            let assumed = u64::try_from(said).ok().map(Bitrate::from_bps);
            self.video.assumed_bandwidth = assumed.map(|assumed| assumed.min(limit));
        }
        self.constraints_received = true;
    }

    /// `ReceiverAudioSubscription`: replaces the one before.
    pub(crate) fn set_audio(&mut self, mut subscription: ReceiverAudioSubscription) {
        subscription.include.truncate(MAX_WISHED_SOURCES);
        subscription.exclude.truncate(MAX_WISHED_SOURCES);
        self.audio = Some(subscription);
    }

    pub(crate) fn audio(&self) -> Option<&ReceiverAudioSubscription> {
        self.audio.as_ref()
    }

    pub(crate) fn video(&self) -> &AllocationSettings {
        &self.video
    }

    /// Whether the source is one that the receiver pays attention to.
    pub(crate) fn has_chosen(&self, source: &str) -> bool {
        let mut chosen = self.video.on_stage_sources.iter().chain(&self.video.selected_sources);
        chosen.any(|name| name == source)
    }

    /// `allocationSettings` of the debug state.
    pub(crate) fn to_json(&self) -> Value {
        let video = &self.video;
        let by_source = video.constraints.iter().map(|(name, c)| (name.clone(), to_json(c)));
        let assumed = video.assumed_bandwidth.map_or(json!(-1), |rate| json!(rate.bps()));
        json!({
            "on_stage_sources": video.on_stage_sources,
            "selected_sources": video.selected_sources,
            "video_constraints": by_source.collect::<Map<_, _>>(),
            "last_n": video.last_n.to_signaled(),
            "default_constraints": to_json(&video.default_constraints),
            "assumed_bandwidth_bps": assumed,
        })
    }
}

/// Constraints in the words of the bridge channel.
pub(crate) fn to_json(constraints: &VideoConstraints) -> Value {
    json!({
        "maxHeight": constraints.max_height.to_signaled(),
        "maxFrameRate": constraints.max_frame_rate,
    })
}

fn of_message(said: &bridge_channel::VideoConstraints) -> VideoConstraints {
    VideoConstraints::from_signaled(said.max_height, said.max_frame_rate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn wishes() -> (ReceiverWishes, AllocationConfig) {
        let config = AllocationConfig::default();
        (ReceiverWishes::new(&config), config)
    }

    fn default_height(wishes: &ReceiverWishes) -> i32 {
        wishes.video.default_constraints.max_height.to_signaled()
    }

    #[test]
    fn nothing_is_wanted_before_the_first_message() {
        let (wishes, _) = wishes();
        assert_eq!(default_height(&wishes), 0);
        assert_eq!(wishes.video.last_n, LastN::UNLIMITED);
    }

    #[test]
    fn the_first_constraints_without_default_mean_180() {
        let (mut wishes, config) = wishes();
        wishes.set_constraints(ReceiverVideoConstraints::default(), &config);
        assert_eq!(default_height(&wishes), 180);
    }

    #[test]
    fn later_constraints_keep_what_they_do_not_say() {
        let (mut wishes, config) = wishes();
        let of = |height| bridge_channel::VideoConstraints::from_max_height(height);
        wishes.set_constraints(
            ReceiverVideoConstraints {
                last_n: Some(5),
                default_constraints: Some(of(360)),
                constraints: Some(BTreeMap::from([("x-v0".to_owned(), of(720))])),
                on_stage_sources: Some(vec!["x-v0".into()]),
                ..Default::default()
            },
            &config,
        );
        wishes.set_constraints(ReceiverVideoConstraints::default(), &config);
        assert_eq!((wishes.video.last_n, default_height(&wishes)), (LastN::new(5), 360));
        assert_eq!(wishes.video.constraints["x-v0"].max_height.to_signaled(), 720);
        assert_eq!(wishes.video.on_stage_sources, ["x-v0"]);
        assert!(wishes.has_chosen("x-v0") && !wishes.has_chosen("y-v0"));
        let cleared =
            ReceiverVideoConstraints { constraints: Some(BTreeMap::new()), ..Default::default() };
        wishes.set_constraints(cleared, &config);
        assert!(wishes.video.constraints.is_empty());
    }

    #[test]
    fn initial_last_n_yields_to_constraints_but_not_to_last_n() {
        let (mut wishes, config) = wishes();
        wishes.set_last_n(3);
        wishes.set_initial_last_n(7);
        assert_eq!(wishes.video.last_n, LastN::new(7));
        wishes.set_constraints(ReceiverVideoConstraints::default(), &config);
        wishes.set_initial_last_n(1);
        assert_eq!(wishes.video.last_n, LastN::new(7));
    }

    #[test]
    fn a_bandwidth_can_be_assumed_only_up_to_the_configured_limit() {
        let said = |bps| ReceiverVideoConstraints {
            assumed_bandwidth_bps: Some(bps),
            ..Default::default()
        };
        let (mut wishes, mut config) = wishes();
        wishes.set_constraints(said(5_000_000), &config);
        assert_eq!(wishes.video.assumed_bandwidth, None);
        config.assumed_bandwidth_limit = Some(Bitrate::from_kbps(2_000));
        wishes.set_constraints(said(5_000_000), &config);
        assert_eq!(wishes.video.assumed_bandwidth, Some(Bitrate::from_kbps(2_000)));
        wishes.set_constraints(ReceiverVideoConstraints::default(), &config);
        assert_eq!(wishes.video.assumed_bandwidth, Some(Bitrate::from_kbps(2_000)));
        wishes.set_constraints(said(-1), &config);
        assert_eq!(wishes.video.assumed_bandwidth, None);
    }
}
