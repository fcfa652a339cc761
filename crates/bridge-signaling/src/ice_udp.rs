//! ICE-UDP transport (XEP-0176) with DTLS fingerprints (XEP-0320) and bridge WebSockets.
//!
//! Addresses stay text: a peer may give an mDNS or other host name, and that must not spoil the
//! rest of the request. Candidates that make no sense are skipped, since a bridge learns peers from
//! their checks anyhow.

use std::str::FromStr;

use serde_json::{Map, Value};
use xmpp_parsers::minidom::Element;

use crate::attributes::Attributes;
use crate::json::{JsonForm, ObjectReader, Scalars};
use crate::limits::{MAX_CANDIDATES, MAX_FINGERPRINTS, MAX_VALUE_BYTES, MAX_WEB_SOCKETS};
use crate::xml::{Reader, XmlForm};
use crate::{ParseError, json, ns, xml};

/// The inner `transport`: what one side says about its ICE agent and DTLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IceUdpTransport {
    /// The user name fragment.
    pub ufrag: Option<String>,
    /// The password.
    pub pwd: Option<String>,
    /// The number of an ICE restart, from 1. `None`: not part of a restart. What is no such number
    /// reads as `None`.
    pub ice_generation: Option<u32>,
    /// Whether RTCP shares the port of RTP. Always assumed by bridges.
    pub rtcp_mux: bool,
    /// Certificates' fingerprints, in document order; the first one's `setup` decides the role.
    /// Those without hash or text are skipped.
    pub fingerprints: Vec<DtlsFingerprint>,
    /// Where the bridge channel can be opened, in document order.
    pub web_sockets: Vec<WebSocket>,
    /// Candidates, in document order. Those that are incomplete or unreadable are skipped.
    pub candidates: Vec<Candidate>,
}

/// The fingerprint of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DtlsFingerprint {
    /// The hash function in lower case, for example `sha-256`.
    pub hash: String,
    /// The fingerprint: hex pairs with colons, as signalled.
    pub fingerprint: String,
    /// The side's DTLS role. `None` if not said or not one of the four.
    pub setup: Option<DtlsSetup>,
    /// Whether RFC 9335 may be used.
    pub cryptex: bool,
}

/// RFC 4145 `setup`: who opens the DTLS association.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DtlsSetup {
    /// This side is the client.
    Active,
    /// This side is the server.
    Passive,
    /// Either.
    Actpass,
    /// Nobody for now.
    Holdconn,
}

impl DtlsSetup {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::Actpass => "actpass",
            Self::Holdconn => "holdconn",
        }
    }

    /// Reads the name in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Active, Self::Passive, Self::Actpass, Self::Holdconn]
            .into_iter()
            .find(|setup| setup.as_str().eq_ignore_ascii_case(name))
    }
}

/// Where the bridge channel of an endpoint or relay can be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebSocket {
    /// At this URL.
    Url(String),
    /// Nowhere: this side is already the WebSocket client.
    Active,
}

/// One ICE candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The component, 1 for RTP.
    pub component: u8,
    /// The foundation.
    pub foundation: String,
    /// The generation; bridges use only 0.
    pub generation: u32,
    /// An id that is unique enough; not read by bridges.
    pub id: Option<String>,
    /// The address: a literal, or a host name (mDNS).
    pub ip: String,
    /// The network's number; not read by bridges.
    pub network: u32,
    /// The port.
    pub port: u16,
    /// RFC 8445 section 5.1.2.
    pub priority: u32,
    /// `udp` or `tcp`, in lower case.
    pub protocol: String,
    /// The type.
    pub kind: CandidateType,
    /// The related address of candidates that are not host.
    pub rel_addr: Option<String>,
    /// The related port.
    pub rel_port: Option<u16>,
    /// `active`, `passive` or `so` with TCP.
    pub tcptype: Option<String>,
}

/// RFC 8445 section 5.1.1: how a candidate was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CandidateType {
    /// A local address.
    Host,
    /// Seen by a STUN server, or mapped by configuration.
    Srflx,
    /// Seen by the peer.
    Prflx,
    /// On a TURN server.
    Relay,
}

impl CandidateType {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Srflx => "srflx",
            Self::Prflx => "prflx",
            Self::Relay => "relay",
        }
    }

    /// Reads the name in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Host, Self::Srflx, Self::Prflx, Self::Relay]
            .into_iter()
            .find(|kind| kind.as_str().eq_ignore_ascii_case(name))
    }
}

