//! What a peer or a focus can make one bridge keep. JVB bounds none of it; each limit is several
//! times what occurs, so that only a fault or an attack meets it.

/// Conferences of one bridge. A bridge with one endpoint each would be full long before.
pub const MAX_CONFERENCES: usize = 20_000;

/// Local endpoints of one conference. Jicofo plans with 80 of one conference on a bridge; visitors
/// and load runs use hundreds.
pub const MAX_ENDPOINTS: usize = 4_096;

/// Sources of one endpoint. Clients have three, a translator one a language; Jicofo stops at 20.
pub const MAX_SOURCES: usize = 256;

/// SSRCs of one endpoint. Jicofo stops at 20; a translated source has one a language.
pub const MAX_SSRCS: usize = 512;

/// Encodings of one simulcast source. Browsers send three; the number is for the reader of a layer.
pub const MAX_ENCODINGS: usize = 8;

/// Video types that an endpoint can announce for sources that it does not have (yet).
pub const MAX_REMEMBERED_VIDEO_TYPES: usize = MAX_SOURCES;

/// Names in one list of a client's wishes that are kept; also bounds the constraints by source.
pub const MAX_WISHED_SOURCES: usize = 8_192;

/// Bridge channel messages that wait for the driver. A broadcast to the largest conference must
/// fit many times; the driver drains after every call.
pub const MAX_PENDING_MESSAGES: usize = 65_536;

/// Video sources of a conference that are considered for a receiver, those of the last speakers
/// first. More than 50 are never forwarded; the rest are there to be selected.
pub const MAX_CONSIDERED_SOURCES: usize = 4_096;
