use std::fmt;

use bridge_units::MediaType;

use super::{DATA_MID, Source};
use crate::media::{
    AUDIO_CODECS, AUDIO_EXTENSIONS, OfferedCodec, OfferedExtension, VIDEO_CODECS, VIDEO_EXTENSIONS,
};

/// What the bridge said about its side of the transport, as the attributes of a description.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BridgeTransport {
    /// ICE user name fragment.
    pub ufrag: String,
    /// ICE password.
    pub pwd: String,
    /// Values of `a=fingerprint` with their `a=setup`: `("sha-256 AB:..", "actpass")`.
    pub fingerprints: Vec<(String, String)>,
    /// Values of `a=candidate`, without `candidate:`.
    pub candidates: Vec<String>,
    /// The port of the SCTP association, when there is one.
    pub sctp_port: Option<u16>,
}

/// The description that the focus offers to one page, and its history: sections are never removed
/// (RFC 8829 section 5.2.2), those of participants who left are reused.
#[derive(Clone, Debug)]
pub struct Offer {
    transport: BridgeTransport,
    feedback: Vec<Source>,
    remote: Vec<Slot>,
    version: u64,
}

impl Offer {
    /// The first offer: the page's own two sections and the data channel. `feedback` are the bridge's
    /// own sources, which appear in the page's sections because RTCP comes from their SSRCs.
    pub fn new(transport: BridgeTransport, feedback: Vec<Source>) -> Self {
        Self { transport, feedback, remote: Vec::new(), version: 1 }
    }

    /// Makes the remote sections match `sources`. True if something changed, which makes it a new
    /// version.
    pub fn set_remote_sources(&mut self, sources: &[Source]) -> bool {
        let mut changed = false;
        for slot in &mut self.remote {
            if slot.source.as_ref().is_some_and(|current| !sources.contains(current)) {
                slot.source = None;
                changed = true;
            }
        }
        for source in sources {
            if self.remote.iter().any(|slot| slot.source.as_ref() == Some(source)) {
                continue;
            }
            changed = true;
            let free = self
                .remote
                .iter_mut()
                .find(|slot| slot.source.is_none() && slot.media_type == source.media_type);
            match free {
                Some(slot) => slot.source = Some(source.clone()),
                None => self
                    .remote
                    .push(Slot { media_type: source.media_type, source: Some(source.clone()) }),
            }
        }
        self.version += u64::from(changed);
        changed
    }

    /// Rises with every change.
    pub fn version(&self) -> u64 {
        self.version
    }

    fn write_session(&self, out: &mut impl fmt::Write) -> fmt::Result {
        write!(out, "v=0\r\no=- 1 {} IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n", self.version)?;
        out.write_str("a=group:BUNDLE")?;
        for mid in 0..=DATA_MID + self.remote.len() {
            write!(out, " {mid}")?;
        }
        out.write_str("\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS *\r\n")
    }

    fn write_own(&self, out: &mut impl fmt::Write, media_type: MediaType) -> fmt::Result {
        let feedback = self.feedback.iter().find(|source| source.media_type == media_type);
        let mid = match media_type {
            MediaType::Audio => super::OWN_AUDIO_MID,
            MediaType::Video => super::OWN_VIDEO_MID,
        };
        let direction = if feedback.is_some() { "sendrecv" } else { "recvonly" };
        self.write_media(out, media_type, mid, direction)?;
        feedback.map_or(Ok(()), |source| write_source(out, source))
    }

    fn write_data(&self, out: &mut impl fmt::Write) -> fmt::Result {
        let port = self.transport.sctp_port.unwrap_or(DEFAULT_SCTP_PORT);
        out.write_str("m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n")?;
        self.write_transport(out)?;
        write!(
            out,
            "a=mid:{DATA_MID}\r\na=sctp-port:{port}\r\na=max-message-size:{MAX_MESSAGE_SIZE}\r\n"
        )
    }

