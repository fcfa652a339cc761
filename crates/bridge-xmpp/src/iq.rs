//! IQ stanzas (RFC 6120 section 8.2.3), read from and written as elements.

use bridge_signaling::{ErrorAnswer, StanzaErrorCondition};
use xmpp_parsers::minidom::Element;

use crate::xml;

/// Who asked, and under which id: all that an answer needs. The texts are repeated as they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IqHeader {
    /// The id of the request.
    pub(crate) id: String,
    /// Where the request came from; not set for the own account.
    pub(crate) from: Option<String>,
}

impl IqHeader {
    /// An answer of type result.
    pub(crate) fn result(&self, payload: Option<Element>) -> Element {
        let mut iq = self.answer("result");
        if let Some(payload) = payload {
            iq.append_child(payload);
        }
        iq
    }

    /// An answer of type error. The request is not repeated in it: Jicofo drops the whole answer
    /// when it cannot read the repetition.
    pub(crate) fn error(&self, error: &ErrorAnswer) -> Element {
        xml::with_child(self.answer("error"), error.to_element())
    }

    /// An answer of type error without text.
    pub(crate) fn refusal(&self, condition: StanzaErrorCondition) -> Element {
        self.error(&ErrorAnswer::new(condition))
    }

    /// Without `from`: the server fills it in.
    fn answer(&self, kind: &str) -> Element {
        let mut iq = xml::element("iq", xml::CLIENT, &[("type", kind), ("id", &self.id)]);
        if let Some(from) = &self.from {
            xml::set(&mut iq, "to", from);
        }
        iq
    }
}

/// An IQ stanza by what it is for.
#[derive(Debug)]
pub(crate) enum Iq {
    /// Type get or set.
    Request { header: IqHeader, is_get: bool, payload: Element },
    /// Type result or error: the answer to a request of this side.
    Response(Element),
    /// A request that has to be answered with an error without looking at it.
    Faulty(IqHeader),
    /// Nothing that can be answered.
    Unanswerable,
}

impl Iq {
    /// Reads an `iq` element.
    pub(crate) fn from_element(mut iq: Element) -> Self {
        let is_get = match iq.attr("type") {
            Some("get") => true,
            Some("set") => false,
            Some("result" | "error") => return Self::Response(iq),
            _ => return Self::Unanswerable,
        };
        let Some(header) = header(&iq) else { return Self::Unanswerable };
        // RFC 6120 section 8.2.3: exactly one child.
        if iq.children().count() != 1 {
            return Self::Faulty(header);
        }
        match iq.take_contents_as_children().next() {
            Some(payload) => Self::Request { header, is_get, payload },
            None => Self::Faulty(header),
        }
    }
}

/// The header of a request, if it has an id and an answer to it is wanted.
pub(crate) fn header(iq: &Element) -> Option<IqHeader> {
    if !matches!(iq.attr("type"), Some("get" | "set")) {
        return None;
    }
    let id = iq.attr("id")?.to_owned();
    Some(IqHeader { id, from: iq.attr("from").map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Iq {
        Iq::from_element(text.parse().unwrap())
    }

    #[test]
    fn requests_are_taken_apart() {
        let iq = parse(
            "<iq xmlns='jabber:client' type='get' id='ä ' from='a@b/c d'><q xmlns='x'/></iq>",
        );
        let Iq::Request { header, is_get, payload } = iq else { panic!("{iq:?}") };
        assert_eq!(header, IqHeader { id: "ä ".into(), from: Some("a@b/c d".into()) });
        assert!(is_get);
        assert!(payload.is("q", "x"));
    }

    #[test]
    fn whitespace_around_the_payload_is_skipped() {
        let iq = parse("<iq xmlns='jabber:client' type='set' id='1'>\n <q xmlns='x'/>\n</iq>");
        assert!(matches!(iq, Iq::Request { is_get: false, .. }), "{iq:?}");
    }

    #[test]
    fn faulty_requests_are_told_from_unanswerable_ones() {
        for faulty in [
            "<iq xmlns='jabber:client' type='get' id='1'/>",
            "<iq xmlns='jabber:client' type='get' id='1'>text</iq>",
            "<iq xmlns='jabber:client' type='set' id=''><a xmlns='x'/><b xmlns='x'/></iq>",
        ] {
            assert!(matches!(parse(faulty), Iq::Faulty(_)), "{faulty}");
        }
        for unanswerable in [
            "<iq xmlns='jabber:client' type='get'><q xmlns='x'/></iq>",
            "<iq xmlns='jabber:client' type='fetch' id='1'><q xmlns='x'/></iq>",
            "<iq xmlns='jabber:client' id='1'><q xmlns='x'/></iq>",
        ] {
            assert!(matches!(parse(unanswerable), Iq::Unanswerable), "{unanswerable}");
        }
        assert!(matches!(parse("<iq xmlns='jabber:client' type='error'/>"), Iq::Response(_)));
    }

    #[test]
    fn answers_go_back_to_the_sender_under_the_same_id() {
        let header = IqHeader { id: "q<7".into(), from: Some("room@muc/focus".into()) };
        let error = header.refusal(StanzaErrorCondition::Forbidden);
        assert_eq!(error.attr("id"), Some("q<7"));
        assert_eq!(error.attr("to"), Some("room@muc/focus"));
        assert_eq!(error.attr("type"), Some("error"));
        let child = error.get_child("error", xml::CLIENT).unwrap();
        assert_eq!(child.attr("type"), Some("auth"));
        assert_eq!(xml::error_condition(&error), Some("forbidden"));
        let result = header.result(None);
        assert_eq!((result.attr("type"), result.children().count()), (Some("result"), 0));
    }
}
