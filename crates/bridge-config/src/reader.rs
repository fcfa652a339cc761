use std::cell::RefCell;
use std::collections::BTreeSet;

use hocon::HoconValue;

use crate::error::ConfigError;
use crate::layers::Layers;
use crate::legacy::LegacyConnection;
use crate::notice::{Notice, NoticeKind};
use crate::value::FromValue;

/// Hands out typed values and collects what the operator should hear about them.
pub(crate) struct Reader<'a> {
    layers: &'a Layers,
    notices: RefCell<Vec<Notice>>,
    /// Every path that was asked for, so that a test can compare with the table of keys.
    asked: RefCell<BTreeSet<String>>,
}

/// A type that is read from a path: one value, an optional value or a whole section.
pub(crate) trait FromConfig: Sized {
    fn read(reader: &Reader<'_>, path: &str) -> Result<Self, ConfigError>;
}

/// A condition beyond the type.
pub(crate) struct Check<T> {
    pub(crate) expected: &'static str,
    pub(crate) holds: fn(&T) -> bool,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(layers: &'a Layers) -> Self {
        Self { layers, notices: RefCell::default(), asked: RefCell::default() }
    }

    /// The value or section at `path`.
    pub(crate) fn read<T: FromConfig>(&self, path: &str) -> Result<T, ConfigError> {
        T::read(self, path)
    }

    /// The value as it is, for types that need more than one look.
    pub(crate) fn value(&self, path: &str) -> Option<&'a HoconValue> {
        self.asked.borrow_mut().insert(path.to_owned());
        self.layers.value(path)
    }

    /// `None` if nobody set `path`; an error if it has another type.
    pub(crate) fn optional<T: FromValue>(&self, path: &str) -> Result<Option<T>, ConfigError> {
        let Some(value) = self.value(path) else { return Ok(None) };
        match T::from_value(value) {
            Some(value) => Ok(Some(value)),
            None => Err(self.refuse(path, T::EXPECTED)),
        }
    }

    /// An error unless `check` holds for `value`, which came from `path`.
    pub(crate) fn check<T>(
        &self,
        path: &str,
        value: &T,
        check: &Check<T>,
    ) -> Result<(), ConfigError> {
        if (check.holds)(value) { Ok(()) } else { Err(self.refuse(path, check.expected)) }
    }

    /// The error for the value at `path`, or for its absence.
    pub(crate) fn refuse(&self, path: &str, expected: &str) -> ConfigError {
        self.layers.refuse(path, expected)
    }

    /// The XMPP connections in legacy form, complete or not.
    pub(crate) fn legacy_connections(&self) -> &'a [LegacyConnection] {
        self.layers.legacy_connections()
    }

    /// Says something about a thing that is not a key.
    pub(crate) fn notice(&self, notice: Notice) {
        self.notices.borrow_mut().push(notice);
    }

    /// Says that the value at `path`, or a part of it, is ignored.
    pub(crate) fn ignored(&self, path: &str, detail: impl Into<String>) {
        let (file, key) = match self.layers.origin(path) {
            Some(origin) => (origin.file, origin.key),
            None => (self.layers.main_file(), path.to_owned()),
        };
        self.notice(Notice::new(NoticeKind::Ignored, &key, &file, detail));
    }

    /// Who set `path`, for messages.
    pub(crate) fn file(&self, path: &str) -> String {
        self.layers.origin(path).map_or_else(|| self.layers.main_file(), |origin| origin.file)
    }

    pub(crate) fn into_notices(self) -> Vec<Notice> {
        self.notices.into_inner()
    }

    #[cfg(test)]
    pub(crate) fn asked(&self) -> BTreeSet<String> {
        self.asked.borrow().clone()
    }
}

impl<T: FromValue> FromConfig for T {
    fn read(reader: &Reader<'_>, path: &str) -> Result<Self, ConfigError> {
        reader.optional(path)?.ok_or_else(|| reader.refuse(path, T::EXPECTED))
    }
}

impl<T: FromValue> FromConfig for Option<T> {
    fn read(reader: &Reader<'_>, path: &str) -> Result<Self, ConfigError> {
        reader.optional(path)
    }
}

/// `key` below `prefix`, which may be empty.
pub(crate) fn join(prefix: &str, key: &str) -> String {
    if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") }
}
