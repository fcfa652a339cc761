//! Reading and building `minidom` elements under the rules that the whole crate shares.

use xmpp_parsers::minidom::rxml::{Namespace, NcName};
use xmpp_parsers::minidom::{Element, IntoAttributeValue};

use crate::ParseError;
use crate::limits::{MAX_NAME_BYTES, MAX_VALUE_BYTES, MAX_XML_BYTES, MAX_XML_DEPTH};

/// Reads one XML document, bounded in size and depth.
pub fn from_str(text: &str) -> Result<Element, ParseError> {
    if text.len() > MAX_XML_BYTES {
        return Err(ParseError::TooLarge { limit: MAX_XML_BYTES });
    }
    check_depth(text.as_bytes())?;
    text.parse().map_err(|_| ParseError::NotXml)
}

/// Writes an element as text. Elements of this crate always have a form; of a foreign one whose
/// names or characters XML forbids, nothing is left.
pub fn to_string(element: &Element) -> String {
    let mut bytes = Vec::new();
    match element.write_to(&mut bytes) {
        Ok(()) => String::from_utf8(bytes).unwrap_or_default(),
        Err(_) => String::new(),
    }
}

/// Sets an attribute, without the characters that XML forbids.
pub(crate) fn set(element: &mut Element, name: &'static str, value: impl IntoAttributeValue) {
    let value = value.into_attribute_value().map(|value| printable(&value));
    element.set_attr(Namespace::NONE, nc_name(name), value);
}

/// Sets an attribute if there is a value.
pub(crate) fn set_some(element: &mut Element, name: &'static str, value: Option<&str>) {
    if let Some(value) = value {
        set(element, name, value);
    }
}

/// Sets a boolean attribute that is false if not said.
pub(crate) fn set_true(element: &mut Element, name: &'static str, value: bool) {
    if value {
        set(element, name, "true");
    }
}

/// Sets `xml:lang`.
pub(crate) fn set_language(element: &mut Element, language: &str) {
    element.set_attr(Namespace::XML, nc_name("lang"), language);
}

/// Appends text, without the characters that XML forbids.
pub(crate) fn append_text(element: &mut Element, text: &str) {
    element.append_text_node(printable(text));
}

/// XML 1.0 section 2.2: characters that no escape can write. They come in through JSON only.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\t' | '\n' | '\r' => c,
            c if c < ' ' || matches!(c, '\u{fffe}' | '\u{ffff}') => '\u{fffd}',
            c => c,
        })
        .collect()
}

fn nc_name(name: &'static str) -> NcName {
    NcName::try_from(name).expect("attribute names are literals of this crate without colons")
}

/// Whether `text` nests at most [`MAX_XML_DEPTH`] elements. `minidom` does not look, and it drops
/// and writes trees recursively.
fn check_depth(text: &[u8]) -> Result<(), ParseError> {
    let mut depth = 0_usize;
    let mut rest = text;
    while let Some(start) = rest.iter().position(|&b| b == b'<') {
        rest = rest.get(start + 1..).unwrap_or_default();
        if let Some(section) = rest.strip_prefix(b"![CDATA[") {
            rest = after(section, b"]]>");
            continue;
        }
        let Some((&first, _)) = rest.split_first() else { break };
        let empty;
        (empty, rest) = tag_end(rest);
        match first {
            b'/' => depth = depth.saturating_sub(1),
            b'?' | b'!' => {}
            _ if empty => {}
            _ => depth += 1,
        }
        if depth > MAX_XML_DEPTH {
            return Err(ParseError::TooDeep { limit: MAX_XML_DEPTH });
        }
    }
    Ok(())
}

/// What follows the tag that starts at `text`, and whether it ended with `/>`. Quoted values may
/// contain `>`.
fn tag_end(text: &[u8]) -> (bool, &[u8]) {
    let mut quote = None;
    let mut last = 0;
    for (index, &byte) in text.iter().enumerate() {
        match quote {
            Some(open) if byte == open => quote = None,
            Some(_) => {}
            None if byte == b'"' || byte == b'\'' => quote = Some(byte),
            None if byte == b'>' => {
                return (last == b'/', text.get(index + 1..).unwrap_or_default());
            }
            None => {}
        }
        last = byte;
    }
    (false, &[])
}

fn after<'a>(text: &'a [u8], needle: &[u8]) -> &'a [u8] {
    text.windows(needle.len())
        .position(|window| window == needle)
        .and_then(|start| text.get(start + needle.len()..))
        .unwrap_or_default()
}
