//! Plain HTTP beside gRPC: `/livez`, `/readyz`, `/metrics`.

use axum::{
    Router,
    extract::Request,
    http::{StatusCode, header::CONTENT_TYPE},
    middleware::Next,
    response::{IntoResponse, Response},
    routing::get,
};

use super::Readiness;
use crate::telemetry::metrics_text;

pub(super) fn router(readiness: Readiness) -> Router {
    let ready = move || {
        let lack = readiness.lack();
        async move {
            match lack {
                None => (StatusCode::OK, "ready\n".to_owned()),
                Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
            }
        }
    };
    Router::new()
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
}

/// Answers 404 to plain HTTP requests that are no probe: gRPC's own answer to an unknown path is 200 with a status
/// that a probe does not look at.
pub(super) async fn only_grpc(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let grpc = request
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    if grpc || PATHS.contains(&path) {
        return next.run(request).await;
    }
    let message = format!("{path}: there are {} here, and gRPC\n", PATHS.join(", "));
    (StatusCode::NOT_FOUND, message).into_response()
}

pub(super) const PATHS: [&str; 3] = ["/livez", "/readyz", "/metrics"];

async fn metrics() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], metrics_text())
}
