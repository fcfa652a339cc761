use std::fmt;

/// Something the operator should see once in the log; nothing here stops the bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What kind of remark.
    pub kind: NoticeKind,
    /// The key, property or option it is about.
    pub key: String,
    /// Where it was set: a path or a kind of source.
    pub file: String,
    /// What the kind alone does not say; may be empty.
    pub detail: String,
}

/// The kinds of [`Notice`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoticeKind {
    /// An old name was used; the detail has the present one.
    Deprecated,
    /// A value was ignored; the detail says why.
    Ignored,
    /// The key is only meaningful to the Java bridge and never has an effect here.
    JavaOnly,
    /// The key is known and was checked, but does nothing in this version.
    NotYet,
    /// Nobody knows this key.
    Unknown,
}

impl Notice {
    pub(crate) fn new(kind: NoticeKind, key: &str, file: &str, detail: impl Into<String>) -> Self {
        Self { kind, key: key.to_owned(), file: file.to_owned(), detail: detail.into() }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, key, file, detail } = self;
        match kind {
            NoticeKind::Deprecated => write!(f, "{file}: {key} is an old name: use {detail}"),
            NoticeKind::Ignored => write!(f, "{file}: {key} is ignored: {detail}"),
            NoticeKind::JavaOnly => {
                write!(f, "{file}: {key} is specific to the Java bridge and has no effect")
            }
            NoticeKind::NotYet => {
                write!(f, "{file}: {key} is set but has no effect in this version")
            }
            NoticeKind::Unknown => write!(f, "{file}: {key} is not a known key"),
        }
    }
}
