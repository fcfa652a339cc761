//! What a run found.

use std::time::Duration;

use crate::arguments::Arguments;
use crate::command::Durations;
use crate::histogram::Histogram;
use crate::measurement::{Sample, Window, ratio};
use crate::overload::Overload;
use crate::reception::{Wrong, WrongCounts};
use crate::scenario::{self, Scenario};

/// The result of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The scenario's name.
    pub scenario: &'static str,
    /// The bridge's HTTP interface.
    pub bridge: String,
    /// Endpoints that joined.
    pub endpoints: usize,
    /// How long was measured.
    pub measured: Duration,
    /// RTP packets sent to the bridge while it was measured.
    pub packets_in: u64,
    /// RTP packets received from it.
    pub packets_out: u64,
    /// Bytes of these.
    pub bytes_out: u64,
    /// Sequence numbers that never came, of all that should have; 0 to 1. What the bridge leaves out
    /// on purpose has none.
    pub loss_ratio: f64,
    /// The same before retransmissions.
    pub loss_before_repair_ratio: f64,
    /// Of a single sender's packets those that reached the receivers; about 1 unless the bridge
    /// withholds some.
    pub delivered_ratio: Option<f64>,
    /// CPU time of the bridge for each packet that left it, in microseconds.
    pub bridge_cpu_us_per_packet_out: Option<f64>,
    /// Cores that the bridge used.
    pub bridge_cpu_ratio: Option<f64>,
    /// Resident memory of the bridge at the end of measuring.
    pub bridge_rss_bytes: Option<u64>,
    /// What each endpoint added to it, connected and silent.
    pub bridge_rss_bytes_per_endpoint: Option<f64>,
    /// By how much it grew while it was measured, if for a minute or more.
    pub bridge_rss_bytes_per_hour: Option<f64>,
    /// From the generator's send to its receipt.
    pub delay_first: Quantiles,
    /// As above, for the last receiver.
    pub delay_last: Quantiles,
    /// As above, for all sampled receivers.
    pub delay_any: Quantiles,
    /// From the request for an endpoint until it has keys.
    pub join: Quantiles,
    /// Until it has its first media packet, where media flowed before it joined.
    pub first_media: Quantiles,
    /// Cores that the generator used.
    pub generator_cpu_ratio: f64,
    /// Share of a core that its busiest thread used.
    pub generator_busiest_thread_ratio: f64,
    /// Cores that others used: the figures are only as good as this is small.
    pub other_cpu_ratio: Option<f64>,
    /// Times that it could not keep up.
    pub generator_late: u64,
    /// Packets that were opened and compared.
    pub packets_opened: u64,
    /// Sequence numbers that were skipped in the whole run.
    pub packets_lost: u64,
    /// Those of them that came as retransmissions.
    pub packets_recovered: u64,
    /// Packets that came too late to tell whether they came before; they count as lost.
    pub packets_late: u64,
    /// Packets of the retransmission format that came.
    pub retransmissions: u64,
    /// Packets of padding that came.
    pub padding: u64,
    /// Packets that were asked for, the first time and again.
    pub packets_asked: u64,
    /// Reports of transport-wide arrivals that were sent.
    pub feedback_sent: u64,
    /// Messages on bridge channels that came.
    pub channel_messages: u64,
    /// CPU time of the bridge for each endpoint that joined, with its share of the media: in a storm.
    pub bridge_cpu_ms_per_join: Option<f64>,
    /// Cores that each of the bridge's threads used, the busiest first.
    pub bridge_thread_ratios: Vec<f64>,
    /// What was wrong, by name.
    pub error_kinds: Vec<(&'static str, u64)>,
    /// Each second.
    pub series: Vec<Point>,
    /// What was raised, step by step.
    pub steps: Vec<Step>,
    /// Beyond the bridge's limit and back, where that was done.
    pub overload: Option<Overload>,
}

/// The distribution of a duration; `None` where nothing was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quantiles {
    /// The median.
    pub p50: Option<Duration>,
    /// Of a hundred, one takes longer.
    pub p99: Option<Duration>,
    /// Of a thousand, one takes longer.
    pub p999: Option<Duration>,
}

/// One second of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Seconds since the generator began.
    pub at: f64,
    /// Packets a second into the bridge.
    pub packets_in: f64,
    /// Packets a second out of it.
    pub packets_out: f64,
    /// Of what should have come, 0 to 1.
    pub loss_ratio: f64,
    /// The 99th percentile of the delay, in microseconds.
    pub delay_p99_us: Option<f64>,
    /// Cores that the bridge used.
    pub bridge_cpu_ratio: Option<f64>,
    /// Its resident memory.
    pub bridge_rss_bytes: Option<u64>,
    /// Cores that the generator used.
    pub generator_cpu_ratio: f64,
}

