//! Building and reading the few elements that this crate handles itself.

use xmpp_parsers::minidom::Element;
use xmpp_parsers::minidom::rxml::{Namespace, NcName};

pub(crate) const CLIENT: &str = "jabber:client";
pub(crate) const STREAMS: &str = "http://etherx.jabber.org/streams";
pub(crate) const STREAM_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-streams";
pub(crate) const STANZA_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
pub(crate) const BIND: &str = "urn:ietf:params:xml:ns:xmpp-bind";
pub(crate) const SESSION: &str = "urn:ietf:params:xml:ns:xmpp-session";
pub(crate) const SM: &str = "urn:xmpp:sm:3";
pub(crate) const MUC: &str = "http://jabber.org/protocol/muc";
pub(crate) const MUC_USER: &str = "http://jabber.org/protocol/muc#user";
pub(crate) const MUC_OWNER: &str = "http://jabber.org/protocol/muc#owner";
pub(crate) const DATA_FORMS: &str = "jabber:x:data";
pub(crate) const PING: &str = "urn:xmpp:ping";
pub(crate) const VERSION: &str = "jabber:iq:version";
pub(crate) const LAST: &str = "jabber:iq:last";
pub(crate) const TIME: &str = "urn:xmpp:time";
pub(crate) const DISCO_INFO: &str = "http://jabber.org/protocol/disco#info";
pub(crate) const DISCO_ITEMS: &str = "http://jabber.org/protocol/disco#items";

/// An element with attributes and without children.
pub(crate) fn element(name: &str, ns: &str, attributes: &[(&'static str, &str)]) -> Element {
    let mut element = Element::bare(name, ns);
    for &(name, value) in attributes {
        set(&mut element, name, value);
    }
    element
}

/// Sets an attribute.
pub(crate) fn set(element: &mut Element, name: &'static str, value: &str) {
    let name = NcName::try_from(name).expect("attribute names are literals without colons");
    element.set_attr(Namespace::NONE, name, value);
}

/// The same element with one more child.
pub(crate) fn with_child(mut element: Element, child: Element) -> Element {
    element.append_child(child);
    element
}

/// An element with text.
pub(crate) fn text_element(name: &str, ns: &str, text: &str) -> Element {
    let mut element = Element::bare(name, ns);
    element.append_text_node(text);
    element
}

/// The bare part of a JID, in lower case. JVB compares rooms like this.
pub(crate) fn bare_lower_case(jid: &str) -> String {
    jid.split('/').next().unwrap_or_default().to_lowercase()
}

/// The name of the condition in a stanza error.
pub(crate) fn error_condition(stanza: &Element) -> Option<&str> {
    let error = stanza.get_child("error", CLIENT)?;
    error
        .children()
        .find(|child| child.has_ns(STANZA_ERRORS) && child.name() != "text")
        .map(Element::name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jids_are_compared_bare_and_in_lower_case() {
        for (jid, bare) in [
            ("Room@Muc.Example/Focus", "room@muc.example"),
            ("room@muc.example", "room@muc.example"),
            ("muc.example", "muc.example"),
            ("room@muc/a/b@c", "room@muc"),
            ("", ""),
        ] {
            assert_eq!(bare_lower_case(jid), bare);
        }
    }
}
