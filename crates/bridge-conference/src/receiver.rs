//! What an endpoint wants to receive, as it said over the bridge channel (JVB: `AllocationSettings`,
//! `AudioSubscription`). Kept here; turning it into layers is the allocator's work.

use crate::limits::MAX_WISHED_SOURCES;
use bridge_signaling::bridge_channel::{
    ReceiverAudioSubscription, ReceiverVideoConstraints, VideoConstraints,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One receiver's wishes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ReceiverWishes {
    /// Negative: no limit.
    last_n: i32,
    constraints_received: bool,
    on_stage_sources: Vec<String>,
    selected_sources: Vec<String>,
    default_constraints: VideoConstraints,
    constraints: BTreeMap<String, VideoConstraints>,
    /// Negative: none.
    assumed_bandwidth_bps: i64,
    audio: Option<ReceiverAudioSubscription>,
}

/// The keys of `cc` that concern wishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiverDefaults {
    /// `cc.initial-max-height-px`: before the client said anything.
    pub initial_max_height: i32,
    /// `cc.default-max-height-px`: when its first constraints have no default.
    pub default_max_height: i32,
    /// `cc.assumed-bandwidth-limit`; without it clients cannot assume a bandwidth.
    pub assumed_bandwidth_limit_bps: Option<i64>,
}

impl Default for ReceiverDefaults {
    fn default() -> Self {
        Self { initial_max_height: 0, default_max_height: 180, assumed_bandwidth_limit_bps: None }
    }
}

impl ReceiverWishes {
    pub(crate) fn new(defaults: &ReceiverDefaults) -> Self {
        Self {
            last_n: UNLIMITED,
            constraints_received: false,
            on_stage_sources: Vec::new(),
            selected_sources: Vec::new(),
            default_constraints: VideoConstraints::from_max_height(defaults.initial_max_height),
            constraints: BTreeMap::new(),
            assumed_bandwidth_bps: -1,
            audio: None,
        }
    }

    /// The signalled `initial-last-n`; the client's own constraints win, also over a later one.
    pub(crate) fn set_initial_last_n(&mut self, value: i32) {
        if !self.constraints_received {
            self.last_n = value;
        }
    }

    /// `LastNChangedEvent`, which does not count as constraints.
    pub(crate) fn set_last_n(&mut self, value: i32) {
        self.last_n = value;
    }

    /// `ReceiverVideoConstraints`: what is absent stays as it was.
    pub(crate) fn set_constraints(
        &mut self,
        said: ReceiverVideoConstraints,
        defaults: &ReceiverDefaults,
    ) {
        self.last_n = said.last_n.unwrap_or(self.last_n);
        if let Some(mut names) = said.on_stage_sources {
            names.truncate(MAX_WISHED_SOURCES);
            self.on_stage_sources = names;
        }
        if let Some(mut names) = said.selected_sources {
            names.truncate(MAX_WISHED_SOURCES);
            self.selected_sources = names;
        }
        match said.default_constraints {
            Some(constraints) => self.default_constraints = constraints,
            None if self.constraints_received => {}
            None => {
                let height = defaults.default_max_height;
                self.default_constraints = VideoConstraints::from_max_height(height);
            }
        }
        if let Some(constraints) = said.constraints {
            self.constraints = constraints.into_iter().take(MAX_WISHED_SOURCES).collect();
        }
        if let Some(limit) = defaults.assumed_bandwidth_limit_bps {
            let assumed = said.assumed_bandwidth_bps.unwrap_or(self.assumed_bandwidth_bps);
            self.assumed_bandwidth_bps = assumed.min(limit);
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

    /// `allocationSettings` of the debug state.
    pub(crate) fn to_json(&self) -> Value {
        let constraints = |c: &VideoConstraints| json!({ "maxHeight": c.max_height, "maxFrameRate": c.max_frame_rate });
        let by_source = self.constraints.iter().map(|(name, c)| (name.clone(), constraints(c)));
        json!({
            "on_stage_sources": self.on_stage_sources,
            "selected_sources": self.selected_sources,
            "video_constraints": by_source.collect::<serde_json::Map<_, _>>(),
            "last_n": self.last_n,
            "default_constraints": constraints(&self.default_constraints),
            "assumed_bandwidth_bps": self.assumed_bandwidth_bps,
        })
    }
}

/// No limit on the number of video sources.
const UNLIMITED: i32 = -1;

#[cfg(test)]
mod tests {
    use super::*;

    fn wishes() -> (ReceiverWishes, ReceiverDefaults) {
        let defaults = ReceiverDefaults::default();
        (ReceiverWishes::new(&defaults), defaults)
    }

    #[test]
    fn nothing_is_wanted_before_the_first_message() {
        let (wishes, _) = wishes();
        assert_eq!(wishes.default_constraints.max_height, 0);
        assert_eq!(wishes.last_n, -1);
    }

    #[test]
    fn the_first_constraints_without_default_mean_180() {
        let (mut wishes, defaults) = wishes();
        wishes.set_constraints(ReceiverVideoConstraints::default(), &defaults);
        assert_eq!(wishes.default_constraints.max_height, 180);
    }

    #[test]
    fn later_constraints_keep_what_they_do_not_say() {
        let (mut wishes, defaults) = wishes();
        let of = |height| Some(VideoConstraints::from_max_height(height));
        let map = BTreeMap::from([("x-v0".to_owned(), VideoConstraints::from_max_height(720))]);
        wishes.set_constraints(
            ReceiverVideoConstraints {
                last_n: Some(5),
                default_constraints: of(360),
                constraints: Some(map.clone()),
                on_stage_sources: Some(vec!["x-v0".into()]),
                ..Default::default()
            },
            &defaults,
        );
        wishes.set_constraints(ReceiverVideoConstraints::default(), &defaults);
        assert_eq!((wishes.last_n, wishes.default_constraints.max_height), (5, 360));
        assert_eq!((&wishes.constraints, wishes.on_stage_sources.len()), (&map, 1));
        let cleared =
            ReceiverVideoConstraints { constraints: Some(BTreeMap::new()), ..Default::default() };
        wishes.set_constraints(cleared, &defaults);
        assert!(wishes.constraints.is_empty());
    }

    #[test]
    fn initial_last_n_yields_to_constraints_but_not_to_last_n() {
        let (mut wishes, defaults) = wishes();
        wishes.set_last_n(3);
        wishes.set_initial_last_n(7);
        assert_eq!(wishes.last_n, 7);
        wishes.set_constraints(ReceiverVideoConstraints::default(), &defaults);
        wishes.set_initial_last_n(1);
        assert_eq!(wishes.last_n, 7);
    }

    #[test]
    fn a_bandwidth_can_be_assumed_only_up_to_the_configured_limit() {
        let said = || ReceiverVideoConstraints {
            assumed_bandwidth_bps: Some(5_000_000),
            ..Default::default()
        };
        let (mut wishes, mut defaults) = wishes();
        wishes.set_constraints(said(), &defaults);
        assert_eq!(wishes.assumed_bandwidth_bps, -1);
        defaults.assumed_bandwidth_limit_bps = Some(2_000_000);
        wishes.set_constraints(said(), &defaults);
        assert_eq!(wishes.assumed_bandwidth_bps, 2_000_000);
    }
}