/// One step of a scenario that raises something.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// What was raised: packets a second and sender, or joins a second.
    pub rate: f64,
    /// What was reached: packets a second out of the bridge, or joins a second.
    pub reached: f64,
    /// Packets lost before repair, or joins that failed; 0 to 1.
    pub loss_ratio: f64,
    /// Of what was sent, what reached the receivers.
    pub delivered_ratio: Option<f64>,
    /// Delay, or time to the first media packet.
    pub p99: Option<Duration>,
    /// CPU time of the bridge for each packet that left it.
    pub bridge_cpu_us_per_packet_out: Option<f64>,
    /// Whether it is still good.
    pub is_good: bool,
}

impl Report {
    /// Of what was measured in `window`; before anybody joined, when all had, and after media had
    /// ended.
    pub(crate) fn new(
        arguments: &Arguments,
        window: &Window,
        [before, joined, after]: [Sample; 3],
        joins: &Durations,
    ) -> Self {
        let (generator_cpu_ratio, generator_busiest_thread_ratio) = window.generator_cpu_ratios();
        let mut wrong: WrongCounts = after.received.wrong;
        wrong.add_many(Wrong::Silent, silent(arguments, after));
        wrong.add_many(Wrong::NoChannel, after.without_channel as u64);
        wrong.add_many(Wrong::NoVideo, without_video(arguments, after));
        Self {
            scenario: arguments.scenario.name(),
            bridge: format!("http://{}", arguments.bridge.address),
            endpoints: joined.connected,
            measured: window.length(),
            packets_in: window.packets_in(),
            packets_out: window.packets_out(),
            bytes_out: window.bytes_out(),
            loss_ratio: window.loss_ratio(),
            loss_before_repair_ratio: window.loss_before_repair_ratio(),
            delivered_ratio: delivered(arguments, window),
            bridge_cpu_us_per_packet_out: window.bridge_cpu_micros_per_packet_out(),
            bridge_cpu_ratio: window.bridge_cpu_ratio(),
            bridge_rss_bytes: window.end.bridge.map(|usage| usage.resident),
            bridge_rss_bytes_per_endpoint: memory_per_endpoint(before, joined),
            bridge_rss_bytes_per_hour: None,
            delay_first: Quantiles::of(&window.durations.first),
            delay_last: Quantiles::of(&window.durations.last),
            delay_any: Quantiles::of(&window.durations.any),
            join: Quantiles::of(&joins.join),
            first_media: match arguments.scenario {
                Scenario::JoinStorm | Scenario::Soak => Quantiles::of(&joins.first_media),
                // Elsewhere media begins when all have joined.
                _ => Quantiles::default(),
            },
            generator_cpu_ratio,
            generator_busiest_thread_ratio,
            other_cpu_ratio: window.other_cpu_ratio(),
            generator_late: after.sent.late + after.sent.refused,
            packets_opened: after.received.opened,
            packets_lost: after.received.lost,
            packets_recovered: after.received.recovered,
            packets_late: after.received.late,
            retransmissions: after.received.retransmissions,
            padding: after.received.padding,
            packets_asked: after.received.asked,
            feedback_sent: after.received.feedback,
            channel_messages: after.received.messages,
            bridge_cpu_ms_per_join: match arguments.scenario {
                Scenario::JoinStorm => window.bridge_cpu_millis_per_join(),
                _ => None,
            },
            bridge_thread_ratios: window.bridge_thread_ratios(),
            error_kinds: wrong.iter().collect(),
            series: Vec::new(),
            steps: Vec::new(),
            overload: None,
        }
    }

    pub(crate) fn with_details(mut self, series: Vec<Point>, steps: Vec<Step>) -> Self {
        self.bridge_rss_bytes_per_hour = growth_per_hour(&series);
        self.series = series;
        self.steps = steps;
        self
    }

    pub(crate) const fn with_overload(mut self, overload: Overload) -> Self {
        self.overload = Some(overload);
        self
    }

    /// How often something was wrong.
    pub fn errors(&self) -> u64 {
        self.error_kinds.iter().map(|(_, count)| count).sum()
    }

    /// Whether nothing was wrong and something came.
    pub fn passed(&self) -> bool {
        self.errors() == 0 && self.packets_out > 0
    }

    /// Whether the generator, not the bridge, may have been measured.
    pub fn is_generator_bottleneck(&self) -> bool {
        self.generator_busiest_thread_ratio > BOTTLENECK_RATIO || self.generator_late > 0
    }

