//! Error answers of the bridge: a stanza error inside an IQ of type error, or an HTTP status.

use bridge_units::EndpointId;
use xmpp_parsers::minidom::Element;

use crate::colibri2::ErrorReason;
use crate::{ParseError, ns, xml};

/// The conditions of RFC 6120 section 8.3.3 that bridges use. Each has one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StanzaErrorCondition {
    /// `bad-request`, type `modify`
    BadRequest,
    /// `conflict`, type `cancel`
    Conflict,
    /// `feature-not-implemented`, type `cancel`
    FeatureNotImplemented,
    /// `forbidden`, type `auth`
    Forbidden,
    /// `internal-server-error`, type `cancel`
    InternalServerError,
    /// `item-not-found`, type `cancel`
    ItemNotFound,
    /// `service-unavailable`, type `cancel`
    ServiceUnavailable,
}

impl StanzaErrorCondition {
    /// The name of its element.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad-request",
            Self::Conflict => "conflict",
            Self::FeatureNotImplemented => "feature-not-implemented",
            Self::Forbidden => "forbidden",
            Self::InternalServerError => "internal-server-error",
            Self::ItemNotFound => "item-not-found",
            Self::ServiceUnavailable => "service-unavailable",
        }
    }

    /// The `type` attribute of the error.
    pub const fn error_type(self) -> &'static str {
        match self {
            Self::BadRequest => "modify",
            Self::Forbidden => "auth",
            _ => "cancel",
        }
    }

    /// From the name of its element.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|condition| condition.as_str() == name)
    }

    const ALL: [Self; 7] = [
        Self::BadRequest,
        Self::Conflict,
        Self::FeatureNotImplemented,
        Self::Forbidden,
        Self::InternalServerError,
        Self::ItemNotFound,
        Self::ServiceUnavailable,
    ];
}

/// An error that answers a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorAnswer {
    /// What kind of error.
    pub condition: StanzaErrorCondition,
    /// For humans; nobody parses it.
    pub text: Option<String>,
    /// The colibri2 reason. Its presence and value decide what Jicofo does.
    pub reason: Option<ErrorReason>,
    /// The endpoint that is unknown; only with [`ErrorReason::UnknownEndpoint`].
    pub endpoint: Option<EndpointId>,
}

impl ErrorAnswer {
    /// An error without text and reason.
    pub const fn new(condition: StanzaErrorCondition) -> Self {
        Self { condition, text: None, reason: None, endpoint: None }
    }

    /// The same with a text for humans.
    #[must_use]
    pub fn with_text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// The same with a colibri2 reason.
    #[must_use]
    pub const fn with_reason(mut self, reason: ErrorReason) -> Self {
        self.reason = Some(reason);
        self
    }

    /// The same, naming the endpoint that is unknown.
    #[must_use]
    pub fn with_endpoint(mut self, endpoint: EndpointId) -> Self {
        self.endpoint = Some(endpoint);
        self
    }

    /// Reads the `error` child of an IQ of type error; it may be in any stanza namespace.
    pub fn from_element(element: &Element) -> Result<Self, ParseError> {
        if element.name() != "error" {
            return Err(ParseError::UnexpectedRoot { expected: "error" });
        }
        let condition = element
            .children()
            .filter(|child| child.has_ns(ns::XMPP_STANZAS))
            .find_map(|child| StanzaErrorCondition::from_name(child.name()))
            .ok_or(ParseError::Missing { element: "error", name: "condition" })?;
        let text = element.get_child("text", ns::XMPP_STANZAS).map(Element::text);
        let reason = match element.get_child("error", ns::COLIBRI2) {
            None => None,
            Some(extension) => Some(reason_of(extension)?),
        };
        let endpoint = element
            .get_child("endpoint", ns::COLIBRI2)
            .and_then(|endpoint| EndpointId::new(endpoint.attr("id")?));
        Ok(Self { condition, text, reason, endpoint })
    }

    /// The `error` child of an IQ of type error, in the namespace `jabber:client`.
    pub fn to_element(&self) -> Element {
        let mut error = Element::bare("error", ns::JABBER_CLIENT);
        xml::set(&mut error, "type", self.condition.error_type());
        error.append_child(Element::bare(self.condition.as_str(), ns::XMPP_STANZAS));
        if let Some(text) = &self.text {
            let mut element = Element::bare("text", ns::XMPP_STANZAS);
            xml::set_language(&mut element, "en");
            xml::append_text(&mut element, text);
            error.append_child(element);
        }
        for extension in self.extensions() {
            error.append_child(extension);
        }
        error
    }

    /// The application-specific children of the error, in order: the colibri2 `error` with the
    /// reason, and the `endpoint` that is unknown.
    pub fn extensions(&self) -> Vec<Element> {
        let mut extensions = Vec::new();
        if let Some(reason) = self.reason {
            let mut extension = Element::bare("error", ns::COLIBRI2);
            xml::set(&mut extension, "reason", reason.as_str());
            extensions.push(extension);
        }
        if let Some(id) = &self.endpoint {
            let mut endpoint = Element::bare("endpoint", ns::COLIBRI2);
            xml::set(&mut endpoint, "id", id.as_str());
            extensions.push(endpoint);
        }
        extensions
    }

    /// The answer of the REST interface.
    ///
    /// Each colibri2 error is 400 there, whatever its condition, and what JVB answers with
    /// `internal-server-error` is an uncaught exception there: 500.
    pub fn to_rest(&self) -> RestError {
        let status = match self.condition {
            StanzaErrorCondition::InternalServerError => 500,
            _ => 400,
        };
        let text = self.text.as_deref().unwrap_or_default();
        RestError { status, message: format!("Failed to create conference: {text}") }
    }
}

/// An error of the REST interface.
///
/// Differs from JVB: the message is meant for the body of the answer. JVB passes it as the reason
/// phrase, from which its HTTP server makes a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestError {
    /// The HTTP status.
    pub status: u16,
    /// For humans; may be empty.
    pub message: String,
}

impl ParseError {
    /// The answer of the REST interface to a body that is not understood.
    pub fn to_rest(&self) -> RestError {
        match self {
            Self::NotJson(position) => RestError {
                status: 400,
                message: format!("Failed to create conference, could not parse JSON: {position}"),
            },
            Self::Unusable { .. } => self.to_error_answer().to_rest(),
            _ => RestError {
                status: 400,
                message: format!("Failed to parse ConferenceModify JSON:{self}"),
            },
        }
    }
}

/// A missing attribute reads as unspecified.
fn reason_of(extension: &Element) -> Result<ErrorReason, ParseError> {
    let Some(name) = extension.attr("reason") else { return Ok(ErrorReason::Unspecified) };
    ErrorReason::from_name(name).ok_or_else(|| ParseError::invalid("error", "reason", name))
}
