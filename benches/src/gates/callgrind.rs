//! Instruction counts of the packet path under callgrind.

use anyhow::{Context, Result, bail, ensure};
use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

/// What ran in counted turns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Profile {
    pub(super) packets: u64,
    pub(super) instructions: u64,
    /// Without the cryptographic library's: those depend on what valgrind knows of the processor.
    pub(super) instructions_without_crypto: u64,
}

/// Runs this program's counted path under callgrind, in a minute at most.
pub(super) fn profile(folder: &Path) -> Result<Profile> {
    std::fs::create_dir_all(folder)?;
    let output = folder.join(OUTPUT);
    // An old profile must not be taken for this one.
    let _ = std::fs::remove_file(&output);
    let ran = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet", "--toggle-collect=*counted_turn*"])
        .arg(format!("--callgrind-out-file={}", output.display()))
        .arg(std::env::current_exe()?)
        .arg("--counted")
        .output()
        .context("cannot start valgrind: install the package valgrind")?;
    if !ran.status.success() {
        let errors = String::from_utf8_lossy(&ran.stderr);
        bail!("valgrind ended with {}: {}", ran.status, errors.trim());
    }
    let packets = String::from_utf8_lossy(&ran.stdout).trim().parse();
    let packets: u64 = packets.context("the counted path printed no number of packets")?;
    let text = std::fs::read_to_string(&output)?;
    let counts = self_counts(&text);
    let instructions: u64 = counts.values().sum();
    ensure!(packets > 0 && instructions > 0, "no turn was counted");
    let crypto: u64 =
        counts.iter().filter(|(name, _)| is_crypto(name)).map(|(_, count)| count).sum();
    ensure!(crypto > 0, "no function of the cryptographic library was recognised");
    Ok(Profile { packets, instructions, instructions_without_crypto: instructions - crypto })
}

/// Instructions of each function without those that it calls, from callgrind's text format.
fn self_counts(text: &str) -> HashMap<&str, u64> {
    let mut names: HashMap<&str, &str> = HashMap::new();
    let mut counts = HashMap::new();
    let mut current = "";
    let mut is_call = false;
    for line in text.lines() {
        if let Some(function) = line.strip_prefix("fn=") {
            current = named(function, &mut names);
        } else if let Some(function) = line.strip_prefix("cfn=") {
            // Where a name is first given may be a call.
            named(function, &mut names);
        } else if line.starts_with("calls=") {
            is_call = true;
        } else if line.starts_with(|c: char| c.is_ascii_digit() || "+-*".contains(c)) {
            // Position and count; after `calls=` that of the callee.
            let count = line.split(' ').nth(1).and_then(|count| count.parse::<u64>().ok());
            if let Some(count) = count.filter(|_| !is_call) {
                *counts.entry(current).or_insert(0) += count;
            }
            is_call = false;
        }
    }
    counts
}

/// `(12) name` defines what `(12)` alone means later.
fn named<'a>(function: &'a str, names: &mut HashMap<&'a str, &'a str>) -> &'a str {
    let (id, name) = function.split_once(' ').unwrap_or((function, ""));
    if !name.is_empty() {
        names.insert(id, name);
    }
    names.get(id).copied().unwrap_or(function)
}

fn is_crypto(function: &str) -> bool {
    CRYPTO.iter().any(|part| function.contains(part))
}

/// The profile's name, for `callgrind_annotate`.
pub(super) const OUTPUT: &str = "callgrind.out";
/// Parts of the names of the functions of aws-lc.
const CRYPTO: &[&str] = &["aws_lc", "aesni", "aes_hw", "gcm_", "ghash", "sha1_block", "EVP_"];

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = "\
# callgrind format
version: 1
creator: callgrind-3.19.0
positions: line
events: Ir
summary: 100

ob=(1) /bridge
fl=(1) shard.rs
fn=(1) bridge_shard::distribute
10 20
+3 5
cfn=(2) aws_lc_0_1_gcm_seal
calls=3 0
* 60
fi=(3) inlined.rs
7 2

fn=(2)
-4 60

fn=(1)
12 3
totals: 100
";

    #[test]
    fn each_function_has_its_own_instructions() {
        let counts = self_counts(PROFILE);
        assert_eq!(counts["bridge_shard::distribute"], 30);
        assert_eq!(counts["aws_lc_0_1_gcm_seal"], 60);
        assert_eq!(counts.len(), 2);
        assert!(is_crypto("aws_lc_0_1_gcm_seal") && !is_crypto("bridge_shard::distribute"));
    }
}
