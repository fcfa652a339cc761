//! The embedded configuration of `--demo`.

/// A free-standing bridge on loopback: no XMPP, no public address, the page on port 8080.
pub(crate) const DEMO_CONFIG: &str = r#"
videobridge {
  ice.udp.port = 10000
  apis.rest.enabled = true
  http-servers.private { host = "localhost", port = 8080 }
  health.require-valid-address = false
}
ice4j.harvest {
  use-loopback-addresses = true
  allowed-interfaces = ["lo"]
}
"#;
