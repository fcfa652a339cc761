use xmpp_parsers::caps::{Caps, compute_disco, hash_caps};
use xmpp_parsers::disco::{DiscoInfoResult, Identity};
use xmpp_parsers::hashes::Algo;
use xmpp_parsers::minidom::Element;

use crate::xml;

/// What this client says of itself: service discovery (XEP-0030) and its hash in the presence
/// (XEP-0115).
#[derive(Debug)]
pub(crate) struct Disco {
    info: DiscoInfoResult,
    caps: Element,
    /// The node under which the caps can be asked for.
    caps_node: String,
}

impl Disco {
    /// The description of a bridge.
    pub(crate) fn new() -> Self {
        let info = DiscoInfoResult {
            node: None,
            identities: vec![Identity::new("client", "bot", "en", "JVB")],
            features: FEATURES.into_iter().map(str::to_owned).collect(),
            extensions: Vec::new(),
        };
        let hash = hash_caps(&compute_disco(&info), Algo::Sha_1)
            .expect("SHA-1 is among the algorithms of the library");
        let caps = Element::from(Caps::new(CAPS_NODE, hash));
        let caps_node = format!("{CAPS_NODE}#{}", caps.attr("ver").unwrap_or_default());
        Self { info, caps, caps_node }
    }

    /// The `c` child of each presence.
    pub(crate) fn caps(&self) -> Element {
        self.caps.clone()
    }

    /// The answer to disco#info; none if there is no such node.
    pub(crate) fn info(&self, query: &Element) -> Option<Element> {
        let node = query.attr("node");
        if node.is_some_and(|node| node != self.caps_node) {
            return None;
        }
        let mut info = self.info.clone();
        info.node = node.map(str::to_owned);
        Some(Element::from(info))
    }

    /// The answer to disco#items; none if there is no such node.
    pub(crate) fn items(&self, query: &Element) -> Option<Element> {
        query.attr("node").is_none().then(|| xml::element("query", xml::DISCO_ITEMS, &[]))
    }
}

/// The first four are what the bridge itself adds in JVB (`XmppConnection`), the others are what
/// this client does. `jitsi:colibri2` is not advertised there either.
const FEATURES: [&str; 10] = [
    bridge_signaling::ns::HEALTHCHECK,
    bridge_signaling::ns::DTLS,
    bridge_signaling::ns::ICE_UDP,
    xml::VERSION,
    xml::DISCO_INFO,
    xml::DISCO_ITEMS,
    "http://jabber.org/protocol/caps",
    xml::MUC,
    xml::PING,
    xml::LAST,
];
/// Names the software in the caps.
const CAPS_NODE: &str = "https://jitsi.org/jitsi-videobridge";

#[cfg(test)]
mod tests {
    use super::*;

    fn query(node: Option<&str>) -> Element {
        let mut query = xml::element("query", xml::DISCO_INFO, &[]);
        if let Some(node) = node {
            xml::set(&mut query, "node", node);
        }
        query
    }

    #[test]
    fn features_of_a_bridge_are_announced() {
        let info = Disco::new().info(&query(None)).unwrap();
        assert!(info.is("query", xml::DISCO_INFO));
        assert!(info.get_child("identity", xml::DISCO_INFO).is_some());
        let features: Vec<_> = info.children().filter_map(|child| child.attr("var")).collect();
        for feature in [
            "http://jitsi.org/protocol/healthcheck",
            "jabber:iq:version",
            "urn:xmpp:jingle:transports:ice-udp:1",
            "urn:xmpp:jingle:apps:dtls:0",
        ] {
            assert!(features.contains(&feature), "{feature}");
        }
    }

    #[test]
    fn only_the_caps_node_is_known() {
        let disco = Disco::new();
        let caps = disco.caps();
        assert_eq!(caps.attr("hash"), Some("sha-1"));
        let node = format!("{}#{}", caps.attr("node").unwrap(), caps.attr("ver").unwrap());
        assert_eq!(disco.info(&query(Some(&node))).unwrap().attr("node"), Some(node.as_str()));
        assert!(disco.info(&query(Some("other"))).is_none());
        assert!(disco.items(&query(Some("other"))).is_none());
        assert_eq!(disco.items(&query(None)).unwrap().children().count(), 0);
    }
}
