//! What an endpoint sends, from authentication to forwarding.

mod audio_streams;
mod endpoint_reception;
mod layers_report;
mod payload_types;
mod received;
mod sources;
mod ssrc_roles;
mod stream_numbers;
mod video_source;

pub use audio_streams::MAX_UNANNOUNCED_AUDIO;
pub use endpoint_reception::EndpointReception;
pub use payload_types::ReceivedPayloadType;
pub use received::{Received, ReceivedAudio, ReceivedVideo, ReceptionCounters, ReceptionRefusal};
pub use sources::{MAX_RECEIVED_SOURCES, ReceivedEncoding, ReceivedSource};
