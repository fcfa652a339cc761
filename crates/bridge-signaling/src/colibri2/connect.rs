/// An export connection: a WebSocket that the bridge opens towards a recorder, transcriber or
/// translator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    /// The identity within the conference; not empty.
    pub id: String,
    /// Where to connect: a `ws` or `wss` URL.
    pub url: String,
    /// What is spoken there.
    pub protocol: ConnectProtocol,
    /// Who is there. For information only.
    pub kind: ConnectType,
    /// Whether audio is wanted.
    pub audio: bool,
    /// Whether video is wanted.
    pub video: bool,
    /// Whether the connection is to be created.
    pub create: bool,
    /// Whether the connection is to be closed.
    pub expire: bool,
    /// Headers of the upgrade request, in document order.
    pub http_headers: Vec<HttpHeader>,
    /// The keep-alive of the application; none without.
    pub ping: Option<Ping>,
    /// Names of sources to send out; none means all audio.
    pub exports: Vec<String>,
    /// Names of synthetic sources that the other side shall send.
    pub requests: Vec<String>,
}

/// What is spoken on an export connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectProtocol {
    /// `mediajson`
    MediaJson,
}

impl ConnectProtocol {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        "mediajson"
    }

    /// Reads the name in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        name.eq_ignore_ascii_case("mediajson").then_some(Self::MediaJson)
    }
}

/// Who is at the other end of an export connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectType {
    /// `recorder`
    Recorder,
    /// `transcriber`
    Transcriber,
    /// `translator`
    Translator,
    /// `agent`
    Agent,
}

impl ConnectType {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recorder => "recorder",
            Self::Transcriber => "transcriber",
            Self::Translator => "translator",
            Self::Agent => "agent",
        }
    }

    /// Reads the name in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Recorder, Self::Transcriber, Self::Translator, Self::Agent]
            .into_iter()
            .find(|kind| kind.as_str().eq_ignore_ascii_case(name))
    }
}

/// One header of the upgrade request of an export connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpHeader {
    /// Letters, digits and dashes.
    pub name: String,
    /// Without CR and LF.
    pub value: String,
}

/// The keep-alive of an export connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ping {
    /// Milliseconds between pings.
    pub interval_ms: u32,
    /// Milliseconds until a ping without answer counts as lost.
    pub timeout_ms: u32,
}
