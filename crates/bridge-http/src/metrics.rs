//! `/metrics` and `/colibri/stats` (jicoco: `MetricsContainer`; JVB: `Prometheus`).

use crate::answer;
use crate::server::Service;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// A format of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricsFormat {
    /// OpenMetrics 1.0.0, the default.
    OpenMetrics,
    /// Prometheus text 0.0.4.
    PrometheusText,
    /// One JSON object.
    Json,
}

impl MetricsFormat {
    /// The first acceptable format by quality, as JVB chooses; `None` if there is none.
    ///
    /// Differs from JVB: without an Accept header it answers OpenMetrics rather than 500.
    pub fn negotiate(accept: Option<&str>) -> Option<Self> {
        let Some(accept) = accept else { return Some(Self::OpenMetrics) };
        let mut entries: Vec<(&str, f32)> = accept.split(',').map(media_type).collect();
        entries.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        entries.into_iter().find_map(|(name, _)| match name {
            "application/openmetrics-text" | "*/*" => Some(Self::OpenMetrics),
            "text/plain" => Some(Self::PrometheusText),
            "application/json" => Some(Self::Json),
            _ => None,
        })
    }

    /// The Content-Type of the answer.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::PrometheusText => "text/plain; version=0.0.4; charset=utf-8",
            Self::Json => "application/json",
        }
    }
}

/// A media type of an Accept header and its quality.
fn media_type(entry: &str) -> (&str, f32) {
    let mut parts = entry.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let quality = parts
        .find_map(|parameter| parameter.strip_prefix("q="))
        .and_then(|quality| quality.parse().ok())
        .unwrap_or(1.0);
    (name, quality)
}

pub(crate) async fn metrics(State(service): State<Service>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    match MetricsFormat::negotiate(accept) {
        Some(format) => answer::with_type(format.content_type(), service.metrics(format)),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

pub(crate) async fn statistics(State(service): State<Service>) -> Response {
    answer::json(&service.statistics())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_acceptable_format_wins() {
        for (accept, expected) in [
            (None, Some(MetricsFormat::OpenMetrics)),
            (Some("*/*"), Some(MetricsFormat::OpenMetrics)),
            (Some("text/plain"), Some(MetricsFormat::PrometheusText)),
            (Some("application/json, text/plain"), Some(MetricsFormat::Json)),
            (Some("text/plain;q=0.5, application/json;q=0.9"), Some(MetricsFormat::Json)),
            (
                Some("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"),
                Some(MetricsFormat::OpenMetrics),
            ),
            (Some("text/html"), None),
        ] {
            assert_eq!(MetricsFormat::negotiate(accept), expected, "{accept:?}");
        }
    }
}
