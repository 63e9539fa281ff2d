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
use opentelemetry::trace::TraceContextExt;
use opentelemetry_http::HeaderExtractor;
use tower::{Layer, Service};
use tracing::{Instrument, Span, field};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::guard::Unrouted;

const STATUS: &str = "grpc-status";
const MESSAGE: &str = "grpc-message";
/// gRPC's numbers of codes.
const RESOURCE_EXHAUSTED: &str = "8";
const OUT_OF_RANGE: &str = "11";

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
        let span = span(&method, request.headers());
        let mut call = Call { method, span: span.clone(), begun: Instant::now(), code: None, is_known: true };
        if call.counts() {
            metrics::gauge!(RUNNING).increment(1.0);
        }
        let response = self.inner.call(request);
        let observed = async move {
            let response = response.await?;
            // A response without a body carries its status in the headers.
            call.read(response.headers());
            call.is_known = response.extensions().get::<Unrouted>().is_none();
            Ok(response.map(|body| Body::new(Observed { body, call })))
        };
        Box::pin(observed.instrument(span))
    }
}

/// The span of a call, child of the caller's.
fn span(method: &str, headers: &HeaderMap) -> Span {
    let span = tracing::info_span!(
        "rpc",
        method,
        trace_id = field::Empty,
        tenant = field::Empty,
        otel.kind = "server"
    );
    continue_trace(&span, headers);
    span
}

/// Makes `span` a child of the caller's, and notes the id of its trace in it.
fn continue_trace(span: &Span, headers: &HeaderMap) -> String {
    let parent = opentelemetry::global::get_text_map_propagator(|propagator| {
        propagator.extract(&HeaderExtractor(headers))
    });
    // It fails only where no trace layer is installed; then there is nothing to continue.
    let _ = span.set_parent(parent);
    let trace_id = span.context().span().span_context().trace_id().to_string();
    span.record("trace_id", &trace_id);
    trace_id
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
    /// Whether it is one of ours: probes, health and reflection are not the server's work.
    fn counts(&self) -> bool {
        self.method.starts_with("/fondue.")
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
        let code = self.code.take().map_or("CUT_OFF", |code| name(&code));
        // Paths that do not exist are the caller's invention and must not become labels.
        let is_known = self.is_known && code != "UNIMPLEMENTED";
        let method = if is_known { self.method.clone() } else { "unknown".to_owned() };
        metrics::counter!("fondue_rpc_total", "method" => method.clone(), "code" => code).increment(1);
        metrics::histogram!("fondue_rpc_seconds", "method" => method).record(self.begun.elapsed());
        let seconds = self.begun.elapsed().as_secs_f64();
        // One line for each call: what finds a trace id in every service's log.
        self.span.in_scope(|| tracing::info!(code, seconds, "call ended"));
    }
}

/// A code's name, as gRPC's documents spell it.
fn name(code: &str) -> &'static str {
    match tonic::Code::from_bytes(code.as_bytes()) {
        tonic::Code::Ok => "OK",
        tonic::Code::Cancelled => "CANCELLED",
        tonic::Code::InvalidArgument => "INVALID_ARGUMENT",
        tonic::Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        tonic::Code::NotFound => "NOT_FOUND",
        tonic::Code::AlreadyExists => "ALREADY_EXISTS",
        tonic::Code::PermissionDenied => "PERMISSION_DENIED",
        tonic::Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        tonic::Code::FailedPrecondition => "FAILED_PRECONDITION",
        tonic::Code::Aborted => "ABORTED",
        tonic::Code::OutOfRange => "OUT_OF_RANGE",
        tonic::Code::Unimplemented => "UNIMPLEMENTED",
        tonic::Code::Internal => "INTERNAL",
        tonic::Code::Unavailable => "UNAVAILABLE",
        tonic::Code::DataLoss => "DATA_LOSS",
        tonic::Code::Unauthenticated => "UNAUTHENTICATED",
        tonic::Code::Unknown => "UNKNOWN",
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
