use std::net::IpAddr;
use std::time::Duration;

use bridge_units::DataSize;
use hocon::HoconValue;

use crate::error::{ConfigError, one_line};
use crate::legacy::{NAT_LOCAL, NAT_PUBLIC};
use crate::reader::{Check, FromConfig, Reader, join};
use crate::section::checks::{AT_LEAST_ONE, BUFFER, PERIOD};
use crate::value::{FromValue, seconds, show, text, whole};

section! {
    /// Threads of the media path. Not in JVB.
    ShardConfig {
        /// Number of shards; 0 means one per core.
        count: u16 = "count" where SHARDS,
        /// Whether each shard's thread is pinned to a core.
        pin: bool = "pin",
        /// How long a shard waits for the rest of a burst when each packet goes to many.
        coalescing_window: Duration = "coalescing.window" where COALESCING,
        /// How many packets must leave for each that came, before it waits.
        coalescing_min_fan_out: u32 = "coalescing.min-fan-out" where AT_LEAST_ONE,
    }
}

section! {
    /// ICE.
    IceConfig {
        /// The one UDP port for media.
        port: u16 = "videobridge.ice.udp.port" where UDP_PORT,
        /// Put before every local ufrag; contains no colon.
        ufrag_prefix: Option<UfragPrefix> = "videobridge.ice.ufrag-prefix",
        /// Which pairs get consent checks.
        keep_alive_strategy: KeepAliveStrategy = "videobridge.ice.keep-alive-strategy",
        /// Whether host names in remote candidates are looked up.
        resolve_remote_candidates: bool = "videobridge.ice.resolve-remote-candidates",
        /// When a pair is nominated.
        nomination_strategy: NominationStrategy = "videobridge.ice.nomination-strategy",
        /// Whether private addresses are signalled.
        advertise_private_candidates: bool = "videobridge.ice.advertise-private-candidates",
        /// ICE restart.
        restart: IceRestartConfig = "videobridge.ice.restart",
        /// Most pairs in one check list.
        max_check_list_size: u32 = "ice4j.ice.max-check-list-size" where AT_LEAST_ONE,
        /// From completion to the end of all other checks.
        termination_delay: Duration = "ice4j.ice.termination-delay",
        /// STUN SOFTWARE; empty: not sent.
        software: String = "ice4j.software",
        /// `ice4j.use-component-socket`: without a meaning here.
        use_component_socket: bool = "ice4j.use-component-socket",
        /// Whether data is sent to where the last data came from.
        send_to_last_received_from_address: bool = "ice4j.send-to-last-received-from-address",
        /// Whether ICE shortens remote addresses in the log.
        redact_remote_addresses: bool = "ice4j.redact-remote-addresses",
    }
}

/// ICE restart (make before break).
#[derive(Clone, Debug, PartialEq)]
pub struct IceRestartConfig {
    /// Whether requests for a restart are granted.
    pub enabled: bool,
    /// How long the old transport lives on; zero: not at all.
    pub transition_window: Duration,
    /// When a pending restart is given up; never zero if `enabled`.
    pub timeout: Duration,
}

section! {
    /// Consent checks (RFC 7675).
    ConsentConfig {
        /// Between two checks.
        interval: Duration = "interval" where PERIOD,
        /// Wait for the first answer.
        original_wait_interval: Duration = "original-wait-interval" where PERIOD,
        /// Longest wait for an answer.
        max_wait_interval: Duration = "max-wait-interval" where PERIOD,
        /// Repetitions until a check has failed.
        max_retransmissions: u32 = "max-retransmissions",
        /// Whether the interval varies between 0.8 and 1.2 of its value.
        randomize_interval: bool = "randomize-interval",
    }
}

section! {
    /// Which local addresses become candidates.
    HarvestConfig {
        /// Whether IPv6 addresses are used.
        use_ipv6: bool = "use-ipv6",
        /// Whether IPv6 link-local addresses are used.
        use_link_local_addresses: bool = "use-link-local-addresses",
        /// Whether loopback addresses are used. Not in JVB.
        use_loopback_addresses: bool = "use-loopback-addresses",
        /// Limit for finding the public addresses.
        timeout: Duration = "timeout" where PERIOD,
        /// SO_RCVBUF of a media socket.
        receive_buffer_size: DataSize = "udp.receive-buffer-size" where BUFFER,
        /// `udp.use-dynamic-ports`: without a meaning here.
        use_dynamic_ports: bool = "udp.use-dynamic-ports",
        /// `udp.socket-pool-size`: without a meaning here.
        socket_pool_size: u32 = "udp.socket-pool-size",
        /// If not empty, only these addresses are used.
        allowed_addresses: Vec<IpAddr> = "allowed-addresses",
        /// These are not used.
        blocked_addresses: Vec<IpAddr> = "blocked-addresses",
        /// If not empty, only interfaces of these names are used.
        allowed_interfaces: Vec<String> = "allowed-interfaces",
        /// Interfaces of these names are not used.
        blocked_interfaces: Vec<String> = "blocked-interfaces",
        /// How public addresses are found.
        mapping: MappingConfig = "mapping",
    }
}

