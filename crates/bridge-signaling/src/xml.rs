//! Reading and building `minidom` elements under the rules that the whole crate shares.

use xmpp_parsers::minidom::rxml::{Namespace, NcName};
use xmpp_parsers::minidom::{Element, IntoAttributeValue};

use std::str::FromStr;

use crate::ParseError;
use crate::attributes::Attributes;
use crate::limits::{MAX_XML_BYTES, MAX_XML_DEPTH};

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

/// A value with a form as XML element.
pub(crate) trait XmlForm: Sized {
    fn from_element(element: &Element) -> Result<Self, ParseError>;
    fn to_element(&self) -> Element;
}

/// An element to read from, under the name that errors call it by.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    element: &'a Element,
    label: &'static str,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(element: &'a Element, label: &'static str) -> Self {
        Self { element, label }
    }

    /// The element if it has the name and namespace that the root must have.
    pub(crate) fn root(
        element: &'a Element,
        label: &'static str,
        namespace: &str,
    ) -> Result<Self, ParseError> {
        if element.is(label, namespace) {
            Ok(Self::new(element, label))
        } else {
            Err(ParseError::UnexpectedRoot { expected: label })
        }
    }

    /// A boolean: `true` in any case is true, everything else false.
    pub(crate) fn flag(&self, name: &'static str) -> Option<bool> {
        self.element.attr(name).map(|value| value.eq_ignore_ascii_case("true"))
    }

    pub(crate) fn is_true(&self, name: &'static str) -> bool {
        self.flag(name).unwrap_or(false)
    }

    /// A number that JVB reads while parsing.
    pub(crate) fn number<T: FromStr>(&self, name: &'static str) -> Result<Option<T>, ParseError> {
        self.named(name, |value| value.parse().ok())
    }

    /// A word of an enumeration.
    pub(crate) fn named<T>(
        &self,
        name: &'static str,
        from_name: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ParseError> {
        let Some(value) = self.element.attr(name) else { return Ok(None) };
        from_name(value).map(Some).ok_or_else(|| ParseError::invalid(self.label, name, value))
    }

    /// Whether there is a child of that name.
    pub(crate) fn has_child(&self, name: &str, namespace: &str) -> bool {
        self.element.has_child(name, namespace)
    }

    /// The first child of that name, if there is one.
    pub(crate) fn first<T: XmlForm>(
        &self,
        name: &str,
        namespace: &str,
    ) -> Result<Option<T>, ParseError> {
        self.element.get_child(name, namespace).map(T::from_element).transpose()
    }

    /// The children of that name, in document order.
    pub(crate) fn all<T: XmlForm>(
        &self,
        name: &'static str,
        namespace: &str,
        limit: usize,
    ) -> Result<Vec<T>, ParseError> {
        self.filter_map(name, namespace, limit, |child| T::from_element(child).map(Some))
    }

    /// What `read` makes of the children of that name, without those it skips.
    pub(crate) fn filter_map<T>(
        &self,
        name: &'static str,
        namespace: &str,
        limit: usize,
        read: impl FnMut(&'a Element) -> Result<Option<T>, ParseError>,
    ) -> Result<Vec<T>, ParseError> {
        let children = self.element.children().filter(|child| child.is(name, namespace));
        collect(children, name, limit, read)
    }
}

impl Attributes for Reader<'_> {
    fn label(&self) -> &'static str {
        self.label
    }

    fn attribute(&self, name: &'static str) -> Result<Option<String>, ParseError> {
        Ok(self.element.attr(name).map(str::to_owned))
    }
}

/// What `read` makes of `items`, which must not be more than `limit`.
pub(crate) fn collect<I, T>(
    items: impl Iterator<Item = I>,
    what: &'static str,
    limit: usize,
    mut read: impl FnMut(I) -> Result<Option<T>, ParseError>,
) -> Result<Vec<T>, ParseError> {
    let mut values = Vec::new();
    for (index, item) in items.enumerate() {
        if index >= limit {
            return Err(ParseError::TooMany { what, limit });
        }
        values.extend(read(item)?);
    }
    Ok(values)
}

/// Appends the forms of `values`.
pub(crate) fn append_all<T: XmlForm>(element: &mut Element, values: &[T]) {
    for value in values {
        element.append_child(value.to_element());
    }
}

/// Appends the form of `value` if there is one.
pub(crate) fn append_some<T: XmlForm>(element: &mut Element, value: Option<&T>) {
    if let Some(value) = value {
        element.append_child(value.to_element());
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
