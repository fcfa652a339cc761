use std::collections::{BTreeMap, BTreeSet};

use super::MAX_SPEAKERS;

/// What audio one receiver wants (JVB: `AudioSubscription`).
///
/// The default is that of a receiver that never said anything. Names need not be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioSubscription {
    all: bool,
    include: BTreeSet<Box<str>>,
    exclude: BTreeSet<Box<str>>,
    refused: usize,
}

/// Names in each list of a subscription: as many as signalling reads.
pub const MAX_SUBSCRIBED_NAMES: usize = 8_192;

impl AudioSubscription {
    /// Of a message: everything or nothing regular, with additions and exceptions. Names beyond
    /// [`MAX_SUBSCRIBED_NAMES`] are ignored.
    pub fn new<N: AsRef<str>>(
        all: bool,
        include: impl IntoIterator<Item = N>,
        exclude: impl IntoIterator<Item = N>,
    ) -> Self {
        let mut refused = 0;
        let mut names = |list: &mut dyn Iterator<Item = N>| {
            let mut kept = BTreeSet::new();
            for name in list {
                if kept.len() < MAX_SUBSCRIBED_NAMES {
                    kept.insert(name.as_ref().into());
                } else {
                    refused += 1;
                }
            }
            kept
        };
        let include = names(&mut include.into_iter());
        let exclude = names(&mut exclude.into_iter());
        Self { all, include, exclude, refused }
    }

    /// Of a message of the old form: `All`, `None`, `Include` or `Exclude` with a list. `None` for
    /// another mode.
    pub fn from_mode<N: AsRef<str>>(mode: &str, list: impl IntoIterator<Item = N>) -> Option<Self> {
        match mode {
            "All" => Some(Self::new::<N>(true, [], [])),
            "None" => Some(Self::new::<N>(false, [], [])),
            "Include" => Some(Self::new(false, list, [])),
            "Exclude" => Some(Self::new(true, [], list)),
            _ => None,
        }
    }

    /// Whether a signalled source of another endpoint is wanted. A synthetic one, which the bridge
    /// makes itself, has to be included by name; its owner may include it, too.
    pub fn wants(&self, source_name: &str, is_synthetic: bool) -> bool {
        if self.exclude.contains(source_name) {
            return false;
        }
        self.includes(source_name) || (self.all && !is_synthetic)
    }

    /// Whether the source is included by name.
    pub fn includes(&self, source_name: &str) -> bool {
        self.include.contains(source_name)
    }

    /// Names that were ignored.
    pub const fn refused_names(&self) -> usize {
        self.refused
    }
}

impl Default for AudioSubscription {
    fn default() -> Self {
        Self { all: true, include: BTreeSet::new(), exclude: BTreeSet::new(), refused: 0 }
    }
}

/// The subscriptions of a conference's receivers (JVB: `AudioSubscriptionManager`).
#[derive(Clone, Debug)]
pub struct AudioSubscriptions<K> {
    receivers: BTreeMap<K, AudioSubscription>,
    silent: AudioSubscription,
}

impl<K: Clone + Ord> AudioSubscriptions<K> {
    /// Nobody has said anything.
    pub fn new() -> Self {
        Self { receivers: BTreeMap::new(), silent: AudioSubscription::default() }
    }

    /// Replaces what a receiver wants; answers whether that changed. Ignored if there are
    /// [`MAX_SPEAKERS`] others.
    pub fn set(&mut self, receiver: K, subscription: AudioSubscription) -> bool {
        let is_known = self.receivers.contains_key(&receiver);
        if !is_known && self.receivers.len() >= MAX_SPEAKERS {
            return false;
        }
        let is_changed = *self.of(&receiver) != subscription;
        self.receivers.insert(receiver, subscription);
        is_changed
    }

    /// A receiver left.
    pub fn remove_endpoint(&mut self, receiver: &K) {
        self.receivers.remove(receiver);
    }

    /// What a receiver wants.
    pub fn of(&self, receiver: &K) -> &AudioSubscription {
        self.receivers.get(receiver).unwrap_or(&self.silent)
    }

    /// Whether a signalled source is wanted by a receiver other than its owner, or by its owner if
    /// it is synthetic.
    pub fn wants(&self, receiver: &K, source_name: &str, is_synthetic: bool) -> bool {
        self.of(receiver).wants(source_name, is_synthetic)
    }

    /// Whether somebody includes the source by name: such a source is forwarded however quiet it
    /// is. Differs from JVB: that holds for a source which is removed and added again, too.
    pub fn is_included(&self, source_name: &str) -> bool {
        self.receivers.values().any(|subscription| subscription.includes(source_name))
    }
}

impl<K: Clone + Ord> Default for AudioSubscriptions<K> {
    fn default() -> Self {
        Self::new()
    }
}
