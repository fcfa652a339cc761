//! The program around the bridge: arguments, messages, exit codes.

use crate::arguments::{Action, Arguments, HELP};
use crate::demo_config::DEMO_CONFIG;
use crate::logging;
use crate::media::MediaError;
use crate::run::{RunError, run};
use crate::version::VERSION;
use bridge_config::{Config, ConfigError, DEFAULT_CONFIG_FILE, EXIT_CODE, Loaded, Sources};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// sysexits.h: the command line makes no sense.
const EXIT_USAGE: u8 = 64;

/// sysexits.h: something that the system should give is not to be had.
const EXIT_UNAVAILABLE: u8 = 69;

/// Runs the program with the arguments after its name.
pub fn main_with(arguments: impl IntoIterator<Item = String>) -> ExitCode {
    let arguments = match Arguments::parse(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return fail(&error.to_string(), EXIT_USAGE),
    };
    match arguments.action {
        Action::Help => say(HELP),
        Action::Version => say(&format!("videobridge {VERSION}")),
        Action::CheckConfig => match load(&arguments) {
            Ok(loaded) => {
                let mut lines: Vec<String> =
                    loaded.notices.iter().map(ToString::to_string).collect();
                lines.push("the configuration is valid".to_owned());
                say(&lines.join("\n"))
            }
            Err(error) => fail(&error.to_string(), EXIT_CODE),
        },
        Action::Run | Action::Demo => serve(&arguments),
    }
}

fn serve(arguments: &Arguments) -> ExitCode {
    let loaded = match load(arguments) {
        Ok(loaded) => loaded,
        Err(error) => return fail(&error.to_string(), EXIT_CODE),
    };
    logging::start();
    for notice in &loaded.notices {
        tracing::warn!("{notice}");
    }
    let demo = arguments.action == Action::Demo;
    if demo {
        tracing::info!("the demo will be on http://localhost:8080/demo: open it in two tabs");
    }
    match run(&loaded.config, demo) {
        Ok(ending) => ExitCode::from(ending.exit_code()),
        Err(RunError::Media(error @ MediaError::Dtls(_))) => fail(&error.to_string(), EXIT_CODE),
        Err(error) => fail(&error.to_string(), EXIT_UNAVAILABLE),
    }
}

fn load(arguments: &Arguments) -> Result<Loaded, ConfigError> {
    // Variables that are no text cannot be meant by a configuration.
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let sources = Sources::new().with_environment(variables);
    if arguments.action == Action::Demo {
        return Config::load_text(DEMO_CONFIG, Path::new("."), &Sources::new());
    }
    let sources = match &arguments.config {
        Some(file) => sources.with_file(file),
        None if sources.config_file().is_some() => sources,
        None => sources.with_file(DEFAULT_CONFIG_FILE),
    };
    Config::load(&sources)
}

fn say(text: &str) -> ExitCode {
    // A closed standard output is not worth a complaint.
    let _ = writeln!(std::io::stdout(), "{text}");
    ExitCode::SUCCESS
}

fn fail(text: &str, code: u8) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "videobridge: {text}");
    ExitCode::from(code)
}
