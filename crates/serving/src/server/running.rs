//! The layer that counts calls under way, so that a server that stops knows when there is nothing left to wait for.
//!
//! The transport waits for its connections, and some of those end late or never: half a request's head, half a handshake, a peer that
//! answers no ping. A connection without a call has nothing to lose.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::kept::keep;

/// How long connections without calls may take to say goodbye, and last bytes to go out.
const GOODBYE: Duration = Duration::from_secs(2);
/// How often the count is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// Health is watched and contracts are read for as long as there is a server.
const NO_WORK: &str = "/grpc.";

/// The calls under way.
#[derive(Clone, Default)]
pub(super) struct Running(Arc<AtomicUsize>);

impl Running {
    /// Completes when no call has been under way for a while.
    pub(super) async fn ended(&self) {
        let mut still = Duration::ZERO;
        while still < GOODBYE {
            tokio::time::sleep(LOOK).await;
            still = if self.0.load(Ordering::Relaxed) == 0 { still + LOOK } else { Duration::ZERO };
        }
    }

    fn enter(&self) -> Call {
        self.0.fetch_add(1, Ordering::Relaxed);
        Call(self.0.clone())
    }
}

/// A call, until it is dropped: at the end of its response's body, or when its caller goes.
struct Call(Arc<AtomicUsize>);

impl Drop for Call {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Wraps a call.
pub(super) async fn count(State(running): State<Running>, request: Request, next: Next) -> Response {
    if request.uri().path().starts_with(NO_WORK) {
        return next.run(request).await;
    }
    let call = running.enter();
    let response = keep(next.run(request).await);
    if response.body().is_end_stream() {
        return response;
    }
    response.map(|body| Body::new(Counted { body, _call: call }))
}

/// A response's body with its call.
struct Counted {
    body: Body,
    _call: Call,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