    fn write_media(
        &self,
        out: &mut impl fmt::Write,
        media_type: MediaType,
        mid: usize,
        direction: &str,
    ) -> fmt::Result {
        let (codecs, extensions) = offered(media_type);
        write!(out, "m={media_type} 9 UDP/TLS/RTP/SAVPF")?;
        for codec in codecs {
            write!(out, " {}", codec.payload_type)?;
        }
        out.write_str("\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n")?;
        self.write_transport(out)?;
        write!(out, "a=mid:{mid}\r\n")?;
        for extension in extensions {
            write!(out, "a=extmap:{} {}\r\n", extension.id, extension.uri)?;
        }
        write!(out, "a={direction}\r\na=rtcp-mux\r\na=rtcp-rsize\r\n")?;
        codecs.iter().try_for_each(|codec| write_codec(out, codec))
    }

    fn write_transport(&self, out: &mut impl fmt::Write) -> fmt::Result {
        let transport = &self.transport;
        for candidate in &transport.candidates {
            write!(out, "a=candidate:{candidate}\r\n")?;
        }
        write!(out, "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n", transport.ufrag, transport.pwd)?;
        for (fingerprint, _) in &transport.fingerprints {
            write!(out, "a=fingerprint:{fingerprint}\r\n")?;
        }
        let setup = transport.fingerprints.first().map_or("actpass", |(_, setup)| setup.as_str());
        write!(out, "a=setup:{setup}\r\n")
    }
}

impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_session(f)?;
        self.write_own(f, MediaType::Audio)?;
        self.write_own(f, MediaType::Video)?;
        self.write_data(f)?;
        for (index, slot) in self.remote.iter().enumerate() {
            let direction = if slot.source.is_some() { "sendonly" } else { "inactive" };
            self.write_media(f, slot.media_type, DATA_MID + 1 + index, direction)?;
            if let Some(source) = &slot.source {
                write_source(f, source)?;
            }
        }
        Ok(())
    }
}

/// One section for somebody else's source; without a source it waits for its next use.
#[derive(Clone, Debug)]
struct Slot {
    media_type: MediaType,
    source: Option<Source>,
}

fn offered(media_type: MediaType) -> (&'static [OfferedCodec], &'static [OfferedExtension]) {
    match media_type {
        MediaType::Audio => (AUDIO_CODECS, AUDIO_EXTENSIONS),
        MediaType::Video => (VIDEO_CODECS, VIDEO_EXTENSIONS),
    }
}

fn write_codec(out: &mut impl fmt::Write, codec: &OfferedCodec) -> fmt::Result {
    let id = codec.payload_type;
    write!(out, "a=rtpmap:{id} {}/{}", codec.name, codec.clock_rate)?;
    if codec.channels > 1 {
        write!(out, "/{}", codec.channels)?;
    }
    out.write_str("\r\n")?;
    for (index, (name, value)) in codec.parameters.iter().enumerate() {
        match index {
            0 => write!(out, "a=fmtp:{id} {name}={value}")?,
            _ => write!(out, ";{name}={value}")?,
        }
    }
    if !codec.parameters.is_empty() {
        out.write_str("\r\n")?;
    }
    for (kind, subtype) in codec.feedback {
        let space = if subtype.is_empty() { "" } else { " " };
        write!(out, "a=rtcp-fb:{id} {kind}{space}{subtype}\r\n")?;
    }
    Ok(())
}

/// The stream id of `msid` is the owner: that is how the page knows whose tile a track belongs to.
fn write_source(out: &mut impl fmt::Write, source: &Source) -> fmt::Result {
    let (owner, name) = (&source.owner, &source.name);
    write!(out, "a=msid:{owner} {name}\r\n")?;
    for group in &source.groups {
        write!(out, "a=ssrc-group:{}", group.semantics)?;
        for ssrc in &group.ssrcs {
            write!(out, " {ssrc}")?;
        }
        out.write_str("\r\n")?;
    }
    for ssrc in &source.ssrcs {
        write!(out, "a=ssrc:{ssrc} cname:{owner}\r\na=ssrc:{ssrc} msid:{owner} {name}\r\n")?;
    }
    Ok(())
}

const DEFAULT_SCTP_PORT: u16 = 5000;

