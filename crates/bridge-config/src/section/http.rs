use std::path::PathBuf;
use std::time::Duration;

use crate::Secret;
use crate::error::ConfigError;
use crate::legacy::REST_COLIBRI;
use crate::reader::{FromConfig, Reader, join};
use crate::section::checks::PERIOD;
use crate::value::{FromValue, text, whole};

section! {
    /// The two HTTP servers.
    HttpConfig {
        /// Carries the WebSockets of the bridge channel; `None`: off.
        public: HttpServer = "public",
        /// Carries everything else; `None`: off.
        private: HttpServer = "private",
    }
}

/// A server that may be off.
pub type HttpServer = Option<HttpServerConfig>;

/// One HTTP server.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpServerConfig {
    /// The name or address to bind; `None`: all addresses.
    pub host: Option<String>,
    /// The port, and whether it speaks TLS.
    pub listen: HttpListen,
    /// Whether clients must show a certificate.
    pub need_client_auth: bool,
    /// Whether the Server header is sent.
    pub send_server_version: bool,
    /// TLS versions that are offered.
    pub tls_protocols: Vec<TlsProtocol>,
    /// Names of cipher suites, as Java has them.
    pub tls_cipher_suites: Vec<String>,
}

/// A port and what is spoken there. A port of 0 is for the system to choose.
#[derive(Clone, Debug, PartialEq)]
pub enum HttpListen {
    /// HTTP.
    Plain(u16),
    /// HTTPS, with this key.
    Tls(u16, KeyStore),
}

/// Where a server's key is.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyStore {
    /// The file.
    pub path: PathBuf,
    /// Its password.
    pub password: Option<Secret>,
}

named_values! {
    /// A version of TLS.
    TlsProtocol, expected "TLSv1.2 or TLSv1.3" {
        /// 1.2
        V12 = "TLSv1.2",
        /// 1.3
        V13 = "TLSv1.3",
    }
}

/// Which paths of the private server answer; the others are 404.
#[derive(Clone, Debug, PartialEq)]
pub struct RestConfig {
    /// `/colibri/stats`, `/colibri/v2/conferences`, `/colibri/muc-client`, `/colibri/debug`.
    pub colibri: bool,
    /// `/colibri/shutdown`; only if `colibri` as well.
    pub shutdown: bool,
    /// `/debug`
    pub debug: bool,
    /// `/colibri/drain`
    pub drain: bool,
    /// `/about/health`
    pub health: bool,
    /// `/metrics`
    pub prometheus: bool,
    /// `/stats`
    pub rtcstats: bool,
    /// `/about/version`
    pub version: bool,
}

/// The bridge channel over WebSockets.
#[derive(Clone, Debug, PartialEq)]
pub struct WebSocketConfig {
    /// Whether it is offered. Also needs the public server.
    pub enabled: bool,
    /// A part of the path.
    pub server_id: String,
    /// `host[:port]` that clients are told, each.
    pub domains: Vec<String>,
    /// The same for other bridges.
    pub relay_domains: Vec<String>,
    /// Whether the URLs say `wss`.
    pub tls: bool,
    /// permessage-deflate
    pub enable_compression: bool,
    /// Whether pings are sent.
    pub send_keepalive_pings: bool,
    /// Between two pings.
    pub keepalive_ping_interval: Duration,
    /// When a silent connection is closed.
    pub idle_timeout: Duration,
}

/// JVB class `JettyBundleActivatorConfig`: a server is off when both ports are -1; with a key store
/// it speaks TLS only.
///
/// Differs from JVB: a server that is not off and lacks the port it would use is refused here,
/// where JVB fails later, when it binds.
impl FromConfig for HttpServer {
    fn read(reader: &Reader<'_>, prefix: &str) -> Result<Self, ConfigError> {
        let path = |key| join(prefix, key);
        let OptionalPort(plain) = reader.read(&path("port"))?;
        let OptionalPort(tls) = reader.read(&path("tls-port"))?;
        let store = reader.read::<Option<String>>(&path("key-store-path"))?;
        let password = reader.read(&path("key-store-password"))?;
        let host = reader.read::<Option<String>>(&path("host"))?;
        let need_client_auth = reader.read(&path("need-client-auth"))?;
        let send_server_version = reader.read(&path("send-server-version"))?;
        let tls_protocols = reader.read(&path("tls-protocols"))?;
        let tls_cipher_suites = reader.read(&path("tls-cipher-suites"))?;
        if (plain, tls) == (None, None) {
            return Ok(None);
        }
        let store = store.filter(|path| !path.is_empty()).map(PathBuf::from);
        let listen = match (store, plain, tls) {
            (Some(path), _, Some(port)) => HttpListen::Tls(port, KeyStore { path, password }),
            (None, Some(port), _) => HttpListen::Plain(port),
            (Some(_), _, None) => return Err(reader.refuse(&path("tls-port"), TLS_WITHOUT_PORT)),
            (None, None, _) => return Err(reader.refuse(&path("port"), PLAIN_WITHOUT_PORT)),
        };
        Ok(Some(HttpServerConfig {
            host: host.filter(|host| !host.is_empty()),
            listen,
            need_client_auth,
            send_server_version,
            tls_protocols,
            tls_cipher_suites,
        }))
    }
}