section! {
    /// How public addresses are found.
    MappingConfig {
        /// Whether the EC2 metadata service is asked.
        aws_enabled: bool = "aws.enabled",
        /// `aws.force`: without an effect in JVB, too.
        aws_force: bool = "aws.force",
        /// STUN servers to ask.
        stun_servers: Vec<StunServer> = "stun.addresses",
        /// Fixed pairs of addresses.
        static_mappings: Vec<StaticMapping> = "static-mappings",
    }
}

/// One local address that the world sees as another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticMapping {
    /// The address of a host candidate.
    pub local: IpAddr,
    /// The address that is signalled in its place.
    pub public: IpAddr,
    /// Only for this local port, and signalled with that public one; without: any port, as it is.
    pub ports: Option<PortMapping>,
    /// For the log.
    pub name: String,
}

/// The ports of a [`StaticMapping`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortMapping {
    /// The port of the host candidate.
    pub local: u16,
    /// The port that is signalled.
    pub public: u16,
}

/// The host and port of a STUN server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StunServer {
    /// A name or an IPv4 address.
    pub host: String,
    /// The UDP port.
    pub port: u16,
}

/// The beginning of every local ufrag: characters that RFC 8445 allows there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UfragPrefix(String);

impl UfragPrefix {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

named_values! {
    /// When a pair is nominated (JVB class `NominationStrategy`).
    NominationStrategy, expected "NominateFirstHostOrReflexiveValid, NominateFirstValid, \
        NominateHighestPriority, NominateBestRTT or None" {
        /// The first valid pair without a relayed candidate; others only when nothing else works.
        FirstHostOrReflexiveValid = "NominateFirstHostOrReflexiveValid",
        /// The first valid pair.
        FirstValid = "NominateFirstValid",
        /// The best one, when all checks are over.
        HighestPriority = "NominateHighestPriority",
        /// Not implemented in JVB, where nothing is ever nominated.
        ///
        /// Differs from JVB: to be treated as the default.
        BestRtt = "NominateBestRTT",
        /// The bridge nominates nothing.
        Nothing = "None",
    }
}

named_values! {
    /// Which pairs get consent checks (JVB class `KeepAliveStrategy`).
    KeepAliveStrategy, expected "selected_only, selected_and_tcp or all_succeeded" {
        /// The selected one.
        SelectedOnly = "selected_only",
        /// As `SelectedOnly`, since there is no ICE over TCP.
        SelectedAndTcp = "selected_and_tcp",
        /// Every pair whose check succeeded.
        AllSucceeded = "all_succeeded",
    }
}

impl FromConfig for IceRestartConfig {
    /// Both durations may be negative, which is as good as zero; a timeout of zero disables.
    fn read(reader: &Reader<'_>, prefix: &str) -> Result<Self, ConfigError> {
        let not_negative = |key| reader.read(&join(prefix, key)).map(|AtLeastZero(value)| value);
        let timeout: Duration = not_negative("timeout")?;
        Ok(Self {
            enabled: reader.read::<bool>(&join(prefix, "enabled"))? && !timeout.is_zero(),
            transition_window: not_negative("transition-window")?,
            timeout,
        })
    }
}

/// A duration; what was negative is zero.
struct AtLeastZero(Duration);

impl FromValue for AtLeastZero {
    const EXPECTED: &'static str = Duration::EXPECTED;

    fn from_value(value: &HoconValue) -> Option<Self> {
        let seconds = seconds(text(value)?)?.max(0.0);
        Duration::try_from_secs_f64(seconds).ok().map(Self)
    }
}

impl FromValue for UfragPrefix {
    const EXPECTED: &'static str = "up to 200 letters, digits, + / - or _ (a colon would break \
        the demultiplexing of STUN)";

    fn from_value(value: &HoconValue) -> Option<Self> {
        let prefix = text(value)?.trim();
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_');
        let fits = !prefix.is_empty() && prefix.len() <= MAX_UFRAG_PREFIX_LEN;
        (fits && prefix.chars().all(allowed)).then(|| Self(prefix.to_owned()))
    }
}

/// What is not an address is left out, as in JVB.
impl FromConfig for Vec<IpAddr> {
    fn read(reader: &Reader<'_>, path: &str) -> Result<Self, ConfigError> {
        let mut addresses = Self::new();
        for entry in reader.read::<Vec<String>>(path)? {
            match ip_address(&entry) {
                Some(address) => addresses.push(address),
                None => {
                    reader.ignored(path, format!("{:?} is not an IP address", one_line(&entry)))
                }
            }
        }
        Ok(addresses)
    }
}

impl FromConfig for Vec<StunServer> {
    fn read(reader: &Reader<'_>, path: &str) -> Result<Self, ConfigError> {
        let servers = reader.read::<Vec<String>>(path)?;
        let servers = servers.iter().filter(|server| !server.trim().is_empty());
        servers
            .map(|server| StunServer::parse(server))
            .collect::<Option<_>>()
            .ok_or_else(|| reader.refuse(path, "a list of host:port"))
    }
}

impl StunServer {
    /// IPv6 literals are not supported: the text is split at its only colon.
    fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.trim().split_once(':')?;
        let port = port.parse().ok().filter(|&port: &u16| port > 0)?;
        (!host.is_empty()).then(|| Self { host: host.to_owned(), port })
    }
}

