//! The sources of one endpoint and the streams that they consist of (JVB: `MediaSourceFactory`,
//! `SsrcAssociationStore`).

use crate::limits::{MAX_ENCODINGS, MAX_REMEMBERED_VIDEO_TYPES, MAX_SOURCES, MAX_SSRCS};
use bridge_shard::{EncodingSsrcs, SourceDescription, StreamRole};
use bridge_signaling::VideoType;
use bridge_signaling::colibri2::{MediaSource, Sources, SsrcGroupSemantics};
use bridge_units::{EndpointId, MediaType, SessionId, SourceId};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// What one endpoint sends.
#[derive(Debug, Default)]
pub(crate) struct EndpointSources {
    sources: Vec<Source>,
    /// By secondary SSRC. Added, never removed, as in JVB: a later update may leave the groups out.
    associations: HashMap<u32, Association>,
    /// What the endpoint said over the bridge channel; outlives the sources.
    video_types: BTreeMap<String, VideoType>,
    refused: u64,
}

/// One source: what a participant calls his camera, microphone or screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// The same as long as name and first encoding are.
    pub(crate) id: SourceId,
    pub(crate) media: MediaType,
    pub(crate) name: String,
    /// Injected by a bridge; never sent by the endpoint itself.
    pub(crate) synthetic: bool,
    /// Camera for audio.
    pub(crate) video_type: VideoType,
    /// Its SSRCs in signalled order, without those that no role could be found for.
    pub(crate) streams: Vec<(u32, StreamRole)>,
}

/// What the first SSRC of a group is to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Association {
    kind: AssociationKind,
    primary: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AssociationKind {
    Retransmission,
    ErrorCorrection,
}

impl EndpointSources {
    /// Replaces all sources; whether that changed anything. Those beyond the limits are left out and counted: an error would make
    /// Jicofo take the whole conference off this bridge. `ids` numbers those that are new.
    pub(crate) fn replace(&mut self, signalled: &Sources, ids: &mut SourceIds) -> bool {
        let before = std::mem::take(&mut self.sources);
        self.associate(signalled);
        let mut seen = HashSet::new();
        for media_source in &signalled.media_sources {
            let Some(media) = media_source.kind.media_type() else { continue };
            let listed: Vec<u32> =
                media_source.sources.iter().map(|s| s.ssrc).filter(|&s| seen.insert(s)).collect();
            if self.sources.len() >= MAX_SOURCES || seen.len() > MAX_SSRCS {
                self.refused += 1;
                continue;
            }
            let mut source = self.source(media_source, media, &listed);
            let known = before.iter().find(|known| known.is_same(&source));
            source.id = known.map_or_else(|| ids.next_id(), |known| known.id);
            self.sources.push(source);
        }
        if self.associations.len() > MAX_SSRCS {
            self.associations.retain(|secondary, _| seen.contains(secondary));
        }
        self.sources != before
    }

