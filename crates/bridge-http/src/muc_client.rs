//! `/colibri/muc-client`: XMPP connections at run time (JVB: `MucClient`).

use crate::answer;
use crate::server::Service;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

pub(crate) async fn add(
    State(service): State<Service>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    with_id(&headers, &body, |id, members| {
        // Members that are no strings are ignored, as in JVB.
        let properties = members
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
            .collect();
        service.add_muc_client(id, properties).is_ok()
    })
}

pub(crate) async fn remove(
    State(service): State<Service>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    with_id(&headers, &body, |id, _| service.remove_muc_client(id))
}

pub(crate) async fn list(State(service): State<Service>) -> Response {
    answer::json(&json!(service.muc_clients()))
}

/// 200 if `act` says so, 400 if not or if the body has no string `id`.
fn with_id(
    headers: &HeaderMap,
    body: &[u8],
    act: impl FnOnce(&str, &Map<String, Value>) -> bool,
) -> Response {
    let value = match answer::read_json(headers, body, "") {
        Ok(value) => value,
        Err(response) => return *response,
    };
    let done = value
        .as_object()
        .and_then(|members| Some((members.get("id")?.as_str()?, members)))
        .is_some_and(|(id, members)| act(id, members));
    if done { StatusCode::OK } else { StatusCode::BAD_REQUEST }.into_response()
}
