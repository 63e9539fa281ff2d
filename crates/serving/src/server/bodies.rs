//! The layer around every request's body: how long its bytes may be waited for, and how many of all bodies may be held.
//!
//! A body that comes whole in one call is given so much waiting in all. Of a stream of messages each message is, from its first byte;
//! how long a stream may be silent between two is its handler's matter.
//!
//! Bytes are counted from when they come to when they are decoded. A message is decoded when the body is asked for more after its last
//! byte, or dropped. The first few KiB of each body are free, so that a question still gets in where pictures have filled the room. A
//! caller that the guard knows has no more than a share, so that nobody fills the room alone.

mod frames;

use std::{
    collections::{HashMap, HashSet},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError, Weak,
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
use super::guard::Tenant;
use crate::{settings::Serving, status::from_parts};

/// Bytes of each body that are not counted.
pub(super) const FREE: usize = 8 << 10;
/// Calls that guards let in without looking who calls: no more than what is free may come, so that a stranger takes nothing of what
/// all bodies share.
const OPEN: &str = "/grpc.health.";
/// The part of all bytes that one caller's bodies may hold, if one message at least fits into it.
const SHARE: usize = 4;
/// When a client whose body found no room should come back.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Reflection is a conversation too; its own descriptors are not among the server's.
const REFLECTION: &str = "/grpc.reflection.";

/// What all requests' bodies share.
#[derive(Clone)]
pub(super) struct Bodies {
    budget: Arc<Budget>,
    /// Those of callers with bodies under way, by tenant, of `own_max` bytes each.
    own: Arc<Mutex<HashMap<Tenant, Weak<Budget>>>>,
    own_max: usize,
    timeout: Duration,
    /// Paths of calls whose client sends a stream.
    streams: Arc<HashSet<String>>,
}

impl Bodies {
    /// Of a server with the services of `descriptors`.
    pub(super) fn new(serving: &Serving, descriptors: &[u8]) -> Self {
        let max = serving.max_bodies_bytes;
        Self {
            budget: Arc::new(Budget::new(max)),
            own: Arc::default(),
            own_max: max.min(serving.max_message_bytes.max(max / SHARE)),
            timeout: serving.body_timeout,
            streams: Arc::new(client_streams(descriptors)),
        }
    }

    /// What a tenant's bodies may hold.
    fn own(&self, tenant: &Tenant) -> Arc<Budget> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(budget) = own.get(tenant).and_then(Weak::upgrade) {
            return budget;
        }
        own.retain(|_, budget| budget.strong_count() > 0);
        let budget = Arc::new(Budget::new(self.own_max));
        own.insert(tenant.clone(), Arc::downgrade(&budget));
        budget
    }

    fn around(&self, path: &str, framed: bool, tenant: Option<&Tenant>, body: Body) -> Body {
        if body.is_end_stream() {
            return body;
        }
        let streams = framed && (self.streams.contains(path) || path.starts_with(REFLECTION));
        Body::new(Metered {
            body,
            frames: framed.then(Frames::default),
            streams,
            is_open: path.starts_with(OPEN),
            share: Share {
                budget: self.budget.clone(),
                own: tenant.map(|tenant| self.own(tenant)),
                taken: 0,
            },
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
    let body = bodies.around(head.uri.path(), framed, head.extensions.get(), body);
    next.run(Request::from_parts(head, body)).await
}

/// The bytes that all bodies may hold, or all of a caller.
struct Budget {
    max: usize,
    held: AtomicUsize,
}

impl Budget {
    fn new(max: usize) -> Self {
        Self { max, held: AtomicUsize::new(0) }
    }

    /// Takes `more` bytes; `false` if there is no room for them.
    fn take(&self, more: usize) -> bool {
        let add = |held: usize| held.checked_add(more).filter(|sum| *sum <= self.max);
        self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()
    }

    fn give_back(&self, n_bytes: usize) {
        self.held.fetch_sub(n_bytes, Ordering::Relaxed);
    }
}

/// What one body holds of both budgets; given back when dropped.
struct Share {
    budget: Arc<Budget>,
    own: Option<Arc<Budget>>,
    taken: usize,
}

impl Share {
    /// Makes the share fit a body that holds `held` bytes.
    ///
    /// # Errors
    /// Why there is no room for them.
    fn fit(&mut self, held: usize) -> Result<(), Status> {
        let wanted = held.saturating_sub(FREE);
        if wanted > self.taken {
            let more = wanted - self.taken;
            if let Some(own) = self.own.as_ref().filter(|own| !own.take(more)) {
                return Err(full(format!(
                    "the bodies of this caller's requests under way have more than {} bytes, its share of max_bodies_bytes; try again",
                    own.max
                )));
            }
            if !self.budget.take(more) {
                self.own.iter().for_each(|own| own.give_back(more));
                return Err(full(format!(
                    "the bodies of all requests under way have more than {} bytes, the limit (max_bodies_bytes); try again",
                    self.budget.max
                )));
            }
        } else {
            self.give_back(self.taken - wanted);
        }
        self.taken = wanted;
        Ok(())
    }

    fn give_back(&self, n_bytes: usize) {
        self.own.iter().chain([&self.budget]).for_each(|budget| budget.give_back(n_bytes));
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.give_back(self.taken);
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
        self.share.fit(self.held)
    }

    /// Gives back what is decoded by now.
    fn let_go(&mut self) {
        if let Some(frames) = &self.frames {
            self.held = self.held.min(frames.unfinished());
            let _ = self.share.fit(self.held); // never more than before
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

fn full(message: String) -> Status {
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
