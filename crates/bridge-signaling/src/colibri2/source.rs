use serde_json::{Map, Value};
use xmpp_parsers::minidom::Element;

use super::media::{append_parameters, insert_parameters, parameters_from_json, parameters_of};
use super::{MediaKind, Parameter};
use crate::attributes::Attributes;
use crate::json::{JsonForm, ObjectReader};
use crate::limits::{MAX_MEDIA_SOURCES, MAX_SOURCES, MAX_SSRC_GROUPS};
use crate::xml::{Reader, XmlForm};
use crate::{ParseError, VideoType, json, ns, xml};

/// The complete set of sources of an endpoint, or the feedback sources of a bridge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// The sources, in document order. None at all clears.
    pub media_sources: Vec<MediaSource>,
}

/// One source: what a participant calls his camera, microphone or screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaSource {
    /// The kind of media.
    pub kind: MediaKind,
    /// The name, for example `ab12cd34-v0`; not empty.
    pub id: String,
    /// Whether a bridge injects it (translated audio) instead of the endpoint.
    pub synthetic: bool,
    /// Its SSRCs, in document order.
    pub sources: Vec<Source>,
    /// How the SSRCs belong together, in document order.
    pub ssrc_groups: Vec<SsrcGroup>,
}

impl MediaSource {
    /// A source without SSRCs.
    pub fn new(kind: MediaKind, id: impl Into<String>) -> Self {
        Self { kind, id: id.into(), synthetic: false, sources: Vec::new(), ssrc_groups: Vec::new() }
    }

    /// What a video source shows: the first SSRC that says it decides, else the camera.
    pub fn video_type(&self) -> VideoType {
        self.sources.iter().find_map(|source| source.video_type).unwrap_or_default()
    }
}

/// One SSRC of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The SSRC.
    pub ssrc: u32,
    /// The name of the source it belongs to.
    pub name: Option<String>,
    /// What the source shows.
    pub video_type: Option<VideoType>,
    /// The RTP stream id.
    pub rid: Option<String>,
    /// Attributes such as `msid`. Not used by bridges.
    pub parameters: Vec<Parameter>,
}

impl Source {
    /// An SSRC without name.
    pub const fn new(ssrc: u32) -> Self {
        Self { ssrc, name: None, video_type: None, rid: None, parameters: Vec::new() }
    }

    /// An SSRC of the source called `name`.
    pub fn named(ssrc: u32, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..Self::new(ssrc) }
    }
}

/// SSRCs that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SsrcGroup {
    /// How they do.
    pub semantics: SsrcGroupSemantics,
    /// The SSRCs; the order matters.
    pub ssrcs: Vec<u32>,
}

/// How the SSRCs of a group belong together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SsrcGroupSemantics {
    /// Simulcast: ascending quality.
    Simulcast,
    /// The second retransmits the first.
    Fid,
    /// The second protects the first.
    FecFr,
    /// Another one, ignored by bridges.
    Other(String),
}

impl SsrcGroupSemantics {
    /// The name on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Simulcast => "SIM",
            Self::Fid => "FID",
            Self::FecFr => "FEC-FR",
            Self::Other(name) => name,
        }
    }

    /// Reads the name in any case.
    pub fn from_name(name: &str) -> Self {
        [Self::Simulcast, Self::Fid, Self::FecFr]
            .into_iter()
            .find(|known| known.as_str().eq_ignore_ascii_case(name))
            .unwrap_or_else(|| Self::Other(name.to_owned()))
    }
}

impl XmlForm for Sources {
    fn from_element(element: &Element) -> Result<Self, ParseError> {
        let reader = Reader::new(element, "sources");
        Ok(Self { media_sources: reader.all("media-source", ns::COLIBRI2, MAX_MEDIA_SOURCES)? })
    }

    fn to_element(&self) -> Element {
        let mut element = Element::bare("sources", ns::COLIBRI2);
        xml::append_all(&mut element, &self.media_sources);
        element
    }
}

