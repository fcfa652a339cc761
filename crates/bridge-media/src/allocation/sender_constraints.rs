use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bridge_units::EndpointId;

use super::constraints::MaxHeight;

/// Sources that constraints are kept for. Far more than a conference has; relays could name others.
pub const MAX_CONSTRAINED_SOURCES: usize = 4096;

/// What all receivers of a conference want of each source at most, so that senders can be told
/// (JVB: `ReceiverConstraintsMap`, `Endpoint.maxReceiverVideoConstraints`).
#[derive(Debug, Default)]
pub struct SenderConstraints {
    sources: BTreeMap<Arc<str>, Source>,
    receivers: BTreeMap<ConstraintReceiver, BTreeMap<Arc<str>, Registration>>,
    /// Each source at most once.
    pending: VecDeque<Arc<str>>,
    round: u64,
    refused: u64,
}

/// Who wants something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConstraintReceiver {
    /// An endpoint of this bridge.
    Endpoint(EndpointId),
    /// A relay, for all receivers behind it.
    Relay(Arc<str>),
}

/// What a sender is to be told (`SenderSourceConstraints`, `AddReceiver`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SenderConstraint {
    /// The name of the source.
    pub source: Arc<str>,
    /// The most that anybody wants.
    pub max_height: MaxHeight,
}

#[derive(Debug, Default)]
struct Source {
    wanted: HeightCounts,
    told: Option<MaxHeight>,
    is_present: bool,
    is_pending: bool,
    /// To be told again, though it has not changed.
    is_to_be_repeated: bool,
}

#[derive(Clone, Copy, Debug)]
struct Registration {
    height: MaxHeight,
    round: u64,
}

/// How many receivers want each height, lowest first. There are few different ones.
#[derive(Debug, Default)]
struct HeightCounts(Vec<(MaxHeight, u32)>);

impl SenderConstraints {
    /// Of a conference without sources.
    pub fn new() -> Self {
        Self::default()
    }

    /// A source is sent from now on; what is wanted of it is told (again).
    pub fn add_source(&mut self, name: &str) {
        let Some(name) = self.source_entry(name) else { return };
        let Some(source) = self.sources.get_mut(&name) else { return };
        if !source.is_present {
            source.is_present = true;
            source.is_to_be_repeated = source.told.is_some();
            self.mark_pending(&name);
        }
    }

    /// A source is no longer sent. What is wanted of it stays until its receivers say otherwise, so
    /// that it counts when the source comes back.
    pub fn remove_source(&mut self, name: &str) {
        if let Some(source) = self.sources.get_mut(name) {
            source.is_present = false;
            self.forget_if_unused(name);
        }
    }

    /// Replaces all that a receiver wants.
    ///
    /// Differs from JVB: what is no longer mentioned is taken away (JVB confuses two arguments, and
    /// sources that vanished keep their receivers).
    pub fn set_receiver<'a>(
        &mut self,
        receiver: &ConstraintReceiver,
        wanted: impl IntoIterator<Item = (&'a str, MaxHeight)>,
    ) {
        self.round += 1;
        let mut registrations = self.receivers.remove(receiver).unwrap_or_default();
        for (name, height) in wanted {
            self.register(&mut registrations, name, height);
        }
        registrations.retain(|name, registration| {
            let is_kept = registration.round == self.round;
            if !is_kept {
                self.withdraw(name, registration.height);
            }
            is_kept
        });
        if !registrations.is_empty() {
            self.receivers.insert(receiver.clone(), registrations);
        }
    }

    /// Replaces what a receiver wants of one source (a relay's `AddReceiver`).
    pub fn set_wanted(&mut self, receiver: &ConstraintReceiver, source: &str, height: MaxHeight) {
        let mut registrations = self.receivers.remove(receiver).unwrap_or_default();
        self.register(&mut registrations, source, height);
        if !registrations.is_empty() {
            self.receivers.insert(receiver.clone(), registrations);
        }
    }

    /// A receiver is gone.
    pub fn remove_receiver(&mut self, receiver: &ConstraintReceiver) {
        for (name, registration) in self.receivers.remove(receiver).unwrap_or_default() {
            self.withdraw(&name, registration.height);
        }
    }

    /// Has what was told of a source told again: its sender has a new channel.
    pub fn repeat(&mut self, source: &str) {
        let Some((name, source)) = self.sources.get_key_value(source) else { return };
        if source.told.is_some() {
            let name = Arc::clone(name);
            if let Some(source) = self.sources.get_mut(&name) {
                source.is_to_be_repeated = true;
            }
            self.mark_pending(&name);
        }
    }

