//! What the bridge says it is.

/// The name that Jicofo, dashboards and tests of operators expect.
pub(crate) const NAME: &str = "JVB";

/// The version in presence, statistics and answers. It begins as the reference's line does, so that
/// tools which look at it go on working, and names this software behind the dash.
pub(crate) const VERSION: &str =
    concat!("2.3.", env!("CARGO_PKG_VERSION_MINOR"), "-videobridge-", env!("CARGO_PKG_VERSION"));

/// The operating system.
pub(crate) const OS: &str = "Linux";
