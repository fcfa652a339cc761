//! The videobridge: a configuration in, a running bridge out.
//!
//! Wires the planes together: XMPP, HTTP and the demo ask one [`Videobridge`], which runs a task per
//! conference and commands the shards. Where to start: `run`, then `videobridge` and
//! `conference_task`.

#![forbid(unsafe_code)]

mod arguments;
mod conference_task;
mod cpu_times;
mod demo_config;
mod health;
mod load;
mod logging;
mod media;
mod program;
mod run;
mod service;
mod settings;
mod statistics;
mod totals;
mod version;
mod videobridge;
mod wall_clock;

pub use arguments::{Action, ArgumentError, Arguments, HELP};
pub use media::MediaError;
pub use program::main_with;
pub use run::{Ending, RunError, run};
pub use videobridge::{EventQueue, Videobridge};
