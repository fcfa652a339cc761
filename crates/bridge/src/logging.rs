//! The log on standard error.

use tracing_subscriber::EnvFilter;

/// Starts logging: at info, or as RUST_LOG says. A second call does nothing.
pub(crate) fn start() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let under_systemd = std::env::var_os("JOURNAL_STREAM").is_some();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    // The journal has its own time stamps.
    let _ = if under_systemd { builder.without_time().try_init() } else { builder.try_init() };
}

/// Libraries speak up only when something is wrong; sctp_proto does also when a peer is.
const DEFAULT: &str = "info,hyper=warn,rustls=warn,dimpl=warn,is=warn,sctp_proto=off";