impl JsonForm for Sources {
    fn from_json(value: &Value) -> Result<Self, ParseError> {
        let (element, name, expected) = ("endpoint", "sources", "an array");
        let entries = value.as_array().ok_or(ParseError::WrongType { element, name, expected })?;
        let media_sources =
            xml::collect(entries.iter(), "media-source", MAX_MEDIA_SOURCES, |entry| {
                MediaSource::from_json(entry).map(Some)
            })?;
        Ok(Self { media_sources })
    }

    fn to_json(&self) -> Value {
        self.media_sources.iter().map(JsonForm::to_json).collect()
    }
}

impl XmlForm for MediaSource {
    fn from_element(element: &Element) -> Result<Self, ParseError> {
        let reader = Reader::new(element, "media-source");
        let kind = kind_of(reader.named("type", MediaKind::from_name)?)?;
        Ok(Self {
            kind,
            id: reader.required("id")?,
            synthetic: reader.is_true("synthetic"),
            sources: reader.filter_map("source", ns::SSMA, MAX_SOURCES, |child| {
                Source::from_element(child, kind)
            })?,
            ssrc_groups: reader.all("ssrc-group", ns::SSMA, MAX_SSRC_GROUPS)?,
        })
    }

    fn to_element(&self) -> Element {
        let mut element = Element::bare("media-source", ns::COLIBRI2);
        xml::set(&mut element, "type", self.kind.as_str());
        xml::set(&mut element, "id", &self.id);
        xml::set_true(&mut element, "synthetic", self.synthetic);
        for source in &self.sources {
            element.append_child(source.to_element());
        }
        xml::append_all(&mut element, &self.ssrc_groups);
        element
    }
}

impl JsonForm for MediaSource {
    fn from_json(value: &Value) -> Result<Self, ParseError> {
        let reader = ObjectReader::new(value, "media-source")?;
        let kind = kind_of(reader.named("type", MediaKind::from_name)?)?;
        Ok(Self {
            kind,
            id: reader.required("id")?,
            synthetic: reader.is_true("synthetic")?,
            sources: reader
                .filter_map("sources", MAX_SOURCES, |entry| Source::from_json(entry, kind))?,
            ssrc_groups: reader.all("ssrc-groups", MAX_SSRC_GROUPS)?,
        })
    }

    fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("type".to_owned(), self.kind.as_str().into());
        object.insert("id".to_owned(), self.id.as_str().into());
        json::insert_true(&mut object, "synthetic", self.synthetic);
        if !self.sources.is_empty() {
            let sources = self.sources.iter().map(Source::to_json).collect();
            object.insert("sources".to_owned(), sources);
        }
        json::insert_all(&mut object, "ssrc-groups", &self.ssrc_groups);
        object.into()
    }
}

impl Source {
    /// None without an SSRC: nothing could be received on it.
    fn from_element(element: &Element, kind: MediaKind) -> Result<Option<Self>, ParseError> {
        let reader = Reader::new(element, "source");
        let Some(ssrc) = reader.usable_number("ssrc")? else { return Ok(None) };
        Ok(Some(Self {
            ssrc: ssrc_of(ssrc)?,
            parameters: parameters_of(element)?,
            ..Self::from_attributes(&reader, kind)?
        }))
    }

    /// A number, a number as text, or an object; none without an SSRC.
    fn from_json(value: &Value, kind: MediaKind) -> Result<Option<Self>, ParseError> {
        if !value.is_object() {
            return ssrc_from_json(value).map(|ssrc| Some(Self::new(ssrc)));
        }
        let reader = ObjectReader::new(value, "source")?;
        let Some(ssrc) = reader.member("ssrc") else { return Ok(None) };
        Ok(Some(Self {
            ssrc: ssrc_from_json(ssrc)?,
            parameters: parameters_from_json(&reader)?,
            ..Self::from_attributes(&reader, kind)?
        }))
    }

