use std::fmt;
use std::str::FromStr;

use bridge_units::MediaType;

/// One sound or picture that a participant sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Sound or picture.
    pub media_type: MediaType,
    /// Who sends it.
    pub owner: String,
    /// The source name, for example `a1b2c3d4-v0`.
    pub name: String,
    /// All SSRCs, in the order of the description.
    pub ssrcs: Vec<u32>,
    /// How the SSRCs belong together.
    pub groups: Vec<SsrcGroup>,
}

/// SSRCs that belong together (RFC 5576).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SsrcGroup {
    /// In which way.
    pub semantics: GroupSemantics,
    /// Which, in order.
    pub ssrcs: Vec<u32>,
}

/// The kinds of SSRC groups that are passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupSemantics {
    /// Simulcast, ascending quality.
    Simulcast,
    /// A stream and its retransmissions.
    Retransmission,
}

impl FromStr for GroupSemantics {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "SIM" => Ok(Self::Simulcast),
            "FID" => Ok(Self::Retransmission),
            _ => Err(()),
        }
    }
}

impl fmt::Display for GroupSemantics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Simulcast => "SIM",
            Self::Retransmission => "FID",
        })
    }
}
