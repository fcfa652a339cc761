use xmpp_parsers::minidom::Element;

use crate::attributes::Attributes;
use crate::xml::Reader;
use crate::{ParseError, ns, xml};

/// The tracing span that a request belongs to (W3C Trace Context). A bridge may ignore it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traceparent {
    /// 32 hex digits.
    pub trace_id: String,
    /// 16 hex digits.
    pub parent_id: String,
    /// Two hex digits.
    pub trace_flags: String,
}

impl Traceparent {
    /// An incomplete one is none: tracing must not spoil a request.
    pub(super) fn from_element(element: &Element) -> Result<Option<Self>, ParseError> {
        let reader = Reader::new(element, "traceparent");
        let ids = reader.text("trace_id")?.zip(reader.text("parent_id")?);
        Ok(ids.zip(reader.text("trace_flags")?).map(|((trace_id, parent_id), trace_flags)| Self {
            trace_id,
            parent_id,
            trace_flags,
        }))
    }

    pub(super) fn to_element(&self) -> Element {
        let mut element = Element::bare("traceparent", ns::OPENTELEMETRY);
        xml::set(&mut element, "trace_id", &self.trace_id);
        xml::set(&mut element, "parent_id", &self.parent_id);
        xml::set(&mut element, "trace_flags", &self.trace_flags);
        element
    }
}
