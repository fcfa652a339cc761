use bridge_units::MediaType;

/// Codecs and header extensions of one kind of media. They add to earlier ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// The kind. Only audio and video mean anything to a bridge.
    pub kind: MediaKind,
    /// Payload types, in document order.
    pub payload_types: Vec<PayloadType>,
    /// RTP header extensions, in document order.
    pub header_extensions: Vec<RtpHeaderExtension>,
    /// Whether one-byte and two-byte header extensions may be mixed.
    pub extmap_allow_mixed: bool,
}

impl Media {
    /// A media without codecs.
    pub fn new(kind: MediaKind) -> Self {
        Self {
            kind,
            payload_types: Vec::new(),
            header_extensions: Vec::new(),
            extmap_allow_mixed: false,
        }
    }
}

/// The media types that signalling knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MediaKind {
    /// `audio`
    Audio,
    /// `video`
    Video,
    /// `text`
    Text,
    /// `application`
    Application,
    /// `message`
    Message,
    /// `image`
    Image,
    /// `control`
    Control,
    /// `data`
    Data,
}

impl MediaKind {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Text => "text",
            Self::Application => "application",
            Self::Message => "message",
            Self::Image => "image",
            Self::Control => "control",
            Self::Data => "data",
        }
    }

    /// Reads the name in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(name))
    }

    /// The kind that a bridge forwards, if it does.
    pub const fn media_type(self) -> Option<MediaType> {
        match self {
            Self::Audio => Some(MediaType::Audio),
            Self::Video => Some(MediaType::Video),
            _ => None,
        }
    }

    const ALL: [Self; 8] = [
        Self::Audio,
        Self::Video,
        Self::Text,
        Self::Application,
        Self::Message,
        Self::Image,
        Self::Control,
        Self::Data,
    ];
}

impl From<MediaType> for MediaKind {
    fn from(media_type: MediaType) -> Self {
        match media_type {
            MediaType::Audio => Self::Audio,
            MediaType::Video => Self::Video,
        }
    }
}

/// A codec under its RTP payload type number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadType {
    /// The payload type number, 0 to 127.
    pub id: u8,
    /// The encoding name as signalled, any case: `VP8`, `opus`, `rtx`.
    pub name: String,
    /// The RTP clock in Hz.
    pub clockrate: Option<u32>,
    /// Audio channels, 1 if not said.
    pub channels: u16,
    /// Milliseconds a packet.
    pub ptime: Option<u32>,
    /// Most milliseconds a packet.
    pub maxptime: Option<u32>,
    /// Format parameters, in document order.
    pub parameters: Vec<Parameter>,
    /// Feedback types, in document order.
    pub rtcp_fbs: Vec<RtcpFb>,
}

impl PayloadType {
    /// A payload type with one channel, without parameters and feedback.
    pub fn new(id: u8, name: impl Into<String>, clockrate: u32) -> Self {
        Self {
            id,
            name: name.into(),
            clockrate: Some(clockrate),
            channels: 1,
            ptime: None,
            maxptime: None,
            parameters: Vec::new(),
            rtcp_fbs: Vec::new(),
        }
    }

    /// The value of the first parameter called `name`.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|p| p.name.as_deref() == Some(name)).map(|p| p.value.as_str())
    }
}

/// A format parameter of a payload type, or an attribute of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// The name. RED's parameter has none.
    pub name: Option<String>,
    /// The value; empty if it has none.
    pub value: String,
}

impl Parameter {
    /// A parameter with a name.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: Some(name.into()), value: value.into() }
    }
}

/// One kind of RTCP feedback that a payload type supports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtcpFb {
    /// The type: `nack`, `ccm`, `transport-cc`, `goog-remb`.
    pub kind: String,
    /// The subtype: `pli`, `fir`.
    pub subtype: Option<String>,
}

/// An RTP header extension under its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtpHeaderExtension {
    /// The id, 1 to 255.
    pub id: u8,
    /// What it is.
    pub uri: String,
    /// Who may send it. Not used by bridges.
    pub senders: Option<String>,
    /// Extension attributes. Not used by bridges.
    pub attributes: Option<String>,
}

impl RtpHeaderExtension {
    /// A header extension that both sides send.
    pub fn new(id: u8, uri: impl Into<String>) -> Self {
        Self { id, uri: uri.into(), senders: None, attributes: None }
    }
}
