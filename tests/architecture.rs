//! The dependency arrows go down, and `unsafe` is in one crate of those that are shipped.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Layer 0: values.
const VALUES: &[&str] =
    &["bridge-units", "bridge-rtp", "bridge-srtp", "bridge-signaling", "bridge-config"];

/// Layer 1: engines, each with the engines that it may use.
const ENGINES: &[(&str, &[&str])] = &[
    ("bridge-metrics", &[]),
    ("bridge-dtls", &[]),
    ("bridge-transport", &["bridge-dtls"]),
    ("bridge-cc", &[]),
    ("bridge-media", &["bridge-cc"]),
    (
        "bridge-shard",
        &["bridge-metrics", "bridge-dtls", "bridge-transport", "bridge-cc", "bridge-media"],
    ),
    (
        "bridge-conference",
        &[
            "bridge-metrics",
            "bridge-dtls",
            "bridge-transport",
            "bridge-cc",
            "bridge-media",
            "bridge-shard",
        ],
    ),
];

/// Layer 2: drivers. They do not know one another.
const DRIVERS: &[&str] = &["bridge-io", "bridge-xmpp", "bridge-http"];

/// Layer 3: what composes the rest.
const COMPOSITION: &[&str] = &["bridge", "bridge-demo", "bridge-load"];

/// For development: nothing that is shipped depends on these, except for its tests.
const DEVELOPMENT: &[&str] = &[
    "bridge-allocations",
    "bridge-testkit",
    "bridge-tests",
    "bridge-benches",
    "bridge-fuzz",
    "xtask",
];

/// Those of them that tests of any crate may use.
const FOR_TESTS: &[&str] = &["bridge-allocations", "bridge-testkit"];

/// Crates that do input and output, or keep time. Values and engines do without.
const DRIVER_LIBRARIES: &[&str] = &[
    "axum",
    "hyper",
    "libc",
    "rustix",
    "sd-notify",
    "socket2",
    "tokio",
    "tokio-rustls",
    "tokio-xmpp",
];

/// The one crate with `unsafe`, and the allocator that tests count with.
const UNSAFE_CRATES: &[&str] = &["bridge-io", "bridge-allocations"];

struct Package {
    name: String,
    directory: PathBuf,
    dependencies: Vec<String>,
    dev_dependencies: Vec<String>,
}

#[test]
fn arrows_go_down() {
    let packages = workspace();
    let mut wrong = Vec::new();
    for package in &packages {
        for dependency in &package.dependencies {
            if !is_allowed(&package.name, dependency) {
                wrong.push(format!("{} -> {dependency}", package.name));
            }
        }
    }
    assert!(wrong.is_empty(), "forbidden arrows: {wrong:#?}");
}

#[test]
fn tests_of_a_crate_look_down_too() {
    for package in workspace() {
        for dependency in &package.dev_dependencies {
            let is_fine = FOR_TESTS.contains(&dependency.as_str())
                || !dependency.starts_with("bridge-")
                || is_allowed(&package.name, dependency);
            assert!(is_fine, "{} -> {dependency} (dev)", package.name);
        }
    }
}

#[test]
fn forbidden_arrows_are_noticed() {
    for (from, to) in [
        ("bridge-rtp", "bridge-srtp"),
        ("bridge-units", "bridge-rtp"),
        ("bridge-transport", "bridge-shard"),
        ("bridge-shard", "bridge-conference"),
        ("bridge-shard", "tokio"),
        ("bridge-signaling", "axum"),
        ("bridge-http", "bridge-xmpp"),
        ("bridge-io", "bridge"),
        ("bridge", "bridge-testkit"),
        ("bridge-shard", "bridge-allocations"),
        ("bridge-new", "bridge-units"),
    ] {
        assert!(!is_allowed(from, to), "{from} -> {to}");
    }
}

#[test]
fn unsafe_code_is_where_it_belongs() {
    for package in workspace() {
        if UNSAFE_CRATES.contains(&package.name.as_str()) {
            continue;
        }
        let sources = rust_files(&package.directory);
        let roots: Vec<&PathBuf> = sources.iter().filter(|path| is_crate_root(path)).collect();
        assert!(!roots.is_empty(), "{} has no crate root", package.name);
        for root in roots {
            let text = std::fs::read_to_string(root).expect("is readable");
            let forbids = text.contains("#![forbid(unsafe_code)]");
            assert!(forbids, "{} lacks #![forbid(unsafe_code)]", root.display());
        }
    }
}

fn is_allowed(from: &str, to: &str) -> bool {
    let is_value = VALUES.contains(&to);
    let engines = |name: &str| {
        ENGINES.iter().find(|(engine, _)| *engine == name).map(|(_, allowed)| *allowed)
    };
    let is_ours = to == "bridge" || to == "xtask" || to.starts_with("bridge-");
    let pure = !DRIVER_LIBRARIES.contains(&to);
    if VALUES.contains(&from) {
        return if is_ours { to == "bridge-units" && from != to } else { pure };
    }
    if let Some(allowed) = engines(from) {
        return if is_ours { is_value || allowed.contains(&to) } else { pure };
    }
    if !is_ours {
        return true;
    }
    if DRIVERS.contains(&from) {
        return is_value || engines(to).is_some();
    }
    if COMPOSITION.contains(&from) {
        return !DEVELOPMENT.contains(&to);
    }
    DEVELOPMENT.contains(&from)
}

fn workspace() -> Vec<Package> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    let packages = metadata["packages"].as_array().expect("there are packages");
    packages.iter().map(read_package).collect()
}

fn read_package(package: &Value) -> Package {
    let mut by_kind: BTreeMap<bool, Vec<String>> = BTreeMap::new();
    for dependency in package["dependencies"].as_array().into_iter().flatten() {
        let is_dev = dependency["kind"] == "dev";
        let name = dependency["name"].as_str().unwrap_or_default();
        by_kind.entry(is_dev).or_default().push(name.to_owned());
    }
    let manifest = Path::new(package["manifest_path"].as_str().unwrap_or_default());
    Package {
        name: package["name"].as_str().unwrap_or_default().to_owned(),
        directory: manifest.parent().expect("a manifest is in a directory").to_owned(),
        dependencies: by_kind.remove(&false).unwrap_or_default(),
        dev_dependencies: by_kind.remove(&true).unwrap_or_default(),
    }
}

/// Files from which the compiler starts; test files begin with what they promise.
fn is_crate_root(path: &Path) -> bool {
    let is_bin = path.parent().is_some_and(|parent| parent.ends_with("src/bin"));
    is_bin
        || path.ends_with("src/lib.rs")
        || path.ends_with("src/main.rs")
        || path.ends_with("tests/lib.rs")
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).expect("is readable") {
            let path = entry.expect("is readable").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files
}