/// The receive limit of the bridge's SCTP stack.
const MAX_MESSAGE_SIZE: u32 = 262_144;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sdp::{GroupSemantics, SsrcGroup};

    fn transport() -> BridgeTransport {
        BridgeTransport {
            ufrag: "uf".into(),
            pwd: "secret".into(),
            fingerprints: vec![("sha-256 AA:BB".into(), "actpass".into())],
            candidates: vec!["1 1 udp 2130706431 127.0.0.1 10000 typ host".into()],
            sctp_port: Some(5000),
        }
    }

    fn source(owner: &str, media_type: MediaType, ssrc: u32) -> Source {
        Source {
            media_type,
            owner: owner.into(),
            name: format!("{owner}-{media_type}"),
            ssrcs: vec![ssrc, ssrc + 1],
            groups: vec![SsrcGroup {
                semantics: GroupSemantics::Retransmission,
                ssrcs: vec![ssrc, ssrc + 1],
            }],
        }
    }

    /// The text of the section with this `mid`.
    fn section(offer: &Offer, mid: usize) -> String {
        let text = offer.to_string();
        let mark = format!("a=mid:{mid}\r\n");
        let found = text.split("m=").skip(1).find(|section| section.contains(&mark));
        found.expect("the section exists").to_owned()
    }

    #[test]
    fn first_offer_has_own_sections_and_data_in_one_bundle() {
        let offer = Offer::new(transport(), Vec::new());
        let text = offer.to_string();
        assert!(text.starts_with("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\n"), "{text}");
        assert!(text.contains("a=group:BUNDLE 0 1 2\r\n"));
        assert_eq!(text.matches("a=ice-ufrag:uf\r\n").count(), 3);
        assert_eq!(text.matches("a=candidate:1 1 udp 2130706431 127.0.0.1").count(), 3);
        assert!(section(&offer, 0).starts_with("audio 9 UDP/TLS/RTP/SAVPF 111 126\r\n"));
        assert!(section(&offer, 1).contains("a=fmtp:96 apt=100\r\n"));
        assert!(section(&offer, 1).contains("a=recvonly\r\n"));
        assert!(section(&offer, 2).contains("a=sctp-port:5000\r\n"));
        assert!(text.lines().all(|line| line.as_bytes().get(1) == Some(&b'=')));
    }

    #[test]
    fn feedback_sources_are_in_the_own_sections() {
        let feedback = vec![source("jvb", MediaType::Video, 40)];
        let offer = Offer::new(transport(), feedback);
        assert!(section(&offer, 1).contains("a=sendrecv\r\n"));
        assert!(section(&offer, 1).contains("a=ssrc:40 msid:jvb jvb-video\r\n"));
        assert!(section(&offer, 0).contains("a=recvonly\r\n"));
    }

    #[test]
    fn sections_of_leavers_are_reused_by_kind() {
        let mut offer = Offer::new(transport(), Vec::new());
        let ada = [source("ada", MediaType::Audio, 10), source("ada", MediaType::Video, 20)];
        let ben = [source("ben", MediaType::Video, 30), source("ben", MediaType::Audio, 40)];
        assert!(offer.set_remote_sources(&ada));
        assert!(!offer.set_remote_sources(&ada), "nothing changed");
        assert_eq!(offer.version(), 2);
        assert!(section(&offer, 3).contains("a=ssrc:10 msid:ada ada-audio\r\n"));
        assert!(section(&offer, 4).contains("a=ssrc-group:FID 20 21\r\n"));

        assert!(offer.set_remote_sources(&[]));
        assert!(section(&offer, 3).contains("a=inactive\r\n"));
        assert!(!offer.to_string().contains("a=ssrc:"));

        assert!(offer.set_remote_sources(&ben));
        assert!(section(&offer, 3).contains("a=ssrc:40 msid:ben"));
        assert!(section(&offer, 4).contains("a=ssrc:30 msid:ben"));
        assert!(offer.to_string().contains("a=group:BUNDLE 0 1 2 3 4\r\n"));
        assert_eq!(offer.version(), 4);
    }

    #[test]
    fn changed_ssrcs_of_a_source_make_a_new_version() {
        let mut offer = Offer::new(transport(), Vec::new());
        assert!(offer.set_remote_sources(&[source("ada", MediaType::Video, 10)]));
        assert!(offer.set_remote_sources(&[source("ada", MediaType::Video, 50)]));
        assert!(section(&offer, 3).contains("a=ssrc:50 "));
        assert!(!offer.to_string().contains("a=ssrc:10 "));
    }
}
