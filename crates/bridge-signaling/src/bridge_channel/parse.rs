use super::BridgeChannelMessage;

/// Why a message was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum MessageError {
    /// Larger than `MAX_BRIDGE_CHANNEL_BYTES`, or a list longer than `MAX_SOURCE_NAMES`.
    #[error("too large")]
    TooLarge,
    /// Not JSON, nested too deep, or an object that has a key twice.
    #[error("not JSON")]
    NotJson,
    /// JSON, but not an object.
    #[error("not an object")]
    NotObject,
    /// No `colibriClass`, or not a string.
    #[error("no colibriClass")]
    NoClass,
    /// A `colibriClass` that does not exist.
    #[error("unknown colibriClass")]
    UnknownClass,
    /// A required member is missing or null.
    #[error("no {0}")]
    Missing(&'static str),
    /// A member has a wrong type.
    #[error("{0} has a wrong type")]
    WrongType(&'static str),
    /// A member has a value that is not allowed.
    #[error("{0} has an invalid value")]
    InvalidValue(&'static str),
}

pub(super) fn message(text: &str) -> Result<BridgeChannelMessage, MessageError> {
    let _ = text;
    Err(MessageError::NotJson)
}
