use std::fmt;

/// One XMPP connection: where to connect, as whom, and which rooms to join. jicoco's
/// `MucClientConfiguration`.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectionSettings {
    /// The host name or address that is dialled. SRV records are not looked up.
    pub hostname: String,
    /// The TCP port; 5222 if not set.
    pub port: Option<u16>,
    /// The XMPP domain: the host to log in to and the name in the certificate. The host name if
    /// not set.
    pub domain: Option<String>,
    /// The local part of the account.
    pub username: String,
    /// The password of the account.
    pub password: String,
    /// The bare JIDs of the rooms.
    pub muc_jids: Vec<String>,
    /// The nickname in all rooms; unique among the bridges that share a room.
    pub muc_nickname: String,
    /// Whether any certificate will do.
    pub disable_certificate_verification: bool,
    /// When TLS is used. By default required, except to this machine.
    pub security_mode: Option<SecurityMode>,
    /// The resource to ask the server for; it chooses one if not set.
    ///
    /// Differs from JVB, which has no such property. A server keeps the session of a bridge that
    /// crashed for some time and routes requests to it, even if the bridge is back. With a
    /// resource of its own, the bridge takes the place of its former session at once.
    pub resource: Option<String>,
}

impl ConnectionSettings {
    /// Reads the properties of one connection, for instance the string members of a REST request.
    ///
    /// Names are taken in any case, unknown ones are skipped, an empty port counts as not set.
    /// The blanks around the entries of `muc_jids` are dropped (differs from JVB, which keeps them
    /// and then joins no room).
    ///
    /// # Errors
    ///
    /// When a required property is missing, or the port or the security mode is not one.
    pub fn from_properties<'a>(
        properties: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, SettingsError> {
        let mut read = Properties::default();
        for (name, value) in properties {
            read.set(name, value)?;
        }
        let muc_jids: Vec<String> = required(read.muc_jids, "muc_jids")?
            .split(',')
            .map(str::trim)
            .filter(|jid| !jid.is_empty())
            .map(str::to_owned)
            .collect();
        if muc_jids.is_empty() {
            return Err(SettingsError::Missing("muc_jids"));
        }
        Ok(Self {
            hostname: required(read.hostname, "hostname")?,
            port: read.port,
            domain: read.domain,
            username: required(read.username, "username")?,
            password: required(read.password, "password")?,
            muc_jids,
            muc_nickname: required(read.muc_nickname, "muc_nickname")?,
            disable_certificate_verification: read.disable_certificate_verification,
            security_mode: read.security_mode,
            resource: read.resource.filter(|resource| !resource.is_empty()),
        })
    }

    /// The XMPP domain.
    pub fn effective_domain(&self) -> &str {
        self.domain.as_deref().unwrap_or(&self.hostname)
    }

    /// The TCP port.
    pub fn effective_port(&self) -> u16 {
        self.port.unwrap_or(DEFAULT_PORT)
    }

    /// When TLS is used.
    pub fn effective_security_mode(&self) -> SecurityMode {
        self.security_mode.unwrap_or_else(|| {
            if LOOPBACK_NAMES.contains(&self.hostname.as_str()) {
                SecurityMode::IfPossible
            } else {
                SecurityMode::Required
            }
        })
    }

    /// Whether `other` logs in to the same account of the same server. Everything else is ignored
    /// when a connection is added again at run time, as in JVB.
    ///
    /// Differs from JVB: a port or domain that is not set equals its default.
    pub fn is_same_account(&self, other: &Self) -> bool {
        self.hostname == other.hostname
            && self.effective_port() == other.effective_port()
            && self.effective_domain() == other.effective_domain()
            && self.username == other.username
    }
}

/// Leaves out the password.
impl fmt::Debug for ConnectionSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionSettings")
            .field("hostname", &self.hostname)
            .field("port", &self.port)
            .field("domain", &self.domain)
            .field("username", &self.username)
            .field("muc_jids", &self.muc_jids)
            .field("muc_nickname", &self.muc_nickname)
            .field("disable_certificate_verification", &self.disable_certificate_verification)
            .field("security_mode", &self.security_mode)
            .field("resource", &self.resource)
            .finish_non_exhaustive()
    }
}

/// When TLS is used (STARTTLS, RFC 6120 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SecurityMode {
    /// Always; a server that does not offer it is not logged in to.
    Required,
    /// When the server offers it.
    IfPossible,
    /// Never.
    Disabled,
}

impl SecurityMode {
    /// Reads the word of the configuration; lower case only.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "required" => Some(Self::Required),
            "ifpossible" => Some(Self::IfPossible),
            "disabled" => Some(Self::Disabled),
            _ => None,
        }
    }
}

/// Why properties are no connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A required property is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// The port is not a number from 1 to 65535.
    #[error("port {0:?} is not a port number")]
    InvalidPort(String),
    /// The security mode is none of the three words.
    #[error("security mode {0:?} is none of required, ifpossible, disabled")]
    InvalidSecurityMode(String),
}

#[derive(Default)]
struct Properties {
    hostname: Option<String>,
    port: Option<u16>,
    domain: Option<String>,
    username: Option<String>,
    password: Option<String>,
    muc_jids: Option<String>,
    muc_nickname: Option<String>,
    disable_certificate_verification: bool,
    security_mode: Option<SecurityMode>,
    resource: Option<String>,
}

