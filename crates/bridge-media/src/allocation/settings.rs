use std::collections::{BTreeMap, HashMap};

use bridge_units::Bitrate;

use super::config::AllocationConfig;
use super::constraints::VideoConstraints;
use super::last_n::LastN;

/// What one receiver wants (JVB: `AllocationSettings`).
#[derive(Clone, Debug, PartialEq)]
pub struct AllocationSettings {
    /// How many sources at most.
    pub last_n: LastN,
    /// Names of sources on stage, most wanted first.
    pub on_stage_sources: Vec<String>,
    /// Names of sources that come next.
    pub selected_sources: Vec<String>,
    /// For sources without constraints of their own.
    pub default_constraints: VideoConstraints,
    /// By name of the source.
    pub constraints: BTreeMap<String, VideoConstraints>,
    /// A budget that replaces the estimate; counts only up to the configured limit, and not at all
    /// without one.
    pub assumed_bandwidth: Option<Bitrate>,
}

/// The settings by source name: each name is looked up once a run.
#[derive(Clone, Debug)]
pub(super) struct Wishes {
    pub(super) default: Wish,
    by_name: HashMap<String, Wish>,
}

/// What is wanted of one source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    pub(super) constraints: VideoConstraints,
    /// Its place among on-stage and selected sources.
    pub(super) selected: Option<usize>,
    pub(super) is_on_stage: bool,
}

impl AllocationSettings {
    /// Before the receiver has said anything.
    pub fn new(config: &AllocationConfig) -> Self {
        Self {
            last_n: config.initial_last_n,
            on_stage_sources: Vec::new(),
            selected_sources: Vec::new(),
            default_constraints: VideoConstraints::from_max_height(config.initial_max_height),
            constraints: BTreeMap::new(),
            assumed_bandwidth: None,
        }
    }
}

impl Wishes {
    pub(super) fn new(settings: &AllocationSettings) -> Self {
        let constraints = settings.default_constraints;
        let default = Wish { constraints, selected: None, is_on_stage: false };
        let mut by_name: HashMap<String, Wish> = settings
            .constraints
            .iter()
            .map(|(name, constraints)| {
                (name.clone(), Wish { constraints: *constraints, ..default })
            })
            .collect();
        for name in &settings.on_stage_sources {
            by_name.entry(name.clone()).or_insert(default).is_on_stage = true;
        }
        let selected = settings.on_stage_sources.iter().chain(&settings.selected_sources);
        for (place, name) in selected.enumerate() {
            by_name.entry(name.clone()).or_insert(default).selected.get_or_insert(place);
        }
        Self { default, by_name }
    }

    pub(super) fn of(&self, name: &str) -> Wish {
        self.by_name.get(name).copied().unwrap_or(self.default)
    }
}
