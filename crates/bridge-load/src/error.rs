use std::io;
use std::path::Path;

use thiserror::Error;

/// Why a run could not be made, or had to stop.
#[derive(Debug, Error)]
pub enum LoadError {
    /// An operation of the system failed.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The bridge answered something that cannot be used.
    #[error("the bridge answered {0}")]
    Answer(String),
    /// An address that load must not be sent to.
    #[error("{0}")]
    Destination(String),
    /// The bridge's process cannot be read.
    #[error("no process {0}: is --pid the bridge's?")]
    NoProcess(u32),
    /// The bridge's process has ended.
    #[error("the bridge's process {0} has ended")]
    BridgeEnded(u32),
    /// DTLS or ICE could not be prepared.
    #[error("cannot prepare endpoints: {0}")]
    Setup(String),
    /// Endpoints did not connect in time.
    #[error("only {joined} of {wanted} endpoints connected within {seconds} s")]
    NotJoined {
        /// How many did.
        joined: usize,
        /// How many were to.
        wanted: usize,
        /// How long they had.
        seconds: u64,
    },
    /// A thread of the generator ended early.
    #[error("a thread of the generator has ended")]
    ThreadEnded,
}

impl LoadError {
    /// An operation that failed.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// A file that could not be written.
    pub(crate) fn file(path: &Path, source: io::Error) -> Self {
        Self::Io { what: path.display().to_string(), source }
    }
}
