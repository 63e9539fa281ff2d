//! Answers that hold something until they are read: memory that a limit is to count, as pictures are.
//!
//! A transport takes all bytes that a body gives and lets go of the body, while its client has read nothing. So such an answer is handed
//! out in pieces, each when the ones before have gone out, and what it holds is given back with the last. Whoever reads too slowly
//! loses the rest, so that nobody holds a place by reading nothing.

use std::{
    any::Any,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{body::Body, response::Response};
use bytes::{Buf, Bytes};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::{
    task::AbortHandle,
    time::{Instant, sleep_until},
};

/// Bytes that a client may leave unread without a place.
const PIECE: usize = 64 << 10;
/// Time for reading such an answer, and bytes for which there is one second more.
const WITHIN: Duration = Duration::from_secs(60);
const PER_SECOND: u64 = 16 << 10;

/// What an answer holds until it is read; a handler puts it into the answer's extensions.
#[derive(Clone)]
pub struct Kept {
    _held: Arc<dyn Any + Send + Sync>,
}

impl Kept {
    /// Holds `held`.
    pub fn new(held: impl Any + Send + Sync) -> Self {
        Self { _held: Arc::new(held) }
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept")
    }
}

/// The client did not read.
#[derive(Debug, thiserror::Error)]
#[error("the answer was not read in time")]
struct Unread;

/// Lets a response have what is in its extensions for it.
pub(super) fn keep(response: Response) -> Response {
    keep_within(response, WITHIN)
}

fn keep_within(mut response: Response, within: Duration) -> Response {
    let Some(kept) = response.extensions_mut().remove::<Kept>() else { return response };
    if response.body().is_end_stream() {
        return response;
    }
    response.map(|body| Body::new(Answer::new(body, kept, within)))
}

/// A response's body with what it holds.
struct Answer {
    left: Arc<Mutex<Option<Left>>>,
    timer: AbortHandle,
}

/// What is not handed out yet.
struct Left {
    body: Body,
    data: Bytes,
    kept: Option<Kept>,
    /// Bytes that were handed out.
    given: u64,
}

impl Answer {
    fn new(body: Body, kept: Kept, within: Duration) -> Self {
        let left = Arc::new(Mutex::new(Some(Left { body, data: Bytes::new(), kept: Some(kept), given: 0 })));
        let timed = Arc::downgrade(&left);
        let timer = tokio::spawn(async move {
            let begun = Instant::now();
            loop {
                let Some(shared) = timed.upgrade() else { return };
                let Some(given) = lock(&shared).as_ref().map(|left| left.given) else { return };
                let until = begun + within + Duration::from_secs(given / PER_SECOND);
                if until <= Instant::now() {
                    drop(lock(&shared).take());
                    return;
                }
                drop(shared);
                sleep_until(until).await;
            }
        });
        Self { left, timer: timer.abort_handle() }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.timer.abort();
    }
}

fn lock(left: &Mutex<Option<Left>>) -> MutexGuard<'_, Option<Left>> {
    left.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Left {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.data.is_empty() {
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => frame.into_data(),
                end => {
                    self.kept = None;
                    return Poll::Ready(end);
                }
            };
            match frame {
                Ok(data) => self.data = data,
                Err(trailers) => {
                    // Before the client hears that this was all: it may ask for the place at once.
                    self.kept = None;
                    return Poll::Ready(Some(Ok(trailers)));
                }
            }
        }
        // A copy: a part of the data would keep all of it.
        let piece = Bytes::copy_from_slice(&self.data[..self.data.len().min(PIECE)]);
        self.data.advance(piece.len());
        self.given = self.given.saturating_add(piece.len() as u64);
        if self.is_end() {
            self.kept = None;
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end(&self) -> bool {
        self.data.is_empty() && self.body.is_end_stream()
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match &mut *lock(&self.left) {
            Some(left) => left.poll_frame(cx),
            None => Poll::Ready(Some(Err(axum::Error::new(Unread)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        lock(&self.left).as_ref().is_some_and(Left::is_end)
    }

    fn size_hint(&self) -> SizeHint {
        let left = lock(&self.left);
        let Some(Left { body, data, .. }) = &*left else { return SizeHint::default() };
        let (mut hint, more) = (body.size_hint(), data.len() as u64);
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + more);
        }
        hint.set_lower(hint.lower() + more);
        hint
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    /// An answer of `n` bytes that holds something, and what tells whether it still does.
    fn answer(n: usize, within: Duration) -> (Body, std::sync::Weak<()>) {
        let held = Arc::new(());
        let holds = Arc::downgrade(&held);
        let mut response = Response::new(Body::from(vec![7; n]));
        response.extensions_mut().insert(Kept::new(held));
        (keep_within(response, within).into_body(), holds)
    }

    #[tokio::test]
    async fn what_an_answer_holds_is_given_back_with_its_last_piece() {
        let (mut body, holds) = answer(2 * PIECE + 1, WITHIN);
        for left in [2 * PIECE + 1, PIECE + 1, 1] {
            assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(left as u64), false));
            assert_eq!(holds.strong_count(), 1, "{left}");
            let piece = body.frame().await.unwrap().unwrap().into_data().unwrap();
            assert_eq!(piece.len(), left.min(PIECE));
        }
        assert!(body.is_end_stream() && holds.strong_count() == 0);
        assert!(body.frame().await.is_none());

        let (body, holds) = answer(1, WITHIN);
        drop(body);
        assert_eq!(holds.strong_count(), 0, "a client that leaves");
        let (_body, holds) = answer(0, WITHIN);
        assert_eq!(holds.strong_count(), 0, "nothing to read");
    }

    #[tokio::test]
    async fn an_answer_that_is_not_read_holds_nothing_for_ever() {
        let (mut body, holds) = answer(2 * PIECE, Duration::from_millis(50));
        body.frame().await.unwrap().unwrap();
        for _ in 0..1000 {
            if holds.strong_count() == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(holds.strong_count(), 0);
        assert!(body.frame().await.unwrap().is_err(), "it does not pass for whole");
    }
}
