//! The result as one HTML file with plots, which loads nothing from anywhere.

use std::fmt::Write as _;

use crate::report::{Point, Report};
use crate::table;

/// The page.
pub(crate) fn render(report: &Report) -> String {
    let mut rows = String::new();
    for (name, value) in table::rows(report) {
        put(&mut rows, format_args!("<tr><th>{}</th><td>{}</td></tr>", text(name), text(&value)));
    }
    let mut steps = String::new();
    for step in &report.steps {
        put(
            &mut steps,
            format_args!(
                "<tr class=\"{}\"><td>{:.0}</td><td>{:.0}</td><td>{:.4} %</td><td>{}</td></tr>",
                if step.is_good { "good" } else { "bad" },
                step.rate,
                step.reached,
                100.0 * step.loss_ratio,
                table::milliseconds(step.p99)
            ),
        );
    }
    if !steps.is_empty() {
        steps = format!(
            "<h2>Steps</h2><table><tr><th>rate</th><th>reached</th><th>lost</th><th>p99</th></tr>\
             {steps}</table>"
        );
    }
    let warnings: String = report
        .warnings()
        .iter()
        .map(|warning| format!("<p class=\"bad\">Warning: {}</p>", text(warning)))
        .collect();
    let plots: String = PLOTS.iter().map(|plot| plot.render(&report.series)).collect();
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <title>videobridge-load: {}</title><style>{STYLE}</style></head><body>\
         <h1>videobridge-load: {}</h1><p class=\"{}\">{}</p>{warnings}<table>{rows}</table>{steps}\
         {plots}\
         </body></html>\n",
        report.scenario,
        report.scenario,
        if report.passed() { "good" } else { "bad" },
        if report.passed() { "passed" } else { "failed" },
    )
}

/// A plot over time.
struct Plot {
    title: &'static str,
    unit: &'static str,
    value: fn(&Point) -> Option<f64>,
}

const PLOTS: &[Plot] = &[
    Plot { title: "Packets out of the bridge", unit: "packets/s", value: |p| Some(p.packets_out) },
    Plot { title: "Packets into the bridge", unit: "packets/s", value: |p| Some(p.packets_in) },
    Plot { title: "Delay, 99th percentile", unit: "us", value: |p| p.delay_p99_us },
    Plot { title: "Loss", unit: "%", value: |p| Some(100.0 * p.loss_ratio) },
    Plot { title: "CPU of the bridge", unit: "cores", value: |p| p.bridge_cpu_ratio },
    Plot {
        title: "Memory of the bridge",
        unit: "MB",
        value: |p| p.bridge_rss_bytes.map(|bytes| bytes as f64 / 1e6),
    },
    Plot { title: "CPU of the generator", unit: "cores", value: |p| Some(p.generator_cpu_ratio) },
];

impl Plot {
    /// Nothing if there are fewer than two points.
    fn render(&self, series: &[Point]) -> String {
        let points: Vec<(f64, f64)> =
            series.iter().filter_map(|point| Some((point.at, (self.value)(point)?))).collect();
        let (Some(first), Some(last)) = (points.first(), points.last()) else {
            return String::new();
        };
        let top = points.iter().map(|point| point.1).fold(0.0, f64::max);
        if points.len() < 2 {
            return String::new();
        }
        let (span, scale) = ((last.0 - first.0).max(1e-9), if top > 0.0 { top } else { 1.0 });
        let mut line = String::new();
        for (at, value) in &points {
            let x = LEFT + (at - first.0) / span * WIDTH;
            let y = TOP + HEIGHT - value / scale * HEIGHT;
            put(&mut line, format_args!("{x:.1},{y:.1} "));
        }
        let (right, bottom) = (LEFT + WIDTH, TOP + HEIGHT);
        format!(
            "<h2>{} ({})</h2><svg viewBox=\"0 0 {} {}\" role=\"img\"><path class=\"axis\" \
             d=\"M{LEFT} {TOP}V{bottom}H{right}\"/><text x=\"{}\" y=\"{}\">{}</text><text x=\"{}\" \
             y=\"{bottom}\">0</text><text x=\"{right}\" y=\"{}\">{span:.0} s</text><polyline \
             points=\"{}\"/></svg>",
            self.title,
            self.unit,
            right + 20.0,
            bottom + 30.0,
            LEFT - 8.0,
            TOP + 6.0,
            short(top),
            LEFT - 8.0,
            bottom + 20.0,
            line.trim_end()
        )
    }
}

/// A number as an axis shows it.
fn short(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{:.2}M", v / 1e6),
        v if v >= 1e4 => format!("{:.1}k", v / 1e3),
        v if v >= 10.0 => format!("{v:.0}"),
        v => format!("{v:.3}"),
    }
}

fn text(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn put(to: &mut String, what: std::fmt::Arguments<'_>) {
    to.write_fmt(what).expect("writing to a String does not fail");
}

const LEFT: f64 = 80.0;
const TOP: f64 = 10.0;
const WIDTH: f64 = 680.0;
const HEIGHT: f64 = 140.0;
const STYLE: &str = "body{font:15px/1.4 system-ui,sans-serif;max-width:60em;margin:2em auto;\
    padding:0 1em;color:#222}table{border-collapse:collapse}th,td{text-align:left;\
    padding:.15em 1em .15em 0;border-bottom:1px solid #ddd}h2{font-size:1.05em;margin:1.5em 0 .3em}\
    svg{width:100%;height:auto}.axis{fill:none;stroke:#888}polyline{fill:none;stroke:#0a58ca;\
    stroke-width:2}text{font-size:12px;fill:#555;text-anchor:end}.good{color:#146c2e}\
    .bad{color:#b3261e}";

#[cfg(test)]
mod tests {
    use crate::report::tests::example;

    #[test]
    fn the_page_has_plots_and_loads_nothing() {
        let page = super::render(&example());
        assert!(page.matches("<svg").count() >= 4 && page.contains("Steps"));
        for outside in ["src=", "href=", "url(", "@import", "<script"] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert_eq!(page.matches('<').count(), page.matches('>').count());
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(super::text("<a&b>"), "&lt;a&amp;b&gt;");
    }
}
