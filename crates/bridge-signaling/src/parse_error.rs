use crate::stanza_error::{ErrorAnswer, StanzaErrorCondition};

/// Why a document from outside was not understood. It quotes nothing of unbounded size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The text is not well-formed XML.
    #[error("not well-formed XML")]
    NotXml,
    /// The text is not JSON; the position in words.
    #[error("not JSON: {0}")]
    NotJson(String),
    /// The document is larger than `limit` bytes.
    #[error("larger than {limit} bytes")]
    TooLarge {
        /// Bytes allowed.
        limit: usize,
    },
    /// The document nests deeper than `limit` levels.
    #[error("nested deeper than {limit} levels")]
    TooDeep {
        /// Levels allowed.
        limit: usize,
    },
    /// The document is well-formed, but not what was expected at its root.
    #[error("not a {expected}")]
    UnexpectedRoot {
        /// The element or object that was expected.
        expected: &'static str,
    },
    /// A required attribute, child or member is missing or blank.
    #[error("{element} without {name}")]
    Missing {
        /// The element or object.
        element: &'static str,
        /// The attribute, child or member.
        name: &'static str,
    },
    /// A value that JVB checks while parsing is not one of those allowed.
    #[error("invalid {name} of {element}: {value}")]
    Invalid {
        /// The element or object.
        element: &'static str,
        /// The attribute, child or member.
        name: &'static str,
        /// The value, shortened.
        value: String,
    },
    /// A value over which JVB fails only while processing, with an exception.
    #[error("unusable {name} of {element}: {value}")]
    Unusable {
        /// The element or object.
        element: &'static str,
        /// The attribute, child or member.
        name: &'static str,
        /// The value, shortened; empty if it is missing.
        value: String,
    },
    /// A JSON member has another type than it must have.
    #[error("{name} of {element} is not {expected}")]
    WrongType {
        /// The object.
        element: &'static str,
        /// The member.
        name: &'static str,
        /// The type expected, with its article.
        expected: &'static str,
    },
    /// More of `what` than one document may have.
    #[error("more than {limit} {what}")]
    TooMany {
        /// What there is too much of, in the plural.
        what: &'static str,
        /// The count allowed.
        limit: usize,
    },
    /// A text is longer than allowed.
    #[error("{name} of {element} longer than {limit} bytes")]
    TooLong {
        /// The element or object.
        element: &'static str,
        /// The attribute or member.
        name: &'static str,
        /// Bytes allowed.
        limit: usize,
    },
}

impl ParseError {
    /// The answer to an IQ that could not be understood.
    ///
    /// Differs from JVB: it leaves IQs that do not parse unanswered, so that Jicofo runs into its
    /// time-out and gives up the bridge. `bad-request` without a colibri2 reason is the mildest
    /// answer. What JVB only notices while processing is `internal-server-error`, as there.
    pub fn to_error_answer(&self) -> ErrorAnswer {
        let condition = match self {
            Self::Unusable { .. } => StanzaErrorCondition::InternalServerError,
            _ => StanzaErrorCondition::BadRequest,
        };
        ErrorAnswer::new(condition).with_text(self.to_string())
    }

    pub(crate) fn invalid(element: &'static str, name: &'static str, value: &str) -> Self {
        Self::Invalid { element, name, value: shortened(value) }
    }

    pub(crate) fn unusable(element: &'static str, name: &'static str, value: &str) -> Self {
        Self::Unusable { element, name, value: shortened(value) }
    }
}

fn shortened(value: &str) -> String {
    value.chars().take(MAX_QUOTED_CHARS).collect()
}

/// Characters of a refused value that are repeated in the error: enough to recognise it.
const MAX_QUOTED_CHARS: usize = 64;