    /// Whether others disturbed the measurement.
    pub fn is_machine_busy(&self) -> bool {
        self.other_cpu_ratio.is_some_and(|ratio| ratio > DISTURBANCE_RATIO)
    }

    /// What makes the figures worth less than they look.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.is_generator_bottleneck() {
            warnings.push("the generator is at its limit; these figures may be its own".to_owned());
        }
        if self.is_machine_busy() {
            warnings.push("others use this machine; repeat when it is idle".to_owned());
        }
        if let Some(delivered) = self.delivered_ratio.filter(|ratio| *ratio < LEAST_DELIVERED) {
            warnings.push(format!(
                "only {:.1} % of what was sent reached the receivers: the bridge withholds video, by \
                 its estimate of their links or for want of power",
                100.0 * delivered
            ));
        }
        warnings
    }

    /// The highest step before the first bad one.
    pub fn highest_good(&self) -> Option<&Step> {
        self.steps.iter().take_while(|step| step.is_good).last()
    }

    /// A count as a rate.
    pub(crate) fn per_second(&self, count: u64) -> f64 {
        ratio(count as f64, self.measured.as_secs_f64()).unwrap_or(0.0)
    }
}

impl Quantiles {
    pub(crate) fn of(histogram: &Histogram) -> Self {
        Self {
            p50: histogram.quantile(0.5),
            p99: histogram.quantile(0.99),
            p999: histogram.quantile(0.999),
        }
    }
}

impl Point {
    pub(crate) fn of(second: &Window) -> Self {
        let p99 = second.durations.any.quantile(0.99);
        Self {
            at: second.end.at.as_nanos() as f64 / 1e9,
            packets_in: second.packets_in_per_second(),
            packets_out: second.packets_out_per_second(),
            loss_ratio: second.loss_ratio(),
            delay_p99_us: p99.map(|p99| p99.as_secs_f64() * 1e6),
            bridge_cpu_ratio: second.bridge_cpu_ratio(),
            bridge_rss_bytes: second.end.bridge.map(|usage| usage.resident),
            generator_cpu_ratio: second.generator_cpu_ratios().0,
        }
    }
}

impl Step {
    /// A step of a ramp.
    pub(crate) fn of_rate(arguments: &Arguments, rate: f64, window: &Window) -> Self {
        // A bridge that repairs what it drops is beyond its limit too.
        let loss_ratio = window.loss_before_repair_ratio();
        let delivered_ratio = delivered(arguments, window);
        let is_complete = delivered_ratio.is_none_or(|ratio| ratio >= LEAST_DELIVERED);
        let p99 = window.durations.any.quantile(0.99);
        let is_in_time = p99.is_some_and(|p99| p99 <= MAX_DELAY);
        Self {
            rate,
            reached: window.packets_out_per_second(),
            loss_ratio,
            delivered_ratio,
            p99,
            bridge_cpu_us_per_packet_out: window.bridge_cpu_micros_per_packet_out(),
            is_good: loss_ratio <= MAX_LOSS && is_complete && is_in_time,
        }
    }

    /// A step of a join storm: `count` joins, of which those in `durations` got media.
    pub(crate) fn of_joins(
        rate: f64,
        count: usize,
        elapsed: Duration,
        durations: &Durations,
    ) -> Self {
        let joined = durations.join.count() as f64;
        let failed = (1.0 - ratio(joined, count as f64).unwrap_or(1.0)).max(0.0);
        let p99 = durations.join.quantile(0.99);
        Self {
            rate,
            reached: ratio(joined, elapsed.as_secs_f64()).unwrap_or(0.0),
            loss_ratio: failed,
            delivered_ratio: None,
            p99,
            bridge_cpu_us_per_packet_out: None,
            is_good: failed == 0.0 && p99.is_some_and(|p99| p99 <= MAX_JOIN_TIME),
        }
    }
}

/// Endpoints that should have got something and did not. A sender alone gets nothing.
fn silent(arguments: &Arguments, after: Sample) -> u64 {
    let senders = usize::from(scenario::has_one_sender(arguments.scenario));
    after.silent.saturating_sub(senders) as u64
}

/// Endpoints that asked for video, were heard, and did not get any.
fn without_video(arguments: &Arguments, after: Sample) -> u64 {
    let is_asked_for = arguments.max_height > 0 && arguments.last_n != Some(0);
    let is_sent = arguments.scenario != Scenario::Audio;
    if is_asked_for && is_sent { after.without_video as u64 } else { 0 }
}

