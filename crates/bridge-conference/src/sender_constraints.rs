//! What senders are told to send at most (JVB: `Endpoint.sendVideoConstraints`).

use crate::conference::Conference;
use bridge_media::{ConstraintReceiver, MaxHeight, SenderConstraint, SenderConstraints};
use bridge_shard::ConferenceSnapshot;
use bridge_signaling::bridge_channel::{BridgeChannelMessage, SenderSourceConstraints};
use bridge_units::{EndpointId, MediaType};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What all receivers want of each source, and whom to tell.
#[derive(Debug, Default)]
pub(crate) struct Senders {
    constraints: SenderConstraints,
    /// Who sends the sources of each name. One, unless clients give the same name; then each is
    /// told the most that is wanted of any.
    owners: BTreeMap<Arc<str>, BTreeSet<EndpointId>>,
}

impl Senders {
    /// Sources came or went. What is wanted of those that came is told.
    pub(crate) fn refresh(&mut self, snapshot: &ConferenceSnapshot) {
        let mut owners: BTreeMap<Arc<str>, BTreeSet<EndpointId>> = BTreeMap::new();
        let video = |media| media == MediaType::Video;
        for source in snapshot.sources.iter().filter(|source| video(source.media)) {
            let name = Arc::clone(&source.name);
            owners.entry(name).or_default().insert(source.endpoint.clone());
        }
        let before = std::mem::replace(&mut self.owners, owners);
        for name in before.keys().filter(|name| !self.owners.contains_key(*name)) {
            self.constraints.remove_source(name);
        }
        for name in self.owners.keys().filter(|name| !before.contains_key(*name)) {
            self.constraints.add_source(name);
        }
    }

    /// All that a receiver wants, by name of the source.
    pub(crate) fn set_receiver(&mut self, id: &EndpointId, wanted: &[(Arc<str>, MaxHeight)]) {
        let receiver = ConstraintReceiver::Endpoint(id.clone());
        let wanted = wanted.iter().map(|(name, height)| (&**name, *height));
        self.constraints.set_receiver(&receiver, wanted);
    }

    pub(crate) fn remove_receiver(&mut self, id: &EndpointId) {
        self.constraints.remove_receiver(&ConstraintReceiver::Endpoint(id.clone()));
    }

    /// Has all told again that concerns the sources of `id`.
    pub(crate) fn repeat(&mut self, id: &EndpointId) {
        for (name, _) in self.owners.iter().filter(|(_, owners)| owners.contains(id)) {
            self.constraints.repeat(name);
        }
    }

    /// The most that anybody wants of a source.
    pub(crate) fn max_height(&self, source: &str) -> MaxHeight {
        self.constraints.max_height(source)
    }

    pub(crate) fn len(&self) -> usize {
        self.constraints.source_count()
    }

    fn poll_change(&mut self) -> Option<(SenderConstraint, BTreeSet<EndpointId>)> {
        let change = self.constraints.poll_change()?;
        let owners = self.owners.get(&change.source).cloned().unwrap_or_default();
        Some((change, owners))
    }
}

impl Conference {
    /// Tells the senders what changed, at once, since encodings that nobody wants cost them much.
    /// Without a channel it is lost: all is told again when it opens.
    pub(crate) fn tell_senders(&mut self) {
        while let Some((change, owners)) = self.senders.poll_change() {
            let message = SenderSourceConstraints {
                source_name: change.source.to_string(),
                max_height: change.max_height.to_signaled(),
            };
            let message = BridgeChannelMessage::SenderSourceConstraints(message);
            for id in owners.into_iter().filter(|id| self.has_channel(id)).collect::<Vec<_>>() {
                self.send(&id, &message);
            }
        }
    }
}
