//! What is read from a stream once it is logged in: plain elements, bounded in size and depth.

use xmpp_parsers::minidom::Element;
use xso::error::{Error, FromEventsError};
use xso::exports::rxml::{AttrMap, Event, Namespace, QName};
use xso::{Context, FromEventsBuilder, FromXml};

/// An element of the stream, or what is left of one that was too large.
#[derive(Debug)]
pub(crate) enum Received {
    /// An element with all its content.
    Element(Element),
    /// An element whose content was discarded: its header, without attributes of other namespaces.
    TooLarge(Element),
}

impl FromXml for Received {
    type Builder = ReceivedBuilder;

    fn from_events(
        name: QName,
        attributes: AttrMap,
        context: &Context<'_>,
    ) -> Result<Self::Builder, FromEventsError> {
        let bytes = attributes_len(&attributes);
        let header = header(&name, &attributes);
        let tree = Element::from_events(name, attributes, context)?;
        Ok(ReceivedBuilder { header, tree: Some(tree), depth: 1, bytes })
    }
}

/// Builds a [`Received`] from the events of the XML parser.
pub(crate) struct ReceivedBuilder {
    header: Element,
    /// None once the element turned out to be too large.
    tree: Option<<Element as FromXml>::Builder>,
    depth: usize,
    bytes: usize,
}

impl FromEventsBuilder for ReceivedBuilder {
    type Output = Received;

    fn feed(&mut self, event: Event, context: &Context<'_>) -> Result<Option<Self::Output>, Error> {
        match &event {
            Event::XmlDeclaration(..) => {}
            Event::StartElement(metrics, ..) => {
                self.depth += 1;
                self.bytes = self.bytes.saturating_add(metrics.len());
            }
            Event::Text(metrics, _) => self.bytes = self.bytes.saturating_add(metrics.len()),
            Event::EndElement(_) => self.depth = self.depth.saturating_sub(1),
        }
        if self.bytes > MAX_STANZA_BYTES || self.depth > MAX_STANZA_DEPTH {
            self.tree = None;
        }
        match &mut self.tree {
            Some(tree) => Ok(tree.feed(event, context)?.map(Received::Element)),
            None if self.depth == 0 => Ok(Some(Received::TooLarge(self.header.clone()))),
            None => Ok(None),
        }
    }
}

fn header(name: &QName, attributes: &AttrMap) -> Element {
    let mut header = Element::bare(name.1.as_str(), name.0.as_str());
    for ((namespace, name), value) in attributes.iter() {
        if namespace == &Namespace::NONE {
            header.set_attr(Namespace::NONE, name.clone(), value.as_str());
        }
    }
    header
}

fn attributes_len(attributes: &AttrMap) -> usize {
    attributes.iter().map(|((_, name), value)| name.len() + value.len()).sum()
}

/// Bytes of one stanza. The largest that occurs, a relay with hundreds of endpoints, has about
/// 1 MiB; servers let through 256 KiB unless told otherwise.
pub(crate) const MAX_STANZA_BYTES: usize = 4 << 20;
/// Nesting of one stanza. Colibri2 needs 10 with the IQ; trees are dropped recursively.
pub(crate) const MAX_STANZA_DEPTH: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(document: &[u8]) -> Result<Received, Error> {
        xso::from_bytes(document)
    }

    #[test]
    fn a_small_stanza_is_read_completely() {
        let Ok(Received::Element(iq)) =
            read(b"<iq xmlns='jabber:client' id='1'><a xmlns='b'>text</a></iq>")
        else {
            panic!("refused");
        };
        assert_eq!(iq.attr("id"), Some("1"));
        assert_eq!(iq.get_child("a", "b").unwrap().text(), "text");
    }

    #[test]
    fn a_deep_stanza_keeps_its_header_only() {
        for (depth, accepted) in
            [(MAX_STANZA_DEPTH - 1, true), (MAX_STANZA_DEPTH, false), (20_000, false)]
        {
            let document = format!(
                "<iq xmlns='jabber:client' id='1'>{}{}</iq>",
                "<a>".repeat(depth),
                "</a>".repeat(depth)
            );
            match read(document.as_bytes()).unwrap() {
                Received::Element(_) => assert!(accepted, "{depth}"),
                Received::TooLarge(header) => {
                    assert!(!accepted, "{depth}");
                    assert_eq!(header.attr("id"), Some("1"));
                    assert_eq!(header.children().count(), 0);
                }
            }
        }
    }

    #[test]
    fn a_long_stanza_keeps_its_header_only() {
        let document = format!(
            "<iq xmlns='jabber:client' id='1'>{}</iq>",
            format!("<a>{}</a>", "0123456789".repeat(500)).repeat(MAX_STANZA_BYTES / 4_900)
        );
        assert!(matches!(read(document.as_bytes()), Ok(Received::TooLarge(_))));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(name in "[a-z]{1,8}", value in "[ -~]{0,40}", text in "[ -~]{0,40}") {
            let mut element = Element::bare("iq", "jabber:client");
            crate::xml::set(&mut element, "id", &value);
            element.append_child(crate::xml::text_element(&name, "urn:x", &text));
            let mut bytes = Vec::new();
            element.write_to(&mut bytes).unwrap();
            let Ok(Received::Element(read)) = read(&bytes) else { panic!("refused") };
            prop_assert_eq!(read.attr("id"), Some(value.as_str()));
            prop_assert_eq!(read.get_child(name.as_str(), "urn:x").unwrap().text(), text);
        }
    }
}