/// The share of a single sender's packets that reached the receivers. Where there are encodings or
/// senders to choose from, there is nothing to compare with.
fn delivered(arguments: &Arguments, window: &Window) -> Option<f64> {
    let is_comparable = scenario::has_one_sender(arguments.scenario)
        && arguments.scenario != Scenario::JoinStorm
        && !arguments.simulcast
        && arguments.last_n.is_none();
    let receivers = window.end.connected.saturating_sub(1);
    let expected = window.packets_in() as f64 * receivers as f64;
    let repaired = window.end.received.recovered - window.begin.received.recovered;
    let arrived = (window.packets_out() + repaired) as f64;
    ratio(arrived, expected).filter(|_| is_comparable)
}

fn memory_per_endpoint(before: Sample, joined: Sample) -> Option<f64> {
    let grown = joined.bridge?.resident as f64 - before.bridge?.resident as f64;
    ratio(grown, joined.connected as f64)
}

/// The slope of the line that is nearest to the memory's points.
fn growth_per_hour(series: &[Point]) -> Option<f64> {
    let points: Vec<(f64, f64)> = series
        .iter()
        .filter_map(|point| Some((point.at, point.bridge_rss_bytes? as f64)))
        .collect();
    let count = points.len() as f64;
    if points.last()?.0 - points.first()?.0 < LEAST_GROWTH_SECONDS {
        return None;
    }
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (mean_at, mean_bytes) = (mean(|point| point.0), mean(|point| point.1));
    let (covariance, variance) =
        points.iter().fold((0.0, 0.0), |(covariance, variance), (at, bytes)| {
            let (from_at, from_bytes) = (at - mean_at, bytes - mean_bytes);
            (covariance + from_at * from_bytes, variance + from_at * from_at)
        });
    ratio(covariance, variance).map(|per_second| 3_600.0 * per_second)
}

