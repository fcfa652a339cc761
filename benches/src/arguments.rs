//! The command line.

use anyhow::{Result, bail};

/// What `--help` prints.
pub(crate) const HELP: &str = "\
usage: cargo xtask bench [options]

Without options all of --micro, --path and --bridge run.

  --micro     the steps of a packet's way, each by itself
  --path      one shard in memory: time and allocations for each forwarded packet
  --bridge    the whole bridge on loopback against the floor forwarder
  --gates     instructions and allocations against benches/budgets.json
  --renew     with --gates: writes new budgets from what is measured
  --baseline  writes what is measured to benches/baseline.json, too";

/// What to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub(crate) micro: bool,
    pub(crate) path: bool,
    pub(crate) bridge: bool,
    pub(crate) gates: bool,
    pub(crate) renew: bool,
    pub(crate) baseline: bool,
    pub(crate) help: bool,
    /// For callgrind: the counted turns, nothing else.
    pub(crate) counted: bool,
}

impl Arguments {
    /// Reads the arguments after the program's name.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self> {
        let mut parsed = Self::default();
        for argument in arguments {
            let flag = match argument.as_str() {
                "--micro" => &mut parsed.micro,
                "--path" => &mut parsed.path,
                "--bridge" => &mut parsed.bridge,
                "--gates" => &mut parsed.gates,
                "--renew" => &mut parsed.renew,
                "--baseline" => &mut parsed.baseline,
                "--counted" => &mut parsed.counted,
                "--help" | "-h" => &mut parsed.help,
                other => bail!("unknown option {other}\n{HELP}"),
            };
            *flag = true;
        }
        if parsed.renew && !parsed.gates {
            bail!("--renew goes with --gates\n{HELP}");
        }
        if !(parsed.micro || parsed.path || parsed.bridge || parsed.gates) {
            (parsed.micro, parsed.path, parsed.bridge) = (true, true, true);
        }
        Ok(parsed)
    }

    /// Whether anything is measured whose figures are kept.
    pub(crate) fn measures(self) -> bool {
        self.micro || self.path || self.bridge
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Option<Arguments> {
        Arguments::parse(line.split_whitespace().map(str::to_owned)).ok()
    }

    #[test]
    fn everything_but_the_gates_runs_unless_told() {
        let all = parse("").unwrap();
        assert!(all.micro && all.path && all.bridge && !all.gates);
        assert_eq!(parse("--path").unwrap(), Arguments { path: true, ..Arguments::default() });
        assert!(!parse("--gates").unwrap().measures());
    }

    #[test]
    fn nonsense_is_refused() {
        assert_eq!(parse("--fast"), None);
        assert_eq!(parse("--renew"), None);
        assert!(parse("--gates --renew").is_some());
    }
}
