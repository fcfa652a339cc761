//! The JSON messages of the bridge channel: between a client and its bridge, over a data channel
//! or a WebSocket, and between bridges. JVB's `BridgeChannelMessage`.
//!
//! One message is one object with a `colibriClass`. What does not parse is dropped by whoever reads
//! the channel: it never closes the channel and never gets a reply.

mod event;
mod forwarded;
mod parse;
mod receiver;
mod source;
mod strict_value;
mod write;

pub use event::{
    ConnectionStats, DominantSpeakerEndpointChangeEvent, EndpointConnectivityStatusChangeEvent,
    ServerHello, SyntheticSourceSendingChangeEvent,
};
pub use forwarded::{EndpointMessage, EndpointStats};
pub use parse::MessageError;
pub use receiver::{
    AddReceiver, LastNChangedEvent, ReceiverAudioSubscription, ReceiverVideoConstraints,
    RemoveReceiver, VideoConstraints,
};
pub use source::{
    AudioSourceMapping, AudioSourcesMap, ForwardedSources, SenderSourceConstraints,
    SourceVideoTypeMessage, VideoSourceMapping, VideoSourcesMap, VideoTypeMessage,
};

/// One message of the bridge channel.
#[derive(Clone, Debug, PartialEq)]
pub enum BridgeChannelMessage {
    /// A client asks for a [`ServerHello`].
    ClientHello,
    /// The bridge greets.
    ServerHello(ServerHello),
    /// Application data from one endpoint to another or to all.
    EndpointMessage(EndpointMessage),
    /// A client's quality statistics for the others.
    EndpointStats(EndpointStats),
    /// A client sets its last-n (old form).
    LastNChangedEvent(LastNChangedEvent),
    /// A client says what video it wants.
    ReceiverVideoConstraints(ReceiverVideoConstraints),
    /// A client says what audio it wants.
    ReceiverAudioSubscription(ReceiverAudioSubscription),
    /// What a video source shows.
    SourceVideoTypeMessage(SourceVideoTypeMessage),
    /// What the first video source of the sender shows (old form).
    VideoTypeMessage(VideoTypeMessage),
    /// The speakers' order changed.
    DominantSpeakerEndpointChangeEvent(DominantSpeakerEndpointChangeEvent),
    /// An endpoint was lost or came back.
    EndpointConnectivityStatusChangeEvent(EndpointConnectivityStatusChangeEvent),
    /// The video sources that are being forwarded.
    ForwardedSources(ForwardedSources),
    /// Which video source is sent on which SSRC.
    VideoSourcesMap(VideoSourcesMap),
    /// Which audio source is sent on which SSRC.
    AudioSourcesMap(AudioSourcesMap),
    /// How large a source needs to be sent.
    SenderSourceConstraints(SenderSourceConstraints),
    /// The estimated bandwidth towards the client.
    ConnectionStats(ConnectionStats),
    /// Audio generated for a synthetic source starts or stops.
    SyntheticSourceSendingChangeEvent(SyntheticSourceSendingChangeEvent),
    /// Another bridge wants a source at a height.
    AddReceiver(AddReceiver),
    /// Defined, never sent, never handled.
    RemoveReceiver(RemoveReceiver),
}

impl BridgeChannelMessage {
    /// Reads one message.
    pub fn parse(text: &str) -> Result<Self, MessageError> {
        parse::message(text)
    }

    /// The message as one line of JSON.
    pub fn to_json_string(&self) -> String {
        self.to_json().to_string()
    }

    /// The message as a JSON object.
    pub fn to_json(&self) -> serde_json::Value {
        write::message(self)
    }

    /// The name of the message: its `colibriClass`.
    pub const fn colibri_class(&self) -> &'static str {
        match self {
            Self::ClientHello => "ClientHello",
            Self::ServerHello(_) => "ServerHello",
            Self::EndpointMessage(_) => "EndpointMessage",
            Self::EndpointStats(_) => "EndpointStats",
            Self::LastNChangedEvent(_) => "LastNChangedEvent",
            Self::ReceiverVideoConstraints(_) => "ReceiverVideoConstraints",
            Self::ReceiverAudioSubscription(_) => "ReceiverAudioSubscription",
            Self::SourceVideoTypeMessage(_) => "SourceVideoTypeMessage",
            Self::VideoTypeMessage(_) => "VideoTypeMessage",
            Self::DominantSpeakerEndpointChangeEvent(_) => "DominantSpeakerEndpointChangeEvent",
            Self::EndpointConnectivityStatusChangeEvent(_) => {
                "EndpointConnectivityStatusChangeEvent"
            }
            Self::ForwardedSources(_) => "ForwardedSources",
            Self::VideoSourcesMap(_) => "VideoSourcesMap",
            Self::AudioSourcesMap(_) => "AudioSourcesMap",
            Self::SenderSourceConstraints(_) => "SenderSourceConstraints",
            Self::ConnectionStats(_) => "ConnectionStats",
            Self::SyntheticSourceSendingChangeEvent(_) => "SyntheticSourceSendingChangeEvent",
            Self::AddReceiver(_) => "AddReceiver",
            Self::RemoveReceiver(_) => "RemoveReceiver",
        }
    }
}
