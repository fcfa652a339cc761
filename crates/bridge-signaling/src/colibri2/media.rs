use bridge_units::MediaType;
use serde_json::{Map, Value};
use xmpp_parsers::minidom::Element;

use crate::attributes::Attributes;
use crate::json::{JsonForm, ObjectReader, Scalars};
use crate::limits::{
    MAX_HEADER_EXTENSIONS, MAX_PARAMETERS, MAX_PAYLOAD_TYPES, MAX_RTCP_FBS, MAX_VALUE_BYTES,
};
use crate::xml::{Reader, XmlForm};
use crate::{ParseError, json, ns, xml};

/// Codecs and header extensions of one kind of media. They add to earlier ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// The kind. Only audio and video mean anything to a bridge.
    pub kind: MediaKind,
    /// Payload types, in document order.
    pub payload_types: Vec<PayloadType>,
    /// RTP header extensions, in document order.
    pub header_extensions: Vec<RtpHeaderExtension>,
    /// Whether one-byte and two-byte header extensions may be mixed.
    pub extmap_allow_mixed: bool,
}

impl Media {
    /// A media without codecs.
    pub fn new(kind: MediaKind) -> Self {
        Self {
            kind,
            payload_types: Vec::new(),
            header_extensions: Vec::new(),
            extmap_allow_mixed: false,
        }
    }
}

/// The media types that signalling knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MediaKind {
    /// `audio`
    Audio,
    /// `video`
    Video,
    /// `text`
    Text,
    /// `application`
    Application,
    /// `message`
    Message,
    /// `image`
    Image,
    /// `control`
    Control,
    /// `data`
    Data,
}

impl MediaKind {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Text => "text",
            Self::Application => "application",
            Self::Message => "message",
            Self::Image => "image",
            Self::Control => "control",
            Self::Data => "data",
        }
    }

    /// Reads the name in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(name))
    }

    /// The kind that a bridge forwards, if it does.
    pub const fn media_type(self) -> Option<MediaType> {
        match self {
            Self::Audio => Some(MediaType::Audio),
            Self::Video => Some(MediaType::Video),
            _ => None,
        }
    }

    const ALL: [Self; 8] = [
        Self::Audio,
        Self::Video,
        Self::Text,
        Self::Application,
        Self::Message,
        Self::Image,
        Self::Control,
        Self::Data,
    ];
}

impl From<MediaType> for MediaKind {
    fn from(media_type: MediaType) -> Self {
        match media_type {
            MediaType::Audio => Self::Audio,
            MediaType::Video => Self::Video,
        }
    }
}

/// A codec under its RTP payload type number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadType {
    /// The payload type number, 0 to 127.
    pub id: u8,
    /// The encoding name as signalled, any case: `VP8`, `opus`, `rtx`.
    pub name: String,
    /// The RTP clock in Hz.
    pub clockrate: Option<u32>,
    /// Audio channels, 1 if not said.
    pub channels: u16,
    /// Milliseconds a packet.
    pub ptime: Option<u32>,
    /// Most milliseconds a packet.
    pub maxptime: Option<u32>,
    /// Format parameters, in document order.
    pub parameters: Vec<Parameter>,
    /// Feedback types, in document order.
    pub rtcp_fbs: Vec<RtcpFb>,
}

impl PayloadType {
    /// A payload type with one channel, without parameters and feedback.
    pub fn new(id: u8, name: impl Into<String>, clockrate: u32) -> Self {
        Self {
            id,
            name: name.into(),
            clockrate: Some(clockrate),
            channels: 1,
            ptime: None,
            maxptime: None,
            parameters: Vec::new(),
            rtcp_fbs: Vec::new(),
        }
    }

    /// The value of the first parameter called `name`.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|p| p.name.as_deref() == Some(name)).map(|p| p.value.as_str())
    }
}

