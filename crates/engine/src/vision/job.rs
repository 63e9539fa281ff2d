//! Who waits for a picture, and what they are told.

use std::{sync::Arc, time::Instant};

use fondue_imaging::ImagingError;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tracing::Span;

use crate::EngineError;

/// Features of one picture, shared with the cache.
pub type Features = Arc<[f32]>;

/// Why a picture has no features.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    Picture(Arc<ImagingError>),
    Engine(EngineError),
}

pub(super) type Answer = Result<Features, Failure>;

/// What came of asking.
pub(super) enum Place {
    Known(Features),
    Awaited(oneshot::Receiver<Answer>),
}

/// All who want the features of one picture.
#[derive(Default)]
pub(super) struct Waiters(Vec<Waiter>);

struct Waiter {
    out: oneshot::Sender<Answer>,
    deadline: Instant,
    permit: OwnedSemaphorePermit,
    /// Of the call.
    span: Span,
}

impl Waiters {
    /// One more, who gives the place back when the answer is there.
    pub(super) fn join(&mut self, deadline: Instant, permit: OwnedSemaphorePermit) -> Place {
        let (out, answer) = oneshot::channel();
        self.0.push(Waiter { out, deadline, permit, span: Span::current() });
        Place::Awaited(answer)
    }

    /// Whether anybody is left. Those who have gone lose their place, those who are late are told so.
    pub(super) fn any_left(&mut self) -> bool {
        let now = Instant::now();
        self.0
            .extract_if(.., |waiter| waiter.out.is_closed() || waiter.deadline <= now)
            .for_each(|waiter| waiter.answer(Err(Failure::Engine(EngineError::Late))));
        !self.0.is_empty()
    }

    /// The calls that wait.
    pub(super) fn spans(&self) -> impl Iterator<Item = &Span> {
        self.0.iter().map(|waiter| &waiter.span)
    }

    /// Tells all.
    pub(super) fn answer(self, answer: &Answer) {
        self.0.into_iter().for_each(|waiter| waiter.answer(answer.clone()));
    }
}

impl Waiter {
    fn answer(self, answer: Answer) {
        // The room is free before the answer is there: whoever asks again at once finds it.
        drop(self.permit);
        let _ = self.out.send(answer);
    }
}
