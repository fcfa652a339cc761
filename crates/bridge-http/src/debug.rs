//! `/debug`: the state of the bridge, of a conference, of an endpoint.

use crate::answer;
use crate::server::Service;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Level {
    full: Option<String>,
}

impl Level {
    fn full_or(&self, default: bool) -> bool {
        self.full.as_deref().map_or(default, |full| full.eq_ignore_ascii_case("true"))
    }
}

pub(crate) async fn bridge(State(service): State<Service>, Query(level): Query<Level>) -> Response {
    answer::json(&service.debug_state(level.full_or(false)).await)
}

pub(crate) async fn conference(
    State(service): State<Service>,
    Path(id): Path<String>,
    Query(level): Query<Level>,
) -> Response {
    answer::json(&service.conference_debug_state(id, None, level.full_or(true)).await)
}

pub(crate) async fn endpoint(
    State(service): State<Service>,
    Path((id, endpoint)): Path<(String, String)>,
    Query(level): Query<Level>,
) -> Response {
    let state = service.conference_debug_state(id, Some(endpoint), level.full_or(true)).await;
    answer::json(&state)
}

/// The old place of the debug state.
pub(crate) async fn moved(Path(path): Path<String>) -> Response {
    (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, format!("/debug/{path}"))]).into_response()
}