/// A format parameter of a payload type, or an attribute of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// The name. RED's parameter has none.
    pub name: Option<String>,
    /// The value; empty if it has none.
    pub value: String,
}

impl Parameter {
    /// A parameter with a name.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: Some(name.into()), value: value.into() }
    }
}

/// One kind of RTCP feedback that a payload type supports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtcpFb {
    /// The type: `nack`, `ccm`, `transport-cc`, `goog-remb`.
    pub kind: String,
    /// The subtype: `pli`, `fir`.
    pub subtype: Option<String>,
}

/// An RTP header extension under its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtpHeaderExtension {
    /// The id, 1 to 255.
    pub id: u8,
    /// What it is.
    pub uri: String,
    /// Who may send it. Not used by bridges.
    pub senders: Option<String>,
    /// Extension attributes. Not used by bridges.
    pub attributes: Option<String>,
}

impl RtpHeaderExtension {
    /// A header extension that both sides send.
    pub fn new(id: u8, uri: impl Into<String>) -> Self {
        Self { id, uri: uri.into(), senders: None, attributes: None }
    }
}

impl PayloadType {
    /// What both forms have in common; without parameters and feedback.
    fn from_attributes(attributes: &impl Attributes) -> Result<Self, ParseError> {
        let missing = |name| ParseError::unusable("payload-type", name, "");
        let id: u8 = attributes.usable_number("id")?.ok_or(missing("id"))?;
        if id > MAX_PAYLOAD_TYPE_ID {
            return Err(ParseError::unusable("payload-type", "id", &id.to_string()));
        }
        Ok(Self {
            id,
            name: attributes.text("name")?.ok_or(missing("name"))?,
            clockrate: not_negative(attributes, "clockrate")?,
            channels: attributes.usable_number("channels")?.unwrap_or(1),
            ptime: not_negative(attributes, "ptime")?,
            maxptime: not_negative(attributes, "maxptime")?,
            parameters: Vec::new(),
            rtcp_fbs: Vec::new(),
        })
    }

    /// What both forms write as text.
    fn attributes(&self) -> impl Iterator<Item = (&'static str, String)> {
        let channels = (self.channels != 1).then_some(u32::from(self.channels));
        let numbers = [
            ("clockrate", self.clockrate),
            ("channels", channels),
            ("ptime", self.ptime),
            ("maxptime", self.maxptime),
        ];
        [("id", self.id.to_string()), ("name", self.name.clone())].into_iter().chain(
            numbers.into_iter().filter_map(|(name, number)| Some((name, number?.to_string()))),
        )
    }
}

impl XmlForm for Media {
    fn from_element(element: &Element) -> Result<Self, ParseError> {
        let reader = Reader::new(element, "media");
        let kind = reader.named("type", MediaKind::from_name)?;
        Ok(Self {
            kind: kind.ok_or(ParseError::Missing { element: "media", name: "type" })?,
            payload_types: reader.all("payload-type", ns::JINGLE_RTP, MAX_PAYLOAD_TYPES)?,
            header_extensions: reader.filter_map(
                "rtp-hdrext",
                ns::RTP_HDREXT,
                MAX_HEADER_EXTENSIONS,
                |child| {
                    let reader = Reader::new(child, "rtp-hdrext");
                    header_extension(&reader, reader.usable_number("id")?)
                },
            )?,
            extmap_allow_mixed: reader.has_child("extmap-allow-mixed", ns::RTP_HDREXT),
        })
    }

    fn to_element(&self) -> Element {
        let mut element = Element::bare("media", ns::COLIBRI2);
        xml::set(&mut element, "type", self.kind.as_str());
        xml::append_all(&mut element, &self.payload_types);
        for extension in &self.header_extensions {
            let mut child = Element::bare("rtp-hdrext", ns::RTP_HDREXT);
            xml::set(&mut child, "id", extension.id);
            xml::set(&mut child, "uri", &extension.uri);
            xml::set_some(&mut child, "senders", extension.senders.as_deref());
            xml::set_some(&mut child, "attributes", extension.attributes.as_deref());
            element.append_child(child);
        }
        if self.extmap_allow_mixed {
            element.append_child(Element::bare("extmap-allow-mixed", ns::RTP_HDREXT));
        }
        element
    }
}