    /// What the endpoint says of one of its sources, which may be signalled only later.
    pub(crate) fn set_video_type(&mut self, name: &str, video_type: VideoType) {
        let known = self.video_types.contains_key(name);
        if !known && self.video_types.len() >= MAX_REMEMBERED_VIDEO_TYPES {
            self.refused += 1;
            return;
        }
        self.video_types.insert(name.to_owned(), video_type);
        let video = |source: &&mut Source| source.media == MediaType::Video && source.name == name;
        for source in self.sources.iter_mut().filter(video) {
            source.video_type = video_type;
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Source> {
        self.sources.iter()
    }

    /// Every SSRC that has a role, with its source.
    pub(crate) fn streams(&self) -> impl Iterator<Item = (u32, &Source, StreamRole)> {
        self.sources
            .iter()
            .filter(|source| !source.synthetic)
            .flat_map(|source| source.streams.iter().map(move |&(ssrc, role)| (ssrc, source, role)))
    }

    /// Whether it may show something: a source that is not known to show nothing, or what the
    /// endpoint said of one that is signalled only later (JVB: `Endpoint.hasVideoAvailable`).
    pub(crate) fn has_video(&self) -> bool {
        let mut sources = self.sources.iter().filter(|source| source.media == MediaType::Video);
        sources.any(|source| source.video_type != VideoType::None)
            || self.video_types.values().any(|&video_type| video_type != VideoType::None)
    }

    /// How many sources and video types were over a limit.
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }

    fn associate(&mut self, signalled: &Sources) {
        let groups = signalled.media_sources.iter().flat_map(|source| &source.ssrc_groups);
        for group in groups {
            let kind = match group.semantics {
                SsrcGroupSemantics::Fid => AssociationKind::Retransmission,
                SsrcGroupSemantics::FecFr => AssociationKind::ErrorCorrection,
                SsrcGroupSemantics::Simulcast | SsrcGroupSemantics::Other(_) => continue,
            };
            if let [primary, secondary, ..] = group.ssrcs[..]
                && primary != secondary
                // Twice the limit: old ones may go only once it is known which are in use.
                && self.associations.len() < 2 * MAX_SSRCS
            {
                self.associations.insert(secondary, Association { kind, primary });
            }
        }
    }

    fn source(&self, signalled: &MediaSource, media: MediaType, listed: &[u32]) -> Source {
        let primaries = match media {
            MediaType::Audio => self.without_secondaries(listed),
            MediaType::Video => self.encodings(signalled, listed),
        };
        let role = |ssrc: u32| {
            let encoding_of = |ssrc: u32| {
                let index = primaries.iter().position(|&primary| primary == ssrc)?;
                // Each SSRC of an audio source is a stream of its own.
                Some(if media == MediaType::Audio { 0 } else { u8::try_from(index).ok()? })
            };
            if let Some(encoding) = encoding_of(ssrc) {
                return Some(StreamRole::Primary { encoding });
            }
            let Association { kind, primary } = *self.associations.get(&ssrc)?;
            let encoding = encoding_of(primary)?;
            Some(match kind {
                AssociationKind::Retransmission => StreamRole::Rtx { encoding, primary },
                AssociationKind::ErrorCorrection => StreamRole::Fec { encoding, primary },
            })
        };
        Source {
            id: SourceId(0),
            media,
            name: signalled.id.clone(),
            synthetic: signalled.synthetic,
            video_type: match self.video_types.get(&signalled.id) {
                Some(&said) => said,
                None => signalled.video_type(),
            },
            streams: listed.iter().filter_map(|&ssrc| Some((ssrc, role(ssrc)?))).collect(),
        }
    }

    /// The SSRCs of the encodings, lowest first. If there is more than one set of them (a fault of
    /// the sender), the first: a SIM group, else the primary of a FID group, else any.
    fn encodings(&self, signalled: &MediaSource, listed: &[u32]) -> Vec<u32> {
        let simulcast = signalled.ssrc_groups.iter().find(|group| {
            group.semantics == SsrcGroupSemantics::Simulcast && group.ssrcs.len() > 1
        });
        if let Some(group) = simulcast {
            let members = group.ssrcs.iter().copied().filter(|ssrc| listed.contains(ssrc));
            return members.take(MAX_ENCODINGS).collect();
        }
        let candidates = self.without_secondaries(listed);
        let retransmitted = |ssrc: &&u32| {
            let mut groups = signalled.ssrc_groups.iter();
            groups.any(|group| {
                group.semantics == SsrcGroupSemantics::Fid && group.ssrcs.first() == Some(*ssrc)
            })
        };
        let first = candidates.iter().find(retransmitted).or(candidates.first());
        first.copied().into_iter().collect()
    }

    fn without_secondaries(&self, listed: &[u32]) -> Vec<u32> {
        listed.iter().copied().filter(|ssrc| !self.associations.contains_key(ssrc)).collect()
    }
}

impl Source {
    /// For the shards; `owns` says which SSRCs are the endpoint's and not another's by now.
    pub(crate) fn description(
        &self,
        endpoint: &EndpointId,
        owner: SessionId,
        owns: impl Fn(u32) -> bool,
    ) -> Arc<SourceDescription> {
        let rtx_of = |wanted: u32| {
            let mut streams = self.streams.iter().filter(|(ssrc, _)| owns(*ssrc));
            streams.find_map(|&(ssrc, role)| match role {
                StreamRole::Rtx { primary, .. } if primary == wanted => Some(ssrc),
                _ => None,
            })
        };
        let mut encodings: Vec<_> = self
            .streams
            .iter()
            .filter_map(|&(ssrc, role)| match role {
                StreamRole::Primary { encoding } if owns(ssrc) => Some((encoding, ssrc)),
                _ => None,
            })
            .collect();
        encodings.sort_unstable();
        let encodings = encodings.into_iter();
        Arc::new(SourceDescription {
            id: self.id,
            owner,
            endpoint: endpoint.clone(),
            name: self.name.as_str().into(),
            media: self.media,
            video_type: video_type(self.video_type),
            synthetic: self.synthetic,
            encodings: encodings
                .map(|(_, primary)| EncodingSsrcs { primary, rtx: rtx_of(primary) })
                .collect(),
        })
    }

