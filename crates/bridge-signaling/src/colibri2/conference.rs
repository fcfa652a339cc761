use serde_json::{Map, Value};
use xmpp_parsers::minidom::Element;

use super::{Connect, Endpoint, Relay, Sources, Traceparent};
use crate::attributes::Attributes;
use crate::json::ObjectReader;
use crate::limits::{MAX_CONNECTS, MAX_ENDPOINTS, MAX_NAME_BYTES, MAX_RELAYS};
use crate::xml::Reader;
use crate::{ParseError, json, ns, xml};

/// The request: creates, changes and expires a conference and what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConferenceModify {
    /// The identity of the conference on the bridge; not blank.
    pub meeting_id: String,
    /// The room's JID. Only looked at on create.
    pub name: Option<String>,
    /// Whether the conference is to be created.
    pub create: bool,
    /// Whether the conference is to be expired after everything else.
    pub expire: bool,
    /// Whether the conference shows up in rtcstats output. True if not said.
    pub rtcstats_enabled: bool,
    /// Local endpoints, in document order.
    pub endpoints: Vec<Endpoint>,
    /// Relays, in document order.
    pub relays: Vec<Relay>,
    /// Export connections to create, change or expire. Those not mentioned stay as they are.
    pub connects: Vec<Connect>,
    /// The tracing span that the request belongs to. It has no JSON form.
    pub traceparent: Option<Traceparent>,
}

impl ConferenceModify {
    /// A request that changes nothing in `meeting_id`.
    pub fn new(meeting_id: impl Into<String>) -> Self {
        Self {
            meeting_id: meeting_id.into(),
            name: None,
            create: false,
            expire: false,
            rtcstats_enabled: true,
            endpoints: Vec::new(),
            relays: Vec::new(),
            connects: Vec::new(),
            traceparent: None,
        }
    }
}

/// The answer to a request that succeeded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConferenceModified {
    /// One for each endpoint of the request, in its order.
    pub endpoints: Vec<Endpoint>,
    /// One for each relay of the request.
    pub relays: Vec<Relay>,
    /// The feedback sources of the bridge, where a conference or an endpoint was created.
    pub sources: Option<Sources>,
}

impl ConferenceModify {
    /// Reads the child of an IQ.
    pub fn from_element(element: &Element) -> Result<Self, ParseError> {
        let reader = Reader::root(element, MODIFY, ns::COLIBRI2)?;
        let connects = element.get_child("connects", ns::COLIBRI2);
        let traceparent = element.get_child("traceparent", ns::OPENTELEMETRY);
        Ok(Self {
            meeting_id: not_blank(reader.text("meeting-id")?)?,
            name: reader.text("name")?,
            create: reader.is_true("create"),
            expire: reader.is_true("expire"),
            rtcstats_enabled: reader.flag("rtcstats-enabled").unwrap_or(true),
            endpoints: reader.all("endpoint", ns::COLIBRI2, MAX_ENDPOINTS)?,
            relays: reader.all("relay", ns::COLIBRI2, MAX_RELAYS)?,
            connects: match connects {
                Some(connects) => {
                    Reader::new(connects, "connects").all("connect", ns::COLIBRI2, MAX_CONNECTS)?
                }
                None => Vec::new(),
            },
            traceparent: traceparent.map(Traceparent::from_element).transpose()?.flatten(),
        })
    }

    /// Reads the child of an IQ from text.
    pub fn from_xml(text: &str) -> Result<Self, ParseError> {
        Self::from_element(&xml::from_str(text)?)
    }

    /// Reads the body of a REST request that creates (POST).
    pub fn from_json(value: &Value) -> Result<Self, ParseError> {
        let meeting_id = not_blank(ObjectReader::root(value, MODIFY)?.text("meeting-id")?)?;
        Self::from_json_with_meeting_id(value, &meeting_id)
    }

    /// Reads the body of a REST request that changes (PATCH): `meeting_id` from the path wins over
    /// the body's, which may be missing.
    pub fn from_json_with_meeting_id(value: &Value, meeting_id: &str) -> Result<Self, ParseError> {
        let reader = ObjectReader::root(value, MODIFY)?;
        Ok(Self {
            meeting_id: not_blank(Some(meeting_id.to_owned()))?,
            name: reader.text("name")?,
            create: reader.is_true("create")?,
            expire: reader.is_true("expire")?,
            rtcstats_enabled: reader.flag("rtcstats-enabled")?.unwrap_or(true),
            endpoints: reader.all("endpoints", MAX_ENDPOINTS)?,
            relays: reader.all("relays", MAX_RELAYS)?,
            connects: reader.all("connects", MAX_CONNECTS)?,
            traceparent: None,
        })
    }

