use crate::service::BridgeService;
use crate::{about, conferences, debug, lifecycle, metrics, muc_client};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post};
use std::future::Future;
use std::io;
use std::sync::Arc;
use tokio::net::TcpListener;

/// Bytes of one request body: a conference of 500 endpoints in one request is about a megabyte.
pub const MAX_REQUEST_BYTES: usize = 4 * 1024 * 1024;

pub(crate) type Service = Arc<dyn BridgeService>;

/// Which paths are there; the others answer 404.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// `videobridge.apis.rest.enabled`: colibri2, statistics and XMPP connections.
    pub colibri: bool,
    /// `videobridge.rest.health.enabled`.
    pub health: bool,
    /// `videobridge.rest.version.enabled`.
    pub version: bool,
    /// `videobridge.rest.prometheus.enabled`.
    pub metrics: bool,
    /// `videobridge.rest.drain.enabled`.
    pub drain: bool,
    /// `videobridge.rest.shutdown.enabled`; needs `colibri` as well.
    pub shutdown: bool,
    /// `videobridge.rest.debug.enabled`.
    pub debug: bool,
}

/// The routes of the private server.
pub fn router(service: Arc<dyn BridgeService>, settings: HttpSettings) -> Router {
    let mut router: Router<Service> = Router::new();
    if settings.health {
        router = router.route("/about/health", get(about::health));
    }
    if settings.version {
        router = router.route("/about/version", get(about::version));
    }
    if settings.metrics {
        router = router.route("/metrics", get(metrics::metrics));
    }
    if settings.drain {
        router = router
            .route("/colibri/drain", get(lifecycle::drain))
            .route("/colibri/drain/enable", post(lifecycle::enable_drain))
            .route("/colibri/drain/disable", post(lifecycle::disable_drain));
    }
    if settings.debug {
        router = router
            .route("/debug", get(debug::bridge))
            .route("/debug/{conference}", get(debug::conference))
            .route("/debug/{conference}/{endpoint}", get(debug::endpoint));
    }
    if settings.colibri {
        router = router.merge(colibri_routes(settings));
    }
    router
        .layer(DefaultBodyLimit::max(MAX_REQUEST_BYTES))
        .layer(middleware::from_fn(cross_origin))
        .with_state(service)
}

/// Serves until `stop` resolves and the requests under way are answered.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(listener, router).with_graceful_shutdown(stop).await
}

fn colibri_routes(settings: HttpSettings) -> Router<Service> {
    let mut router = Router::new()
        .route("/colibri/stats", get(metrics::statistics))
        .route("/colibri/v2/conferences", get(conferences::list).post(conferences::create))
        .route("/colibri/v2/conferences/{id}", patch(conferences::modify).get(conferences::show))
        .route("/colibri/muc-client/add", post(muc_client::add))
        .route("/colibri/muc-client/remove", post(muc_client::remove))
        .route("/colibri/muc-client/list", get(muc_client::list))
        .route("/colibri/debug/{*path}", get(debug::moved).post(debug::moved));
    if settings.shutdown {
        router = router.route("/colibri/shutdown", post(lifecycle::shut_down));
    }
    router
}

/// Any origin may read the private server, as in JVB: its protection is the address it binds.
async fn cross_origin(request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let preflight = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response =
        if preflight { StatusCode::OK.into_response() } else { next.run(request).await };
    if let Some(origin) = origin {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        let fixed: &[(HeaderName, &str)] = if preflight { &PREFLIGHT } else { &PREFLIGHT[..1] };
        for (name, value) in fixed {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name.clone(), value);
            }
        }
    }
    response
}

const PREFLIGHT: [(HeaderName, &str); 4] = [
    (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true"),
    (header::ACCESS_CONTROL_ALLOW_METHODS, "GET,POST"),
    (header::ACCESS_CONTROL_ALLOW_HEADERS, "X-Requested-With,Content-Type,Accept,Origin"),
    (header::ACCESS_CONTROL_MAX_AGE, "1800"),
];
