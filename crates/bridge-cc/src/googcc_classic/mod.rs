//! GoogleCc: the older estimator that JVB still offers. A Kalman filter on the delay, a rate control
//! that follows it, and the loss.

mod delay_estimator;
mod kalman;
mod loss_estimator;
mod network_controller;
mod overuse_detector;
mod rate_control;
mod rate_window;
mod remote_estimator;

pub use network_controller::{GoogCcClassic, GoogCcClassicConfig};
pub use remote_estimator::RemoteEstimator;