    fn is_same(&self, other: &Self) -> bool {
        let primary = |source: &Self| {
            let is_first = |role: &StreamRole| *role == StreamRole::Primary { encoding: 0 };
            source.streams.iter().find(|(_, role)| is_first(role)).map(|(ssrc, _)| *ssrc)
        };
        self.media == other.media && self.name == other.name && primary(self) == primary(other)
    }
}

/// Numbers for the sources of one conference.
#[derive(Debug, Default)]
pub(crate) struct SourceIds(u32);

impl SourceIds {
    fn next_id(&mut self) -> SourceId {
        self.0 = self.0.wrapping_add(1);
        SourceId(self.0)
    }
}

pub(crate) fn signalled_video_type(video_type: bridge_media::VideoType) -> VideoType {
    match video_type {
        bridge_media::VideoType::Camera => VideoType::Camera,
        bridge_media::VideoType::Desktop => VideoType::Desktop,
        bridge_media::VideoType::DesktopHighFps => VideoType::DesktopHighFps,
        bridge_media::VideoType::Disabled => VideoType::Disabled,
        bridge_media::VideoType::None => VideoType::None,
    }
}

fn video_type(signalled: VideoType) -> bridge_media::VideoType {
    match signalled {
        VideoType::Camera => bridge_media::VideoType::Camera,
        VideoType::Desktop => bridge_media::VideoType::Desktop,
        VideoType::DesktopHighFps => bridge_media::VideoType::DesktopHighFps,
        VideoType::Disabled => bridge_media::VideoType::Disabled,
        VideoType::None => bridge_media::VideoType::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bridge_signaling::colibri2::{MediaKind, Source as SignalledSource, SsrcGroup};

    fn media_source(
        kind: MediaKind,
        name: &str,
        ssrcs: &[u32],
        groups: &[(SsrcGroupSemantics, &[u32])],
    ) -> MediaSource {
        let mut source = MediaSource::new(kind, name);
        source.sources = ssrcs.iter().map(|&ssrc| SignalledSource::new(ssrc)).collect();
        source.ssrc_groups = groups
            .iter()
            .map(|(semantics, ssrcs)| SsrcGroup {
                semantics: semantics.clone(),
                ssrcs: ssrcs.to_vec(),
            })
            .collect();
        source
    }

    fn sources(list: &[MediaSource]) -> Sources {
        Sources { media_sources: list.to_vec() }
    }

    fn roles(sources: &EndpointSources) -> Vec<(u32, StreamRole)> {
        sources.streams().map(|(ssrc, _, role)| (ssrc, role)).collect()
    }

    const fn primary(encoding: u8) -> StreamRole {
        StreamRole::Primary { encoding }
    }

    use SsrcGroupSemantics::{FecFr, Fid, Simulcast};

    #[test]
    fn simulcast_with_retransmission_and_error_correction() {
        let mut endpoint = EndpointSources::default();
        let groups: [(_, &[u32]); 5] = [
            (Simulcast, &[30, 10, 20]),
            (Fid, &[30, 31]),
            (Fid, &[10, 11]),
            (Fid, &[20, 21]),
            (FecFr, &[20, 22]),
        ];
        let listed = [10, 20, 30, 11, 21, 31, 22, 99];
        endpoint.replace(
            &sources(&[media_source(MediaKind::Video, "v0", &listed, &groups)]),
            &mut SourceIds::default(),
        );
        assert_eq!(
            roles(&endpoint),
            [
                (10, primary(1)),
                (20, primary(2)),
                (30, primary(0)),
                (11, StreamRole::Rtx { encoding: 1, primary: 10 }),
                (21, StreamRole::Rtx { encoding: 2, primary: 20 }),
                (31, StreamRole::Rtx { encoding: 0, primary: 30 }),
                (22, StreamRole::Fec { encoding: 2, primary: 20 }),
            ]
        );
    }

    #[test]
    fn without_simulcast_the_retransmitted_ssrc_is_the_only_encoding() {
        let mut endpoint = EndpointSources::default();
        let groups: [(_, &[u32]); 2] = [(Fid, &[5, 6]), (Fid, &[7, 7])];
        endpoint.replace(
            &sources(&[media_source(MediaKind::Video, "v0", &[4, 5, 6], &groups)]),
            &mut SourceIds::default(),
        );
        assert_eq!(
            roles(&endpoint),
            [(5, primary(0)), (6, StreamRole::Rtx { encoding: 0, primary: 5 })]
        );
        endpoint.replace(
            &sources(&[media_source(MediaKind::Video, "v0", &[8, 9], &[])]),
            &mut SourceIds::default(),
        );
        assert_eq!(roles(&endpoint), [(8, primary(0))]);
    }

    #[test]
    fn every_audio_ssrc_is_a_stream_unless_synthetic() {
        let mut endpoint = EndpointSources::default();
        let mut synthetic = media_source(MediaKind::Audio, "a0.de", &[3], &[]);
        synthetic.synthetic = true;
        let regular = media_source(MediaKind::Audio, "a0", &[1, 2], &[]);
        endpoint.replace(&sources(&[regular, synthetic]), &mut SourceIds::default());
        assert_eq!(roles(&endpoint), [(1, primary(0)), (2, primary(0))]);
        assert_eq!(endpoint.iter().count(), 2);
    }

    #[test]
    fn associations_outlive_an_update_without_groups() {
        let mut endpoint = EndpointSources::default();
        let groups: [(_, &[u32]); 1] = [(Fid, &[5, 6])];
        endpoint.replace(
            &sources(&[media_source(MediaKind::Video, "v0", &[5, 6], &groups)]),
            &mut SourceIds::default(),
        );
        let before = roles(&endpoint);
        endpoint.replace(
            &sources(&[media_source(MediaKind::Video, "v0", &[5, 6], &[])]),
            &mut SourceIds::default(),
        );
        assert_eq!(roles(&endpoint), before);
        endpoint.replace(&sources(&[]), &mut SourceIds::default());
        assert!(roles(&endpoint).is_empty());
    }

    #[test]
    fn what_the_client_says_of_a_source_wins_also_later() {
        let mut endpoint = EndpointSources::default();
        endpoint.set_video_type("v1", VideoType::Desktop);
        endpoint.replace(
            &sources(&[media_source(MediaKind::Video, "v1", &[1], &[])]),
            &mut SourceIds::default(),
        );
        assert_eq!(endpoint.iter().next().unwrap().video_type, VideoType::Desktop);
        endpoint.set_video_type("v1", VideoType::None);
        assert_eq!(endpoint.iter().next().unwrap().video_type, VideoType::None);
    }

    #[test]
    fn limits_refuse_and_count() {
        let mut endpoint = EndpointSources::default();
        let many: Vec<_> = (0..MAX_SSRCS as u32 + 40)
            .map(|ssrc| media_source(MediaKind::Audio, "a", &[ssrc], &[]))
            .collect();
        endpoint.replace(&sources(&many), &mut SourceIds::default());
        assert_eq!(endpoint.iter().count(), MAX_SOURCES);
        assert!(endpoint.refused() > 0);
        for n in 0..MAX_REMEMBERED_VIDEO_TYPES * 2 {
            endpoint.set_video_type(&format!("v{n}"), VideoType::Camera);
        }
        assert_eq!(endpoint.video_types.len(), MAX_REMEMBERED_VIDEO_TYPES);
    }

    #[test]
    fn associations_stay_bounded_over_many_updates() {
        let mut endpoint = EndpointSources::default();
        for round in 0..5_000u32 {
            let (primary, rtx) = (round * 2, round * 2 + 1);
            let groups: [(_, &[u32]); 1] = [(Fid, &[primary, rtx])];
            let list = [media_source(MediaKind::Video, "v0", &[primary, rtx], &groups)];
            endpoint.replace(&sources(&list), &mut SourceIds::default());
            assert_eq!(endpoint.streams().count(), 2, "round {round}");
        }
        assert!(endpoint.associations.len() <= MAX_SSRCS);
    }
}
