//! Shutdown IQs of colibri1, which are recognised in order to be refused.

use xmpp_parsers::minidom::Element;

use crate::ns;
use crate::stanza_error::{ErrorAnswer, StanzaErrorCondition};

/// A request to shut down. JVB's `ShutdownIQ`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ShutdownRequest {
    /// `graceful-shutdown`
    Graceful,
    /// `force-shutdown`
    Force,
}

impl ShutdownRequest {
    /// The request that `element`, the child of an IQ, is.
    pub fn from_element(element: &Element) -> Option<Self> {
        [Self::Graceful, Self::Force]
            .into_iter()
            .find(|request| element.is(request.element_name(), ns::COLIBRI))
    }

    /// The name of its element.
    pub const fn element_name(self) -> &'static str {
        match self {
            Self::Graceful => "graceful-shutdown",
            Self::Force => "force-shutdown",
        }
    }

    /// The answer: shutting down is possible over HTTP and by signal only.
    pub fn refusal(self) -> ErrorAnswer {
        ErrorAnswer::new(StanzaErrorCondition::ServiceUnavailable)
            .with_text(format!("Unsupported IQ request {}", self.element_name()))
    }
}
