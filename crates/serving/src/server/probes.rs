//! Plain HTTP beside gRPC: `/livez`, `/readyz`, `/metrics`.

use axum::{
    Router,
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::get,
};

use super::Readiness;
use crate::telemetry::metrics_handle;

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

async fn metrics() -> impl IntoResponse {
    let text = metrics_handle().map(|handle| {
        handle.run_upkeep();
        handle.render()
    });
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text.unwrap_or_default())
}