/// A TCP port; `None` if it is -1.
struct OptionalPort(Option<u16>);

impl FromValue for OptionalPort {
    const EXPECTED: &'static str = "a port from 0 to 65535, or -1 for none";

    fn from_value(value: &hocon::HoconValue) -> Option<Self> {
        match whole(text(value)?)? {
            -1 => Some(Self(None)),
            port => Some(Self(Some(u16::try_from(port).ok()?))),
        }
    }
}

impl FromConfig for RestConfig {
    fn read(reader: &Reader<'_>, prefix: &str) -> Result<Self, ConfigError> {
        let enabled = |key| reader.read::<bool>(&join(prefix, key));
        // The old property can only switch off.
        let colibri = reader.optional(REST_COLIBRI)?.unwrap_or(true);
        let colibri = enabled("apis.rest.enabled")? && colibri;
        Ok(Self {
            colibri,
            shutdown: enabled("rest.shutdown.enabled")? && colibri,
            debug: enabled("rest.debug.enabled")?,
            drain: enabled("rest.drain.enabled")?,
            health: enabled("rest.health.enabled")?,
            prometheus: enabled("rest.prometheus.enabled")?,
            rtcstats: enabled("rest.rtcstats.enabled")?,
            version: enabled("rest.version.enabled")?,
        })
    }
}

impl FromConfig for WebSocketConfig {
    fn read(reader: &Reader<'_>, prefix: &str) -> Result<Self, ConfigError> {
        let path = |key| join(prefix, key);
        let domains = with_single(reader, &path("domain"), &path("domains"))?;
        let relay_domains = with_single(reader, &path("relay-domain"), &path("relay-domains"))?;
        let tls = reader.read::<Option<bool>>(&path("tls"))?;
        let public: HttpServer = reader.read("videobridge.http-servers.public")?;
        let public_tls = public.is_some_and(|server| matches!(server.listen, HttpListen::Tls(..)));
        let keepalive_ping_interval = reader.read(&path("keepalive-ping-interval"))?;
        reader.check(&path("keepalive-ping-interval"), &keepalive_ping_interval, &PERIOD)?;
        let idle_timeout = reader.read(&path("idle-timeout"))?;
        reader.check(&path("idle-timeout"), &idle_timeout, &PERIOD)?;
        Ok(Self {
            enabled: reader.read(&path("enabled"))?,
            server_id: reader.read(&path("server-id"))?,
            relay_domains: if relay_domains.is_empty() { domains.clone() } else { relay_domains },
            domains,
            tls: tls.unwrap_or(public_tls),
            enable_compression: reader.read(&path("enable-compression"))?,
            send_keepalive_pings: reader.read(&path("send-keepalive-pings"))?,
            keepalive_ping_interval,
            idle_timeout,
        })
    }
}

/// The older single form, then the list.
fn with_single(reader: &Reader<'_>, single: &str, list: &str) -> Result<Vec<String>, ConfigError> {
    let mut all: Vec<String> = reader.optional::<String>(single)?.into_iter().collect();
    all.extend(reader.read::<Vec<String>>(list)?);
    all.retain(|domain| !domain.is_empty());
    Ok(all)
}

const TLS_WITHOUT_PORT: &str = "a TLS port, since there is a key store";
const PLAIN_WITHOUT_PORT: &str = "a port, since there is no key store (to switch the server off, \
    set both port and tls-port to -1)";
