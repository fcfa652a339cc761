use serde_json::{Map, Value, json};
use xmpp_parsers::minidom::Element;

use crate::attributes::Attributes;
use crate::json::{JsonForm, ObjectReader};
use crate::limits::{MAX_HTTP_HEADERS, MAX_NAME_BYTES, MAX_SOURCE_NAMES, MAX_VALUE_BYTES};
use crate::xml::{Reader, XmlForm};
use crate::{ParseError, json, ns, xml};

/// An export connection: a WebSocket that the bridge opens towards a recorder, transcriber or
/// translator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    /// The identity within the conference; not empty.
    pub id: String,
    /// Where to connect: a `ws` or `wss` URL.
    pub url: String,
    /// What is spoken there.
    pub protocol: ConnectProtocol,
    /// Who is there. For information only.
    pub kind: ConnectType,
    /// Whether audio is wanted.
    pub audio: bool,
    /// Whether video is wanted.
    pub video: bool,
    /// Whether the connection is to be created.
    pub create: bool,
    /// Whether the connection is to be closed.
    pub expire: bool,
    /// Headers of the upgrade request, in document order.
    pub http_headers: Vec<HttpHeader>,
    /// The keep-alive of the application; none without.
    pub ping: Option<Ping>,
    /// Names of sources to send out; none means all audio.
    pub exports: Vec<String>,
    /// Names of synthetic sources that the other side shall send.
    pub requests: Vec<String>,
}

/// What is spoken on an export connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectProtocol {
    /// `mediajson`
    MediaJson,
}

impl ConnectProtocol {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        "mediajson"
    }

    /// Reads the name in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        name.eq_ignore_ascii_case("mediajson").then_some(Self::MediaJson)
    }
}

/// Who is at the other end of an export connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectType {
    /// `recorder`
    Recorder,
    /// `transcriber`
    Transcriber,
    /// `translator`
    Translator,
    /// `agent`
    Agent,
}

impl ConnectType {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recorder => "recorder",
            Self::Transcriber => "transcriber",
            Self::Translator => "translator",
            Self::Agent => "agent",
        }
    }

    /// Reads the name in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Recorder, Self::Transcriber, Self::Translator, Self::Agent]
            .into_iter()
            .find(|kind| kind.as_str().eq_ignore_ascii_case(name))
    }
}

/// One header of the upgrade request of an export connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpHeader {
    /// Letters, digits and dashes.
    pub name: String,
    /// Without CR and LF.
    pub value: String,
}

/// The keep-alive of an export connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ping {
    /// Milliseconds between pings.
    pub interval_ms: u32,
    /// Milliseconds until a ping without answer counts as lost.
    pub timeout_ms: u32,
}

impl HttpHeader {
    /// A header whose name is valid; CR and LF are removed from the value.
    pub fn new(name: &str, value: &str) -> Result<Self, ParseError> {
        let is_valid = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if name.is_empty() || !name.chars().all(is_valid) {
            return Err(ParseError::invalid("http-header", "name", name));
        }
        if name.len() > MAX_NAME_BYTES || value.len() > MAX_VALUE_BYTES {
            let (element, name) = ("http-header", "value");
            return Err(ParseError::TooLong { element, name, limit: MAX_VALUE_BYTES });
        }
        Ok(Self { name: name.to_owned(), value: value.replace(['\r', '\n'], "") })
    }
}

impl XmlForm for Connect {
    fn from_element(element: &Element) -> Result<Self, ParseError> {
        let reader = Reader::new(element, "connect");
        Ok(Self {
            id: reader.required("id")?,
            url: url_of(&reader)?,
            protocol: required(reader.named("protocol", ConnectProtocol::from_name)?, "protocol")?,
            kind: required(reader.named("type", ConnectType::from_name)?, "type")?,
            audio: reader.is_true("audio"),
            video: reader.is_true("video"),
            create: reader.is_true("create"),
            expire: reader.is_true("expire"),
            http_headers: reader.all("http-header", ns::COLIBRI2, MAX_HTTP_HEADERS)?,
            ping: reader.first("ping", ns::COLIBRI2)?,
            exports: names_of(element, "exports", "export")?,
            requests: names_of(element, "requests", "request")?,
        })
    }

    fn to_element(&self) -> Element {
        let mut element = Element::bare("connect", ns::COLIBRI2);
        xml::set(&mut element, "id", &self.id);
        xml::set(&mut element, "url", &self.url);
        xml::set(&mut element, "protocol", self.protocol.as_str());
        xml::set(&mut element, "type", self.kind.as_str());
        xml::set_true(&mut element, "audio", self.audio);
        xml::set_true(&mut element, "video", self.video);
        xml::set_true(&mut element, "create", self.create);
        xml::set_true(&mut element, "expire", self.expire);
        xml::append_all(&mut element, &self.http_headers);
        xml::append_some(&mut element, self.ping.as_ref());
        append_names(&mut element, "exports", "export", &self.exports);
        append_names(&mut element, "requests", "request", &self.requests);
        element
    }
}

