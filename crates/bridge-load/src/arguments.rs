//! The command line.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::bridge_url::BridgeUrl;
use crate::scenario::{self, Scenario};
use crate::video_frames::Shape;

/// What `--help` prints.
pub const HELP: &str = "\
videobridge-load: drives a colibri2 bridge over HTTP and measures what it costs

usage: videobridge-load --bridge URL --scenario NAME [options]

scenarios
  one-to-many    one sender of video, --receivers that watch
  idle           --receivers that are connected and send nothing: what presence alone costs
  audio          --participants in one conference, --speakers of them audible
  meeting        --participants that all send and receive, with --last-n if given
  join-storm     receivers join faster and faster until it hurts
  ramp           one-to-many with more and more packets until loss > 0.1 % or p99 > 10 ms
  soak           a meeting in which somebody leaves and another joins every second
  overload       one-to-many with sound, at twice what the bridge can do, and back

options
  --bridge URL         http://ADDRESS:PORT of the bridge's private HTTP interface
  --receivers N        receivers of one-to-many, idle, ramp and join-storm (100)
  --participants N     participants of audio, meeting and soak (10)
  --speakers N         how many of them are audible (3)
  --last-n N           last-n of every participant of a meeting
  --duration TIME      how long to measure, at most for ramp and join-storm (30s)
  --warm-up TIME       media before measuring (2s; bridges in Java want 60s)
  --rate N             packets a second of each video sender (210)
  --video-bitrate N    the same as bits a second, with k or M if liked (2M)
  --shape SHAPE        frames: as libwebrtc cuts them, 7 packets of 1,100 to 1,200 bytes in 5 ms bursts
                       equal-frames: bursts of 8 packets of 1,184 bytes each
                       singles: packets of 1,184 bytes, evenly spaced
  --frame-packets N    packets of a video frame instead (key frames are six times as long)
  --packet-bytes N     size of every video packet instead
  --singles            the same as --shape singles
  --max-height N       video up to this height is asked for on the bridge channel (720)
  --no-channel         no bridge channel: bridges that wait to be asked for video forward none
  --join-rate N        joins a second before measuring (100)
  --simulcast          three encodings of every video
  --sample N           receivers whose packets are all opened and compared (10)
  --connect-to IP      send media to this address instead of the candidate's
  --pid PID            the bridge's process, for its CPU time and memory
  --json FILE          write the result for machines
  --html FILE          write the result with plots
  --peers KIND         thin: the generator's own endpoints (default)
                       webrtc: complete ones of webrtc-rs, some dozens at most, without simulcast
                       and churn, to see that the thin ones do not flatter
  --help               print this text

Load is only ever sent to loopback or to the host of --bridge. The exit code is 1 if a packet was
wrong or an endpoint got nothing, and 2 if the run could not be made.";

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Print the help.
    Help,
    /// Make a run.
    Run(Box<Arguments>),
}

/// One run.
#[derive(Clone, Debug, PartialEq)]
pub struct Arguments {
    /// Where the bridge's HTTP interface is.
    pub bridge: BridgeUrl,
    /// What is done.
    pub scenario: Scenario,
    /// Receivers that do not send.
    pub receivers: u32,
    /// Endpoints that send and receive.
    pub participants: u32,
    /// Participants with audible sound.
    pub speakers: u32,
    /// Last-n of participants.
    pub last_n: Option<i32>,
    /// How long is measured.
    pub duration: Duration,
    /// Media before that.
    pub warm_up: Duration,
    /// Video packets a second and sender, all encodings together.
    pub rate: f64,
    /// Bits a second instead of `rate`.
    pub video_bitrate: Option<f64>,
    /// How video is cut into packets.
    pub shape: Shape,
    /// Up to which height video is asked for.
    pub max_height: u32,
    /// Whether endpoints open a bridge channel.
    pub channel: bool,
    /// Joins a second.
    pub join_rate: f64,
    /// Packets of a frame, if not the shape's.
    pub frame_packets: Option<u32>,
    /// Size of a video packet before encryption, if not the shape's.
    pub packet_bytes: Option<usize>,
    /// Three encodings.
    pub simulcast: bool,
    /// Receivers that open everything.
    pub sample: u32,
    /// Which endpoints join.
    pub peers: Peers,
    /// Where media goes instead of the candidates.
    pub connect_to: Option<IpAddr>,
    /// The bridge's process.
    pub pid: Option<u32>,
    /// Where the result for machines goes.
    pub json: Option<PathBuf>,
    /// Where the result with plots goes.
    pub html: Option<PathBuf>,
}

