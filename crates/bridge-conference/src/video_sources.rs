//! The video sources that receivers may get, in the order in which they are wanted by default: those
//! of the endpoint that spoke last first. All receivers share it.

use crate::limits::MAX_CONSIDERED_SOURCES;
use bridge_media::{CandidateSource, SourceLayers, VideoType};
use bridge_shard::{ConferenceSnapshot, SourceDescription};
use bridge_units::{Bitrate, EndpointId, MediaType, SourceId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The list, with what is known of each source's layers.
#[derive(Debug, Default)]
pub(crate) struct VideoSources {
    ordered: Vec<VideoSource>,
    places: BTreeMap<SourceId, usize>,
}

/// One source.
#[derive(Debug)]
pub(crate) struct VideoSource {
    pub(crate) description: Arc<SourceDescription>,
    /// What receivers get to see.
    ///
    /// Differs from JVB: a video that is muted by force counts as turned off, so that it takes no
    /// place of last-n and nobody asks for key frames that would be discarded on arrival.
    pub(crate) video_type: VideoType,
    pub(crate) layers: SourceLayers,
}

impl VideoSources {
    /// Makes the list anew from what is signalled, with the endpoints in `order`. What is known of
    /// layers stays. Answers whether anything concerns receivers, and how many were left out.
    pub(crate) fn refresh(
        &mut self,
        snapshot: &ConferenceSnapshot,
        order: &[EndpointId],
        muted: &BTreeSet<EndpointId>,
    ) -> (bool, usize) {
        let mut before = std::mem::take(&mut self.ordered);
        let known = before.iter_mut();
        let mut known: BTreeMap<_, _> =
            known.map(|s| (s.description.id, std::mem::take(&mut s.layers))).collect();
        let mut by_owner: BTreeMap<&EndpointId, Vec<&Arc<SourceDescription>>> = BTreeMap::new();
        for source in snapshot.sources.iter().filter(|source| can_be_received(source)) {
            by_owner.entry(&source.endpoint).or_default().push(source);
        }
        let sources = order.iter().filter_map(|id| by_owner.get(id)).flatten();
        let mut sources = sources.map(|source| VideoSource {
            description: Arc::clone(source),
            video_type: match muted.contains(&source.endpoint) {
                true => VideoType::None,
                false => source.video_type,
            },
            layers: known.remove(&source.id).unwrap_or_default(),
        });
        self.ordered = sources.by_ref().take(MAX_CONSIDERED_SOURCES).collect();
        let left_out = sources.count();
        self.places = self.iter().map(|source| source.description.id).zip(0..).collect();
        let seen = |source: &VideoSource| (source.description.id, source.video_type);
        let changed = !before.iter().map(seen).eq(self.iter().map(seen));
        (changed, left_out)
    }

    /// What a source sends now; whether allocation should look at it at once. `None` if it is not
    /// (any more) in the list.
    pub(crate) fn set_layers(&mut self, id: SourceId, layers: SourceLayers) -> Option<bool> {
        let source = self.ordered.get_mut(*self.places.get(&id)?)?;
        let before = std::mem::replace(&mut source.layers, layers);
        Some(is_news(&before, &source.layers, source.video_type))
    }

    pub(crate) fn clear(&mut self) {
        self.ordered.clear();
        self.places.clear();
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &VideoSource> {
        self.ordered.iter()
    }

    pub(crate) fn get(&self, id: SourceId) -> Option<&VideoSource> {
        self.ordered.get(*self.places.get(&id)?)
    }

    /// As signalled.
    pub(crate) fn name(&self, id: SourceId) -> Option<Arc<str>> {
        Some(Arc::clone(&self.get(id)?.description.name))
    }

    pub(crate) fn len(&self) -> usize {
        self.ordered.len()
    }

    /// For the allocators.
    pub(crate) fn candidates(&self) -> Vec<CandidateSource<'_>> {
        let sources = self.ordered.iter();
        sources
            .map(|source| CandidateSource {
                id: source.description.id,
                name: &source.description.name,
                owner: &source.description.endpoint,
                video_type: source.video_type,
                layers: &source.layers.layers,
            })
            .collect()
    }
}

/// Whether there are other layers, or one began to carry something.
///
/// Differs from JVB: a camera's layer that ceased counts, too, since its receivers would have no
/// picture until the next periodic run. A screen that does not change is no news.
fn is_news(before: &SourceLayers, now: &SourceLayers, video_type: VideoType) -> bool {
    if before.layers.len() != now.layers.len() {
        return true;
    }
    before.layers.iter().zip(&now.layers).any(|(before, now)| {
        let is_other = (before.index, before.height, before.frame_rate)
            != (now.index, now.height, now.frame_rate);
        let (was_sent, is_sent) = (before.bitrate > Bitrate::ZERO, now.bitrate > Bitrate::ZERO);
        let ceased = was_sent && !is_sent;
        is_other || (!was_sent && is_sent) || (ceased && video_type == VideoType::Camera)
    })
}

/// Whether it is video that somebody sends. A source whose SSRCs another endpoint took over has
/// none left.
fn can_be_received(source: &SourceDescription) -> bool {
    source.media == MediaType::Video && !source.synthetic && !source.encodings.is_empty()
}
