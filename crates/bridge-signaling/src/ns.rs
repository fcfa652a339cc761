//! The XML namespaces of the control plane.

/// Colibri2: `conference-modify` and everything in it that is not listed below.
pub const COLIBRI2: &str = "jitsi:colibri2";
/// XEP-0167: `payload-type`, `parameter`.
pub const JINGLE_RTP: &str = "urn:xmpp:jingle:apps:rtp:1";
/// XEP-0293: `rtcp-fb`.
pub const RTCP_FB: &str = "urn:xmpp:jingle:apps:rtp:rtcp-fb:0";
/// XEP-0294: `rtp-hdrext`, `extmap-allow-mixed`.
pub const RTP_HDREXT: &str = "urn:xmpp:jingle:apps:rtp:rtp-hdrext:0";
/// XEP-0339: `source`, `ssrc-group`.
pub const SSMA: &str = "urn:xmpp:jingle:apps:rtp:ssma:0";
/// XEP-0176: the inner `transport`, `candidate`, `rtcp-mux`.
pub const ICE_UDP: &str = "urn:xmpp:jingle:transports:ice-udp:1";
/// XEP-0320: `fingerprint`.
pub const DTLS: &str = "urn:xmpp:jingle:apps:dtls:0";
/// Colibri1, of which `web-socket`, `stats`, `graceful-shutdown`, `force-shutdown` are left.
pub const COLIBRI: &str = "http://jitsi.org/protocol/colibri";
/// `healthcheck`.
pub const HEALTHCHECK: &str = "http://jitsi.org/protocol/healthcheck";
/// `traceparent`.
pub const OPENTELEMETRY: &str = "jitsi:opentelemetry";
/// RFC 6120 section 8.3: conditions and text of stanza errors.
pub const XMPP_STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
/// Stanzas of client-to-server streams.
pub const JABBER_CLIENT: &str = "jabber:client";