    /// The next thing to tell, in the order in which the changes came.
    pub fn poll_change(&mut self) -> Option<SenderConstraint> {
        while let Some(name) = self.pending.pop_front() {
            let Some(source) = self.sources.get_mut(&name) else { continue };
            source.is_pending = false;
            if let Some(max_height) = source.take_news() {
                return Some(SenderConstraint { source: name, max_height });
            }
            self.forget_if_unused(&name);
        }
        None
    }

    /// The most that anybody wants of a source.
    pub fn max_height(&self, source: &str) -> MaxHeight {
        self.sources.get(source).map_or(MaxHeight::ZERO, |source| source.wanted.max())
    }

    /// How many sources have constraints or are sent.
    pub fn source_count(&self) -> usize {
        self.sources.len()
    }

    /// How many constraints found no room.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    fn register(
        &mut self,
        registrations: &mut BTreeMap<Arc<str>, Registration>,
        name: &str,
        height: MaxHeight,
    ) {
        let registration = Registration { height, round: self.round };
        if let Some(before) = registrations.get_mut(name) {
            let old = std::mem::replace(before, registration).height;
            if old != height {
                self.change_wanted(name, |wanted| {
                    wanted.remove(old);
                    wanted.add(height);
                });
            }
        } else if let Some(name) = self.source_entry(name) {
            self.change_wanted(&name, |wanted| wanted.add(height));
            registrations.insert(name, registration);
        }
    }

    fn withdraw(&mut self, name: &str, height: MaxHeight) {
        self.change_wanted(name, |wanted| wanted.remove(height));
        self.forget_if_unused(name);
    }

    fn change_wanted(&mut self, name: &str, change: impl FnOnce(&mut HeightCounts)) {
        let Some((name, _)) = self.sources.get_key_value(name) else { return };
        let name = Arc::clone(name);
        let Some(source) = self.sources.get_mut(&name) else { return };
        let before = source.wanted.max();
        change(&mut source.wanted);
        if source.wanted.max() != before || source.told.is_none() {
            self.mark_pending(&name);
        }
    }

    fn mark_pending(&mut self, name: &Arc<str>) {
        if let Some(source) = self.sources.get_mut(name)
            && !source.is_pending
        {
            source.is_pending = true;
            self.pending.push_back(Arc::clone(name));
        }
    }

    /// The source's own copy of its name; `None` if there is no room for it.
    fn source_entry(&mut self, name: &str) -> Option<Arc<str>> {
        if let Some((name, _)) = self.sources.get_key_value(name) {
            return Some(Arc::clone(name));
        }
        if self.sources.len() >= MAX_CONSTRAINED_SOURCES {
            self.refused += 1;
            return None;
        }
        let name: Arc<str> = name.into();
        self.sources.insert(Arc::clone(&name), Source::default());
        Some(name)
    }

    /// One that is pending is forgotten when its turn comes.
    fn forget_if_unused(&mut self, name: &str) {
        if self.sources.get(name).is_some_and(Source::is_unused) {
            self.sources.remove(name);
        }
    }
}

impl Source {
    /// What its sender does not know yet.
    fn take_news(&mut self) -> Option<MaxHeight> {
        let max_height = self.wanted.max();
        // As in JVB, the first receiver's wish is news even if it is zero.
        let is_news = match self.told {
            Some(told) => told != max_height,
            None => !self.wanted.0.is_empty(),
        };
        if !self.is_present || !(is_news || self.is_to_be_repeated) {
            return None;
        }
        self.is_to_be_repeated = false;
        self.told = Some(max_height);
        Some(max_height)
    }

    fn is_unused(&self) -> bool {
        !self.is_present && !self.is_pending && self.wanted.0.is_empty()
    }
}

impl HeightCounts {
    fn add(&mut self, height: MaxHeight) {
        match self.place(height) {
            Ok(place) => self.0[place].1 += 1,
            Err(place) => self.0.insert(place, (height, 1)),
        }
    }

    fn remove(&mut self, height: MaxHeight) {
        let Ok(place) = self.place(height) else { return };
        self.0[place].1 -= 1;
        if self.0[place].1 == 0 {
            self.0.remove(place);
        }
    }

    fn max(&self) -> MaxHeight {
        self.0.last().map_or(MaxHeight::ZERO, |(height, _)| *height)
    }

    fn place(&self, height: MaxHeight) -> Result<usize, usize> {
        self.0.binary_search_by_key(&height, |(height, _)| *height)
    }
}