impl JsonForm for Media {
    fn from_json(value: &Value) -> Result<Self, ParseError> {
        let reader = ObjectReader::new(value, "media")?;
        let kind = reader.named("type", MediaKind::from_name)?;
        Ok(Self {
            kind: kind.ok_or(ParseError::Missing { element: "media", name: "type" })?,
            payload_types: reader.all("payload-types", MAX_PAYLOAD_TYPES)?,
            header_extensions: reader.filter_map(
                "rtp-hdrexts",
                MAX_HEADER_EXTENSIONS,
                |entry| {
                    let reader = ObjectReader::new(entry, "rtp-hdrext")?;
                    header_extension(&reader, reader.number("id")?)
                },
            )?,
            // Any boolean sets it, false too.
            extmap_allow_mixed: reader.flag("extmap-allow-mixed")?.is_some(),
        })
    }

    fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("type".to_owned(), self.kind.as_str().into());
        json::insert_all(&mut object, "payload-types", &self.payload_types);
        if !self.header_extensions.is_empty() {
            let extensions = self.header_extensions.iter().map(header_extension_json).collect();
            object.insert("rtp-hdrexts".to_owned(), extensions);
        }
        json::insert_true(&mut object, "extmap-allow-mixed", self.extmap_allow_mixed);
        object.into()
    }
}

impl XmlForm for PayloadType {
    fn from_element(element: &Element) -> Result<Self, ParseError> {
        let reader = Reader::new(element, "payload-type");
        Ok(Self {
            parameters: parameters_of(element)?,
            rtcp_fbs: reader.filter_map("rtcp-fb", ns::RTCP_FB, MAX_RTCP_FBS, |child| {
                rtcp_fb(&Reader::new(child, "rtcp-fb"))
            })?,
            ..Self::from_attributes(&reader)?
        })
    }

    fn to_element(&self) -> Element {
        let mut element = Element::bare("payload-type", ns::JINGLE_RTP);
        for (name, value) in self.attributes() {
            xml::set(&mut element, name, value);
        }
        append_parameters(&mut element, &self.parameters);
        for feedback in &self.rtcp_fbs {
            let mut child = Element::bare("rtcp-fb", ns::RTCP_FB);
            xml::set(&mut child, "type", &feedback.kind);
            xml::set_some(&mut child, "subtype", feedback.subtype.as_deref());
            element.append_child(child);
        }
        element
    }
}

impl JsonForm for PayloadType {
    fn from_json(value: &Value) -> Result<Self, ParseError> {
        let reader = ObjectReader::new(value, "payload-type")?;
        Ok(Self {
            parameters: parameters_from_json(&reader)?,
            rtcp_fbs: reader.filter_map("rtcp-fbs", MAX_RTCP_FBS, |entry| {
                rtcp_fb(&ObjectReader::new(entry, "rtcp-fb")?)
            })?,
            ..Self::from_attributes(&Scalars(reader))?
        })
    }

    fn to_json(&self) -> Value {
        let mut object: Map<String, Value> =
            self.attributes().map(|(name, value)| (name.to_owned(), value.into())).collect();
        insert_parameters(&mut object, &self.parameters);
        if !self.rtcp_fbs.is_empty() {
            let feedbacks = self.rtcp_fbs.iter().map(|feedback| {
                let mut object = Map::new();
                object.insert("type".to_owned(), feedback.kind.as_str().into());
                json::insert_text(&mut object, "subtype", feedback.subtype.as_deref());
                Value::from(object)
            });
            object.insert("rtcp-fbs".to_owned(), feedbacks.collect());
        }
        object.into()
    }
}

