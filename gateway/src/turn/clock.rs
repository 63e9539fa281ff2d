//! The turn's one deadline: upstreams are told the time that is left, and the gateway does not wait longer. Each call is
//! counted, timed, and a span of its own.

use std::time::Duration;

use fondue_serving::{status::code_name, telemetry::went_wrong, upstream::Repeatable};
use tokio::time::Instant;
use tonic::{Request, Response, Status};
use tracing::{Instrument, Span};

use crate::{failure::Failure, measures};

/// A call of an upstream, until its answer is whole. Counted when dropped.
#[derive(Debug)]
pub struct Call {
    service: &'static str,
    method: &'static str,
    begun: Instant,
    span: Span,
    /// By its name in gRPC's documents.
    code: &'static str,
}

impl Call {
    /// Begins one, told by a span of kind `client`.
    pub fn within(span: Span, service: &'static str, method: &'static str) -> Self {
        // Whoever drops it before it has ended has lost interest.
        Self { service, method, begun: Instant::now(), span, code: "CANCELLED" }
    }

    /// Where it is told.
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// The whole answer is there.
    pub fn done(&mut self) {
        self.code = "OK";
    }

    /// It came to nothing.
    pub fn failed(&mut self, status: &Status) {
        self.code = code_name(status.code());
    }

    /// Its time has run out.
    pub fn late(&mut self) {
        self.code = "DEADLINE_EXCEEDED";
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // A span ends where it was last entered, and this one lasts until now.
        drop(self.span.enter());
        measures::called(self.service, self.method, self.code, self.begun.elapsed());
        if !["OK", "CANCELLED"].contains(&self.code) {
            went_wrong(&self.span, self.code);
        }
    }
}

/// Calls `method` of `service` with the time left until `deadline`. The call changes nothing there, so that it can be made again, at
/// another replica, as long as nothing of its answer has come.
///
/// # Errors
/// The upstream's [`Failure`], or a deadline one when no time is left.
pub async fn call<Q, R>(
    of: (&'static str, &'static str),
    deadline: Instant,
    message: Q,
    send: impl AsyncFnOnce(Request<Q>) -> Result<Response<R>, Status>,
) -> Result<R, Failure> {
    whole(of, deadline, repeatable(message), send).await
}

/// A call that changes something: it is made once.
///
/// # Errors
/// As [`call`].
pub async fn call_once<Q, R>(
    of: (&'static str, &'static str),
    deadline: Instant,
    message: Q,
    send: impl AsyncFnOnce(Request<Q>) -> Result<Response<R>, Status>,
) -> Result<R, Failure> {
    whole(of, deadline, Request::new(message), send).await
}

/// A request that changes nothing.
pub fn repeatable<Q>(message: Q) -> Request<Q> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(Repeatable);
    request
}

async fn whole<Q, R>(
    (service, method): (&'static str, &'static str),
    deadline: Instant,
    request: Request<Q>,
    send: impl AsyncFnOnce(Request<Q>) -> Result<Response<R>, Status>,
) -> Result<R, Failure> {
    // What goes on behind the turns is no trace.
    let outside = Span::current().is_none();
    let span = if outside { Span::none() } else { client(service, method) };
    let mut call = Call::within(span, service, method);
    let answer = begin(&mut call, deadline, request, send).await?;
    call.done();
    Ok(answer)
}

fn client(service: &str, method: &str) -> Span {
    tracing::debug_span!(
        "call",
        otel.name = format!("{service} {method}"),
        otel.kind = "client",
        rpc.system = "grpc",
        rpc.service = service,
        rpc.method = method
    )
}

/// Makes a call that goes on after its answer has begun.
///
/// # Errors
/// As [`call`].
pub async fn begin<Q, R>(
    call: &mut Call,
    deadline: Instant,
    mut request: Request<Q>,
    send: impl AsyncFnOnce(Request<Q>) -> Result<Response<R>, Status>,
) -> Result<R, Failure> {
    let service = call.service;
    let late = |call: &mut Call| {
        call.late();
        Failure::deadline(&format!("the {service} service"))
    };
    let Some(left) = left(deadline) else { return Err(late(call)) };
    request.set_timeout(left);
    let sent = send(request).instrument(call.span.clone());
    match tokio::time::timeout_at(deadline, sent).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        // The transport's own timer may win by a hair and calls it cancelled.
        Ok(Err(_)) | Err(_) if left_is_up(deadline) => Err(late(call)),
        Ok(Err(status)) => {
            call.failed(&status);
            Err(Failure::upstream(service, status))
        }
        Err(_) => Err(late(call)),
    }
}

fn left(deadline: Instant) -> Option<Duration> {
    deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
}

fn left_is_up(deadline: Instant) -> bool {
    left(deadline).is_none()
}

/// Milliseconds, as the wire tells them.
pub fn ms(duration: Duration) -> f32 {
    duration.as_secs_f32() * 1e3
}
