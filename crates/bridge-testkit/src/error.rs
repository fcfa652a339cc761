use std::time::Duration;

use thiserror::Error;

/// Why a piece of the test equipment failed.
#[derive(Debug, Error)]
pub enum TestkitError {
    /// A program could not be started; usually it is not installed.
    #[error("cannot start {program}: {source}")]
    Start {
        /// Which program.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A program ended too early.
    #[error("{program} ended: {detail}")]
    Ended {
        /// Which program.
        program: String,
        /// Its last lines.
        detail: String,
    },
    /// Something did not happen in time.
    #[error("{what} did not happen within {patience:?}")]
    Timeout {
        /// What was waited for.
        what: String,
        /// For how long.
        patience: Duration,
    },
    /// Somebody could not be talked to.
    #[error("{peer}: {source}")]
    Io {
        /// Who.
        peer: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Somebody said something that was not expected.
    #[error("{peer} answered unexpectedly: {detail}")]
    Unexpected {
        /// Who.
        peer: String,
        /// What it said.
        detail: String,
    },
}

impl TestkitError {
    pub(crate) fn unexpected(peer: &str, detail: impl ToString) -> Self {
        Self::Unexpected { peer: peer.to_owned(), detail: detail.to_string() }
    }

    pub(crate) fn io(peer: &str) -> impl FnOnce(std::io::Error) -> Self {
        let peer = peer.to_owned();
        move |source| Self::Io { peer, source }
    }
}
