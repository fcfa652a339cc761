use bridge_units::MediaType;
use thiserror::Error;

use super::{GroupSemantics, OWN_AUDIO_MID, OWN_VIDEO_MID, Source, SsrcGroup};

/// What a page answered: its side of the transport and what it sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// ICE user name fragment.
    pub ufrag: String,
    /// ICE password.
    pub pwd: String,
    /// Hash function and value, for example `("sha-256", "AB:CD:..")`.
    pub fingerprint: (String, String),
    /// The DTLS role that the page took: `active` or `passive`.
    pub setup: String,
    /// The page's own sound and picture, as far as it sends them.
    pub sources: Vec<Source>,
}

/// Why an answer cannot be used.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum AnswerError {
    /// More lines than any browser's answer has.
    #[error("the answer is too long")]
    TooLong,
    /// An attribute that every answer has is not there.
    #[error("the answer lacks a={0}")]
    Missing(&'static str),
    /// An attribute that cannot be understood.
    #[error("the answer has a bad a={0}")]
    Bad(&'static str),
}

impl Answer {
    /// Reads the answer of the participant `owner`. Lines that do not matter here are skipped.
    pub fn parse(sdp: &str, owner: &str) -> Result<Self, AnswerError> {
        if sdp.lines().count() > MAX_LINES {
            return Err(AnswerError::TooLong);
        }
        let mut sections = sdp.split("\nm=").map(Section);
        let session = sections.next().unwrap_or(Section(""));
        let sections: Vec<Section<'_>> = sections.collect();
        let attribute = |name| {
            let values = std::iter::once(&session).chain(&sections);
            values.flat_map(|section| section.attribute(name)).next()
        };
        let token = |name: &'static str| {
            let value = attribute(name).ok_or(AnswerError::Missing(name))?;
            if is_token(value) { Ok(value.to_owned()) } else { Err(AnswerError::Bad(name)) }
        };
        let mut sources = Vec::new();
        for (mid, media_type) in
            [(OWN_AUDIO_MID, MediaType::Audio), (OWN_VIDEO_MID, MediaType::Video)]
        {
            let section = sections.iter().find(|section| section.has_mid(mid));
            let source = section.map(|section| section.source(media_type, owner)).transpose()?;
            sources.extend(source.flatten());
        }
        let fingerprint = attribute("fingerprint").ok_or(AnswerError::Missing("fingerprint"))?;
        let (hash, value) = fingerprint.split_once(' ').ok_or(AnswerError::Bad("fingerprint"))?;
        if !is_token(hash) || !is_token(value) {
            return Err(AnswerError::Bad("fingerprint"));
        }
        Ok(Self {
            ufrag: token("ice-ufrag")?,
            pwd: token("ice-pwd")?,
            fingerprint: (hash.to_owned(), value.to_owned()),
            setup: token("setup")?,
            sources,
        })
    }
}

/// One `m=` section, or what stands before the first.
struct Section<'a>(&'a str);

impl<'a> Section<'a> {
    /// The values of all `a=name:value` lines.
    fn attribute(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.lines().filter_map(move |line| {
            line.strip_prefix("a=")?.strip_prefix(name)?.strip_prefix(':').map(str::trim)
        })
    }

    fn has_mid(&self, mid: usize) -> bool {
        self.attribute("mid").next().and_then(|value| value.parse().ok()) == Some(mid)
    }

    fn sends(&self) -> bool {
        self.0.lines().any(|line| matches!(line.trim(), "a=sendonly" | "a=sendrecv"))
    }

    fn source(&self, media_type: MediaType, owner: &str) -> Result<Option<Source>, AnswerError> {
        let mut ssrcs: Vec<u32> = Vec::new();
        for value in self.attribute("ssrc") {
            let ssrc = parse_ssrc(value.split(' ').next(), "ssrc")?;
            if !ssrcs.contains(&ssrc) {
                ssrcs.push(ssrc);
            }
        }
        if ssrcs.len() > MAX_SSRCS {
            return Err(AnswerError::TooLong);
        }
        if ssrcs.is_empty() || !self.sends() {
            return Ok(None);
        }
        let mut groups = Vec::new();
        for value in self.attribute("ssrc-group") {
            let mut words = value.split(' ');
            let Some(Ok(semantics)) = words.next().map(str::parse::<GroupSemantics>) else {
                continue;
            };
            let members: Result<Vec<u32>, _> =
                words.map(|word| parse_ssrc(Some(word), "ssrc-group")).collect();
            groups.push(SsrcGroup { semantics, ssrcs: members? });
        }
        let suffix = match media_type {
            MediaType::Audio => "a0",
            MediaType::Video => "v0",
        };
        let name = format!("{owner}-{suffix}");
        Ok(Some(Source { media_type, owner: owner.to_owned(), name, ssrcs, groups }))
    }
}

