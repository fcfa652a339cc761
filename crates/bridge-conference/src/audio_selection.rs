//! Which audio each endpoint gets: what it subscribed to by name, resolved to the sources that
//! there are (JVB: `AudioSubscriptionManager`).

use crate::conference::Conference;
use bridge_shard::{AudioSelection, SessionAction, SourceDescription};
use bridge_signaling::bridge_channel::ReceiverAudioSubscription;
use bridge_units::{EndpointId, MediaType, SourceId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Audio sources by name; a name may occur more than once, since only clients keep them apart.
type SourcesByName<'a> = BTreeMap<&'a str, Vec<SourceId>>;

impl Conference {
    /// A subscription changed.
    pub(crate) fn select_audio(&mut self, id: &EndpointId) {
        let sources = self.audio_sources();
        let by_name = by_name(&sources);
        self.select_audio_for(id, &by_name);
    }

    /// Sources came or went: names that were not known may be now.
    pub(crate) fn select_audio_for_all(&mut self) {
        let subscribed = self.endpoints.values().filter(|e| e.wishes.audio().is_some());
        let ids: Vec<_> = subscribed.map(|endpoint| endpoint.id.clone()).collect();
        if ids.is_empty() {
            return;
        }
        let sources = self.audio_sources();
        let by_name = by_name(&sources);
        for id in ids {
            self.select_audio_for(&id, &by_name);
        }
    }

    /// Who sends a source that somebody asked for by name: it is heard however quiet it is.
    pub(crate) fn explicitly_subscribed(&self) -> BTreeSet<EndpointId> {
        let included = self.endpoints.values().filter_map(|e| e.audio_selection.as_ref());
        let included: BTreeSet<_> = included.flat_map(|s| s.include.iter().copied()).collect();
        let sources = self.audio_sources();
        let wanted = sources.iter().filter(|source| included.contains(&source.id));
        wanted.map(|source| source.endpoint.clone()).collect()
    }

    fn audio_sources(&self) -> Vec<Arc<SourceDescription>> {
        let sources = self.published.iter().flat_map(|snapshot| &snapshot.sources);
        sources.filter(|source| source.media == MediaType::Audio).cloned().collect()
    }

    fn select_audio_for(&mut self, id: &EndpointId, by_name: &SourcesByName<'_>) {
        let Some(endpoint) = self.endpoints.get_mut(id) else { return };
        let Some(subscription) = endpoint.wishes.audio() else { return };
        let selection = resolve(subscription, by_name);
        if endpoint.audio_selection.as_deref() == Some(&selection) {
            return;
        }
        let selection = Arc::new(selection);
        endpoint.audio_selection = Some(Arc::clone(&selection));
        self.command(id, SessionAction::SetAudioSelection(selection));
    }
}

fn by_name(sources: &[Arc<SourceDescription>]) -> SourcesByName<'_> {
    let mut by_name = SourcesByName::new();
    for source in sources {
        by_name.entry(&*source.name).or_default().push(source.id);
    }
    by_name
}

fn resolve(said: &ReceiverAudioSubscription, known: &SourcesByName<'_>) -> AudioSelection {
    let ids = |names: &[String]| {
        let found = names.iter().filter_map(|name| known.get(name.as_str()));
        let found: BTreeSet<_> = found.flatten().copied().collect();
        found.into_iter().collect()
    };
    AudioSelection { all: said.all, include: ids(&said.include), exclude: ids(&said.exclude) }
}