    /// What both forms have in common; without SSRC and parameters.
    fn from_attributes(attributes: &impl Attributes, kind: MediaKind) -> Result<Self, ParseError> {
        let video_type = attributes.text("videoType")?;
        let video_type = match video_type.as_deref() {
            Some(name) => match VideoType::from_name(name) {
                None if kind == MediaKind::Video => {
                    return Err(ParseError::unusable("source", "videoType", name));
                }
                video_type => video_type,
            },
            None => None,
        };
        let (name, rid) = (attributes.text("name")?, attributes.text("rid")?);
        Ok(Self { ssrc: 0, name, video_type, rid, parameters: Vec::new() })
    }

    fn to_element(&self) -> Element {
        let mut element = Element::bare("source", ns::SSMA);
        xml::set(&mut element, "ssrc", self.ssrc);
        xml::set_some(&mut element, "name", self.name.as_deref());
        xml::set_some(&mut element, "videoType", self.video_type.map(VideoType::as_lower));
        xml::set_some(&mut element, "rid", self.rid.as_deref());
        append_parameters(&mut element, &self.parameters);
        element
    }

    fn to_json(&self) -> Value {
        if *self == Self::new(self.ssrc) {
            return self.ssrc.into();
        }
        let mut object = Map::new();
        object.insert("ssrc".to_owned(), self.ssrc.into());
        json::insert_text(&mut object, "name", self.name.as_deref());
        json::insert_text(&mut object, "videoType", self.video_type.map(VideoType::as_lower));
        json::insert_text(&mut object, "rid", self.rid.as_deref());
        insert_parameters(&mut object, &self.parameters);
        object.into()
    }
}

impl XmlForm for SsrcGroup {
    fn from_element(element: &Element) -> Result<Self, ParseError> {
        let reader = Reader::new(element, "ssrc-group");
        let semantics = reader.text("semantics")?.unwrap_or_default();
        Ok(Self {
            semantics: SsrcGroupSemantics::from_name(&semantics),
            ssrcs: reader.filter_map("source", ns::SSMA, MAX_SOURCES, |child| {
                let ssrc = Reader::new(child, "source").usable_number("ssrc")?;
                ssrc.map(ssrc_of).transpose()
            })?,
        })
    }

    fn to_element(&self) -> Element {
        let mut element = Element::bare("ssrc-group", ns::SSMA);
        xml::set(&mut element, "semantics", self.semantics.as_str());
        for &ssrc in &self.ssrcs {
            let mut source = Element::bare("source", ns::SSMA);
            xml::set(&mut source, "ssrc", ssrc);
            element.append_child(source);
        }
        element
    }
}

impl JsonForm for SsrcGroup {
    fn from_json(value: &Value) -> Result<Self, ParseError> {
        let reader = ObjectReader::new(value, "ssrc-group")?;
        let semantics = reader.text("semantics")?.unwrap_or_default();
        Ok(Self {
            semantics: SsrcGroupSemantics::from_name(&semantics),
            ssrcs: reader
                .filter_map("sources", MAX_SOURCES, |entry| ssrc_from_json(entry).map(Some))?,
        })
    }

    fn to_json(&self) -> Value {
        serde_json::json!({ "semantics": self.semantics.as_str(), "sources": self.ssrcs })
    }
}

fn kind_of(kind: Option<MediaKind>) -> Result<MediaKind, ParseError> {
    kind.ok_or(ParseError::Missing { element: "media-source", name: "type" })
}

/// A JSON number or numeric string.
fn ssrc_from_json(value: &Value) -> Result<u32, ParseError> {
    let number = match value {
        Value::Number(number) => Some(json::whole_number(number)),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    let (element, name, expected) = ("source", "ssrc", "a number");
    ssrc_of(number.ok_or(ParseError::WrongType { element, name, expected })?)
}

/// Negative 32-bit values are what a signed reader made of large SSRCs.
fn ssrc_of(number: i64) -> Result<u32, ParseError> {
    u32::try_from(number)
        .or_else(|_| i32::try_from(number).map(i32::cast_unsigned))
        .map_err(|_| ParseError::unusable("source", "ssrc", &number.to_string()))
}
