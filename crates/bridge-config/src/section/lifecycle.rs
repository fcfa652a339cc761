use std::time::Duration;

use crate::section::checks::PERIOD;

section! {
    /// Removal of inactive endpoints and conferences.
    ExpirationConfig {
        /// Inactive for this long.
        timeout: Duration = "timeout" where PERIOD,
        /// How often it is looked at.
        check_interval: Duration = "check-interval" where PERIOD,
    }
}

section! {
    /// When other clients are told that an endpoint is not connected.
    ConnectionStatusConfig {
        /// Time to send something at all.
        first_transfer_timeout: Duration = "first-transfer-timeout",
        /// Silence after that.
        max_inactivity_limit: Duration = "max-inactivity-limit",
        /// How often it is looked at.
        check_interval: Duration = "check-interval" where PERIOD,
    }
}

section! {
    /// Health checks.
    HealthConfig {
        /// Between two.
        interval: Duration = "interval" where PERIOD,
        /// Without one for this long the bridge is unhealthy.
        timeout: Duration = "timeout" where PERIOD,
        /// A longer one is a failure.
        max_check_duration: Duration = "max-check-duration" where PERIOD,
        /// Whether a failure stays.
        sticky_failures: bool = "sticky-failures",
        /// Whether a bridge without a public address is unhealthy.
        require_valid_address: bool = "require-valid-address",
        /// Whether it is when no STUN server answered.
        require_stun: bool = "require-stun",
    }
}

section! {
    /// Graceful shutdown.
    ShutdownConfig {
        /// Longest wait for participants to leave.
        graceful_shutdown_max_duration: Duration = "graceful-shutdown-max-duration",
        /// So few participants are not waited for.
        graceful_shutdown_min_participants: u32 = "graceful-shutdown-min-participants",
        /// From the announcement to the end.
        shutting_down_delay: Duration = "shutting-down-delay",
    }
}

section! {
    /// What is said about the version.
    VersionConfig {
        /// Whether clients learn it.
        announce: bool = "announce",
        /// Published beside it.
        release: Option<String> = "release",
    }
}

section! {
    /// Media over WebSockets to an external service.
    ExporterConfig {
        /// After so many failures it is given up; `None`: never.
        max_reconnect_attempts: Option<u32> = "max-reconnect-attempts",
        /// Wait after the first failure.
        base_delay: Duration = "base-delay" where PERIOD,
        /// Longest wait.
        max_delay: Duration = "max-delay" where PERIOD,
        /// A connection that lasted this long resets the wait.
        stable_connection_threshold: Duration = "stable-connection-threshold",
    }
}
