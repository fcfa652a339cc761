//! The result for readers at a terminal.

use std::fmt::Write as _;
use std::time::Duration;

use crate::overload::Overload;
use crate::report::{Quantiles, Report};

/// A table with a line for each figure.
pub(crate) fn render(report: &Report) -> String {
    let mut table = String::new();
    for (name, value) in rows(report) {
        line(&mut table, &format!("{name:<28} {value}"));
    }
    for (name, count) in report.error_kinds.iter().filter(|(_, count)| *count > 0) {
        line(&mut table, &format!("  wrong: {name:<19} {count}"));
    }
    for step in &report.steps {
        let verdict = if step.is_good { "good" } else { "bad" };
        let p99 = milliseconds(step.p99);
        line(
            &mut table,
            &format!(
                "  step {:>10.0}/s: reached {:>10.0}/s, loss {:.4} %, p99 {p99}, {verdict}",
                step.rate,
                step.reached,
                100.0 * step.loss_ratio
            ),
        );
    }
    if let Some(step) = report.highest_good() {
        let (rate, reached) = (step.rate, step.reached);
        line(&mut table, &format!("highest good step: {rate:.0}/s, reached {reached:.0}/s"));
    }
    for warning in report.warnings() {
        line(&mut table, &format!("WARNING: {warning}"));
    }
    line(&mut table, if report.passed() { "passed" } else { "FAILED" });
    table
}

/// The figures of the table, by name.
pub(crate) fn rows(report: &Report) -> Vec<(&'static str, String)> {
    let number = |value: Option<f64>, unit: &str| {
        value.map_or("-".to_owned(), |value| format!("{value:.2} {unit}").trim_end().to_owned())
    };
    let mut rows = Vec::new();
    if let Some(overload) = &report.overload {
        rows.extend(overload_rows(overload));
    }
    let bits = report.per_second(report.bytes_out) * 8.0 / 1e6;
    let figures = vec![
        ("scenario", report.scenario.to_owned()),
        ("bridge", report.bridge.clone()),
        ("endpoints", report.endpoints.to_string()),
        ("measured", format!("{:.1} s", report.measured.as_secs_f64())),
        ("packets in", rate(report, report.packets_in)),
        ("packets out", rate(report, report.packets_out)),
        ("rate out", format!("{bits:.1} Mbit/s")),
        (
            "loss",
            format!(
                "{:.4} %, {:.4} % before repair",
                100.0 * report.loss_ratio,
                100.0 * report.loss_before_repair_ratio
            ),
        ),
        ("delivered of what was sent", number(report.delivered_ratio.map(|r| 100.0 * r), "%")),
        (
            "retransmissions",
            format!(
                "{} of {} asked for, {} of {} lost packets recovered",
                report.retransmissions,
                report.packets_asked,
                report.packets_recovered,
                report.packets_lost
            ),
        ),
        ("padding", report.padding.to_string()),
        ("feedback sent", report.feedback_sent.to_string()),
        ("bridge CPU", number(report.bridge_cpu_us_per_packet_out, "us per packet out")),
        ("bridge CPU of a join", number(report.bridge_cpu_ms_per_join, "ms")),
        ("bridge cores", number(report.bridge_cpu_ratio, "")),
        ("bridge cores by thread", shares(&report.bridge_thread_ratios)),
        ("bridge memory", number(report.bridge_rss_bytes.map(|bytes| bytes as f64 / 1e6), "MB")),
        (
            "bridge memory per endpoint",
            number(report.bridge_rss_bytes_per_endpoint.map(|bytes| bytes / 1e3), "kB"),
        ),
        (
            "bridge memory growth",
            number(report.bridge_rss_bytes_per_hour.map(|bytes| bytes / 1e6), "MB per hour"),
        ),
        ("delay, first receiver", quantiles(&report.delay_first)),
        ("delay, last receiver", quantiles(&report.delay_last)),
        ("delay, sampled receivers", quantiles(&report.delay_any)),
        ("join", quantiles(&report.join)),
        ("request to first media", quantiles(&report.first_media)),
        (
            "generator cores",
            format!(
                "{:.2} (busiest thread {:.2})",
                report.generator_cpu_ratio, report.generator_busiest_thread_ratio
            ),
        ),
        ("cores used by others", number(report.other_cpu_ratio, "")),
        ("packets opened, compared", report.packets_opened.to_string()),
        ("wrong", report.errors().to_string()),
    ];
    figures.into_iter().chain(rows).collect()
}

fn overload_rows(overload: &Overload) -> Vec<(&'static str, String)> {
    let percent = |ratio: f64| format!("{:.4} %", 100.0 * ratio);
    let [health, allocation] =
        [overload.slowest_health, overload.slowest_allocation].map(|d| milliseconds(Some(d)));
    vec![
        ("capacity", format!("{:.0} packets of video in a second", overload.capacity)),
        ("overload", format!("{:.0} packets of video in a second", overload.rate)),
        ("video lost in overload", percent(overload.video_loss_ratio)),
        ("sound lost in overload", percent(overload.audio_loss_ratio)),
        ("lost after it", percent(overload.loss_ratio_after)),
        ("delivered after it", percent(overload.delivered_ratio_after)),
        ("oldest consent", format!("{:.1} s", overload.oldest_consent.as_secs_f64())),
        ("disconnected", overload.disconnected.to_string()),
        ("slowest health answer", health),
        ("slowest new conference", allocation),
        (
            "requests in overload",
            format!("{}, {} failed", overload.requests, overload.requests_failed),
        ),
    ]
}

/// A duration in milliseconds.
pub(crate) fn milliseconds(value: Option<Duration>) -> String {
    value.map_or("-".to_owned(), |value| format!("{:.3} ms", value.as_secs_f64() * 1e3))
}

fn rate(report: &Report, count: u64) -> String {
    format!("{count} ({:.0} a second)", report.per_second(count))
}

fn quantiles(quantiles: &Quantiles) -> String {
    let [p50, p99, p999] = [quantiles.p50, quantiles.p99, quantiles.p999].map(milliseconds);
    format!("p50 {p50}, p99 {p99}, p99.9 {p999}")
}

fn shares(shares: &[f64]) -> String {
    shares.iter().map(|share| format!("{share:.2}")).collect::<Vec<_>>().join(" ")
}

fn line(table: &mut String, text: &str) {
    writeln!(table, "{text}").expect("writing to a String does not fail");
}

#[cfg(test)]
mod tests {
    use crate::report::tests::example;

    #[test]
    fn the_table_names_the_figures() {
        let table = super::render(&example());
        for text in ["packets out", "400 (200 a second)", "p50 0.199 ms", "step", "passed"] {
            assert!(table.contains(text), "{text}:\n{table}");
        }
        assert!(!table.contains("WARNING"));
    }
}
