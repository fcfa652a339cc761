/// The reason in the colibri2 `error` extension of a stanza error. It also says that the error
/// comes from a bridge and not from a server. Jicofo drops answers with any other reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorReason {
    /// `conference_not_found`
    ConferenceNotFound,
    /// `conference_already_exists`
    ConferenceAlreadyExists,
    /// `feature_not_implemented`
    FeatureNotImplemented,
    /// `graceful_shutdown`
    GracefulShutdown,
    /// `unknown_endpoint`
    UnknownEndpoint,
    /// `unspecified`: never sent by JVB.
    Unspecified,
}

impl ErrorReason {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConferenceNotFound => "conference_not_found",
            Self::ConferenceAlreadyExists => "conference_already_exists",
            Self::FeatureNotImplemented => "feature_not_implemented",
            Self::GracefulShutdown => "graceful_shutdown",
            Self::UnknownEndpoint => "unknown_endpoint",
            Self::Unspecified => "unspecified",
        }
    }

    /// Reads the name in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str().eq_ignore_ascii_case(name))
    }

    const ALL: [Self; 6] = [
        Self::ConferenceNotFound,
        Self::ConferenceAlreadyExists,
        Self::FeatureNotImplemented,
        Self::GracefulShutdown,
        Self::UnknownEndpoint,
        Self::Unspecified,
    ];
}
