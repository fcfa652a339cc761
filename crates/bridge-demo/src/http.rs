use std::future::Future;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use crate::focus::{Demo, DemoError, Joined};

impl Demo {
    /// The page and its requests, everything below `/demo`.
    pub fn router(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/demo", get(|| async { asset(HTML, include_str!("page/index.html")) }))
            .route("/demo/", get(|| async { Redirect::permanent("/demo") }))
            .route("/demo/style.css", get(|| async { asset(CSS, include_str!("page/style.css")) }))
            .route("/demo/main.js", get(|| async { asset(JS, include_str!("page/main.js")) }))
            .route("/demo/call.js", get(|| async { asset(JS, include_str!("page/call.js")) }))
            .route("/demo/media.js", get(|| async { asset(JS, include_str!("page/media.js")) }))
            .route("/demo/meter.js", get(|| async { asset(JS, include_str!("page/meter.js")) }))
            .route("/demo/recorder.js", get(|| async { asset(JS, RECORDER) }))
            .route("/demo/sending.js", get(|| async { asset(JS, SENDING) }))
            .route("/demo/tiles.js", get(|| async { asset(JS, include_str!("page/tiles.js")) }))
            .route("/demo/join", post(join))
            .route("/demo/answer", post(answer))
            .route("/demo/leave", post(leave))
            .route("/demo/view", get(view))
            .layer(DefaultBodyLimit::max(MAX_BODY_LEN))
            .with_state(Arc::clone(self))
    }
}

#[derive(Deserialize)]
struct JoinRequest {
    room: String,
    name: String,
}

#[derive(Deserialize)]
struct AnswerRequest {
    token: String,
    sdp: String,
}

#[derive(Deserialize)]
struct LeaveRequest {
    token: String,
}

#[derive(Deserialize)]
struct ViewRequest {
    token: String,
    serial: u64,
}

/// A refusal as the page shows it.
#[derive(Serialize)]
struct Refusal {
    error: String,
}

async fn join(
    State(demo): State<Arc<Demo>>,
    Json(request): Json<JoinRequest>,
) -> Result<Json<Joined>, DemoError> {
    completely(async move { demo.join(&request.room, &request.name).await }).await.map(Json)
}

async fn answer(
    State(demo): State<Arc<Demo>>,
    Json(request): Json<AnswerRequest>,
) -> Result<StatusCode, DemoError> {
    completely(async move { demo.answer(&request.token, &request.sdp).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The token is in the query because `navigator.sendBeacon` sends no JSON.
async fn leave(
    State(demo): State<Arc<Demo>>,
    Query(request): Query<LeaveRequest>,
) -> Result<StatusCode, DemoError> {
    completely(async move { demo.leave(&request.token).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn view(
    State(demo): State<Arc<Demo>>,
    Query(request): Query<ViewRequest>,
) -> Result<Response, DemoError> {
    let view = demo.view(&request.token, request.serial).await?;
    Ok(view.map_or(StatusCode::NO_CONTENT.into_response(), |view| Json(view).into_response()))
}

/// Runs `work` to its end even if the page hangs up, which drops the future of its request: an
/// endpoint that is half allocated would belong to nobody.
async fn completely<T: Send + 'static>(
    work: impl Future<Output = Result<T, DemoError>> + Send + 'static,
) -> Result<T, DemoError> {
    let failed = || DemoError::Bridge("the request failed inside the demo".to_owned());
    tokio::spawn(work).await.unwrap_or_else(|_| Err(failed()))
}

impl IntoResponse for DemoError {
    fn into_response(self) -> Response {
        let status = match self {
            Self::BadRoomName | Self::Answer(_) => StatusCode::BAD_REQUEST,
            Self::TooManyRooms | Self::RoomFull => StatusCode::SERVICE_UNAVAILABLE,
            Self::Gone => StatusCode::NOT_FOUND,
            Self::Bridge(_) => StatusCode::BAD_GATEWAY,
        };
        (status, Json(Refusal { error: self.to_string() })).into_response()
    }
}

fn asset(content_type: &'static str, text: &'static str) -> impl IntoResponse {
    let headers: [(HeaderName, &'static str); 5] = [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, text)
}

const RECORDER: &str = include_str!("page/recorder.js");
const SENDING: &str = include_str!("page/sending.js");

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

/// Nothing from elsewhere, nothing inline, in nobody's frame.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; media-src 'self' blob:; img-src 'self' data:; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// An answer with the sections of a full room has about 150 kB.
const MAX_BODY_LEN: usize = 512 * 1024;