/// The `parameter` children. Of any namespace: Jicofo has been seen to send them in a wrong one.
pub(super) fn parameters_of(element: &Element) -> Result<Vec<Parameter>, ParseError> {
    let children = element.children().filter(|child| child.name() == "parameter");
    xml::collect(children, "parameter", MAX_PARAMETERS, |child| {
        let reader = Reader::new(child, "parameter");
        let name = reader.text("name")?;
        Ok(Some(Parameter { name, value: reader.value("value")?.unwrap_or_default() }))
    })
}

pub(super) fn append_parameters(element: &mut Element, parameters: &[Parameter]) {
    for parameter in parameters {
        let mut child = Element::bare("parameter", ns::JINGLE_RTP);
        xml::set_some(&mut child, "name", parameter.name.as_deref());
        xml::set(&mut child, "value", &parameter.value);
        element.append_child(child);
    }
}

/// The member `parameters`: an object, in which a parameter without name is called `null`.
pub(super) fn parameters_from_json(
    reader: &ObjectReader<'_>,
) -> Result<Vec<Parameter>, ParseError> {
    let parameters = reader.texts("parameters", MAX_PARAMETERS)?;
    parameters
        .into_iter()
        .map(|(name, value)| {
            if name.len() > MAX_VALUE_BYTES || value.len() > MAX_VALUE_BYTES {
                let (element, name) = (reader.label(), "parameters");
                return Err(ParseError::TooLong { element, name, limit: MAX_VALUE_BYTES });
            }
            Ok(Parameter { name: (name != NAMELESS).then(|| name.to_owned()), value })
        })
        .collect()
}

pub(super) fn insert_parameters(object: &mut Map<String, Value>, parameters: &[Parameter]) {
    if parameters.is_empty() {
        return;
    }
    let members: Map<String, Value> = parameters
        .iter()
        .map(|Parameter { name, value }| {
            (name.as_deref().unwrap_or(NAMELESS).to_owned(), value.as_str().into())
        })
        .collect();
    object.insert("parameters".to_owned(), members.into());
}

/// A header extension; none if it lacks id or URI. Differs from JVB: its XML reader fails then.
fn header_extension(
    attributes: &impl Attributes,
    id: Option<u8>,
) -> Result<Option<RtpHeaderExtension>, ParseError> {
    if id == Some(0) {
        return Err(ParseError::unusable("rtp-hdrext", "id", "0"));
    }
    let Some((id, uri)) = id.zip(attributes.text("uri")?) else { return Ok(None) };
    let (senders, attributes) = (attributes.text("senders")?, attributes.text("attributes")?);
    Ok(Some(RtpHeaderExtension { id, uri, senders, attributes }))
}

fn header_extension_json(extension: &RtpHeaderExtension) -> Value {
    let mut object = Map::new();
    object.insert("id".to_owned(), extension.id.into());
    object.insert("uri".to_owned(), extension.uri.as_str().into());
    json::insert_text(&mut object, "senders", extension.senders.as_deref());
    json::insert_text(&mut object, "attributes", extension.attributes.as_deref());
    object.into()
}

/// A feedback; none if it lacks the type.
fn rtcp_fb(attributes: &impl Attributes) -> Result<Option<RtcpFb>, ParseError> {
    let subtype = attributes.text("subtype")?;
    Ok(attributes.text("type")?.map(|kind| RtcpFb { kind, subtype }))
}

/// A number that Java code may give as -1 for "none".
fn not_negative(
    attributes: &impl Attributes,
    name: &'static str,
) -> Result<Option<u32>, ParseError> {
    let number: Option<i64> = attributes.usable_number(name)?;
    Ok(number.and_then(|number| u32::try_from(number).ok()))
}

/// RFC 3550 section 5.1: the field has seven bits.
const MAX_PAYLOAD_TYPE_ID: u8 = 127;
/// The JSON key of a parameter without name.
const NAMELESS: &str = "null";
