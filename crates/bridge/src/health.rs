//! The periodic health check (JVB: `JvbHealthChecker`; jicoco: `HealthChecker`).

use bridge_conference::is_private;
use bridge_units::Timestamp;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What is checked and how often.
#[derive(Clone, Debug)]
pub(crate) struct HealthSettings {
    pub(crate) interval: Duration,
    /// A result older than this counts as a failure.
    pub(crate) timeout: Duration,
    pub(crate) require_valid_address: bool,
    /// All bound addresses and the public sides of all mappings.
    pub(crate) addresses: Vec<IpAddr>,
    /// Whether at least one address is bound.
    pub(crate) bound: bool,
    /// Set when a shard's thread has ended before the bridge did.
    pub(crate) shard_died: Arc<AtomicBool>,
}

/// The last result.
pub(crate) struct Health {
    settings: HealthSettings,
    last: Mutex<Option<(Timestamp, Result<(), String>)>>,
}

impl Health {
    pub(crate) fn new(settings: HealthSettings) -> Self {
        Self { settings, last: Mutex::new(None) }
    }

    pub(crate) fn interval(&self) -> Duration {
        self.settings.interval
    }

    /// Checks now; whether the outcome differs from the last one.
    pub(crate) fn check(&self, now: Timestamp) -> bool {
        let result = self.settings.check();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let was_healthy = last.as_ref().is_none_or(|(_, result)| result.is_ok());
        let changed = was_healthy != result.is_ok();
        *last = Some((now, result));
        changed
    }

    /// The last result, unless it is too old; healthy before the first check.
    pub(crate) fn result(&self, now: Timestamp) -> Result<(), String> {
        match &*self.last.lock().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(()),
            Some((at, _)) if now - *at > self.settings.timeout => Err(format!(
                "No health checks performed recently, the last result was PT{:.1}S ago.",
                (now - *at).as_secs_f64()
            )),
            Some((_, result)) => result.clone(),
        }
    }
}

impl HealthSettings {
    fn check(&self) -> Result<(), String> {
        if self.require_valid_address && !self.addresses.iter().copied().any(is_public) {
            return Err("No valid IP addresses available for harvesting.".to_owned());
        }
        if !self.bound {
            return Err("Failed to bind single-port".to_owned());
        }
        if self.shard_died.load(Ordering::Relaxed) {
            return Err("A shard of the media path has died.".to_owned());
        }
        Ok(())
    }
}

/// Neither site-local, link-local nor loopback, as Java's `InetAddress` has it (unique local IPv6
/// addresses count as public there).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !(is_private(address) || v4.is_link_local() || v4.is_loopback()),
        IpAddr::V6(v6) => {
            let site_local = v6.segments()[0] & 0xffc0 == 0xfec0;
            !(site_local || v6.is_unicast_link_local() || v6.is_loopback())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(address: &str, require_valid_address: bool, bound: bool) -> Health {
        Health::new(HealthSettings {
            interval: Duration::from_secs(60),
            timeout: Duration::from_secs(90),
            require_valid_address,
            addresses: vec![address.parse().unwrap()],
            bound,
            shard_died: Arc::default(),
        })
    }

    #[test]
    fn each_failure_has_its_message() {
        for (address, require, bound, expected) in [
            ("203.0.113.1", true, true, Ok(())),
            ("10.0.0.1", true, true, Err("No valid IP addresses available for harvesting.")),
            ("fd00::1", true, true, Ok(())),
            ("fe80::1", true, true, Err("No valid IP addresses available for harvesting.")),
            ("10.0.0.1", false, true, Ok(())),
            ("10.0.0.1", false, false, Err("Failed to bind single-port")),
        ] {
            let health = health(address, require, bound);
            assert_eq!(health.result(Timestamp::ZERO), Ok(()), "healthy before the first check");
            health.check(Timestamp::ZERO);
            let result = health.result(Timestamp::from_millis(1));
            assert_eq!(result, expected.map_err(str::to_owned), "{address} {require} {bound}");
        }
    }

    #[test]
    fn an_old_result_is_a_failure() {
        let health = health("203.0.113.1", true, true);
        health.check(Timestamp::ZERO);
        assert!(health.result(Timestamp::from_millis(90_000)).is_ok());
        let message = health.result(Timestamp::from_millis(95_200)).unwrap_err();
        assert!(message.contains("PT95.2S"), "{message}");
    }
}
