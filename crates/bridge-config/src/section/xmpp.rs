use std::collections::BTreeMap;
use std::time::Duration;

use hocon::HoconValue;

use crate::Secret;
use crate::error::{ConfigError, one_line};
use crate::legacy::LegacyConnection;
use crate::notice::{Notice, NoticeKind};
use crate::reader::{FromConfig, Reader};
use crate::section::checks::PERIOD;
use crate::value::{FromValue as _, boolean, text};

section! {
    /// XMPP connections and what is published on them.
    XmppConfig {
        /// Between two publications of the statistics in the presence.
        presence_interval: Duration = "presence-interval" where PERIOD,
        /// Which statistics are published.
        stats_filter: StatsFilterConfig = "stats-filter",
        /// `jid-cache-size`: without a meaning here.
        jid_cache_size: u32 = "jid-cache-size",
        /// The connections, in the order of the file; ids are distinct.
        clients: Vec<XmppClientConfig> = "configs",
    }
}

section! {
    /// Restricts the published statistics.
    StatsFilterConfig {
        /// Whether only the listed statistics are published.
        enabled: bool = "enabled",
        /// Names, in the order in which they are published.
        whitelist: Vec<String> = "whitelist",
    }
}

/// One XMPP connection (JVB class `MucClientConfiguration`).
#[derive(Clone, Debug, PartialEq)]
pub struct XmppClientConfig {
    /// The name of the connection in the configuration, in REST calls and in the log.
    pub id: String,
    /// The host that is dialled.
    pub hostname: String,
    /// The TCP port.
    pub port: u16,
    /// The XMPP domain: of the stream, the account and the certificate.
    pub domain: String,
    /// The local part of the account.
    pub username: String,
    /// Its password.
    pub password: Secret,
    /// Bare JIDs of the rooms to join; at least one.
    pub muc_jids: Vec<String>,
    /// The nickname in all of them.
    pub muc_nickname: String,
    /// Whether any certificate for any name is good enough.
    pub disable_certificate_verification: bool,
    /// Whether requests are handled one after the other.
    pub iq_handler_mode: IqHandlerMode,
    /// Whether the stream must be encrypted.
    pub security_mode: SecurityMode,
}

/// Why the properties of one connection are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XmppClientError {
    /// The property, in lower case.
    pub property: &'static str,
    /// What was there; `None` if nothing. Never the password.
    pub value: Option<String>,
    /// What would be right.
    pub expected: &'static str,
}

named_values! {
    /// How requests of one connection are handled.
    IqHandlerMode, expected "sync or async" {
        /// One after the other, in the order of their arrival.
        Sync = "sync",
        /// Concurrently.
        Async = "async",
    }
}

named_values! {
    /// What is asked of TLS on a connection.
    SecurityMode, expected "required, ifpossible or disabled" {
        /// No login without.
        Required = "required",
        /// If the server offers it.
        IfPossible = "ifpossible",
        /// Never.
        Disabled = "disabled",
    }
}

impl XmppClientConfig {
    /// Reads `properties`, whose names are in any case, as the files and the REST call that adds a
    /// connection have them. Unknown names are ignored; of a repeated one the last counts.
    pub fn from_properties<'a>(
        id: &str,
        properties: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, XmppClientError> {
        let properties = Properties(
            properties.into_iter().map(|(name, value)| (name.to_lowercase(), value)).collect(),
        );
        let hostname = properties.required("hostname", "a host name or an address")?;
        Ok(Self {
            id: id.to_owned(),
            port: properties.port()?,
            domain: properties.optional("domain").unwrap_or(hostname).to_owned(),
            username: properties.required("username", "the local part of a JID")?.to_owned(),
            password: Secret::new(properties.required("password", "a password")?),
            muc_jids: properties.muc_jids()?,
            muc_nickname: properties.required("muc_nickname", "a nickname")?.to_owned(),
            disable_certificate_verification: properties
                .optional("disable_certificate_verification")
                .and_then(boolean)
                .unwrap_or(false),
            iq_handler_mode: match properties.optional("iq_handler_mode") {
                Some(mode) if !mode.eq_ignore_ascii_case("sync") => IqHandlerMode::Async,
                _ => IqHandlerMode::Sync,
            },
            security_mode: properties.security_mode(hostname)?,
            hostname: hostname.to_owned(),
        })
    }
}

/// The properties of one connection, by lower-case name.
struct Properties<'a>(BTreeMap<String, &'a str>);

