//! The layer around every call: its span in the caller's trace, its count, its time.
//!
//! A call ends with its response's *body*, not with its headers: a stream of tokens is timed to its last one.

pub(super) mod http;

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use ::http::{HeaderMap, HeaderValue};
use axum::{body::Body, extract::Request, response::Response};
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame};
use opentelemetry::{KeyValue, trace::TraceContextExt};
use opentelemetry_http::HeaderExtractor;
use tower::{Layer, Service};
use tracing::{Instrument, Span, field};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::guard::Unrouted;
use crate::{status::code_name, telemetry::went_wrong};

const STATUS: &str = "grpc-status";
const MESSAGE: &str = "grpc-message";
/// gRPC's numbers of codes.
const RESOURCE_EXHAUSTED: &str = "8";
const OUT_OF_RANGE: &str = "11";

/// Codes that are no answer to what was asked, but tell of the server.
const SERVERS_FAULT: [&str; 6] =
    ["UNKNOWN", "DEADLINE_EXCEEDED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNIMPLEMENTED"];

/// The calls that run now.
const RUNNING: &str = "fondue_rpc_running";

/// Lets the gauge be seen before the first call.
pub(super) fn begin() {
    metrics::gauge!(RUNNING).increment(0.0);
}

pub(super) fn layer() -> ObserveLayer {
    ObserveLayer
}

#[derive(Clone)]
pub(super) struct ObserveLayer;

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Observe<S> {
        Observe { inner }
    }
}

#[derive(Clone)]
pub(super) struct Observe<S> {
    inner: S,
}

impl<S> Service<Request> for Observe<S>
where
    S: Service<Request, Response = Response> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let method = request.uri().path().to_owned();
        let (span, id) = match is_ours(&method) {
            true => span(&method, request.headers()),
            false => (Span::none(), None),
        };
        let mut call = Call { method, span: span.clone(), begun: Instant::now(), code: None, is_known: true };
        if call.counts() {
            metrics::gauge!(RUNNING).increment(1.0);
        }
        let response = self.inner.call(request);
        let observed = async move {
            let mut response = response.await?;
            // A response without a body carries its status in the headers.
            call.read(response.headers());
            call.is_known = response.extensions().get::<Unrouted>().is_none();
            if let Some(id) = id {
                response.headers_mut().insert(http::REQUEST_ID, id);
            }
            Ok(response.map(|body| Body::new(Observed { body, call })))
        };
        Box::pin(observed.instrument(span))
    }
}

/// Whether a call is the server's work: probes, health and reflection are not, and would fill traces with themselves.
fn is_ours(method: &str) -> bool {
    method.starts_with("/fondue.")
}

/// The span of a call, child of the caller's, and the id of its trace.
fn span(method: &str, headers: &HeaderMap) -> (Span, Option<HeaderValue>) {
    let span = tracing::info_span!(
        "rpc",
        method,
        trace_id = field::Empty,
        tenant = field::Empty,
        otel.kind = "server"
    );
    let trace_id = continue_trace(&span, headers, || method.trim_start_matches('/').to_owned());
    let (service, name) = method.trim_start_matches('/').rsplit_once('/').unwrap_or((method, ""));
    attribute(&span, || {
        [
            KeyValue::new("rpc.system", "grpc"),
            KeyValue::new("rpc.service", service.to_owned()),
            KeyValue::new("rpc.method", name.to_owned()),
        ]
    });
    (span, trace_id)
}

/// Makes `span` a child of the caller's, calls it by its name where it is recorded, and notes the id of its trace in it.
fn continue_trace(span: &Span, headers: &HeaderMap, name: impl FnOnce() -> String) -> Option<HeaderValue> {
    let parent = opentelemetry::global::get_text_map_propagator(|propagator| {
        propagator.extract(&HeaderExtractor(headers))
    });
    // It fails only where no trace layer is installed; then there is nothing to continue.
    let _ = span.set_parent(parent);
    let context = span.context();
    let recorded = context.span();
    if recorded.is_recording() {
        recorded.update_name(name());
    }
    let trace_id = recorded.span_context().trace_id().to_string();
    span.record("trace_id", &trace_id);
    trace_id.parse().ok()
}