impl Candidate {
    /// None if something that an address needs is missing or unreadable.
    fn from_attributes(attributes: &impl Attributes) -> Result<Option<Self>, ParseError> {
        let (foundation, kind) = (attributes.text("foundation")?, attributes.text("type")?);
        let protocol = attributes.text("protocol")?.unwrap_or_else(|| "udp".to_owned());
        let ip = attributes.text("ip")?.filter(|ip| !ip.is_empty());
        let port = parsed(attributes, "port")?;
        let Some((ip, port)) = ip.zip(port) else { return Ok(None) };
        let kind = kind.and_then(|kind| CandidateType::from_name(&kind));
        let Some((kind, foundation)) = kind.zip(foundation) else { return Ok(None) };
        Ok(Some(Self {
            component: parsed(attributes, "component")?.unwrap_or(1),
            foundation,
            generation: parsed(attributes, "generation")?.unwrap_or(0),
            id: attributes.text("id")?,
            ip,
            network: parsed(attributes, "network")?.unwrap_or(0),
            port,
            priority: parsed(attributes, "priority")?.unwrap_or(0),
            protocol: protocol.to_ascii_lowercase(),
            kind,
            rel_addr: attributes.text("rel-addr")?,
            rel_port: parsed(attributes, "rel-port")?,
            tcptype: attributes.text("tcptype")?,
        }))
    }

    /// What both forms write as text.
    fn attributes(&self) -> impl Iterator<Item = (&'static str, String)> {
        let always = [
            ("component", self.component.to_string()),
            ("foundation", self.foundation.clone()),
            ("generation", self.generation.to_string()),
            ("ip", self.ip.clone()),
            ("network", self.network.to_string()),
            ("port", self.port.to_string()),
            ("priority", self.priority.to_string()),
            ("protocol", self.protocol.clone()),
            ("type", self.kind.as_str().to_owned()),
        ];
        let sometimes = [
            ("id", self.id.clone()),
            ("rel-addr", self.rel_addr.clone()),
            ("rel-port", self.rel_port.map(|port| port.to_string())),
            ("tcptype", self.tcptype.clone()),
        ];
        let sometimes = sometimes.into_iter().filter_map(|(name, value)| Some((name, value?)));
        always.into_iter().chain(sometimes)
    }
}

impl XmlForm for IceUdpTransport {
    fn from_element(element: &Element) -> Result<Self, ParseError> {
        let reader = Reader::new(element, "transport");
        Ok(Self {
            ufrag: reader.text("ufrag")?,
            pwd: reader.text("pwd")?,
            ice_generation: generation_of(&reader)?,
            rtcp_mux: reader.has_child("rtcp-mux", ns::ICE_UDP),
            fingerprints: reader.filter_map(
                "fingerprint",
                ns::DTLS,
                MAX_FINGERPRINTS,
                |child| {
                    let reader = Reader::new(child, "fingerprint");
                    fingerprint(&reader, Some(child.text()), reader.is_true("cryptex"))
                },
            )?,
            web_sockets: reader.filter_map(
                "web-socket",
                ns::COLIBRI,
                MAX_WEB_SOCKETS,
                |child| {
                    let reader = Reader::new(child, "web-socket");
                    if reader.is_true("active") {
                        return Ok(Some(WebSocket::Active));
                    }
                    Ok(reader.value("url")?.map(WebSocket::Url))
                },
            )?,
            candidates: reader.filter_map("candidate", ns::ICE_UDP, MAX_CANDIDATES, |child| {
                Candidate::from_attributes(&Reader::new(child, "candidate"))
            })?,
        })
    }

    fn to_element(&self) -> Element {
        let mut element = Element::bare("transport", ns::ICE_UDP);
        xml::set_some(&mut element, "ufrag", self.ufrag.as_deref());
        xml::set_some(&mut element, "pwd", self.pwd.as_deref());
        xml::set(&mut element, "ice-generation", self.ice_generation);
        if self.rtcp_mux {
            element.append_child(Element::bare("rtcp-mux", ns::ICE_UDP));
        }
        for fingerprint in &self.fingerprints {
            let mut child = Element::bare("fingerprint", ns::DTLS);
            xml::set(&mut child, "hash", &fingerprint.hash);
            xml::set_some(&mut child, "setup", fingerprint.setup.map(DtlsSetup::as_str));
            xml::set_true(&mut child, "cryptex", fingerprint.cryptex);
            xml::append_text(&mut child, &fingerprint.fingerprint);
            element.append_child(child);
        }
        for web_socket in &self.web_sockets {
            let mut child = Element::bare("web-socket", ns::COLIBRI);
            match web_socket {
                WebSocket::Url(url) => xml::set(&mut child, "url", url),
                WebSocket::Active => xml::set(&mut child, "active", "true"),
            }
            element.append_child(child);
        }
        for candidate in &self.candidates {
            let mut child = Element::bare("candidate", ns::ICE_UDP);
            for (name, value) in candidate.attributes() {
                xml::set(&mut child, name, value);
            }
            element.append_child(child);
        }
        element
    }
}