impl<'a> Properties<'a> {
    /// An empty value counts as none.
    fn optional(&self, property: &str) -> Option<&'a str> {
        self.0.get(property).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    fn required(
        &self,
        property: &'static str,
        expected: &'static str,
    ) -> Result<&'a str, XmppClientError> {
        self.optional(property).ok_or(XmppClientError { property, value: None, expected })
    }

    fn refuse(&self, property: &'static str, expected: &'static str) -> XmppClientError {
        XmppClientError { property, value: self.optional(property).map(one_line), expected }
    }

    fn port(&self) -> Result<u16, XmppClientError> {
        let Some(port) = self.optional("port") else { return Ok(DEFAULT_PORT) };
        let port = port.parse().ok().filter(|&port: &u16| port > 0);
        port.ok_or_else(|| self.refuse("port", "a port from 1 to 65535"))
    }

    /// Differs from JVB: white space around the commas is dropped; JVB would join a room whose name
    /// begins with a space.
    fn muc_jids(&self) -> Result<Vec<String>, XmppClientError> {
        const EXPECTED: &str = "room JIDs such as jvbbrewery@internal.auth.example.com, \
            separated by commas";
        let jids = self.required("muc_jids", EXPECTED)?.split(',').map(str::trim);
        let jids: Vec<_> = jids.filter(|jid| !jid.is_empty()).map(str::to_owned).collect();
        if jids.is_empty() || !jids.iter().all(|jid| is_bare_room_jid(jid)) {
            return Err(self.refuse("muc_jids", EXPECTED));
        }
        Ok(jids)
    }

    fn security_mode(&self, hostname: &str) -> Result<SecurityMode, XmppClientError> {
        match self.optional("security_mode") {
            None if LOCAL_HOSTS.contains(&hostname) => Ok(SecurityMode::IfPossible),
            None | Some("required") => Ok(SecurityMode::Required),
            Some("ifpossible") => Ok(SecurityMode::IfPossible),
            Some("disabled") => Ok(SecurityMode::Disabled),
            Some(_) => Err(self.refuse("security_mode", SecurityMode::EXPECTED)),
        }
    }
}

impl FromConfig for Vec<XmppClientConfig> {
    /// One complete legacy connection hides all of jvb.conf's.
    fn read(reader: &Reader<'_>, path: &str) -> Result<Self, ConfigError> {
        let mut legacy = Self::new();
        for connection in reader.legacy_connections() {
            legacy.extend(read_legacy(reader, connection)?);
        }
        let configured = match reader.value(path) {
            Some(HoconValue::Object(connections)) => connections.iter().collect(),
            Some(_) => return Err(reader.refuse(path, "a section with one part per connection")),
            None => Vec::new(),
        };
        if !legacy.is_empty() {
            if !configured.is_empty() {
                reader.ignored(path, "there is a connection in legacy properties");
            }
            return Ok(legacy);
        }
        configured.into_iter().map(|(id, value)| read_configured(reader, path, id, value)).collect()
    }
}

/// Differs from JVB: an incomplete connection is refused instead of dropped.
fn read_configured(
    reader: &Reader<'_>,
    path: &str,
    id: &str,
    value: &HoconValue,
) -> Result<XmppClientConfig, ConfigError> {
    let path = format!("{path}.{id}");
    let HoconValue::Object(fields) = value else {
        return Err(reader.refuse(&path, "a section with the properties of a connection"));
    };
    let properties = fields.iter().filter_map(|(name, value)| Some((name.as_str(), text(value)?)));
    for name in fields.keys().filter(|name| !is_known(name)) {
        let file = reader.file(&path);
        reader.notice(Notice::new(NoticeKind::Unknown, &format!("{path}.{name}"), &file, ""));
    }
    XmppClientConfig::from_properties(id, properties).map_err(|error| {
        let written = fields.keys().find(|name| name.eq_ignore_ascii_case(error.property));
        let key = format!("{path}.{}", written.map_or(error.property, |name| name));
        error.into_config_error(reader.file(&path), key)
    })
}

/// An incomplete legacy connection is dropped, as in JVB.
fn read_legacy(
    reader: &Reader<'_>,
    connection: &LegacyConnection,
) -> Result<Option<XmppClientConfig>, ConfigError> {
    let LegacyConnection { id, file, properties } = connection;
    let key = format!("org.jitsi.videobridge.xmpp.user.{id}");
    let pairs = properties.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    match XmppClientConfig::from_properties(id, pairs) {
        Ok(client) => Ok(Some(client)),
        Err(XmppClientError { property, value: None, .. }) => {
            let detail = format!("the connection is incomplete: {property} is missing");
            reader.notice(Notice::new(NoticeKind::Ignored, &key, file, detail));
            Ok(None)
        }
        Err(error) => {
            let key = format!("{key}.{}", error.property.to_uppercase());
            Err(error.into_config_error(file.clone(), key))
        }
    }
}

impl XmppClientError {
    fn into_config_error(self, file: String, key: String) -> ConfigError {
        let expected = self.expected.to_owned();
        match self.value {
            Some(value) => ConfigError::Value { file, key, value, expected },
            None => ConfigError::Missing { file, key, expected },
        }
    }
}

fn is_known(name: &str) -> bool {
    KNOWN.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// `local@domain` without a resource and without white space.
fn is_bare_room_jid(jid: &str) -> bool {
    let parts = jid.split_once('@');
    parts.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
        && !jid.contains(|c: char| c == '/' || c.is_whitespace())
        && jid.matches('@').count() == 1
}

/// RFC 6120, 14.7.
const DEFAULT_PORT: u16 = 5222;

/// Where encryption is not insisted upon.
const LOCAL_HOSTS: &[&str] = &["localhost", "127.0.0.1", "::1"];

/// `MUC` is in old files and was never read.
const KNOWN: &[&str] = &[
    "hostname",
    "port",
    "domain",
    "username",
    "password",
    "muc_jids",
    "muc_nickname",
    "disable_certificate_verification",
    "iq_handler_mode",
    "security_mode",
    "muc",
];
