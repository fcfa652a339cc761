//! Sound: who speaks, what of it is forwarded, and redundancy (RFC 2198).
//!
//! Per conference: [`SpeechActivity`], [`LoudestSpeakers`], [`AudioSubscriptions`],
//! [`EndpointConnectivity`]. Per received source: [`SilenceFilter`], [`RedStream`],
//! [`SendingActivity`]. Reports of levels may come in batches, up to [`REPORT_DELAY`] late.

mod connectivity;
mod loudest;
mod red;
mod red_stream;
mod sending;
mod silence;
mod speaker;
mod speech_activity;
mod subscription;

use std::time::Duration;

pub use connectivity::{
    ConnectivityChange, ConnectivityConfig, EndpointConnectivity, MAX_LOST_REMEMBERED,
};
pub use loudest::{LoudestConfig, LoudestRouting, LoudestSpeakers, Ranking};
pub use red::{MAX_RED_BLOCKS, RedBlock, RedError, RedPacket, write_red};
pub use red_stream::{
    AudioPacket, PlainAudio, RedAction, RedConfig, RedDistance, RedPolicy, RedStream,
};
pub use sending::SendingActivity;
pub use silence::{SilenceConfig, SilenceFilter};
pub use speech_activity::{SpeechActivity, SpeechActivityConfig, SpeechEvent};
pub use subscription::{AudioSubscription, AudioSubscriptions, MAX_SUBSCRIBED_NAMES};

/// How late a report of a level may come without disturbing who is found to speak.
pub const REPORT_DELAY: Duration = Duration::from_millis(100);

/// Endpoints of a conference whose speech is followed: as many as signalling accepts.
pub const MAX_SPEAKERS: usize = 4_096;
