//! The command line.

use std::path::PathBuf;

/// What `--help` prints.
pub const HELP: &str = "\
videobridge: a selective forwarding unit that takes the place of jitsi-videobridge2

usage: videobridge [--config FILE] [--check-config] [--demo] [--version] [--help]

  --config FILE   read this jvb.conf (default: /etc/jitsi/videobridge/jvb.conf)
  --check-config  read and check the configuration, say what is wrong with it, and exit
  --demo          no configuration, no XMPP: a call page on http://localhost:8080/demo
  --version       print the version and exit
  --help          print this text and exit

The log goes to standard error; RUST_LOG=debug or RUST_LOG=bridge_xmpp=debug,info makes it say more.
SIGTERM leaves the brewery, closes the XMPP stream and exits with 143.";

/// What the command line asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// The configuration file, if named.
    pub config: Option<PathBuf>,
    /// What to do.
    pub action: Action,
}

/// What to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// Serve.
    #[default]
    Run,
    /// Serve the demo on embedded defaults.
    Demo,
    /// Only check the configuration.
    CheckConfig,
    /// Print the version.
    Version,
    /// Print the help.
    Help,
}

/// A command line that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentError {
    /// Nobody knows this option.
    #[error("unknown option {0:?}; try --help")]
    Unknown(String),
    /// `--config` without a file.
    #[error("--config wants a file name after it")]
    NoFile,
    /// The demo has its own configuration.
    #[error("--demo takes no --config: it runs on embedded defaults")]
    DemoWithConfig,
}

impl Arguments {
    /// Reads the arguments after the program's name.
    ///
    /// # Errors
    /// See [`ArgumentError`].
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, ArgumentError> {
        let mut parsed = Self::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--config" => {
                    let file = arguments.next().ok_or(ArgumentError::NoFile)?;
                    parsed.config = Some(file.into());
                }
                "--check-config" => parsed.action = Action::CheckConfig,
                "--demo" => parsed.action = Action::Demo,
                "--version" => parsed.action = Action::Version,
                "--help" | "-h" => parsed.action = Action::Help,
                other => match other.strip_prefix("--config=") {
                    Some(file) => parsed.config = Some(file.into()),
                    None => return Err(ArgumentError::Unknown(argument)),
                },
            }
        }
        if parsed.action == Action::Demo && parsed.config.is_some() {
            return Err(ArgumentError::DemoWithConfig);
        }
        Ok(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, ArgumentError> {
        Arguments::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_are_understood_in_both_forms() {
        let file = Some(PathBuf::from("a.conf"));
        for line in ["--config a.conf", "--config=a.conf"] {
            assert_eq!(parse(line), Ok(Arguments { config: file.clone(), action: Action::Run }));
        }
        assert_eq!(
            parse("--config a.conf --check-config").map(|a| a.action),
            Ok(Action::CheckConfig)
        );
        assert_eq!(parse("--demo").map(|a| a.action), Ok(Action::Demo));
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        assert_eq!(parse("--confg x"), Err(ArgumentError::Unknown("--confg".into())));
        assert_eq!(parse("--config"), Err(ArgumentError::NoFile));
        assert_eq!(parse("--demo --config x"), Err(ArgumentError::DemoWithConfig));
    }
}