/// Which endpoints join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peers {
    /// The generator's own.
    Thin,
    /// webrtc-rs, complete.
    Webrtc,
}

/// A command line that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentError {
    /// Nobody knows this option.
    #[error("unknown option {0:?}; try --help")]
    Unknown(String),
    /// An option without its value.
    #[error("{0} wants a value after it")]
    NoValue(String),
    /// A value that cannot be used.
    #[error("{option}: {value:?} cannot be used")]
    BadValue {
        /// Of which option.
        option: &'static str,
        /// What was given.
        value: String,
    },
    /// An option that is needed.
    #[error("{0} is needed; try --help")]
    Missing(&'static str),
    /// Options that exclude each other.
    #[error("--peers webrtc cannot do {0}")]
    Webrtc(&'static str),
}

impl Arguments {
    /// Reads the arguments after the program's name.
    ///
    /// # Errors
    /// See [`ArgumentError`].
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Command, ArgumentError> {
        let mut given = Given::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let (name, inline) = match argument.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (argument, None),
            };
            match name.as_str() {
                "--help" | "-h" => return Ok(Command::Help),
                "--singles" => given.run.shape = Shape::Singles,
                "--no-channel" => given.run.channel = false,
                "--simulcast" => given.run.simulcast = true,
                _ => {
                    let option = OPTIONS.iter().find(|(known, _)| *known == name);
                    let (option, set) = option.ok_or(ArgumentError::Unknown(name.clone()))?;
                    let value = inline.or_else(|| arguments.next());
                    let value = value.ok_or(ArgumentError::NoValue(name))?;
                    set(&mut given, &value).ok_or(ArgumentError::BadValue { option, value })?;
                }
            }
        }
        let bridge = given.bridge.ok_or(ArgumentError::Missing("--bridge"))?;
        let scenario = given.scenario.ok_or(ArgumentError::Missing("--scenario"))?;
        let arguments = Self { bridge, scenario, ..given.run };
        arguments.check_peers()?;
        Ok(Command::Run(Box::new(arguments)))
    }

    /// A run of `scenario` with the defaults.
    pub fn new(bridge: BridgeUrl, scenario: Scenario) -> Self {
        Self {
            bridge,
            scenario,
            receivers: 100,
            participants: 10,
            speakers: 3,
            last_n: None,
            duration: Duration::from_secs(30),
            warm_up: Duration::from_secs(2),
            rate: 210.0,
            video_bitrate: None,
            shape: Shape::Frames,
            max_height: 720,
            channel: true,
            join_rate: 100.0,
            frame_packets: None,
            packet_bytes: None,
            simulcast: false,
            sample: 10,
            peers: Peers::Thin,
            connect_to: None,
            pid: None,
            json: None,
            html: None,
        }
    }
}

impl Arguments {
    fn check_peers(&self) -> Result<(), ArgumentError> {
        if self.peers == Peers::Thin {
            return Ok(());
        }
        let too_much = [
            (self.simulcast, "--simulcast"),
            (self.scenario == Scenario::Soak, "--scenario soak"),
            (scenario::count(self) > MAX_WEBRTC_ENDPOINTS, "more than 200 endpoints"),
        ];
        let found = too_much.into_iter().find(|(is_asked_for, _)| *is_asked_for);
        found.map_or(Ok(()), |(_, what)| Err(ArgumentError::Webrtc(what)))
    }
}

impl Peers {
    /// From its name on the command line.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "thin" => Some(Self::Thin),
            "webrtc" => Some(Self::Webrtc),
            _ => None,
        }
    }
}

/// What was read so far.
struct Given {
    bridge: Option<BridgeUrl>,
    scenario: Option<Scenario>,
    run: Arguments,
}

