//! What the SSRCs of the bridge's choice stand for, as a client with SSRC rewriting is told (JVB:
//! `SsrcCache`, `VideoSourcesMap`, `AudioSourcesMap`). Which SSRC a source gets is decided where
//! packets are sent.

use crate::conference::Conference;
use crate::sources::signalled_video_type;
use bridge_shard::{SourceDescription, SourceMapping};
use bridge_signaling::bridge_channel::{
    AudioSourceMapping, AudioSourcesMap, BridgeChannelMessage, VideoSourceMapping, VideoSourcesMap,
};
use bridge_units::{EndpointId, MediaType, SourceId};
use std::collections::BTreeMap;

/// The mappings towards one client, by SSRC. A slot is used again for other sources and those of
/// sources that have gone are forgotten, so that there are no more than slots.
#[derive(Debug, Default)]
pub(crate) struct SourceMaps {
    audio: BTreeMap<u32, AudioMapping>,
    video: BTreeMap<u32, VideoMapping>,
}

/// As the client was told it. What a source shows is not told again when it changes, as in JVB.
#[derive(Debug)]
struct VideoMapping {
    id: SourceId,
    told: VideoSourceMapping,
}

#[derive(Debug)]
struct AudioMapping {
    id: SourceId,
    told: AudioSourceMapping,
}

impl SourceMaps {
    /// Keeps the mappings of sources for which `lives` holds. Clients are not told of the others:
    /// their SSRCs come back with another source or not at all.
    pub(crate) fn retain(&mut self, lives: impl Fn(SourceId) -> bool) {
        self.audio.retain(|_, mapping| lives(mapping.id));
        self.video.retain(|_, mapping| lives(mapping.id));
    }

    pub(crate) fn len(&self) -> usize {
        self.audio.len() + self.video.len()
    }

    /// Takes a mapping in; what the client has to be told if it is news.
    fn note_audio(
        &mut self,
        source: &SourceDescription,
        mapping: &SourceMapping,
    ) -> Option<AudioSourceMapping> {
        let told = AudioSourceMapping {
            source: source.name.to_string(),
            owner: Some(source.endpoint.to_string()),
            ssrc: mapping.ssrc,
            mid: mapping.mid.clone(),
        };
        let known = self.audio.get(&mapping.ssrc);
        if known.is_some_and(|known| known.id == source.id && known.told == told) {
            return None;
        }
        self.audio.insert(mapping.ssrc, AudioMapping { id: source.id, told: told.clone() });
        Some(told)
    }

    fn note_video(
        &mut self,
        source: &SourceDescription,
        mapping: &SourceMapping,
    ) -> Option<VideoSourceMapping> {
        let told = VideoSourceMapping {
            source: source.name.to_string(),
            owner: Some(source.endpoint.to_string()),
            ssrc: mapping.ssrc,
            rtx: mapping.rtx,
            video_type: signalled_video_type(source.video_type),
            mid: mapping.mid.clone(),
        };
        let same = |known: &&VideoMapping| {
            known.id == source.id && known.told.rtx == told.rtx && known.told.mid == told.mid
        };
        if self.video.get(&mapping.ssrc).filter(same).is_some() {
            return None;
        }
        self.video.insert(mapping.ssrc, VideoMapping { id: source.id, told: told.clone() });
        Some(told)
    }

    fn all_audio(&self) -> Vec<AudioSourceMapping> {
        self.audio.values().map(|mapping| mapping.told.clone()).collect()
    }

    fn all_video(&self) -> Vec<VideoSourceMapping> {
        self.video.values().map(|mapping| mapping.told.clone()).collect()
    }
}

impl Conference {
    /// The shard of `id` gave SSRCs to sources. Those that have gone meanwhile are left out.
    pub(crate) fn handle_sources_mapped(
        &mut self,
        id: &EndpointId,
        media: MediaType,
        mappings: &[SourceMapping],
    ) {
        let mut news = SourcesNews::default();
        for mapping in mappings {
            let Some(source) = self.source(mapping.source) else { continue };
            let Some(endpoint) = self.endpoints.get_mut(id) else { return };
            match media {
                MediaType::Audio => {
                    news.audio.extend(endpoint.source_maps.note_audio(&source, mapping));
                }
                MediaType::Video => {
                    news.video.extend(endpoint.source_maps.note_video(&source, mapping));
                }
            }
        }
        self.send_source_maps(id, news);
    }

    /// All that the client of `id` has to know, when its channel opens.
    pub(crate) fn send_all_source_maps(&mut self, id: &EndpointId) {
        let Some(endpoint) = self.endpoints.get(id) else { return };
        let maps = &endpoint.source_maps;
        let all = SourcesNews { audio: maps.all_audio(), video: maps.all_video() };
        self.send_source_maps(id, all);
    }

    /// Forgets the mappings of sources that are not signalled any more.
    pub(crate) fn prune_source_maps(&mut self) {
        let Some(published) = self.published.clone() else { return };
        let lives = |id| published.source(id).is_some();
        for endpoint in self.endpoints.values_mut() {
            endpoint.source_maps.retain(lives);
        }
    }

    fn send_source_maps(&mut self, id: &EndpointId, news: SourcesNews) {
        if !news.video.is_empty() {
            let map = VideoSourcesMap { mapped_sources: news.video };
            self.send(id, &BridgeChannelMessage::VideoSourcesMap(map));
        }
        if !news.audio.is_empty() {
            let map = AudioSourcesMap { mapped_sources: news.audio };
            self.send(id, &BridgeChannelMessage::AudioSourcesMap(map));
        }
    }
}

#[derive(Default)]
struct SourcesNews {
    audio: Vec<AudioSourceMapping>,
    video: Vec<VideoSourceMapping>,
}
