//! The layer around every call by plain HTTP: its span, its `x-request-id`, its count, its time.

use std::{task::Poll, time::Instant};

use axum::{
    body::Body,
    extract::{MatchedPath, Request},
    http::{HeaderName, Method},
    middleware::Next,
    response::Response,
};
use http_body::Body as HttpBody;
use opentelemetry::KeyValue;
use tracing::{Instrument, Span, field};

use super::{BodyFrame, Follow, Observed, attribute, continue_trace};
use crate::telemetry::went_wrong;

/// Names a call: the id of its trace, in all services' logs.
pub(in crate::server) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Wraps a call. As with gRPC, it ends with its response's body.
pub(in crate::server) async fn observe(request: Request, next: Next) -> Response {
    // Paths that do not exist are the caller's invention and must not become labels.
    let route = request.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str).to_owned();
    let method = method(request.method());
    let span = tracing::info_span!(
        "http",
        method,
        route,
        trace_id = field::Empty,
        tenant = field::Empty,
        otel.kind = "server"
    );
    let trace_id = continue_trace(&span, request.headers(), || format!("{method} {route}"));
    attribute(&span, || {
        [KeyValue::new("http.request.method", method), KeyValue::new("http.route", route.clone())]
    });
    let mut call = Call { method, route, span: span.clone(), begun: Instant::now(), status: 0, ended: false };
    metrics::gauge!("fondue_http_running").increment(1.0);
    let mut response = next.run(request).instrument(span).await;
    call.status = response.status().as_u16();
    if let Some(id) = trace_id {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    call.ended = response.body().is_end_stream();
    response.map(|body| Body::new(Observed { body, call }))
}

/// A method that is known; anything else is the caller's invention too.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// Counted when dropped: at the end of the body, or when the caller goes.
struct Call {
    method: &'static str,
    route: String,
    span: Span,
    begun: Instant,
    /// 0 until there is one.
    status: u16,
    /// Whether all of the body was there.
    ended: bool,
}

impl Follow for Call {
    fn span(&self) -> Span {
        self.span.clone()
    }

    fn see(&mut self, frame: &BodyFrame, is_end: bool) {
        let failed = matches!(frame, Poll::Ready(Some(Err(_))));
        self.ended = !failed && (matches!(frame, Poll::Ready(None)) || is_end);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        metrics::gauge!("fondue_http_running").decrement(1.0);
        // The body of an answer to HEAD is never looked at.
        let whole = self.status != 0 && (self.ended || self.method == "HEAD");
        let status = if whole { self.status.to_string() } else { "CUT_OFF".to_owned() };
        let (method, route) = (self.method, std::mem::take(&mut self.route));
        let begun = self.begun.elapsed();
        attribute(&self.span, || [KeyValue::new("http.response.status_code", i64::from(self.status))]);
        if !whole {
            went_wrong(&self.span, "CUT_OFF");
        } else if self.status >= 500 {
            went_wrong(&self.span, "server_error");
        }
        self.span.in_scope(|| tracing::info!(status, seconds = begun.as_secs_f64(), "call ended"));
        let labels = [("method", method.to_owned()), ("route", route)];
        metrics::histogram!("fondue_http_seconds", &labels).record(begun);
        let [method, route] = labels;
        metrics::counter!("fondue_http_total", &[method, route, ("status", status)]).increment(1);
    }
}
