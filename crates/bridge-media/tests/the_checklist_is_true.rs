//! The table of the README names tests that exist, and leaves no number out.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const HEADING: &str = "## Checklist of the media plane contract";
const NEXT: &str = "Numbers of the bridge channel contract";

/// Relays and exporters follow.
const LAST: u32 = 160;

fn rows() -> Vec<(String, String)> {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let (_, table) = readme.split_once(HEADING).unwrap();
    let (table, _) = table.split_once(NEXT).unwrap();
    let cells = table.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
    let cells = cells.filter(|(numbers, _)| numbers.starts_with(|c: char| c.is_ascii_digit()));
    cells.map(|(numbers, tests)| (numbers.to_owned(), tests.to_owned())).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn numbers(cell: &str) -> BTreeSet<u32> {
    if let Some((first, last)) = cell.split_once(" to ") {
        return (first.parse().unwrap()..=last.parse().unwrap()).collect();
    }
    cell.split(", ").map(|number| number.parse().unwrap()).collect()
}

/// The file that a name in backticks stands for.
fn file(name: &str) -> Option<PathBuf> {
    let crates = root().parent().unwrap();
    let extension = if name.ends_with(".rs") { "" } else { ".rs" };
    let places = [root().to_owned(), root().join("tests"), crates.to_owned()];
    let mut files = places.map(|place| place.join(format!("{name}{extension}"))).into_iter();
    // A second test of the same crate is named without its path.
    let siblings = ["bridge-shard/tests", "bridge-conference/tests/promises"];
    let mut siblings = siblings.map(|dir| crates.join(dir).join(format!("{name}.rs"))).into_iter();
    files.find(|file| file.is_file()).or_else(|| siblings.find(|file| file.is_file()))
}

/// Whether a source has what `name` says; a star stands for anything.
fn has(source: &str, name: &str) -> bool {
    let parts: Vec<_> = name.split('*').collect();
    source.match_indices(parts[0]).any(|(at, first)| {
        let line = source[at + first.len()..].lines().next().unwrap_or_default();
        parts[1..].iter().all(|part| line.contains(part))
    })
}

#[test]
fn no_number_is_left_out() {
    let covered: BTreeSet<u32> = rows().iter().flat_map(|(cell, _)| numbers(cell)).collect();
    let missing: Vec<_> = (1..=LAST).filter(|number| !covered.contains(number)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_test_that_is_named_exists() {
    for (numbers, cell) in rows() {
        let names: Vec<_> = cell.split('`').skip(1).step_by(2).collect();
        let sources: String = names
            .iter()
            .filter_map(|name| file(name))
            .map(|file| std::fs::read_to_string(file).unwrap())
            .collect();
        for name in names.iter().filter(|name| file(name).is_none()) {
            let is_key = !name.contains('/') && (name.contains('.') || name.contains("::"));
            assert!(is_key || has(&sources, name), "{numbers}: {name}");
        }
    }
}
