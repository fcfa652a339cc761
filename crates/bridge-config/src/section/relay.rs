use crate::error::ConfigError;
use crate::reader::{FromConfig, Reader, join};

/// Links to other bridges, and where this bridge is.
#[derive(Clone, Debug, PartialEq)]
pub struct RelayConfig {
    /// Whether there are relays; `relay_id` is set then.
    pub enabled: bool,
    /// Published in the presence whether or not relays are enabled.
    pub region: Option<String>,
    /// The name of this bridge for other bridges.
    pub relay_id: Option<String>,
}

/// JVB class `RelayConfig`: the names below `octo` precede those below `relay`.
impl FromConfig for RelayConfig {
    fn read(reader: &Reader<'_>, prefix: &str) -> Result<Self, ConfigError> {
        let path = |key| join(prefix, key);
        let text = |key| reader.optional::<String>(&path(key));
        let not_empty = |text: &String| !text.is_empty();
        let octo_enabled = reader.optional::<bool>(&path("octo.enabled"))?;
        let relay_enabled = reader.read::<bool>(&path("relay.enabled"))?;
        let region = [text("octo.region")?, text("relay.region")?];
        let relay_id =
            [text("octo.relay-id")?, text("relay.relay-id")?, text("octo.bind-address")?];
        let relay = Self {
            enabled: octo_enabled.unwrap_or(relay_enabled),
            region: region.into_iter().flatten().find(not_empty),
            relay_id: relay_id.into_iter().flatten().find(not_empty),
        };
        if relay.enabled && relay.relay_id.is_none() {
            return Err(reader.refuse(&path("relay.relay-id"), "an id, since relays are enabled"));
        }
        Ok(relay)
    }
}
