//! Reports as one HTML page that needs nothing else.

use super::report::{Chart, Curve, Figure, ScenarioReport};
use std::fmt::Write;

/// The page for these reports.
pub fn html_page(reports: &[ScenarioReport]) -> String {
    let mut page = String::from(HEAD);
    for report in reports {
        write_report(&mut page, report);
    }
    page.push_str("</body></html>\n");
    page
}

fn write_report(page: &mut String, report: &ScenarioReport) {
    let mark = if report.failures().is_empty() { "good" } else { "bad" };
    put(page, format_args!("<h2 class=\"{mark}\">{}</h2>\n", escaped(report.name)));
    put(page, format_args!("<p>{}</p>\n<table>", escaped(report.description)));
    page.push_str("<tr><th>figure<th>value<th>limit</tr>\n");
    for figure in &report.figures {
        write_figure(page, figure);
    }
    page.push_str("</table>\n");
    for violation in &report.violations {
        put(page, format_args!("<p class=\"bad\">{}</p>\n", escaped(violation)));
    }
    for chart in &report.charts {
        write_chart(page, chart);
    }
}

fn write_figure(page: &mut String, figure: &Figure) {
    let mark = if figure.is_good() { "good" } else { "bad" };
    let value = figure.value.map_or("never".to_owned(), |v| format!("{v:.1} {}", figure.unit));
    let limit = match (figure.at_least.is_finite(), figure.at_most.is_finite()) {
        (true, true) => format!("{} to {}", figure.at_least, figure.at_most),
        (true, false) => format!("at least {}", figure.at_least),
        (false, true) => format!("at most {}", figure.at_most),
        (false, false) => String::new(),
    };
    let name = escaped(&figure.name);
    put(page, format_args!("<tr><td>{name}<td class=\"{mark}\">{value}<td>{limit}</tr>\n"));
}

fn write_chart(page: &mut String, chart: &Chart) {
    let points = || chart.curves.iter().flat_map(|curve| &curve.points);
    let end = points().map(|(x, _)| *x).fold(1.0, f64::max);
    let top = points().map(|(_, y)| *y).fold(1.0, f64::max) * 1.05;
    put(page, format_args!("<h3>{} ({})</h3>\n", escaped(&chart.title), chart.unit));
    put(
        page,
        format_args!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\">"
        ),
    );
    for step in 0..=4 {
        let share = f64::from(step) / 4.0;
        let (x, y) = (LEFT + share * PLOT_WIDTH, BOTTOM - share * PLOT_HEIGHT);
        put(
            page,
            format_args!("<path class=\"grid\" d=\"M{LEFT} {y:.1}H{:.1}\"/>", LEFT + PLOT_WIDTH),
        );
        let (value, time) = (share * top, share * end);
        put(
            page,
            format_args!(
                "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{value:.0}</text>",
                LEFT - 6.0,
                y + 4.0
            ),
        );
        put(
            page,
            format_args!(
                "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{time:.0} s</text>",
                BOTTOM + 18.0
            ),
        );
    }
    for (curve, colour) in chart.curves.iter().zip(COLOURS.iter().cycle()) {
        write_curve(page, curve, colour, (end, top));
    }
    page.push_str("</svg>\n<p>");
    for (curve, colour) in chart.curves.iter().zip(COLOURS.iter().cycle()) {
        let name = escaped(&curve.name);
        put(page, format_args!("<span style=\"color:{colour}\">&#9632; {name}</span> "));
    }
    page.push_str("</p>\n");
}

fn write_curve(page: &mut String, curve: &Curve, colour: &str, (end, top): (f64, f64)) {
    let mut path = String::new();
    for (index, (x, y)) in curve.points.iter().enumerate() {
        let (x, y) = (LEFT + x / end * PLOT_WIDTH, BOTTOM - y / top * PLOT_HEIGHT);
        let command = if index == 0 { "M" } else { "L" };
        if curve.is_stepped && index > 0 {
            put(&mut path, format_args!("H{x:.1}"));
        }
        put(&mut path, format_args!("{command}{x:.1} {y:.1}"));
    }
    put(
        page,
        format_args!("<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>"),
    );
}

fn put(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing into a string does not fail.
    let _written = text.write_fmt(arguments);
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 60.0;
const BOTTOM: f64 = 210.0;
const PLOT_WIDTH: f64 = 820.0;
const PLOT_HEIGHT: f64 = 195.0;
const COLOURS: [&str; 6] = ["#1f6fd0", "#d0471f", "#2a9d4a", "#8a3fc0", "#b08900", "#555555"];
const HEAD: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
<title>The media plane in simulated conferences</title><style>\
body{font:14px sans-serif;max-width:960px;margin:2em auto;padding:0 1em}\
table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:3px 8px;text-align:left}\
td.bad,p.bad{color:#b00020;font-weight:bold}h2.bad:after{content:\" (not as it must be)\";color:#b00020}\
svg text{font:11px sans-serif;fill:#555}.grid{stroke:#ddd;fill:none}</style></head><body>\
<h1>The media plane in simulated conferences</h1>\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_shows_figures_and_curves_and_needs_nothing_else() {
        let mut report = ScenarioReport::new("a <b>", "what & why");
        report.at_most("time", 5.0, 4.0, "ms");
        report.charts.push(Chart {
            title: "rate".into(),
            unit: "kbps",
            curves: vec![Curve {
                name: "in".into(),
                points: vec![(0.0, 1.0), (2.0, 3.0)],
                is_stepped: true,
            }],
        });
        let page = html_page(&[report.clone()]);
        assert!(page.contains("a &lt;b>") && page.contains("what &amp; why"));
        assert!(page.contains("class=\"bad\">5.0 ms") && page.contains("H880.0L880.0"));
        assert!(!page.contains("http"), "no external resource");
        assert_eq!(report.failures().len(), 1);
        assert_eq!(report.to_json()["figures"][0]["good"], false);
    }
}
