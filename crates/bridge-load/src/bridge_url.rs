use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use crate::arguments::ArgumentError;

/// Where the bridge's HTTP interface is: `http://ADDRESS:PORT`, by address and without TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BridgeUrl {
    /// Its address.
    pub address: SocketAddr,
}

impl FromStr for BridgeUrl {
    type Err = ArgumentError;

    fn from_str(url: &str) -> Result<Self, ArgumentError> {
        let wrong = || ArgumentError::BadValue { option: "--bridge", value: url.to_owned() };
        let rest = url.strip_prefix("http://").ok_or_else(wrong)?;
        let authority = rest.trim_end_matches('/');
        if let Ok(address) = authority.parse() {
            return Ok(Self { address });
        }
        let (host, port) = authority.rsplit_once(':').unwrap_or((authority, "80"));
        let port = port.parse().map_err(|_| wrong())?;
        let host = match host {
            // Not looked up: nothing but this machine may answer to it.
            "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
            host => host.parse().map_err(|_| wrong())?,
        };
        Ok(Self { address: SocketAddr::new(host, port) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_an_address() {
        for (url, address) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://localhost:8080/", "127.0.0.1:8080"),
            ("http://10.1.2.3", "10.1.2.3:80"),
            ("http://[::1]:8080", "[::1]:8080"),
        ] {
            assert_eq!(url.parse::<BridgeUrl>().unwrap().address.to_string(), address);
        }
        for url in ["https://127.0.0.1", "127.0.0.1:80", "http://example.org", "http://1.2.3.4:x"] {
            assert!(url.parse::<BridgeUrl>().is_err(), "{url}");
        }
    }
}
