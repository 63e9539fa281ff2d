//! The layer that ends a call whose caller waits no longer.

use std::time::Duration;

use axum::{body::Body, extract::Request, middleware::Next, response::Response};
use fondue_domain::Fault;

use crate::{deadline::asked, status::from_parts};

/// How much before the caller's deadline the answer is given. At the deadline itself tonic's own timer, which
/// cannot be turned off, would end the call with CANCELLED.
const AHEAD: Duration = Duration::from_millis(5);

/// Answers DEADLINE_EXCEEDED if there is no response by the caller's `grpc-timeout`. It does not bound a response
/// that has begun: streams keep their own deadline.
pub(super) async fn bound(request: Request, next: Next) -> Response {
    let Some(left) = asked(request.headers()) else { return next.run(request).await };
    let left = left - AHEAD.min(left / 2);
    match tokio::time::timeout(left, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let status =
                from_parts(Fault::Deadline, "time ran out before there was an answer; allow more", vec![]);
            status.into_http::<tonic::body::Body>().map(Body::new)
        }
    }
}
