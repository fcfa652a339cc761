//! GoogleCc2: the send-side estimator of libwebrtc as JVB has it, on transport-wide feedback.

mod aimd;
mod alr;
mod congestion_window;
mod delay_based;
mod inter_arrival;
mod largest_two;
mod link_capacity;
mod link_queue;
mod loss_based;
mod loss_observations;
mod network_controller;
mod probe_controller;
mod probe_estimator;
mod prober;
mod send_side;
mod throughput;
mod trendline;

pub(crate) use aimd::near_max_increase;
pub(crate) use inter_arrival::InterArrival;
pub(crate) use link_capacity::LinkCapacity;
pub use loss_based::LossState;
pub use network_controller::{GoogCc2, GoogCc2Config, GoogCc2State};
pub use prober::{ProbeClusterId, ProbeRun};
pub use trendline::BandwidthUsage;