impl Properties {
    fn set(&mut self, name: &str, value: &str) -> Result<(), SettingsError> {
        let text = || Some(value.to_owned());
        match name.to_ascii_lowercase().as_str() {
            "hostname" => self.hostname = text(),
            "port" if value.is_empty() => self.port = None,
            "port" => {
                let port = value.parse().ok().filter(|&port| port != 0);
                self.port = Some(port.ok_or_else(|| SettingsError::InvalidPort(value.to_owned()))?);
            }
            "domain" => self.domain = text(),
            "username" => self.username = text(),
            "password" => self.password = text(),
            "muc_jids" => self.muc_jids = text(),
            "muc_nickname" => self.muc_nickname = text(),
            "resource" => self.resource = text(),
            "disable_certificate_verification" => {
                self.disable_certificate_verification = value.eq_ignore_ascii_case("true");
            }
            "security_mode" => {
                let mode = SecurityMode::from_name(value);
                self.security_mode =
                    Some(mode.ok_or_else(|| SettingsError::InvalidSecurityMode(value.to_owned()))?);
            }
            _ => {}
        }
        Ok(())
    }
}

fn required(value: Option<String>, name: &'static str) -> Result<String, SettingsError> {
    value.ok_or(SettingsError::Missing(name))
}

/// RFC 6120 section 14.7.
const DEFAULT_PORT: u16 = 5222;
/// Names of this machine, to which a plain connection is good enough. jicoco's
/// `MucClientConfiguration` compares exactly these.
const LOOPBACK_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

#[cfg(test)]
mod tests {
    use super::*;

    const COMPLETE: [(&str, &str); 5] = [
        ("hostname", "xmpp.example.net"),
        ("username", "jvb"),
        ("password", "secret"),
        ("muc_jids", "brewery@muc.example.net"),
        ("muc_nickname", "jvb-a"),
    ];

    fn with(extra: &[(&'static str, &'static str)]) -> Result<ConnectionSettings, SettingsError> {
        ConnectionSettings::from_properties(COMPLETE.into_iter().chain(extra.iter().copied()))
    }

    #[test]
    fn defaults_are_those_of_the_reference() {
        let settings = with(&[]).unwrap();
        assert_eq!(settings.effective_port(), 5222);
        assert_eq!(settings.effective_domain(), "xmpp.example.net");
        assert_eq!(settings.effective_security_mode(), SecurityMode::Required);
        assert!(!settings.disable_certificate_verification);
    }

    #[test]
    fn each_required_property_is_missed() {
        for missing in COMPLETE.map(|(name, _)| name) {
            let rest = COMPLETE.into_iter().filter(|(name, _)| *name != missing);
            assert_eq!(
                ConnectionSettings::from_properties(rest),
                Err(SettingsError::Missing(missing))
            );
        }
    }

    #[test]
    fn names_are_taken_in_any_case_and_unknown_ones_skipped() {
        let settings = with(&[
            ("PORT", "6222"),
            ("Domain", "auth.example.net"),
            ("DISABLE_CERTIFICATE_VERIFICATION", "TRUE"),
            ("IQ_HANDLER_MODE", "async"),
            ("muc-jids", "ignored@x"),
            ("MUC_JIDS", "a@m, b@m,"),
        ])
        .unwrap();
        assert_eq!(settings.effective_port(), 6222);
        assert_eq!(settings.effective_domain(), "auth.example.net");
        assert!(settings.disable_certificate_verification);
        assert_eq!(settings.muc_jids, ["a@m", "b@m"]);
    }

    #[test]
    fn values_out_of_range_are_refused() {
        assert_eq!(with(&[("port", "")]).unwrap().port, None);
        for port in ["x", "0", "65536", "-1"] {
            assert_eq!(with(&[("port", port)]), Err(SettingsError::InvalidPort(port.into())));
        }
        for mode in ["maybe", "Required", ""] {
            assert_eq!(
                with(&[("security_mode", mode)]),
                Err(SettingsError::InvalidSecurityMode(mode.into()))
            );
        }
        assert_eq!(with(&[("muc_jids", " , ")]), Err(SettingsError::Missing("muc_jids")));
    }

    #[test]
    fn this_machine_is_trusted_without_tls() {
        for (host, mode) in [
            ("localhost", SecurityMode::IfPossible),
            ("127.0.0.1", SecurityMode::IfPossible),
            ("::1", SecurityMode::IfPossible),
            ("Localhost", SecurityMode::Required),
            ("127.0.0.2", SecurityMode::Required),
        ] {
            assert_eq!(with(&[("hostname", host)]).unwrap().effective_security_mode(), mode);
        }
        let disabled = with(&[("security_mode", "disabled")]).unwrap();
        assert_eq!(disabled.effective_security_mode(), SecurityMode::Disabled);
    }

    #[test]
    fn accounts_are_compared_by_server_and_user() {
        let settings = with(&[]).unwrap();
        for same in [("port", "5222"), ("domain", "xmpp.example.net"), ("password", "other")] {
            assert!(settings.is_same_account(&with(&[same]).unwrap()), "{same:?}");
        }
        for other in [("hostname", "x"), ("port", "5223"), ("domain", "x"), ("username", "x")] {
            assert!(!settings.is_same_account(&with(&[other]).unwrap()), "{other:?}");
        }
    }

    #[test]
    fn the_password_is_not_printed() {
        assert!(!format!("{:?}", with(&[]).unwrap()).contains("secret"));
    }
}