impl FromConfig for Vec<StaticMapping> {
    fn read(reader: &Reader<'_>, path: &str) -> Result<Self, ConfigError> {
        let list = match reader.value(path) {
            Some(value) => value.as_array().ok_or_else(|| reader.refuse(path, "a list")),
            None => Err(reader.refuse(path, "a list")),
        }?;
        let mut mappings = Self::new();
        for (index, entry) in list.iter().enumerate() {
            let mapping = MappingEntry { reader, list: path, index, entry }.read()?;
            mappings.push(mapping);
        }
        mappings.extend(legacy_mapping(reader)?);
        Ok(mappings)
    }
}

/// One element of the list of static mappings while it is read.
struct MappingEntry<'a> {
    reader: &'a Reader<'a>,
    list: &'a str,
    index: usize,
    entry: &'a HoconValue,
}

impl MappingEntry<'_> {
    fn read(&self) -> Result<StaticMapping, ConfigError> {
        let local = self.address("local-address")?;
        let public = self.address("public-address")?;
        let ports = match (self.port("local-port")?, self.port("public-port")?) {
            (Some(local), Some(public)) => Some(PortMapping { local, public }),
            (None, None) => None,
            (Some(_), None) => return Err(self.refuse("public-port", ONE_PORT)),
            (None, Some(_)) => return Err(self.refuse("local-port", ONE_PORT)),
        };
        let name = self.text("name").unwrap_or("static_mapping").to_owned();
        Ok(StaticMapping { local, public, ports, name })
    }

    fn field(&self, key: &str) -> Option<&HoconValue> {
        self.entry.as_object()?.get(key)
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.field(key).and_then(text)
    }

    fn address(&self, key: &str) -> Result<IpAddr, ConfigError> {
        let address = self.text(key).and_then(ip_address);
        address.ok_or_else(|| self.refuse(key, "an IP address"))
    }

    fn port(&self, key: &str) -> Result<Option<u16>, ConfigError> {
        let Some(value) = self.field(key).filter(|value| !value.is_null()) else { return Ok(None) };
        let port = text(value).and_then(whole).and_then(|port| u16::try_from(port).ok());
        match port.filter(|&port| port > 0) {
            Some(port) => Ok(Some(port)),
            None => Err(self.refuse(key, UDP_PORT.expected)),
        }
    }

    fn refuse(&self, key: &str, expected: &str) -> ConfigError {
        let file = self.reader.file(self.list);
        let key = format!("{}[{}].{key}", self.list, self.index);
        let expected = expected.to_owned();
        match self.field(key.rsplit('.').next().unwrap_or(&key)) {
            Some(value) => ConfigError::Value { file, key, value: show(value), expected },
            None => ConfigError::Missing { file, key, expected },
        }
    }
}

/// The one mapping that the legacy names can express; half of it is ignored, as in JVB.
fn legacy_mapping(reader: &Reader<'_>) -> Result<Option<StaticMapping>, ConfigError> {
    let local = reader.optional::<String>(NAT_LOCAL)?;
    let public = reader.optional::<String>(NAT_PUBLIC)?;
    let (Some(local), Some(public)) = (&local, &public) else {
        if local.is_some() || public.is_some() {
            let set = if local.is_some() { NAT_LOCAL } else { NAT_PUBLIC };
            reader.ignored(set, "the other address of the pair is missing");
        }
        return Ok(None);
    };
    let address =
        |path, text: &str| ip_address(text).ok_or_else(|| reader.refuse(path, "an IP address"));
    Ok(Some(StaticMapping {
        local: address(NAT_LOCAL, local)?,
        public: address(NAT_PUBLIC, public)?,
        ports: None,
        name: "static_mapping".to_owned(),
    }))
}

fn ip_address(text: &str) -> Option<IpAddr> {
    text.trim().trim_matches(['[', ']']).parse().ok()
}

const SHARDS: Check<u16> = Check {
    expected: "a whole number from 0 (one per core) to 64",
    holds: |&count| count <= MAX_SHARDS,
};

/// Sound is spoken in packets of 20 ms: a longer wait would be heard.
const COALESCING: Check<Duration> = Check {
    expected: "a duration from 0 to 1 millisecond",
    holds: |window| *window <= Duration::from_millis(1),
};

/// What the shard directory has room for.
const MAX_SHARDS: u16 = 64;

const UDP_PORT: Check<u16> = Check { expected: "a port from 1 to 65535", holds: |&port| port > 0 };

const ONE_PORT: &str = "both local-port and public-port or neither";

/// RFC 8445 allows 256 characters in a ufrag; the random part needs some of them.
const MAX_UFRAG_PREFIX_LEN: usize = 200;
