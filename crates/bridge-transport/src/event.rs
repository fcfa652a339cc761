use bridge_dtls::{DtlsError, DtlsVersion};
use bridge_srtp::Profile;

/// What the owner of a transport has to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportEvent {
    /// A candidate pair works: media may be sent, the DTLS handshake begins.
    IceWriteable,
    /// A pair was nominated (ice4j: COMPLETED).
    IceConnected {
        /// Whether its remote candidate was signalled as relayed.
        relayed: bool,
    },
    /// All checks failed and the delay has passed; nothing will work any more (ice4j: FAILED).
    IceFailed,
    /// The peer answered a consent check on the selected pair (RFC 7675); counts as activity.
    Consent,
    /// Keys are there: [`crate::PeerTransport::srtp`] answers from now on.
    DtlsConnected {
        /// The protocol version agreed on.
        version: DtlsVersion,
        /// The SRTP profile agreed on.
        profile: Profile,
    },
    /// DTLS failed for good; ICE goes on (JVB keeps such an endpoint too).
    DtlsFailed(DtlsError),
    /// The peer opened its data channel.
    ChannelOpened,
    /// The data channel or its association went away; the peer may open another.
    ChannelClosed,
    /// A text message came in over the data channel.
    Message(String),
}

/// Why a STUN message was not used. Those with a number were answered with that error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StunDropCause {
    /// Not one well-formed STUN message.
    Malformed,
    /// Another method, or an indication.
    NotBinding,
    /// FINGERPRINT does not fit.
    BadFingerprint,
    /// A request without a USERNAME of two parts.
    NoUsername,
    /// 401: USERNAME is not ours and the peer's.
    UnknownUser,
    /// 400: a request without MESSAGE-INTEGRITY.
    NoIntegrity,
    /// MESSAGE-INTEGRITY does not fit; 401 for a request, silence for a response.
    BadIntegrity,
    /// 420: an attribute that has to be understood is not.
    UnknownAttribute,
    /// 400: a request without PRIORITY.
    MissingPriority,
    /// 487: both sides want the same role and ours has precedence.
    RoleConflict,
    /// 403: a new address after ICE has terminated.
    Terminated,
    /// A request to an address that is not one of the session's.
    UnknownLocalAddress,
    /// The peer used more addresses than one session may have.
    TooManyAddresses,
    /// A response to nothing that we asked (any more).
    UnknownTransaction,
    /// A response from another address than the request went to.
    AsymmetricResponse,
    /// ICE has failed; nothing is answered.
    Failed,
}

impl StunDropCause {
    /// Every cause, for counters.
    pub const ALL: [Self; 16] = [
        Self::Malformed,
        Self::NotBinding,
        Self::BadFingerprint,
        Self::NoUsername,
        Self::UnknownUser,
        Self::NoIntegrity,
        Self::BadIntegrity,
        Self::UnknownAttribute,
        Self::MissingPriority,
        Self::RoleConflict,
        Self::Terminated,
        Self::UnknownLocalAddress,
        Self::TooManyAddresses,
        Self::UnknownTransaction,
        Self::AsymmetricResponse,
        Self::Failed,
    ];
}

/// Why a DTLS datagram was not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DtlsDropCause {
    /// No authenticated STUN has come from that address.
    UnvalidatedSource,
    /// More datagrams than are kept until the role is known.
    TooEarly,
    /// The association is over: failed or closed.
    Ended,
}
