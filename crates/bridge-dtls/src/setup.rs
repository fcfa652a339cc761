use std::fmt;

use bridge_srtp::DtlsRole;
use thiserror::Error;

/// The `setup` attribute of a fingerprint element (RFC 8842).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Setup {
    /// The other side chooses.
    ActPass,
    /// We are the DTLS client.
    Active,
    /// We are the DTLS server.
    Passive,
}

/// Why a peer's `setup` was ignored. To be logged as an error; the role stays what it was.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SetupError {
    /// The peer announced another role than before, while the role is fixed.
    #[error("the DTLS role cannot change")]
    Changed,
    /// Neither `active` nor `passive`. An offer of ours was `actpass`, so the answer must choose.
    #[error("setup must be active or passive")]
    Invalid,
}

/// Our role after an update of the peer's description, given our role so far and the `setup` of
/// its first fingerprint.
pub fn role_after(
    current: Option<DtlsRole>,
    peer_setup: Option<&str>,
) -> Result<Option<DtlsRole>, SetupError> {
    let Some(text) = peer_setup.map(str::trim).filter(|text| !text.is_empty()) else {
        return Ok(current);
    };
    let announced = match Setup::from_name(text) {
        Some(Setup::Active) => DtlsRole::Server,
        Some(Setup::Passive) => DtlsRole::Client,
        Some(Setup::ActPass) | None => return Err(SetupError::Invalid),
    };
    match current {
        Some(role) if role != announced => Err(SetupError::Changed),
        _ => Ok(Some(announced)),
    }
}

impl Setup {
    /// From its name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::ActPass, Self::Active, Self::Passive]
            .into_iter()
            .find(|setup| setup.name().eq_ignore_ascii_case(name))
    }

    /// What we advertise in a role.
    pub const fn advertised(role: Option<DtlsRole>) -> Self {
        match role {
            None => Self::ActPass,
            Some(DtlsRole::Client) => Self::Active,
            Some(DtlsRole::Server) => Self::Passive,
        }
    }

    /// The name in signalling.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ActPass => "actpass",
            Self::Active => "active",
            Self::Passive => "passive",
        }
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_follow_the_peer() {
        use DtlsRole::{Client, Server};
        for (current, setup, expected) in [
            (None, Some("active"), Ok(Some(Server))),
            (None, Some("PASSIVE"), Ok(Some(Client))),
            (None, None, Ok(None)),
            (None, Some(""), Ok(None)),
            (None, Some("actpass"), Err(SetupError::Invalid)),
            (None, Some("holdconn"), Err(SetupError::Invalid)),
            (Some(Server), None, Ok(Some(Server))),
            (Some(Server), Some("active"), Ok(Some(Server))),
            (Some(Server), Some("passive"), Err(SetupError::Changed)),
            (Some(Client), Some("actpass"), Err(SetupError::Invalid)),
        ] {
            assert_eq!(role_after(current, setup), expected, "{current:?} {setup:?}");
        }
    }

    #[test]
    fn advertised_setup_is_our_role() {
        assert_eq!(Setup::advertised(None).to_string(), "actpass");
        assert_eq!(Setup::advertised(Some(DtlsRole::Client)).to_string(), "active");
        assert_eq!(Setup::advertised(Some(DtlsRole::Server)).to_string(), "passive");
    }
}
