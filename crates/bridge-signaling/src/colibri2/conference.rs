use serde_json::Value;
use xmpp_parsers::minidom::Element;

use super::{Connect, Endpoint, Relay, Sources, Traceparent};
use crate::ParseError;

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
        let _ = element;
        Err(ParseError::UnexpectedRoot { expected: "conference-modify" })
    }

    /// Reads the child of an IQ from text.
    pub fn from_xml(text: &str) -> Result<Self, ParseError> {
        Self::from_element(&crate::xml::from_str(text)?)
    }

    /// Reads the body of a REST request that creates (POST).
    pub fn from_json(value: &Value) -> Result<Self, ParseError> {
        let _ = value;
        Err(ParseError::UnexpectedRoot { expected: "conference-modify" })
    }

    /// Reads the body of a REST request that changes (PATCH): `meeting_id` from the path wins over
    /// the body's, which may be missing.
    pub fn from_json_with_meeting_id(value: &Value, meeting_id: &str) -> Result<Self, ParseError> {
        let _ = (value, meeting_id);
        Err(ParseError::UnexpectedRoot { expected: "conference-modify" })
    }

    /// The child of an IQ.
    pub fn to_element(&self) -> Element {
        Element::bare("conference-modify", crate::ns::COLIBRI2)
    }

    /// The child of an IQ as text.
    pub fn to_xml(&self) -> String {
        crate::xml::to_string(&self.to_element())
    }

    /// The body of a REST request.
    pub fn to_json(&self) -> Value {
        Value::Null
    }
}

impl ConferenceModified {
    /// Reads the child of an IQ of type result.
    pub fn from_element(element: &Element) -> Result<Self, ParseError> {
        let _ = element;
        Err(ParseError::UnexpectedRoot { expected: "conference-modified" })
    }

    /// Reads the child of an IQ of type result from text.
    pub fn from_xml(text: &str) -> Result<Self, ParseError> {
        Self::from_element(&crate::xml::from_str(text)?)
    }

    /// Reads the body of a REST answer.
    pub fn from_json(value: &Value) -> Result<Self, ParseError> {
        let _ = value;
        Err(ParseError::UnexpectedRoot { expected: "conference-modified" })
    }

    /// The child of an IQ of type result.
    pub fn to_element(&self) -> Element {
        Element::bare("conference-modified", crate::ns::COLIBRI2)
    }

    /// The child of an IQ of type result as text.
    pub fn to_xml(&self) -> String {
        crate::xml::to_string(&self.to_element())
    }

    /// The body of a REST answer.
    pub fn to_json(&self) -> Value {
        Value::Null
    }
}
