use super::video_sender::VideoSettings;
use std::collections::BTreeMap;

/// The sources of all others, as the focus tells them: what names stand for.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    /// SSRC of audio or of the first encoding, by name.
    names: BTreeMap<String, u32>,
    videos: BTreeMap<u32, VideoSettings>,
}

impl Catalogue {
    pub(crate) fn add_audio(&mut self, name: String, ssrc: u32) {
        self.names.insert(name, ssrc);
    }

    pub(crate) fn add_video(&mut self, source: &VideoSettings) {
        self.names.insert(source.name.clone(), source.first_ssrc);
        self.videos.insert(source.first_ssrc, source.clone());
    }

    /// The SSRC by which the sender of a source is known.
    pub(crate) fn ssrc(&self, name: &str) -> Option<u32> {
        self.names.get(name).copied()
    }

    pub(crate) fn video(&self, first_ssrc: u32) -> Option<&VideoSettings> {
        self.videos.get(&first_ssrc)
    }
}
