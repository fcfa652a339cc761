//! Why a request is refused: one variant a row of the list of error answers.

use bridge_signaling::colibri2::ErrorReason;
use bridge_signaling::{ErrorAnswer, StanzaErrorCondition};
use bridge_units::EndpointId;

/// A refused request. The text is JVB's; nobody parses it, but operators search for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// `create` for a meeting id that is in use.
    #[error("Conference already exists for ID: {0}")]
    ConferenceExists(String),
    /// `create` while the bridge takes no new conferences.
    #[error("In graceful shutdown")]
    GracefulShutdown,
    /// `create` with a name that is not `local@domain`.
    #[error("Invalid conference name (not a JID)")]
    InvalidName,
    /// A meeting id that is not in use.
    #[error("Conference not found for ID: {0}")]
    ConferenceNotFound(String),
    /// The bridge has as many conferences as it can keep track of.
    #[error("Too many conferences")]
    TooManyConferences,
    /// Both kinds of element in one request.
    #[error("Using both 'relay' and 'endpoint' in a request")]
    EndpointsAndRelays,
    /// More than a batch of expiry, mute and last-n.
    #[error(
        "Creating or updating media, sources or transport for more than one endpoint in a request."
    )]
    SeveralEndpoints,
    /// More than one relay.
    #[error("Updating more than one 'relay' in a request.")]
    SeveralRelays,
    /// An update of an endpoint that does not exist.
    #[error("Endpoint not found for ID: {0}")]
    UnknownEndpoint(EndpointId),
    /// `create` for an endpoint id that is in use.
    #[error("Endpoint with ID {0} already exists")]
    EndpointExists(EndpointId),
    /// The conference has as many endpoints as it can keep track of.
    #[error("Too many endpoints")]
    TooManyEndpoints,
    /// `create` without the outer transport.
    #[error("Attempt to create endpoint {0} with no <transport>")]
    NoTransport(EndpointId),
    /// `create` without the capability `source-names`.
    #[error("Source name support is mandatory.")]
    NoSourceNames,
    /// SCTP asked for and switched off.
    #[error("SCTP support is not configured")]
    SctpDisabled,
    /// The bridge is asked to open the association to an endpoint.
    #[error("Unsupported SCTP role: CLIENT")]
    SctpRole,
    /// Another port than 5000.
    #[error("Specific SCTP port requested, not supported.")]
    SctpPort,
    /// A visitor that is to send.
    #[error("Attempt to set sources for visitor endpoint {0}")]
    VisitorSources(EndpointId),
    /// Any request with a relay: links between bridges are not there yet.
    #[error("Octo is disabled in configuration.")]
    RelaysDisabled,
    /// An export connection that breaks a rule.
    #[error(transparent)]
    Connect(#[from] ConnectError),
}

/// What is wrong with the export connections of a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// Export of video.
    #[error("Video")]
    Video,
    /// Two expires for one id.
    #[error("Duplicate expire for id={0}")]
    DuplicateExpire(String),
    /// Two connects for one id.
    #[error("Multiple connects for id={0}")]
    Several(String),
    /// An update of what the same request expires.
    #[error("Connect update for id={0} expired in the same request")]
    UpdateOfExpired(String),
    /// An update of what does not run.
    #[error("Connect for unknown id={0} without create=true")]
    Unknown(String),
    /// A new export connection: they are not there yet.
    #[error("Export connections")]
    Unsupported,
}

impl RequestError {
    /// The stanza error, or the HTTP answer, that tells it.
    pub fn to_error_answer(&self) -> ErrorAnswer {
        let mut answer = ErrorAnswer::new(self.condition()).with_text(self.to_string());
        if let Some(reason) = self.reason() {
            answer = answer.with_reason(reason);
        }
        match self {
            Self::UnknownEndpoint(id) => answer.with_endpoint(id.clone()),
            _ => answer,
        }
    }

    /// The RFC 6120 condition.
    pub fn condition(&self) -> StanzaErrorCondition {
        match self {
            Self::ConferenceExists(_) | Self::EndpointExists(_) => StanzaErrorCondition::Conflict,
            // Jicofo tries another bridge and leaves this one alone for a while, which is what a
            // full bridge wants.
            Self::GracefulShutdown | Self::TooManyConferences | Self::TooManyEndpoints => {
                StanzaErrorCondition::ServiceUnavailable
            }
            Self::ConferenceNotFound(_) | Self::UnknownEndpoint(_) => {
                StanzaErrorCondition::ItemNotFound
            }
            Self::EndpointsAndRelays
            | Self::SeveralEndpoints
            | Self::SeveralRelays
            | Self::SctpDisabled
            | Self::SctpRole
            | Self::RelaysDisabled
            | Self::Connect(ConnectError::Video | ConnectError::Unsupported) => {
                StanzaErrorCondition::FeatureNotImplemented
            }
            Self::InvalidName
            | Self::NoTransport(_)
            | Self::NoSourceNames
            | Self::SctpPort
            | Self::VisitorSources(_)
            | Self::Connect(_) => StanzaErrorCondition::BadRequest,
        }
    }

    /// The reason in the colibri2 extension, for those errors that carry one.
    pub fn reason(&self) -> Option<ErrorReason> {
        match self {
            Self::ConferenceExists(_) => Some(ErrorReason::ConferenceAlreadyExists),
            Self::GracefulShutdown => Some(ErrorReason::GracefulShutdown),
            Self::ConferenceNotFound(_) => Some(ErrorReason::ConferenceNotFound),
            Self::UnknownEndpoint(_) => Some(ErrorReason::UnknownEndpoint),
            Self::EndpointsAndRelays
            | Self::SeveralEndpoints
            | Self::SeveralRelays
            | Self::Connect(ConnectError::Video | ConnectError::Unsupported) => {
                Some(ErrorReason::FeatureNotImplemented)
            }
            _ => None,
        }
    }
}
