//! Plain HTTP beside gRPC: `/livez`, `/readyz`, `/metrics`.

use std::time::Duration;

use axum::{
    Router,
    extract::Request,
    http::{StatusCode, Version, header::CONTENT_TYPE},
    middleware::Next,
    response::{IntoResponse, Response},
    routing::get,
};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{service::Routes, transport::Server};

use super::{
    KEEP_ALIVE, Readiness,
    incoming::{Entrance, incoming},
};
use crate::telemetry::metrics_text;

/// Connections to a port for probes that are open at once, the calls of each at once, and the time that each has until it asks.
const CONNECTIONS: usize = 64;
const STREAMS: u32 = 16;
const WITHIN: Duration = Duration::from_secs(10);
/// How long each stays, whatever it does, so that nobody can keep the probes out for good.
pub(super) const STAY: Duration = Duration::from_secs(60);

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
///
/// gRPC over HTTP/1 is refused: only a browser's page would speak it, which a name of its own may have led here (DNS rebinding), and
/// no page can speak HTTP/2 without TLS.
pub(super) async fn only_grpc(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let grpc = request
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    let is_probe = PATHS.contains(&path);
    if grpc && !is_probe && request.version() < Version::HTTP_2 {
        let message = "gRPC is spoken over HTTP/2 alone here\n";
        return (StatusCode::HTTP_VERSION_NOT_SUPPORTED, message).into_response();
    }
    if grpc || is_probe {
        return next.run(request).await;
    }
    let message = format!("{path}: there are {} here, and gRPC\n", PATHS.join(", "));
    (StatusCode::NOT_FOUND, message).into_response()
}

pub(super) const PATHS: [&str; 3] = ["/livez", "/readyz", "/metrics"];

/// Serves probes and `grpc.health.v1` alone, without TLS, to whoever comes: `/metrics` too, which a guard may keep from strangers on
/// the server's own port. Connections are told to end within `stay`, and then cut. It ends when it is dropped.
pub(super) async fn serve(
    listener: TcpListener,
    readiness: Readiness,
    health: Routes,
    closed: CancellationToken,
    stay: Duration,
) {
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "probes have a port of their own");
    }
    let router = health.into_axum_router().merge(router(readiness));
    let router = router.layer(axum::middleware::from_fn(only_grpc));
    let incoming =
        incoming(listener.into(), Entrance { tls: None, max: CONNECTIONS, within: WITHIN, closed });
    let goodbye = stay / 6;
    let server = Server::builder()
        .accept_http1(true)
        .http2_keepalive_interval(Some(KEEP_ALIVE))
        .max_concurrent_streams(STREAMS)
        .max_connection_age(stay - goodbye)
        .max_connection_age_grace(goodbye)
        .add_routes(router.into());
    if let Err(error) = server.serve_with_incoming(incoming).await {
        tracing::error!(%error, "the port for probes has ended");
    }
}

async fn metrics() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], metrics_text())
}
