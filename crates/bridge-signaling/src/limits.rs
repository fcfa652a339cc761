//! What one document from outside may contain. More is refused as a whole ([`ParseError::TooMany`],
//! [`ParseError::TooLong`], [`ParseError::TooLarge`], [`ParseError::TooDeep`]), never cut.
//!
//! Differs from JVB: it bounds nothing. Each limit is several times what Jicofo and clients send.
//!
//! [`ParseError::TooMany`]: crate::ParseError::TooMany
//! [`ParseError::TooLong`]: crate::ParseError::TooLong
//! [`ParseError::TooLarge`]: crate::ParseError::TooLarge
//! [`ParseError::TooDeep`]: crate::ParseError::TooDeep

/// Bytes of one XML document read from text. The largest stanza that occurs creates a relay with
/// hundreds of remote endpoints, about 1 MiB.
pub const MAX_XML_BYTES: usize = 4 << 20;
/// Nesting of XML elements. Colibri2 needs 9; the rest is for unknown elements. Dropping and
/// writing a tree recurse, so this also bounds the stack.
pub const MAX_XML_DEPTH: usize = 64;
/// Nesting of JSON values. `serde_json` refuses more by itself at 128.
pub const MAX_JSON_DEPTH: usize = 64;
/// Bytes of one bridge-channel message. The largest real ones carry constraints for every source
/// of a conference or an application payload.
pub const MAX_BRIDGE_CHANNEL_BYTES: usize = 256 << 10;
/// Endpoints of one request, and of one relay in a request: every endpoint of the other bridges.
pub const MAX_ENDPOINTS: usize = 4_096;
/// Relays of one request. One is used.
pub const MAX_RELAYS: usize = 64;
/// `media` elements of one endpoint or relay. Two are used.
pub const MAX_MEDIAS: usize = 16;
/// Payload types of one media: there are 128 ids.
pub const MAX_PAYLOAD_TYPES: usize = 128;
/// Parameters of one payload type or source.
pub const MAX_PARAMETERS: usize = 64;
/// Feedback types of one payload type.
pub const MAX_RTCP_FBS: usize = 64;
/// Header extensions of one media: there are 255 ids.
pub const MAX_HEADER_EXTENSIONS: usize = 255;
/// `media-source` elements of one endpoint. Clients have three; a mixed-in translator adds one a
/// language.
pub const MAX_MEDIA_SOURCES: usize = 256;
/// SSRCs of one media source, and of one group. Simulcast with RTX has six.
pub const MAX_SOURCES: usize = 64;
/// SSRC groups of one media source. Simulcast with RTX has four.
pub const MAX_SSRC_GROUPS: usize = 64;
/// Candidates of one transport. A host with many addresses has some dozens.
pub const MAX_CANDIDATES: usize = 256;
/// DTLS fingerprints of one transport. One is usual, one a hash function possible.
pub const MAX_FINGERPRINTS: usize = 16;
/// `web-socket` elements of one transport: one a configured domain.
pub const MAX_WEB_SOCKETS: usize = 16;
/// Capabilities of one endpoint. Four are known.
pub const MAX_CAPABILITIES: usize = 64;
/// Export connections of one request.
pub const MAX_CONNECTS: usize = 64;
/// HTTP headers of one export connection.
pub const MAX_HTTP_HEADERS: usize = 64;
/// Source names in one list of a message or an export connection: each source of a conference.
pub const MAX_SOURCE_NAMES: usize = 8_192;
/// Bytes of an id, a name or another short text.
pub const MAX_NAME_BYTES: usize = 1_024;
/// Bytes of a parameter value, a URL or an HTTP header.
pub const MAX_VALUE_BYTES: usize = 8_192;
