//! Small answers that several paths give.

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

/// A JSON body.
pub(crate) fn json(value: &Value) -> Response {
    with_type("application/json", value.to_string())
}

/// A body of a given type.
pub(crate) fn with_type(content_type: &'static str, body: String) -> Response {
    ([(header::CONTENT_TYPE, content_type)], body).into_response()
}

/// An error with a message for people. JVB puts the message into the reason phrase.
pub(crate) fn error(status: StatusCode, message: impl Into<String>) -> Response {
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], message.into()).into_response()
}

/// Reads a JSON body: 415 for another content type, 400 with `message` if it is not JSON.
pub(crate) fn read_json(
    headers: &HeaderMap,
    body: &[u8],
    message: &str,
) -> Result<Value, Box<Response>> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = content_type.and_then(|value| value.split(';').next()).unwrap_or_default();
    if !media_type.trim().eq_ignore_ascii_case("application/json") {
        return Err(Box::new(StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response()));
    }
    serde_json::from_slice(body)
        .map_err(|reason| Box::new(error(StatusCode::BAD_REQUEST, format!("{message}{reason}"))))
}