impl Default for Given {
    fn default() -> Self {
        let nowhere = BridgeUrl { address: (std::net::Ipv4Addr::LOCALHOST, 0).into() };
        let run = Arguments::new(nowhere, Scenario::OneToMany);
        Self { bridge: None, scenario: None, run }
    }
}

/// Sets an option to a value, if that can be used.
type Set = fn(&mut Given, &str) -> Option<()>;

const OPTIONS: &[(&str, Set)] = &[
    ("--bridge", |g, v| set(&mut g.bridge, v.parse().ok().map(Some))),
    ("--scenario", |g, v| set(&mut g.scenario, Scenario::from_name(v).map(Some))),
    ("--receivers", |g, v| set(&mut g.run.receivers, count(v, 1, MAX_ENDPOINTS))),
    ("--participants", |g, v| set(&mut g.run.participants, count(v, 2, MAX_ENDPOINTS))),
    ("--speakers", |g, v| set(&mut g.run.speakers, count(v, 0, MAX_ENDPOINTS))),
    ("--last-n", |g, v| set(&mut g.run.last_n, v.parse().ok().filter(|n| *n >= -1).map(Some))),
    ("--duration", |g, v| set(&mut g.run.duration, duration(v))),
    ("--warm-up", |g, v| set(&mut g.run.warm_up, duration(v))),
    ("--rate", |g, v| set(&mut g.run.rate, rate(v))),
    ("--join-rate", |g, v| set(&mut g.run.join_rate, rate(v))),
    ("--video-bitrate", |g, v| set(&mut g.run.video_bitrate, bitrate(v).map(Some))),
    ("--shape", |g, v| set(&mut g.run.shape, Shape::from_name(v))),
    ("--max-height", |g, v| set(&mut g.run.max_height, count(v, 0, MAX_HEIGHT))),
    ("--frame-packets", |g, v| set(&mut g.run.frame_packets, count(v, 1, 1_000).map(Some))),
    ("--packet-bytes", |g, v| set(&mut g.run.packet_bytes, packet_bytes(v).map(Some))),
    ("--sample", |g, v| set(&mut g.run.sample, count(v, 2, MAX_ENDPOINTS))),
    ("--connect-to", |g, v| set(&mut g.run.connect_to, v.parse().ok().map(Some))),
    ("--pid", |g, v| set(&mut g.run.pid, v.parse().ok().map(Some))),
    ("--json", |g, v| set(&mut g.run.json, Some(Some(v.into())))),
    ("--html", |g, v| set(&mut g.run.html, Some(Some(v.into())))),
    ("--peers", |g, v| set(&mut g.run.peers, Peers::from_name(v))),
];

fn set<T>(target: &mut T, value: Option<T>) -> Option<()> {
    *target = value?;
    Some(())
}

fn count(text: &str, least: u32, most: u32) -> Option<u32> {
    text.parse().ok().filter(|number| (least..=most).contains(number))
}

fn rate(text: &str) -> Option<f64> {
    text.parse().ok().filter(|rate| (1.0..=MAX_RATE).contains(rate))
}

fn bitrate(text: &str) -> Option<f64> {
    let units = [("k", 1e3), ("M", 1e6), ("G", 1e9), ("", 1.0)];
    let (number, unit) =
        units.into_iter().find_map(|(unit, size)| Some((text.strip_suffix(unit)?, size)))?;
    let bits = number.parse::<f64>().ok()? * unit;
    (MIN_BITRATE..=MAX_BITRATE).contains(&bits).then_some(bits)
}

fn packet_bytes(text: &str) -> Option<usize> {
    text.parse().ok().filter(|bytes| (MIN_PACKET_BYTES..=MAX_PACKET_BYTES).contains(bytes))
}

/// A number of seconds, minutes or hours, or plain seconds. A run always ends.
fn duration(text: &str) -> Option<Duration> {
    let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3_600.0), ("", 1.0)];
    let (number, unit) =
        units.into_iter().find_map(|(unit, size)| Some((text.strip_suffix(unit)?, size)))?;
    let seconds: f64 = number.parse().ok()?;
    let duration = Duration::try_from_secs_f64(seconds * unit).ok()?;
    (duration <= MAX_DURATION).then_some(duration)
}

