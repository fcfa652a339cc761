//! Jicofo's health check IQ. The healthy answer is a result without child, the other one an
//! [`ErrorAnswer`](crate::ErrorAnswer) with `internal-server-error` and the message.

use xmpp_parsers::minidom::Element;

use crate::ns;

/// Whether `element`, the child of an IQ, asks for the bridge's health.
pub fn is_healthcheck(element: &Element) -> bool {
    element.is("healthcheck", ns::HEALTHCHECK)
}

/// The element that asks for a bridge's health.
pub fn request() -> Element {
    Element::bare("healthcheck", ns::HEALTHCHECK)
}
