//! A simulated conference of one sender and one receiver: the engines of this crate on both sides of
//! a link with a rate, a queue, a delay, jitter and loss. One seed, one result.

#![allow(dead_code, reason = "each test uses a part of it")]

mod link;
mod session;

pub(crate) use link::{Link, Loss};
pub(crate) use session::{Sample, Session, SessionConfig, Source};