impl JsonForm for Connect {
    fn from_json(value: &Value) -> Result<Self, ParseError> {
        let reader = ObjectReader::new(value, "connect")?;
        let headers = reader.texts("headers", MAX_HTTP_HEADERS)?;
        Ok(Self {
            id: reader.required("id")?,
            url: url_of(&reader)?,
            protocol: required(reader.named("protocol", ConnectProtocol::from_name)?, "protocol")?,
            kind: required(reader.named("type", ConnectType::from_name)?, "type")?,
            audio: reader.is_true("audio")?,
            video: reader.is_true("video")?,
            create: reader.is_true("create")?,
            expire: reader.is_true("expire")?,
            http_headers: headers
                .iter()
                .map(|(name, value)| HttpHeader::new(name, value))
                .collect::<Result<_, _>>()?,
            ping: reader.first("ping")?,
            exports: names_from_json(&reader, "exports")?,
            requests: names_from_json(&reader, "requests")?,
        })
    }

    fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("id".to_owned(), self.id.as_str().into());
        object.insert("url".to_owned(), self.url.as_str().into());
        object.insert("protocol".to_owned(), self.protocol.as_str().into());
        object.insert("type".to_owned(), self.kind.as_str().into());
        json::insert_true(&mut object, "audio", self.audio);
        json::insert_true(&mut object, "video", self.video);
        json::insert_true(&mut object, "create", self.create);
        json::insert_true(&mut object, "expire", self.expire);
        if !self.http_headers.is_empty() {
            let headers = self.http_headers.iter();
            let headers: Map<String, Value> =
                headers.map(|header| (header.name.clone(), header.value.as_str().into())).collect();
            object.insert("headers".to_owned(), headers.into());
        }
        json::insert_some(&mut object, "ping", self.ping.as_ref());
        for (name, names) in [("exports", &self.exports), ("requests", &self.requests)] {
            if !names.is_empty() {
                object.insert(name.to_owned(), names.as_slice().into());
            }
        }
        object.into()
    }
}

impl XmlForm for HttpHeader {
    fn from_element(element: &Element) -> Result<Self, ParseError> {
        let reader = Reader::new(element, "http-header");
        Self::new(&reader.required("name")?, &reader.value("value")?.unwrap_or_default())
    }

    fn to_element(&self) -> Element {
        let mut element = Element::bare("http-header", ns::COLIBRI2);
        xml::set(&mut element, "name", &self.name);
        xml::set(&mut element, "value", &self.value);
        element
    }
}

impl XmlForm for Ping {
    fn from_element(element: &Element) -> Result<Self, ParseError> {
        let reader = Reader::new(element, "ping");
        Self::from_parts(reader.number("interval")?, reader.number("timeout")?)
    }

    fn to_element(&self) -> Element {
        let mut element = Element::bare("ping", ns::COLIBRI2);
        xml::set(&mut element, "interval", self.interval_ms);
        xml::set(&mut element, "timeout", self.timeout_ms);
        element
    }
}

impl JsonForm for Ping {
    fn from_json(value: &Value) -> Result<Self, ParseError> {
        let reader = ObjectReader::new(value, "ping")?;
        Self::from_parts(reader.number("interval")?, reader.number("timeout")?)
    }

    fn to_json(&self) -> Value {
        json!({ "interval": self.interval_ms, "timeout": self.timeout_ms })
    }
}

impl Ping {
    fn from_parts(interval: Option<u32>, timeout: Option<u32>) -> Result<Self, ParseError> {
        let missing = |name| ParseError::Missing { element: "ping", name };
        Ok(Self {
            interval_ms: interval.ok_or(missing("interval"))?,
            timeout_ms: timeout.ok_or(missing("timeout"))?,
        })
    }
}

fn required<T>(value: Option<T>, name: &'static str) -> Result<T, ParseError> {
    value.ok_or(ParseError::Missing { element: "connect", name })
}

/// Differs from JVB: it checks scheme and header names only in XML. What comes from REST goes into
/// the same upgrade request.
fn url_of(attributes: &impl Attributes) -> Result<String, ParseError> {
    let url = required(attributes.value("url")?, "url")?;
    let scheme = url.split_once("://").map(|(scheme, _)| scheme).unwrap_or_default();
    let is_printable = url.chars().all(|c| !c.is_whitespace() && !c.is_control());
    if is_printable && ["ws", "wss"].iter().any(|known| known.eq_ignore_ascii_case(scheme)) {
        Ok(url)
    } else {
        Err(ParseError::invalid("connect", "url", &url))
    }
}

fn names_of(
    element: &Element,
    list: &'static str,
    entry: &'static str,
) -> Result<Vec<String>, ParseError> {
    let Some(list) = element.get_child(list, ns::COLIBRI2) else { return Ok(Vec::new()) };
    Reader::new(list, entry).filter_map(entry, ns::COLIBRI2, MAX_SOURCE_NAMES, |child| {
        Reader::new(child, entry).text("name")
    })
}

fn append_names(element: &mut Element, list: &str, entry: &str, names: &[String]) {
    if names.is_empty() {
        return;
    }
    let mut parent = Element::bare(list, ns::COLIBRI2);
    for name in names {
        let mut child = Element::bare(entry, ns::COLIBRI2);
        xml::set(&mut child, "name", name);
        parent.append_child(child);
    }
    element.append_child(parent);
}

fn names_from_json(
    reader: &ObjectReader<'_>,
    list: &'static str,
) -> Result<Vec<String>, ParseError> {
    let names = reader.strings(list, MAX_SOURCE_NAMES, MAX_NAME_BYTES)?;
    Ok(names.into_iter().map(str::to_owned).collect())
}
