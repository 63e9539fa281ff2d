//! The layer around every request's body: how long its bytes may be waited for, and how many of all bodies may be held.
//!
//! A body that comes whole in one call is given so much waiting in all. Of a stream of messages each message is, from its first byte;
//! how long a stream may be silent between two is its handler's matter.
//!
//! Bytes are counted from when they come to when they are decoded. A message is decoded when the body is asked for more after its last
//! byte, or dropped. The first few KiB of each body are free, so that a question still gets in where pictures have filled the room.

mod frames;

use std::{
    collections::HashSet,
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
    http::header::CONTENT_TYPE,
    middleware::Next,
    response::Response,
};
use bytes::Bytes;
use fondue_domain::Fault;
use http_body::{Body as HttpBody, Frame, SizeHint};
use prost::Message;
use tokio::time::{Instant, Sleep};
use tonic::Status;

use self::frames::Frames;
use crate::{settings::Serving, status::from_parts};

/// Bytes of each body that are not counted.
pub(super) const FREE: usize = 8 << 10;
/// Calls that guards let in without looking who calls: no more than what is free may come, so that a stranger takes nothing of what
/// all bodies share.
const OPEN: &str = "/grpc.health.";
/// When a client whose body found no room should come back.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Reflection is a conversation too; its own descriptors are not among the server's.
const REFLECTION: &str = "/grpc.reflection.";

/// What all requests' bodies share.
#[derive(Clone)]
pub(super) struct Bodies {
    budget: Arc<Budget>,
    timeout: Duration,
    /// Paths of calls whose client sends a stream.
    streams: Arc<HashSet<String>>,
}

impl Bodies {
    /// Of a server with the services of `descriptors`.
    pub(super) fn new(serving: &Serving, descriptors: &[u8]) -> Self {
        let budget = Budget { max: serving.max_bodies_bytes, held: AtomicUsize::new(0) };
        Self {
            budget: Arc::new(budget),
            timeout: serving.body_timeout,
            streams: Arc::new(client_streams(descriptors)),
        }
    }

    fn around(&self, path: &str, framed: bool, body: Body) -> Body {
        if body.is_end_stream() {
            return body;
        }
        let streams = framed && (self.streams.contains(path) || path.starts_with(REFLECTION));
        Body::new(Metered {
            body,
            frames: framed.then(Frames::default),
            streams,
            is_open: path.starts_with(OPEN),
            share: Share { budget: self.budget.clone(), taken: 0 },
            held: 0,
            waited: Duration::ZERO,
            since: None,
            timer: None,
            timeout: self.timeout,
        })
    }
}

/// Paths of the calls whose client sends a stream, by encoded descriptors.
fn client_streams(descriptors: &[u8]) -> HashSet<String> {
    // They are the server's own, and reflection refuses to serve any that cannot be read.
    let set = prost_types::FileDescriptorSet::decode(descriptors).unwrap_or_default();
    let mut paths = HashSet::new();
    for file in &set.file {
        for service in &file.service {
            for method in service.method.iter().filter(|method| method.client_streaming()) {
                paths.insert(format!("/{}.{}/{}", file.package(), service.name(), method.name()));
            }
        }
    }
    paths
}

/// Wraps a call's body.
pub(super) async fn meter(State(bodies): State<Bodies>, request: Request, next: Next) -> Response {
    let kind = request.headers().get(CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes());
    let framed = kind.starts_with(b"application/grpc") && !kind.starts_with(b"application/grpc-web");
    let (head, body) = request.into_parts();
    let body = bodies.around(head.uri.path(), framed, body);
    next.run(Request::from_parts(head, body)).await
}

/// The bytes that all bodies may hold.
struct Budget {
    max: usize,
    held: AtomicUsize,
}

/// What one body holds of the budget; given back when dropped.
struct Share {
    budget: Arc<Budget>,
    taken: usize,
}

impl Share {
    /// Makes the share fit a body that holds `held` bytes; `false` if there is no room for them.
    fn fit(&mut self, held: usize) -> bool {
        let wanted = held.saturating_sub(FREE);
        let Budget { max, held } = &*self.budget;
        if let Some(more) = wanted.checked_sub(self.taken) {
            let add = |held: usize| held.checked_add(more).filter(|sum| sum <= max);
            if more > 0 && held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_err() {
                return false;
            }
        } else {
            held.fetch_sub(self.taken - wanted, Ordering::Relaxed);
        }
        self.taken = wanted;
        true
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.taken, Ordering::Relaxed);
    }
}

/// A request's body that is counted and timed.
struct Metered {
    body: Body,
    /// Where messages begin and end, if it is made of them.
    frames: Option<Frames>,
    /// Whether there may be several messages, with time between.
    streams: bool,
    /// Whether it is of a call that anybody may make.
    is_open: bool,
    share: Share,
    /// Bytes that are not decoded yet.
    held: usize,
    /// How long bytes were waited for before now: of the whole body, or of the message under way.
    waited: Duration,
    /// Since when they are waited for now.
    since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    timeout: Duration,
}

impl Metered {
    /// Counts what came.
    fn take(&mut self, data: &[u8]) -> Result<(), Status> {
        self.held += data.len();
        if let Some(frames) = &mut self.frames {
            let begun = frames.n_begun();
            frames.feed(data);
            if self.streams && frames.n_begun() != begun {
                self.waited = Duration::ZERO;
            }
        }
        if self.is_open && self.held > FREE {
            return Err(long());
        }
        if self.share.fit(self.held) { Ok(()) } else { Err(full(self.share.budget.max)) }
    }

    /// Gives back what is decoded by now.
    fn let_go(&mut self) {
        if let Some(frames) = &self.frames {
            self.held = self.held.min(frames.unfinished());
            self.share.fit(self.held); // never more than before
        }
    }

    /// Nothing is there. Tells whether it has been waited for too long.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.streams && self.frames.as_ref().is_some_and(|frames| frames.unfinished() == 0) {
            self.since = None;
            return Poll::Pending;
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        let until = since + self.timeout.saturating_sub(self.waited);
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        if timer.deadline() != until {
            timer.as_mut().reset(until);
        }
        timer.as_mut().poll(cx)
    }
}

impl HttpBody for Metered {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.let_go();
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Pending => {
                let timeout = self.timeout;
                self.wait(cx).map(|()| Some(Err(axum::Error::new(slow(timeout)))))
            }
            Poll::Ready(frame) => {
                if let Some(since) = self.since.take() {
                    self.waited += since.elapsed();
                }
                if let Some(Ok(frame)) = &frame
                    && let Some(data) = frame.data_ref()
                    && let Err(status) = self.take(data)
                {
                    return Poll::Ready(Some(Err(axum::Error::new(status))));
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn full(max: usize) -> Status {
    let message = format!(
        "the bodies of all requests under way have more than {max} bytes, the limit (max_bodies_bytes); try again"
    );
    from_parts(Fault::Busy { retry_after: RETRY_AFTER }, message, Vec::new())
}

fn long() -> Status {
    let message = format!("a question about health has at most {FREE} bytes");
    from_parts(Fault::TooLarge, message, Vec::new())
}

fn slow(timeout: Duration) -> Status {
    let ms = timeout.as_millis();
    let message = format!("the request's body took longer than {ms} ms to come, the limit (body_timeout_ms)");
    from_parts(Fault::Deadline, message, Vec::new())
}

#[cfg(test)]
mod tests;
