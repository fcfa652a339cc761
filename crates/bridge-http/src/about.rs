//! `/about/health` and `/about/version`.

use crate::answer;
use crate::server::Service;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

pub(crate) async fn health(State(service): State<Service>) -> Response {
    match service.health() {
        Ok(()) => StatusCode::OK.into_response(),
        // Raw text that is labelled as JSON, as jicoco does it.
        Err(message) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            [(header::CONTENT_TYPE, "application/json")],
            message,
        )
            .into_response(),
    }
}

pub(crate) async fn version(State(service): State<Service>) -> Response {
    let version = service.version();
    answer::json(&json!({
        "name": version.name,
        "version": version.version,
        "os": version.os,
    }))
}
