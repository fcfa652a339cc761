//! `/colibri/v2/conferences`: colibri2 requests as JSON (JVB: `Conferences`).

use crate::answer;
use crate::server::Service;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bridge_signaling::colibri2::ConferenceModify;

const NOT_JSON: &str = "Failed to create conference, could not parse JSON: ";
const NOT_COLIBRI: &str = "Failed to parse ConferenceModify JSON:";

/// JVB has the path, but nothing to say there.
pub(crate) async fn list() -> StatusCode {
    StatusCode::NOT_IMPLEMENTED
}

/// See [`list`].
pub(crate) async fn show(State(service): State<Service>, Path(id): Path<String>) -> StatusCode {
    if service.conference_exists(&id) { StatusCode::NOT_IMPLEMENTED } else { StatusCode::NOT_FOUND }
}

pub(crate) async fn create(
    State(service): State<Service>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let value = match answer::read_json(&headers, &body, NOT_JSON) {
        Ok(value) => value,
        Err(response) => return *response,
    };
    match ConferenceModify::from_json(&value) {
        Ok(request) => execute(&service, request).await,
        Err(reason) => answer::error(StatusCode::BAD_REQUEST, format!("{NOT_COLIBRI}{reason}")),
    }
}

pub(crate) async fn modify(
    State(service): State<Service>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !service.conference_exists(&id) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let value = match answer::read_json(&headers, &body, NOT_JSON) {
        Ok(value) => value,
        Err(response) => return *response,
    };
    match ConferenceModify::from_json_with_meeting_id(&value, &id) {
        Ok(request) => execute(&service, request).await,
        Err(reason) => answer::error(StatusCode::BAD_REQUEST, format!("{NOT_COLIBRI}{reason}")),
    }
}

async fn execute(service: &Service, request: ConferenceModify) -> Response {
    match service.conference_modify(request).await {
        Ok(modified) => answer::json(&modified.to_json()),
        Err(refusal) => {
            let refusal = refusal.to_rest();
            let status =
                StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            answer::error(status, refusal.message)
        }
    }
}