fn parse_ssrc(word: Option<&str>, attribute: &'static str) -> Result<u32, AnswerError> {
    word.and_then(|word| word.parse().ok()).ok_or(AnswerError::Bad(attribute))
}

/// ICE characters, hash names and fingerprints: nothing that could leave an attribute.
fn is_token(value: &str) -> bool {
    !value.is_empty()
        && value.len() <= MAX_TOKEN_LEN
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/:-".contains(&byte))
}

/// A Chromium answer with 32 sections has about 2,500 lines.
const MAX_LINES: usize = 10_000;

/// Three simulcast layers with retransmission and some room.
const MAX_SSRCS: usize = 16;

/// RFC 8839 section 5.4 allows 256 characters in ICE credentials; SHA-512 fingerprints have 191.
const MAX_TOKEN_LEN: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    const CHROMIUM: &str = "v=0\r\no=- 7 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1 2\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111 126\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:q7Rs\r\n\
        a=ice-pwd:hT3mW9xK1vB5nC8zL2pD6fGj\r\na=fingerprint:sha-256 AA:01\r\na=setup:active\r\n\
        a=mid:0\r\na=sendonly\r\na=ssrc:1100000001 cname:x\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 100 96\r\na=ice-ufrag:q7Rs\r\na=mid:1\r\na=sendrecv\r\n\
        a=ssrc-group:FID 4294967295 7\r\na=ssrc-group:XYZ 1 2\r\na=ssrc:4294967295 cname:x\r\n\
        a=ssrc:4294967295 msid:- y\r\na=ssrc:7 cname:x\r\n\
        m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\na=sctp-port:5000\r\n";

    #[test]
    fn a_browser_answer_is_read() {
        let answer = Answer::parse(CHROMIUM, "ada").expect("a good answer");
        assert_eq!((answer.ufrag.as_str(), answer.setup.as_str()), ("q7Rs", "active"));
        assert_eq!(answer.fingerprint, ("sha-256".into(), "AA:01".into()));
        let [audio, video] = answer.sources.as_slice() else { panic!("{:?}", answer.sources) };
        assert_eq!((audio.name.as_str(), audio.ssrcs.as_slice()), ("ada-a0", &[1_100_000_001][..]));
        assert_eq!(video.ssrcs, [u32::MAX, 7]);
        let group =
            SsrcGroup { semantics: GroupSemantics::Retransmission, ssrcs: vec![u32::MAX, 7] };
        assert_eq!(video.groups, [group]);
    }

    #[test]
    fn sections_that_send_nothing_have_no_source() {
        let silent =
            CHROMIUM.replace("a=sendonly", "a=inactive").replace("a=sendrecv", "a=recvonly");
        assert_eq!(Answer::parse(&silent, "ada").map(|answer| answer.sources), Ok(Vec::new()));
    }

    #[test]
    fn bad_answers_are_refused() {
        let too_many: String =
            (0..=MAX_SSRCS).map(|ssrc| format!("a=ssrc:{ssrc} c:x\r\n")).collect();
        for (from, to, expected) in [
            (CHROMIUM, "", AnswerError::Missing("fingerprint")),
            ("a=setup:active\r\n", "", AnswerError::Missing("setup")),
            ("q7Rs", "q7 Rs", AnswerError::Bad("ice-ufrag")),
            ("hT3mW9xK1vB5nC8zL2pD6fGj", "\u{e9}", AnswerError::Bad("ice-pwd")),
            ("sha-256 AA:01", "sha-256", AnswerError::Bad("fingerprint")),
            ("sha-256 AA:01", "sha-256 AA<01", AnswerError::Bad("fingerprint")),
            ("a=ssrc:7 ", "a=ssrc:-7 ", AnswerError::Bad("ssrc")),
            ("a=ssrc:7 ", "a=ssrc:4294967296 ", AnswerError::Bad("ssrc")),
            ("FID 4294967295 7", "FID 4294967295 x", AnswerError::Bad("ssrc-group")),
            ("a=ssrc:7 cname:x\r\n", &too_many, AnswerError::TooLong),
            ("t=0 0\r\n", &"a=x\r\n".repeat(MAX_LINES), AnswerError::TooLong),
        ] {
            let sdp = CHROMIUM.replace(from, to);
            assert_eq!(Answer::parse(&sdp, "ada"), Err(expected), "{from:?} -> {expected:?}");
        }
    }

    #[test]
    fn arbitrary_text_does_not_panic() {
        for text in ["", "\n", "m=", "\nm=\nm=", "a=mid:0", "\r\nm=audio\r\na=mid:0\r\na=ssrc:"] {
            assert!(Answer::parse(text, "x").is_err());
        }
    }
}
