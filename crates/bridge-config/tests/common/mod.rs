//! What the tests of loading share.

#![allow(clippy::panic, reason = "a helper of tests, which fail by panicking")]
#![allow(dead_code, reason = "each test file uses its own part of it")]

use std::path::{Path, PathBuf};

use bridge_config::{Config, Loaded, NoticeKind, Sources};

/// Loads `text` as jvb.conf without anything else around it.
pub(crate) fn load(text: &str) -> Loaded {
    Config::load_text(text, Path::new("/nonexistent"), &Sources::new())
        .unwrap_or_else(|error| panic!("{error}"))
}

/// The message with which `text` is refused.
pub(crate) fn refusal(text: &str) -> String {
    match Config::load_text(text, Path::new("/nonexistent"), &Sources::new()) {
        Ok(_) => panic!("accepted: {text}"),
        Err(error) => error.to_string(),
    }
}

/// Keys with a notice of this kind.
pub(crate) fn keys_of(loaded: &Loaded, kind: NoticeKind) -> Vec<&str> {
    loaded.notices.iter().filter(|n| n.kind == kind).map(|n| n.key.as_str()).collect()
}

/// A file of this crate's fixtures.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}
