use std::net::{IpAddr, SocketAddr};

use crate::bridge_url::BridgeUrl;
use crate::error::LoadError;

/// Where load may go. A generator of floods must not be pointed at somebody else's machine, neither
/// by an option nor by a candidate in the bridge's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    bridge: IpAddr,
    connect_to: Option<IpAddr>,
}

impl Destination {
    /// Media to `connect_to` instead of the candidates' addresses, if given.
    pub(crate) fn new(bridge: BridgeUrl, connect_to: Option<IpAddr>) -> Result<Self, LoadError> {
        let destination = Self { bridge: bridge.address.ip(), connect_to };
        match connect_to {
            Some(address) if !destination.is_allowed(address) => Err(LoadError::Destination(
                format!("--connect-to {address} is neither loopback nor the host of --bridge"),
            )),
            _ => Ok(destination),
        }
    }

    /// Where a candidate of the bridge is reached; `None` if nothing may be sent there.
    pub(crate) fn of_candidate(self, candidate: SocketAddr) -> Option<SocketAddr> {
        let address = self.connect_to.unwrap_or_else(|| candidate.ip());
        self.is_allowed(address).then(|| SocketAddr::new(address, candidate.port()))
    }

    /// Whether a datagram may be sent to `address`.
    pub(crate) fn is_allowed(self, address: IpAddr) -> bool {
        address.is_loopback() || address == self.bridge
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destination(bridge: &str, connect_to: Option<&str>) -> Result<Destination, LoadError> {
        Destination::new(bridge.parse().unwrap(), connect_to.map(|text| text.parse().unwrap()))
    }

    #[test]
    fn only_loopback_and_the_bridge_are_reached() {
        let candidate = |text: &str| text.parse::<SocketAddr>().unwrap();
        let local = destination("http://127.0.0.1:8080", None).unwrap();
        assert_eq!(local.of_candidate(candidate("192.0.2.1:10000")), None);
        assert!(local.of_candidate(candidate("127.0.0.1:10000")).is_some());
        let moved = destination("http://127.0.0.1:8080", Some("127.0.0.1")).unwrap();
        let reached = moved.of_candidate(candidate("192.0.2.1:10000"));
        assert_eq!(reached, Some(candidate("127.0.0.1:10000")));
        let elsewhere = destination("http://192.0.2.1:8080", Some("192.0.2.1")).unwrap();
        assert!(elsewhere.of_candidate(candidate("10.0.0.1:1")).is_some());
        assert!(destination("http://127.0.0.1:8080", Some("192.0.2.1")).is_err());
    }
}