/// What traces know of a call beside what logs do. Nothing is made where nothing is recorded.
fn attribute<const N: usize>(span: &Span, attributes: impl FnOnce() -> [KeyValue; N]) {
    let context = span.context();
    let recorded = context.span();
    if recorded.is_recording() {
        recorded.set_attributes(attributes());
    }
}

/// Counted when dropped: at the end of the body, or when the caller goes.
struct Call {
    method: String,
    span: Span,
    begun: Instant,
    code: Option<String>,
    /// Whether anybody looked for its method.
    is_known: bool,
}

impl Call {
    fn counts(&self) -> bool {
        is_ours(&self.method)
    }

    fn read(&mut self, headers: &HeaderMap) {
        if let Some(code) = headers.get(STATUS).and_then(|value| value.to_str().ok()) {
            self.code = Some(code.to_owned());
        }
    }
}

impl Follow for Call {
    fn span(&self) -> Span {
        self.span.clone()
    }

    fn see(&mut self, frame: &BodyFrame, _: bool) {
        if let Poll::Ready(Some(Ok(frame))) = frame
            && let Some(trailers) = frame.trailers_ref()
        {
            self.read(trailers);
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.counts() {
            return;
        }
        metrics::gauge!(RUNNING).decrement(1.0);
        let code = self.code.take();
        let code = code.map_or("CUT_OFF", |code| code_name(tonic::Code::from_bytes(code.as_bytes())));
        // Paths that do not exist are the caller's invention and must not become labels.
        let is_known = self.is_known && code != "UNIMPLEMENTED";
        let method = if is_known { self.method.clone() } else { "unknown".to_owned() };
        metrics::counter!("fondue_rpc_total", "method" => method.clone(), "code" => code).increment(1);
        metrics::histogram!("fondue_rpc_seconds", "method" => method).record(self.begun.elapsed());
        let seconds = self.begun.elapsed().as_secs_f64();
        attribute(&self.span, || [KeyValue::new("rpc.grpc.status_code", code)]);
        if SERVERS_FAULT.contains(&code) {
            went_wrong(&self.span, code);
        }
        // One line for each call: what finds a trace id in every service's log.
        self.span.in_scope(|| tracing::info!(code, seconds, "call ended"));
    }
}

/// A call that is followed to the end of its response's body.
trait Follow: Unpin {
    /// Where its work is told.
    fn span(&self) -> Span;
    /// Sees what the body gave, and whether that was all of it.
    fn see(&mut self, frame: &BodyFrame, is_end: bool);
}

/// What a body gives; `None` at its end.
type BodyFrame = Poll<Option<Result<Frame<Bytes>, axum::Error>>>;

/// A response's body with its call, which is dropped with it.
struct Observed<C> {
    body: Body,
    call: C,
}

impl<C: Follow> HttpBody for Observed<C> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> BodyFrame {
        let frame = self.call.span().in_scope(|| Pin::new(&mut self.body).poll_frame(cx));
        let is_end = self.body.is_end_stream();
        self.call.see(&frame, is_end);
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

/// tonic refuses a message above the limit with OUT_OF_RANGE; by our table a limit on bytes is RESOURCE_EXHAUSTED.
pub(super) async fn explain_oversize(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let too_large = headers.get(STATUS).is_some_and(|code| code == OUT_OF_RANGE)
        && headers.get(MESSAGE).is_some_and(|message| {
            message.to_str().is_ok_and(|message| message.contains("message%20length%20too%20large"))
        });
    if too_large {
        headers.insert(STATUS, HeaderValue::from_static(RESOURCE_EXHAUSTED));
        if let Some(said) = headers.get(MESSAGE).and_then(|message| message.to_str().ok()) {
            let said = format!("{said}%3B%20the%20server%27s%20max_message_bytes%20is%20the%20limit");
            if let Ok(said) = said.parse() {
                headers.insert(MESSAGE, said);
            }
        }
    }
    response
}
