//! Plain HTTP of a server's own, and gRPC from browsers, both on gRPC's port.

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, header},
    middleware::{Next, from_fn, from_fn_with_state},
    response::Response,
};
use std::time::Duration;
use tonic::service::Routes;
use tonic_web::{GrpcWebLayer, GrpcWebService};
use tower::{Layer, ServiceExt};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use super::{observe, probes};

/// How long a browser may remember what a page may do.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// What a server offers beside gRPC and probes.
#[derive(Debug, Default)]
pub struct Http {
    /// Its routes, fallback included. Each answer gets `x-request-id`, the id of its trace.
    pub routes: Router,
    /// Pages' origins that may call the server from a browser, `*` for all; empty: none but its own.
    pub origins: Vec<HeaderValue>,
}

/// Where a request that is no probe can go.
#[derive(Clone)]
struct Doors {
    /// gRPC in the frames that browsers can speak.
    browsers: GrpcWebService<Routes>,
    /// Plain HTTP.
    routes: Router,
}

/// `grpc`, and beside it what `http` has. Without it plain HTTP that is no probe gets a 404, and gRPC comes over HTTP/2 alone.
pub(super) fn beside(grpc: Router, http: Option<Http>) -> Router {
    let Some(Http { routes, origins }) = http else { return grpc.layer(from_fn(probes::only_grpc)) };
    let routes = routes.layer(from_fn(observe::http::observe));
    let browsers = GrpcWebLayer::new().layer(Routes::from(grpc.clone()));
    let doors = Doors { browsers, routes };
    let router = grpc.layer(from_fn_with_state(doors, choose));
    // Outermost: a browser asks for leave before it knows what lies behind.
    if origins.is_empty() { router } else { router.layer(cors(origins)) }
}

async fn choose(State(doors): State<Doors>, request: Request, next: Next) -> Response {
    let kind = request.headers().get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let response = if kind.starts_with(b"application/grpc-web") {
        doors.browsers.oneshot(request).await.map(|response| response.map(Body::new))
    } else if kind.starts_with(b"application/grpc") || probes::PATHS.contains(&request.uri().path()) {
        Ok(next.run(request).await)
    } else {
        doors.routes.oneshot(request).await
    };
    response.unwrap_or_else(|never| match never {})
}

/// Leave for pages of `origins`.
fn cors(origins: Vec<HeaderValue>) -> CorsLayer {
    let origins = match origins.iter().any(|origin| origin == "*") {
        true => AllowOrigin::any(),
        false => AllowOrigin::list(origins),
    };
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::HEAD, Method::POST])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([
            HeaderName::from_static("grpc-status"),
            HeaderName::from_static("grpc-message"),
            HeaderName::from_static("grpc-status-details-bin"),
            observe::http::REQUEST_ID,
            header::RETRY_AFTER,
            header::ETAG,
        ])
        .max_age(REMEMBERED)
}
