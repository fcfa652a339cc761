use std::fmt::Write as _;

/// The exit code of a process that refuses its configuration (`EX_CONFIG` of sysexits.h).
pub const EXIT_CODE: u8 = 78;

/// Why a configuration is refused. The text is one line that names the file, the key, the value
/// and what was expected, whatever of these exists.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A file that was named cannot be read.
    #[error("{file}: cannot be read: {reason}")]
    Unreadable {
        /// The path as it was given.
        file: String,
        /// The operating system's words, or the limit that was exceeded.
        reason: String,
    },
    /// A file is not HOCON, or a substitution in it has no value.
    #[error("{file}:{line}:{column}: {reason}")]
    Syntax {
        /// The file, which may be an included one.
        file: String,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What the parser did not like.
        reason: String,
    },
    /// A value that its key does not take.
    #[error("{file}: {key} = {value}: expected {expected}")]
    Value {
        /// The file, or the kind of source, that gave the value.
        file: String,
        /// The full name of the key.
        key: String,
        /// The value as it was written, shortened; hidden if it is a secret.
        value: String,
        /// What the key takes.
        expected: String,
    },
    /// A key without which the configuration makes no sense is not there.
    #[error("{file}: {key} is missing: expected {expected}")]
    Missing {
        /// The file in which it should be.
        file: String,
        /// The full name of the key.
        key: String,
        /// What the key takes.
        expected: String,
    },
}

impl ConfigError {
    /// What the process must exit with: always [`EXIT_CODE`].
    pub const fn exit_code(&self) -> u8 {
        EXIT_CODE
    }
}

/// `text` without line breaks and control characters, and not longer than a log line should be.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::new();
    for (position, character) in text.trim().chars().enumerate() {
        if position == MAX_SHOWN_CHARS {
            line.push('…');
            break;
        }
        if character.is_control() {
            let _ = write!(line, "{}", character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

/// Longest value that a message repeats: enough to recognise it, still one line of a log.
const MAX_SHOWN_CHARS: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_values_are_one_bounded_line() {
        assert_eq!(one_line(" a\nb\tc "), "a\\nb\\tc");
        assert_eq!(one_line(&"x".repeat(500)).chars().count(), MAX_SHOWN_CHARS + 1);
    }
}