    /// The child of an IQ.
    pub fn to_element(&self) -> Element {
        let mut element = Element::bare(MODIFY, ns::COLIBRI2);
        xml::set(&mut element, "meeting-id", &self.meeting_id);
        xml::set_some(&mut element, "name", self.name.as_deref());
        xml::set_true(&mut element, "create", self.create);
        xml::set_true(&mut element, "expire", self.expire);
        if !self.rtcstats_enabled {
            xml::set(&mut element, "rtcstats-enabled", "false");
        }
        if let Some(traceparent) = &self.traceparent {
            element.append_child(traceparent.to_element());
        }
        xml::append_all(&mut element, &self.endpoints);
        xml::append_all(&mut element, &self.relays);
        if !self.connects.is_empty() {
            let mut connects = Element::bare("connects", ns::COLIBRI2);
            xml::append_all(&mut connects, &self.connects);
            element.append_child(connects);
        }
        element
    }

    /// The child of an IQ as text.
    pub fn to_xml(&self) -> String {
        xml::to_string(&self.to_element())
    }

    /// The body of a REST request.
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("meeting-id".to_owned(), self.meeting_id.as_str().into());
        json::insert_text(&mut object, "name", self.name.as_deref());
        json::insert_true(&mut object, "create", self.create);
        json::insert_true(&mut object, "expire", self.expire);
        if !self.rtcstats_enabled {
            object.insert("rtcstats-enabled".to_owned(), false.into());
        }
        json::insert_all(&mut object, "endpoints", &self.endpoints);
        json::insert_all(&mut object, "relays", &self.relays);
        json::insert_all(&mut object, "connects", &self.connects);
        object.into()
    }
}

impl ConferenceModified {
    /// Reads the child of an IQ of type result.
    pub fn from_element(element: &Element) -> Result<Self, ParseError> {
        let reader = Reader::root(element, MODIFIED, ns::COLIBRI2)?;
        Ok(Self {
            endpoints: reader.all("endpoint", ns::COLIBRI2, MAX_ENDPOINTS)?,
            relays: reader.all("relay", ns::COLIBRI2, MAX_RELAYS)?,
            sources: reader.first("sources", ns::COLIBRI2)?,
        })
    }

    /// Reads the child of an IQ of type result from text.
    pub fn from_xml(text: &str) -> Result<Self, ParseError> {
        Self::from_element(&xml::from_str(text)?)
    }

    /// Reads the body of a REST answer.
    pub fn from_json(value: &Value) -> Result<Self, ParseError> {
        let reader = ObjectReader::root(value, MODIFIED)?;
        Ok(Self {
            endpoints: reader.all("endpoints", MAX_ENDPOINTS)?,
            relays: reader.all("relays", MAX_RELAYS)?,
            sources: reader.first("sources")?,
        })
    }

    /// The child of an IQ of type result.
    pub fn to_element(&self) -> Element {
        let mut element = Element::bare(MODIFIED, ns::COLIBRI2);
        xml::append_all(&mut element, &self.endpoints);
        xml::append_all(&mut element, &self.relays);
        xml::append_some(&mut element, self.sources.as_ref());
        element
    }

    /// The child of an IQ of type result as text.
    pub fn to_xml(&self) -> String {
        xml::to_string(&self.to_element())
    }

    /// The body of a REST answer.
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        json::insert_all(&mut object, "endpoints", &self.endpoints);
        json::insert_all(&mut object, "relays", &self.relays);
        json::insert_some(&mut object, "sources", self.sources.as_ref());
        object.into()
    }
}

impl TryFrom<Element> for ConferenceModify {
    type Error = ParseError;

    fn try_from(element: Element) -> Result<Self, ParseError> {
        Self::from_element(&element)
    }
}

impl TryFrom<Element> for ConferenceModified {
    type Error = ParseError;

    fn try_from(element: Element) -> Result<Self, ParseError> {
        Self::from_element(&element)
    }
}

impl From<&ConferenceModify> for Element {
    fn from(request: &ConferenceModify) -> Self {
        request.to_element()
    }
}

impl From<&ConferenceModified> for Element {
    fn from(answer: &ConferenceModified) -> Self {
        answer.to_element()
    }
}

fn not_blank(meeting_id: Option<String>) -> Result<String, ParseError> {
    let meeting_id = meeting_id.filter(|id| !id.trim().is_empty());
    let meeting_id =
        meeting_id.ok_or(ParseError::Missing { element: MODIFY, name: "meeting-id" })?;
    if meeting_id.len() > MAX_NAME_BYTES {
        let (element, name) = (MODIFY, "meeting-id");
        return Err(ParseError::TooLong { element, name, limit: MAX_NAME_BYTES });
    }
    Ok(meeting_id)
}

const MODIFY: &str = "conference-modify";
const MODIFIED: &str = "conference-modified";
