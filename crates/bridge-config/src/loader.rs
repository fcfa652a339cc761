use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;
use std::string::FromUtf8Error;

use crate::error::{ConfigError, one_line};

/// The reference configuration: every key with its default.
pub const REFERENCE: &str = include_str!("../../../config/reference.conf");

/// Reads a file that must be there.
pub(crate) fn read_file(path: &Path) -> Result<String, ConfigError> {
    let text = read_file_if_present(path)?;
    text.ok_or_else(|| unreadable(path, "no such file"))
}

/// Reads a file: the only place of this crate that touches the file system, beside the HOCON
/// parser's includes of other formats.
///
/// Bytes that are not UTF-8 are taken as ISO 8859-1, which is what Java writes properties in.
pub(crate) fn read_file_if_present(path: &Path) -> Result<Option<String>, ConfigError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(path, &error.to_string())),
    };
    let mut bytes = Vec::new();
    file.take(MAX_FILE_LEN + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(path, &error.to_string()))?;
    if bytes.len() as u64 > MAX_FILE_LEN {
        return Err(unreadable(path, "larger than 1 MiB"));
    }
    let latin1 = |error: FromUtf8Error| error.into_bytes().into_iter().map(char::from).collect();
    Ok(Some(String::from_utf8(bytes).unwrap_or_else(latin1)))
}

fn unreadable(path: &Path, reason: &str) -> ConfigError {
    ConfigError::Unreadable { file: path.display().to_string(), reason: one_line(reason) }
}

/// A configuration is a few kilobytes; more than this is the wrong file.
const MAX_FILE_LEN: u64 = 1 << 20;