/// Over less time, growth is noise.
const LEAST_GROWTH_SECONDS: f64 = 59.0;
/// A step of a ramp with more is bad.
const MAX_LOSS: f64 = 0.001;
/// With less, the bridge chose or had to leave something out.
const LEAST_DELIVERED: f64 = 0.99;
const MAX_DELAY: Duration = Duration::from_millis(10);
/// People wait for a second.
const MAX_JOIN_TIME: Duration = Duration::from_secs(1);
/// Above this, delays and caches are others' as much as the bridge's.
const DISTURBANCE_RATIO: f64 = 0.1;
/// A thread above this share of a core delays what it measures.
const BOTTLENECK_RATIO: f64 = 0.7;

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    /// A report with something in every field.
    pub(crate) fn example() -> Report {
        let bridge = "http://127.0.0.1:8080".parse().unwrap();
        let arguments = Arguments::new(bridge, Scenario::OneToMany);
        let usage =
            |resident| Some(crate::process_usage::ProcessUsage { resident, ..Default::default() });
        let mut begin = Sample { bridge: usage(1_000), ..Sample::default() };
        let mut end = Sample { bridge: usage(5_000), connected: 5, silent: 1, ..begin };
        end.at = bridge_units::Timestamp::from_millis(2_000);
        (end.sent.packets, end.received.packets) = (100, 400);
        begin.connected = 0;
        let mut durations = Durations::new();
        for micros in [100, 200, 300] {
            durations.any.record(Duration::from_micros(micros));
            durations.first.record(Duration::from_micros(micros));
            durations.last.record(Duration::from_micros(micros));
            durations.join.record(Duration::from_millis(micros));
        }
        let window = Window { begin, end, durations };
        let steps = vec![Step::of_rate(&arguments, 210.0, &window)];
        let joins = window.durations.clone();
        Report::new(&arguments, &window, [begin, end, end], &joins)
            .with_details(vec![Point::of(&window), Point::of(&window)], steps)
    }

    #[test]
    fn json_has_the_fields_that_machines_read() {
        let json = example().to_json();
        for field in [
            "packets_in",
            "packets_out",
            "loss_ratio",
            "bridge_cpu_us_per_packet_out",
            "bridge_rss_bytes",
            "bridge_rss_bytes_per_endpoint",
            "generator_cpu_ratio",
            "errors",
        ] {
            assert!(json[field].is_number(), "{field}: {}", json[field]);
        }
        for place in ["first", "last"] {
            for quantile in ["p50", "p99", "p999"] {
                assert!(json["delay_us"][place][quantile].is_number(), "{place} {quantile}");
            }
        }
        assert!(json["join_ms"]["p50"].is_number() && json["join_ms"]["p99"].is_number());
        assert_eq!(json["packets_out"], 400);
        assert_eq!(json["bridge_rss_bytes_per_endpoint"], 800.0);
        assert_eq!((&json["errors"], &json["passed"]), (&json!(0), &json!(true)));
    }

    #[test]
    fn wrong_or_missing_packets_fail_a_run() {
        let good = example();
        assert!(good.passed());
        let wrong = Report { error_kinds: vec![("payload", 1)], ..example() };
        assert!(!wrong.passed());
        let nothing = Report { packets_out: 0, ..example() };
        assert!(!nothing.passed());
    }

    #[test]
    fn what_is_not_forwarded_is_told() {
        let bridge = "http://127.0.0.1:8080".parse().unwrap();
        let arguments = Arguments::new(bridge, Scenario::OneToMany);
        let mut end = Sample { connected: 5, ..Sample::default() };
        (end.sent.packets, end.received.packets) = (100, 300);
        let window = Window { begin: Sample::default(), end, durations: Durations::new() };
        assert!((delivered(&arguments, &window).unwrap() - 0.75).abs() < 1e-9);
        let meeting = Arguments::new(arguments.bridge, Scenario::Meeting);
        assert_eq!(delivered(&meeting, &window), None);
        let withheld = Report { delivered_ratio: Some(0.75), ..example() };
        assert!(withheld.warnings()[0].contains("75.0 %"), "{:?}", withheld.warnings());
        assert!(withheld.passed(), "a choice is not an error");
        let step = Step::of_rate(&arguments, 210.0, &window);
        assert!(!step.is_good);
    }

    #[test]
    fn repaired_loss_is_told_apart() {
        let mut window = Window {
            begin: Sample::default(),
            end: Sample::default(),
            durations: Durations::new(),
        };
        window.end.received.packets = 90;
        (window.end.received.lost, window.end.received.recovered) = (10, 8);
        let bridge = "http://127.0.0.1:8080".parse().unwrap();
        let arguments = Arguments::new(bridge, Scenario::Meeting);
        let samples = [Sample::default(), window.end, window.end];
        let report = Report::new(&arguments, &window, samples, &Durations::new());
        assert!((report.loss_ratio - 2.0 / 92.0).abs() < 1e-9);
        assert!((report.loss_before_repair_ratio - 0.1).abs() < 1e-9);
    }

    #[test]
    fn sound_without_pictures_is_an_error_where_pictures_were_asked_for() {
        let bridge = "http://127.0.0.1:8080".parse().unwrap();
        let after = Sample { without_video: 3, ..Sample::default() };
        let count = |arguments: Arguments| without_video(&arguments, after);
        let meeting = Arguments::new(bridge, Scenario::Meeting);
        assert_eq!(count(meeting.clone()), 3);
        assert_eq!(count(Arguments { last_n: Some(0), ..meeting.clone() }), 0);
        assert_eq!(count(Arguments { max_height: 0, ..meeting }), 0);
        assert_eq!(count(Arguments::new(bridge, Scenario::Audio)), 0);
    }

    #[test]
    fn a_channel_that_does_not_open_is_an_error() {
        let bridge = "http://127.0.0.1:8080".parse().unwrap();
        let arguments = Arguments::new(bridge, Scenario::Meeting);
        let after = Sample { without_channel: 2, ..Sample::default() };
        let window = Window { begin: after, end: after, durations: Durations::new() };
        let samples = [Sample::default(), after, after];
        let report = Report::new(&arguments, &window, samples, &Durations::new());
        assert!(report.error_kinds.contains(&("no_channel", 2)), "{:?}", report.error_kinds);
        assert!(!report.passed());
    }

    #[test]
    fn growth_is_the_slope_of_memory() {
        let point = |second: u32| Point {
            at: f64::from(second),
            bridge_rss_bytes: Some(1_000_000 + 10 * u64::from(second)),
            ..example().series[0]
        };
        let minute: Vec<Point> = (0..60).map(point).collect();
        let growth = growth_per_hour(&minute).unwrap();
        assert!((growth - 36_000.0).abs() < 1.0, "{growth}");
        assert_eq!(growth_per_hour(&minute[..30]), None);
        assert_eq!(growth_per_hour(&[]), None);
    }

    #[test]
    fn a_busy_generator_is_told() {
        assert!(!example().is_generator_bottleneck() && example().warnings().is_empty());
        let busy = Report { generator_busiest_thread_ratio: 0.8, ..example() };
        assert!(busy.is_generator_bottleneck());
        assert!(busy.to_json()["warnings"][0].as_str().unwrap().contains("generator"));
    }
}
