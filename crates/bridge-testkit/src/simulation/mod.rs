//! Whole conferences in simulated time: links, scripted senders, receivers that check every promise,
//! and the real engines of the bridge between them. One seed, one result.

mod announcements;
mod audio_payload;
mod audio_receiver;
mod audio_sender;
mod bridge;
mod catalogue;
mod client;
mod codec;
mod conference;
mod encoding;
mod footage;
mod frame_buffer;
mod frame_header;
mod frame_stamp;
mod link;
mod nack_list;
mod page;
mod playback;
mod player;
mod random;
mod rate_profile;
mod report;
mod reports;
mod rtp_writer;
mod scenario;
#[cfg(test)]
mod self_test;
mod signaling;
mod stream_check;
mod transport_feedback;
mod video_receiver;
mod video_sender;
mod violation;

pub(crate) use bridge::{CERTIFICATE, CONTEXT};
pub(crate) use reports::ReceptionReports;
pub(crate) use transport_feedback::FeedbackSender;

pub use announcements::SsrcAnnouncements;
pub use audio_receiver::{AudioReceiver, AudioReceiverCounters};
pub use audio_sender::AudioSender;
pub use bridge::{BridgeSettings, SimulationError};
pub use client::{Abilities, SimulatedClient};
pub use codec::{Layering, SimulatedCodec};
pub use conference::{Participant, SimulatedConference};
pub use footage::Footage;
pub use link::{
    Link, LinkCounters, LinkOutcome, LinkSample, LinkSettings, LossModel, SAMPLE_INTERVAL,
    UDP_AND_IP_BYTES,
};
pub use page::html_page;
pub use playback::{Freeze, Playback, ShownPicture};
pub use random::SimulationRandom;
pub use rate_profile::RateProfile;
pub use report::{Chart, Curve, Figure, ScenarioReport};
pub use rtp_writer::OutgoingRtp;
pub use scenario::Scenario;
pub use video_receiver::{VideoReceiver, VideoReceiverCounters};
pub use video_sender::{LayerSettings, VideoSender, VideoSenderCounters, VideoSettings};
pub use violation::{Violation, ViolationKind, Violations};
