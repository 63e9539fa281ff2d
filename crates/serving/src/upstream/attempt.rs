//! One attempt at a call: a request to one replica, followed to the end of its answer.

use std::{
    error::Error,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use fondue_domain::Fault;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use tonic::{Status, TimeoutExpired, body::Body};
use tower::{Service, ServiceExt};

use super::{
    BoxError,
    pool::Pool,
    replica::{Outstanding, Replica},
};
use crate::status::ended;

/// What came of an attempt.
pub(super) enum Attempt {
    /// An answer, or a refusal that another replica would repeat.
    Answered(Response<Body>),
    /// This replica cannot do it now; another one might.
    Refused(Response<Body>),
    /// The connection broke before there was an answer.
    Broken(BoxError),
    /// The call's own time ran out, or it could not be made.
    Over(BoxError),
}

/// Sends `request` to `replica`. `until_first` waits for the first message too, so that a stream that ends before it is told as
/// such, and not as an answer.
pub(super) async fn attempt(
    pool: &Arc<Pool>,
    replica: Arc<Replica>,
    request: Request<Body>,
    until_first: bool,
) -> Attempt {
    let mut channel = replica.channel();
    let call = Call { pool: pool.clone(), outstanding: Outstanding::with(replica) };
    let sent = async { channel.ready().await?.call(request).await };
    let response = match sent.await {
        Ok(response) => response,
        Err(error) if is_timeout(&error) => return Attempt::Over(error.into()),
        Err(error) => {
            call.broke();
            return Attempt::Broken(error.into());
        }
    };
    let (head, mut body) = response.into_parts();
    // A response without a body carries its status in the headers.
    let mut end = ended(&head.headers);
    let mut first = None;
    if end.is_none() && until_first {
        match body.frame().await {
            Some(Ok(frame)) => {
                end = frame.trailers_ref().and_then(ended);
                first = Some(frame);
            }
            Some(Err(status)) if is_timeout(&status) => return Attempt::Over(status.into()),
            Some(Err(status)) => {
                call.broke();
                return Attempt::Broken(status.into());
            }
            None => {
                call.broke();
                return Attempt::Broken("the stream ended without a status".into());
            }
        }
    }
    if let Some(end) = end {
        call.ended(end);
    }
    let call = end.is_none().then_some(call);
    let response = Response::from_parts(head, Body::new(Followed { first, body, call }));
    match end {
        Some(Err(Fault::Unavailable | Fault::Busy { .. })) => Attempt::Refused(response),
        _ => Attempt::Answered(response),
    }
}

/// Whether the caller's own time is the reason.
pub(super) fn is_timeout(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(found) = cause {
        if found.is::<TimeoutExpired>() {
            return true;
        }
        cause = found.source();
    }
    false
}

/// A call that is under way.
struct Call {
    pool: Arc<Pool>,
    outstanding: Outstanding,
}

impl Call {
    /// The replica ended it with a status.
    fn ended(&self, end: Result<(), Fault>) {
        match end {
            Err(Fault::Unavailable | Fault::Internal) => self.failed(),
            _ => self.outstanding.0.succeeded(),
        }
    }

    /// Its connection broke.
    fn broke(&self) {
        self.failed();
        self.outstanding.0.doubt();
    }

    fn failed(&self) {
        if self.outstanding.0.failed() {
            self.pool.eject(&self.outstanding.0);
        }
    }
}

/// A response's body, which keeps its call under way.
struct Followed {
    /// Read already.
    first: Option<Frame<Bytes>>,
    body: Body,
    call: Option<Call>,
}

impl HttpBody for Followed {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(end) = frame.trailers_ref().and_then(ended)
                    && let Some(call) = self.call.take()
                {
                    call.ended(end);
                }
            }
            Some(Err(status)) => {
                if let Some(call) = self.call.take()
                    && !is_timeout(status)
                {
                    call.broke();
                }
            }
            None => drop(self.call.take()),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.first.is_some() { SizeHint::default() } else { self.body.size_hint() }
    }
}
