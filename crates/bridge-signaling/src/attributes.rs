use std::str::FromStr;

use crate::ParseError;
use crate::limits::{MAX_NAME_BYTES, MAX_VALUE_BYTES};

/// Named texts: the attributes of an XML element, or the members of a JSON object that stand for
/// them. What both forms share is read through this.
pub(crate) trait Attributes {
    /// What errors call the element.
    fn label(&self) -> &'static str;

    /// The text of an attribute, of any length.
    fn attribute(&self, name: &'static str) -> Result<Option<String>, ParseError>;

    /// A short text.
    fn text(&self, name: &'static str) -> Result<Option<String>, ParseError> {
        self.bounded(name, MAX_NAME_BYTES)
    }

    /// A short text that must be there and not be empty.
    fn required(&self, name: &'static str) -> Result<String, ParseError> {
        self.text(name)?
            .filter(|value| !value.is_empty())
            .ok_or(ParseError::Missing { element: self.label(), name })
    }

    /// A longer text.
    fn value(&self, name: &'static str) -> Result<Option<String>, ParseError> {
        self.bounded(name, MAX_VALUE_BYTES)
    }

    fn bounded(&self, name: &'static str, limit: usize) -> Result<Option<String>, ParseError> {
        let value = self.attribute(name)?;
        if value.as_ref().is_some_and(|value| value.len() > limit) {
            return Err(ParseError::TooLong { element: self.label(), name, limit });
        }
        Ok(value)
    }

    /// A number over which JVB fails only while processing.
    fn usable_number<T: FromStr>(&self, name: &'static str) -> Result<Option<T>, ParseError> {
        let Some(value) = self.attribute(name)? else { return Ok(None) };
        value.parse().map(Some).map_err(|_| ParseError::unusable(self.label(), name, &value))
    }
}
