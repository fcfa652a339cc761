//! Debian packages that chores need.

use crate::command::run;
use anyhow::{Result, bail};
use std::path::Path;
use std::process::Command;

/// A program and the package that brings it.
pub(crate) struct Tool {
    program: &'static str,
    package: &'static str,
    purpose: &'static str,
}

/// What the tests need.
pub(crate) const FOR_TESTS: &[Tool] = &[
    Tool { program: "prosody", package: "prosody", purpose: "the XMPP server in every call" },
    Tool { program: "chromium", package: "chromium", purpose: "the participants" },
    Tool { program: "chromedriver", package: "chromium-driver", purpose: "steers Chromium" },
    Tool { program: "openssl", package: "openssl", purpose: "DTLS peers written by others" },
];

/// What the budgets of the packet path need.
pub(crate) const FOR_GATES: &[Tool] =
    &[Tool { program: "valgrind", package: "valgrind", purpose: "counts instructions" }];

/// Installs what is missing; says which package if it cannot.
pub(crate) fn install_missing(tools: &[Tool]) -> Result<()> {
    let missing: Vec<&Tool> = tools.iter().filter(|tool| !is_installed(tool.program)).collect();
    if missing.is_empty() {
        println!(">>> all tools are installed");
        return Ok(());
    }
    for tool in &missing {
        println!(
            ">>> missing: {} ({}), from the package {}",
            tool.program, tool.purpose, tool.package
        );
    }
    let packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
    if !is_installed("apt-get") {
        bail!("install these packages and try again: {}", packages.join(" "));
    }
    run(Command::new("apt-get").args(["update", "-qq"]))?;
    run(Command::new("apt-get")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["install", "-y", "-qq", "--no-install-recommends"])
        .args(&packages))?;
    match missing.iter().find(|tool| !is_installed(tool.program)) {
        Some(tool) => bail!("{} is still missing: install {}", tool.program, tool.package),
        None => Ok(()),
    }
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(|folder| Path::new(folder).to_path_buf()))
        .any(|folder| folder.join(program).is_file())
}