impl JsonForm for IceUdpTransport {
    fn from_json(value: &Value) -> Result<Self, ParseError> {
        let reader = ObjectReader::new(value, "transport")?;
        Ok(Self {
            ufrag: reader.text("ufrag")?,
            pwd: reader.text("pwd")?,
            ice_generation: generation_of(&Scalars(reader))?,
            rtcp_mux: reader.is_true("rtcp-mux")?,
            fingerprints: reader.filter_map("fingerprints", MAX_FINGERPRINTS, |entry| {
                let reader = ObjectReader::new(entry, "fingerprint")?;
                fingerprint(&reader, reader.value("fingerprint")?, reader.is_true("cryptex")?)
            })?,
            web_sockets: reader
                .strings("web-sockets", MAX_WEB_SOCKETS, MAX_VALUE_BYTES)?
                .into_iter()
                .map(|url| match url {
                    ACTIVE => WebSocket::Active,
                    url => WebSocket::Url(url.to_owned()),
                })
                .collect(),
            candidates: reader.filter_map("candidates", MAX_CANDIDATES, |entry| {
                Candidate::from_attributes(&Scalars(ObjectReader::new(entry, "candidate")?))
            })?,
        })
    }

    fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("xmlns".to_owned(), ns::ICE_UDP.into());
        json::insert_text(&mut object, "ufrag", self.ufrag.as_deref());
        json::insert_text(&mut object, "pwd", self.pwd.as_deref());
        let generation = self.ice_generation.map(|generation| generation.to_string());
        json::insert_text(&mut object, "ice-generation", generation.as_deref());
        json::insert_true(&mut object, "rtcp-mux", self.rtcp_mux);
        if !self.fingerprints.is_empty() {
            let fingerprints = self.fingerprints.iter().map(fingerprint_json).collect();
            object.insert("fingerprints".to_owned(), fingerprints);
        }
        if !self.web_sockets.is_empty() {
            let urls = self.web_sockets.iter().map(|web_socket| match web_socket {
                WebSocket::Url(url) => url.as_str(),
                WebSocket::Active => ACTIVE,
            });
            object.insert("web-sockets".to_owned(), urls.collect());
        }
        if !self.candidates.is_empty() {
            let candidates = self.candidates.iter().map(|candidate| {
                let attributes = candidate.attributes();
                attributes
                    .map(|(name, value)| (name.to_owned(), Value::from(value)))
                    .collect::<Value>()
            });
            object.insert("candidates".to_owned(), candidates.collect());
        }
        object.into()
    }
}

fn fingerprint(
    attributes: &impl Attributes,
    text: Option<String>,
    cryptex: bool,
) -> Result<Option<DtlsFingerprint>, ParseError> {
    let hash = attributes.text("hash")?.filter(|hash| !hash.is_empty());
    let text = text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let setup = attributes.text("setup")?.and_then(|setup| DtlsSetup::from_name(&setup));
    let Some((hash, fingerprint)) = hash.zip(text) else { return Ok(None) };
    if fingerprint.len() > MAX_VALUE_BYTES {
        let (element, name) = ("fingerprint", "text");
        return Err(ParseError::TooLong { element, name, limit: MAX_VALUE_BYTES });
    }
    Ok(Some(DtlsFingerprint { hash: hash.to_ascii_lowercase(), fingerprint, setup, cryptex }))
}

fn fingerprint_json(fingerprint: &DtlsFingerprint) -> Value {
    let mut object = Map::new();
    object.insert("fingerprint".to_owned(), fingerprint.fingerprint.as_str().into());
    object.insert("hash".to_owned(), fingerprint.hash.as_str().into());
    let setup = fingerprint.setup.map(DtlsSetup::as_str);
    json::insert_text(&mut object, "setup", setup);
    json::insert_true(&mut object, "cryptex", fingerprint.cryptex);
    object.into()
}

fn generation_of(attributes: &impl Attributes) -> Result<Option<u32>, ParseError> {
    Ok(parsed(attributes, "ice-generation")?.filter(|&generation| generation > 0))
}

/// A number, or none: what cannot be read is as good as missing.
fn parsed<T: FromStr>(
    attributes: &impl Attributes,
    name: &'static str,
) -> Result<Option<T>, ParseError> {
    Ok(attributes.text(name)?.and_then(|value| value.parse().ok()))
}

/// The JSON form of [`WebSocket::Active`].
const ACTIVE: &str = "active";