/// Each has a port of one address.
const MAX_ENDPOINTS: u32 = 20_000;
/// Each has tasks, buffers and a socket of its own, and hears of all others.
const MAX_WEBRTC_ENDPOINTS: u32 = 200;
/// Far more than one thread can send.
const MAX_RATE: f64 = 1_000_000.0;
/// Bits a second: a packet every few seconds.
const MIN_BITRATE: f64 = 1_000.0;
/// Far more than one thread can send.
const MAX_BITRATE: f64 = 1e10;
/// Lines of the largest pictures that anybody sends.
const MAX_HEIGHT: u32 = 8_192;
/// Room for header, stamp and some pattern.
const MIN_PACKET_BYTES: usize = 100;
/// What fits an Ethernet frame after encryption.
const MAX_PACKET_BYTES: usize = 1_400;
const MAX_DURATION: Duration = Duration::from_secs(7 * 24 * 3_600);

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDED: &str = "--bridge http://127.0.0.1:8080 --scenario meeting";

    fn parse(line: &str) -> Result<Command, ArgumentError> {
        Arguments::parse(line.split_whitespace().map(str::to_owned))
    }

    fn run(line: &str) -> Arguments {
        match parse(line) {
            Ok(Command::Run(arguments)) => *arguments,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn options_are_understood_in_both_forms() {
        let plain = run(NEEDED);
        assert_eq!(plain, Arguments::new(plain.bridge, Scenario::Meeting));
        for line in ["--participants 7 --singles --pid 12", "--participants=7 --singles --pid=12"] {
            let arguments = run(&format!("{NEEDED} {line}"));
            assert_eq!(arguments.participants, 7);
            assert!(arguments.shape == Shape::Singles && !arguments.simulcast);
            assert_eq!(arguments.pid, Some(12));
        }
        assert_eq!(parse("--help"), Ok(Command::Help));
    }

    #[test]
    fn durations_have_units() {
        for (text, millis) in [("30s", 30_000), ("1.5m", 90_000), ("2h", 7_200_000), ("250ms", 250)]
        {
            assert_eq!(duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(duration("4"), Some(Duration::from_secs(4)));
        for text in ["", "s", "-1s", "200h", "inf", "1d"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn bitrates_have_units() {
        for (text, bits) in [("500k", 5e5), ("2.5M", 2.5e6), ("1G", 1e9), ("64000", 64_000.0)] {
            assert_eq!(bitrate(text), Some(bits), "{text}");
        }
        for text in ["", "k", "-1M", "10", "100G", "NaN", "2m"] {
            assert_eq!(bitrate(text), None, "{text}");
        }
        let arguments = run(&format!("{NEEDED} --video-bitrate 4M --shape equal-frames"));
        assert_eq!((arguments.video_bitrate, arguments.shape), (Some(4e6), Shape::EqualFrames));
    }

    #[test]
    fn full_peers_are_few_and_simple() {
        assert_eq!(run(&format!("{NEEDED} --peers webrtc")).peers, Peers::Webrtc);
        for (line, what) in [
            ("--simulcast", "--simulcast"),
            ("--participants 201", "more than 200 endpoints"),
            ("--scenario soak", "--scenario soak"),
        ] {
            let error = parse(&format!("{NEEDED} --peers webrtc {line}")).unwrap_err();
            assert_eq!(error, ArgumentError::Webrtc(what));
        }
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        for (line, expected) in [
            ("--bridge http://127.0.0.1:1", "--scenario is needed; try --help"),
            ("--scenario meeting", "--bridge is needed; try --help"),
            ("--scenaro x", "unknown option \"--scenaro\"; try --help"),
            ("--scenario", "--scenario wants a value after it"),
            ("--scenario party", "--scenario: \"party\" cannot be used"),
            ("--receivers 0", "--receivers: \"0\" cannot be used"),
            ("--shape round", "--shape: \"round\" cannot be used"),
            ("--packet-bytes 9000", "--packet-bytes: \"9000\" cannot be used"),
            ("--peers fat", "--peers: \"fat\" cannot be used"),
        ] {
            assert_eq!(parse(line).unwrap_err().to_string(), expected, "{line}");
        }
    }
}
