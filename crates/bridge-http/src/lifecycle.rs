//! `/colibri/drain` and `/colibri/shutdown`.

use crate::answer;
use crate::server::Service;
use crate::service::Shutdown;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

pub(crate) async fn drain(State(service): State<Service>) -> Response {
    answer::json(&json!({ "drain": service.drain() }))
}

pub(crate) async fn enable_drain(State(service): State<Service>) -> StatusCode {
    service.set_drain(true);
    StatusCode::OK
}

pub(crate) async fn disable_drain(State(service): State<Service>) -> StatusCode {
    service.set_drain(false);
    StatusCode::OK
}

pub(crate) async fn shut_down(
    State(service): State<Service>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let value = match answer::read_json(&headers, &body, "") {
        Ok(value) => value,
        Err(response) => return *response,
    };
    match requested(&value) {
        Some(how) => {
            service.shut_down(how);
            StatusCode::OK.into_response()
        }
        None => answer::error(
            StatusCode::BAD_REQUEST,
            "expected exactly one member: \"graceful-shutdown\" with true or false",
        ),
    }
}

/// The one member may be a boolean or a string: the stock script sends `"true"`.
fn requested(value: &Value) -> Option<Shutdown> {
    let members = value.as_object().filter(|members| members.len() == 1)?;
    let graceful = match members.get("graceful-shutdown")? {
        Value::Bool(graceful) => *graceful,
        Value::String(text) if text.eq_ignore_ascii_case("true") => true,
        Value::String(text) if text.eq_ignore_ascii_case("false") => false,
        _ => return None,
    };
    Some(if graceful { Shutdown::Graceful } else { Shutdown::Forced })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_one_member_is_understood() {
        for (body, expected) in [
            (json!({"graceful-shutdown": true}), Some(Shutdown::Graceful)),
            (json!({"graceful-shutdown": "true"}), Some(Shutdown::Graceful)),
            (json!({"graceful-shutdown": false}), Some(Shutdown::Forced)),
            (json!({"graceful-shutdown": null}), None),
            (json!({"force-shutdown": true}), None),
            (json!({"graceful-shutdown": true, "x": 1}), None),
            (json!([]), None),
        ] {
            assert_eq!(requested(&body), expected, "{body}");
        }
    }
}
