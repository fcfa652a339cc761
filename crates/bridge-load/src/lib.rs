//! A load generator that drives any colibri2 bridge over HTTP/JSON.
//!
//! Thin endpoints of its own (ICE, DTLS, SRTP, RTCP) join conferences through the bridge's colibri2
//! interface, send media that looks like libwebrtc's, and check what they receive. One thread sends,
//! two receive: one for a sample of endpoints, whose packets are opened, compared and timed, and one
//! for all others, whose headers are followed.
//!
//! Endpoints say on their bridge channel which video they want, report what arrives (receiver
//! reports, transport-wide feedback), and ask for what is missing, as browsers do.

#![forbid(unsafe_code)]

mod arguments;
mod arrival;
mod bridge_channel;
mod bridge_url;
mod colibri_client;
mod command;
mod destination;
mod endpoint;
mod error;
mod feedback;
mod histogram;
mod html;
mod http_client;
mod incoming_media;
mod join;
mod key_frame_requests;
mod measurement;
mod media_stream;
mod missing_packets;
mod overload;
mod payload;
mod process_usage;
mod ramp;
mod random;
mod receiver;
mod reception;
mod report;
mod report_json;
mod run;
mod scenario;
mod sender;
mod signalling_probe;
mod stream_id;
mod table;
mod video_frames;
mod wall_clock;
mod webrtc_peer;
mod webrtc_peers;

use std::io::Write as _;
use std::process::ExitCode;

pub use arguments::{ArgumentError, Arguments, Command, HELP, Peers};
pub use error::LoadError;
pub use overload::Overload;
pub use report::Report;
pub use run::run;
pub use scenario::Scenario;
pub use video_frames::Shape;

/// Does what the command line asks for. The exit code is 0 if every packet was right, 1 if not, and
/// 2 if the run could not be made.
pub fn main_with(arguments: impl IntoIterator<Item = String>) -> ExitCode {
    let arguments = match Arguments::parse(arguments) {
        Ok(Command::Help) => return say(HELP),
        Ok(Command::Run(arguments)) => arguments,
        Err(error) => return fail(&error),
    };
    match run(&arguments).and_then(|report| deliver(&arguments, &report)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => fail(&error),
    }
}

/// Writes the report wherever it was asked for; whether the run passed.
fn deliver(arguments: &Arguments, report: &Report) -> Result<bool, LoadError> {
    say(&table::render(report));
    if let Some(path) = &arguments.json {
        let text = format!("{:#}\n", report.to_json());
        std::fs::write(path, text).map_err(|error| LoadError::file(path, error))?;
    }
    if let Some(path) = &arguments.html {
        std::fs::write(path, html::render(report)).map_err(|error| LoadError::file(path, error))?;
    }
    Ok(report.passed())
}

fn say(text: &str) -> ExitCode {
    // A closed standard output is the reader's choice.
    let _ = writeln!(std::io::stdout(), "{text}");
    ExitCode::SUCCESS
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "videobridge-load: {error}");
    ExitCode::from(2)
}
