//! Where pictures wait: for a decode worker, then for the tower. One lock for all of it; nothing slow runs under it.
//!
//! Each job is in exactly one place: one of the two queues, or in the hands of a worker or of the tower.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use fondue_model::ModelError;
use tokio::sync::OwnedSemaphorePermit;
use tracing::Span;

use super::{
    VisionLimits,
    cache::Cache,
    job::{Answer, Failure, Place, Waiters},
    links::Links,
    measures,
    picture::{Identified, Key, PictureFile},
};
use crate::EngineError;

pub(super) struct Line {
    state: Mutex<State>,
    /// There may be something to decode, and room for it.
    to_decode: Condvar,
    /// There may be something for the tower.
    ready: Condvar,
    limits: VisionLimits,
}

struct State {
    cache: Cache,
    /// All that waits or runs, by content.
    jobs: HashMap<Key, Waiters>,
    to_decode: VecDeque<Undecoded>,
    ready: VecDeque<Decoded>,
    /// Bytes of pictures that are being decoded, ready, or in the tower.
    held_bytes: usize,
    /// Numbers of one decoded picture.
    picture_values: usize,
    closed: bool,
}

/// A picture for a decode worker.
pub(super) struct Undecoded {
    pub(super) file: PictureFile,
    /// Of the call that asked first.
    pub(super) span: Span,
    key: Key,
    decoding_bytes: usize,
    /// Goes with the file, also when nobody wants it any more.
    _room: OwnedSemaphorePermit,
    since: Instant,
    queued: Duration,
    /// The wait for a worker.
    wait: Span,
}

/// A picture for the tower.
pub(super) struct Decoded {
    pub(super) span: Span,
    key: Key,
    pixels: Vec<f32>,
    since: Instant,
    queued: Duration,
    /// The wait for the tower.
    wait: Span,
}

/// A picture in the tower, to be finished.
pub(super) struct Running(Key);

impl Line {
    pub(super) fn new(limits: VisionLimits) -> Self {
        let state = State {
            cache: Cache::new(limits.feature_cache_bytes),
            jobs: HashMap::new(),
            to_decode: VecDeque::new(),
            ready: VecDeque::new(),
            held_bytes: 0,
            picture_values: 0,
            closed: false,
        };
        Self { state: Mutex::new(state), to_decode: Condvar::new(), ready: Condvar::new(), limits }
    }

    pub(super) fn max_batch(&self) -> usize {
        self.limits.max_batch
    }

    /// Tells how many numbers a decoded picture has, before the first is asked for.
    pub(super) fn set_picture_values(&self, values: usize) {
        self.lock().picture_values = values;
    }

    /// Takes a place in the line for every picture that is not known; joins those who want the same.
    pub(super) fn ask(
        &self,
        pictures: Vec<(Identified, OwnedSemaphorePermit)>,
        deadline: Instant,
    ) -> Result<Vec<Place>, EngineError> {
        let mut state = self.lock();
        if state.closed {
            return Err(EngineError::Stopped);
        }
        let (mut hits, mut joined, mut misses) = (0, 0, 0);
        let mut places = Vec::with_capacity(pictures.len());
        for (Identified { key, file, decoding_bytes, room: _room }, permit) in pictures {
            if let Some(features) = state.cache.get(&key) {
                hits += 1;
                places.push(Place::Known(features));
                continue;
            }
            if let Some(waiters) = state.jobs.get_mut(&key) {
                joined += 1;
                tracing::debug!("joins a picture that is under way");
                places.push(waiters.join(deadline, permit));
                continue;
            }
            misses += 1;
            places.push(state.jobs.entry(key).or_default().join(deadline, permit));
            let (span, since) = (Span::current(), Instant::now());
            let queued = Duration::ZERO;
            let wait = tracing::debug_span!(parent: &span, "decode_queue");
            state.to_decode.push_back(Undecoded {
                file,
                span,
                key,
                decoding_bytes,
                _room,
                since,
                queued,
                wait,
            });
        }
        state.show();
        drop(state);
        self.to_decode.notify_all();
        for (outcome, n) in [("hit", hits), ("joined", joined), ("miss", misses)] {
            metrics::counter!("fondue_vision_cache_pictures_total", "outcome" => outcome).increment(n);
        }
        Ok(places)
    }

    /// Sleeps until there is a picture to decode that somebody wants and that there is memory for; `None` when the
    /// line is closed. Strictly in order, so that a large one is not passed by for ever.
    pub(super) fn next_to_decode(&self) -> Option<Undecoded> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(next) = state.pop_to_decode(self.limits.decoded_bytes) {
                return Some(next);
            }
            state = self.to_decode.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Passes a decoded picture on to the tower, or its failure to those who wait.
    pub(super) fn decoded(&self, undecoded: Undecoded, pixels: Result<Vec<f32>, Failure>) {
        let Undecoded { span, key, decoding_bytes, queued, file, _room, .. } = undecoded;
        // Its room is free before the answer is there: whoever asks again at once finds it.
        drop((file, _room));
        let mut state = self.lock();
        state.let_go(decoding_bytes);
        let expected = state.picture_values;
        let pixels = pixels.and_then(|pixels| match pixels.len() {
            got if got == expected => Ok(pixels),
            got => Err(Failure::Engine(ModelError::Shape { what: "picture", got, expected }.into())),
        });
        match pixels {
            Ok(pixels) => {
                let wait = tracing::debug_span!(parent: &span, "tower_queue");
                state.ready.push_back(Decoded { span, key, pixels, since: Instant::now(), queued, wait });
                state.show();
                drop(state);
                self.ready.notify_one();
                self.to_decode.notify_all();
            }
            Err(failure) => {
                drop(state);
                self.finish([(Running(key), Err(failure))], &mut Links::none());
            }
        }
    }

    /// Sleeps until there are decoded pictures that somebody wants, and a little longer for company; `None` when the
    /// line is closed.
    ///
    /// The wait is counted from when the first of them was decoded: what has waited while the tower ran goes at once.
    pub(super) fn next_batch(&self) -> Option<Vec<Decoded>> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            // The last look comes when the wait is over, so that nobody is in the batch who has gone meanwhile.
            self.forget_unwanted(&mut state);
            let Some(first) = state.ready.front() else {
                state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = (first.since + self.limits.gather).saturating_duration_since(Instant::now());
            if left.is_zero() || state.ready.len() >= self.limits.max_batch {
                let n = state.ready.len().min(self.limits.max_batch);
                let mut batch: Vec<_> = state.ready.drain(..n).collect();
                batch.iter_mut().for_each(|picture| picture.wait = Span::none());
                state.show();
                return Some(batch);
            }
            state = self.ready.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The calls that wait for the pictures of a batch.
    pub(super) fn callers(&self, batch: &[Decoded]) -> Vec<Span> {
        let state = self.lock();
        let waiters = batch.iter().filter_map(|picture| state.jobs.get(&picture.key));
        waiters.flat_map(Waiters::spans).cloned().collect()
    }

    fn forget_unwanted(&self, state: &mut State) {
        let State { jobs, ready, .. } = state;
        let before = ready.len();
        ready.retain(|decoded| wanted(jobs, &decoded.key));
        let gone = before - ready.len();
        if gone > 0 {
            state.let_go_pictures(gone);
            state.show();
            self.to_decode.notify_all();
        }
    }

    /// Answers all who wait for pictures, and keeps the features. `links` gets those who joined while the tower ran, too.
    pub(super) fn finish(&self, done: impl IntoIterator<Item = (Running, Answer)>, links: &mut Links) {
        let mut state = self.lock();
        let mut answers = Vec::new();
        for (Running(key), answer) in done {
            state.let_go_pictures(1);
            if let Ok(features) = &answer {
                state.cache.put(key, Arc::clone(features));
            }
            answers.push((state.jobs.remove(&key).unwrap_or_default(), answer));
        }
        metrics::gauge!("fondue_vision_cache_bytes").set(state.cache.bytes() as f64);
        drop(state);
        self.to_decode.notify_all();
        for (waiters, answer) in answers {
            waiters.spans().for_each(|call| links.add(call));
            waiters.answer(&answer);
        }
    }

    /// Ends the threads; whoever still waits is told that the engine has stopped.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.to_decode.clear();
        state.ready.clear();
        // Their channels close with them.
        state.jobs.clear();
        state.show();
        drop(state);
        self.to_decode.notify_all();
        self.ready.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock can panic half-way: a poisoned one still guards a whole line.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The next picture that somebody wants, if it fits.
    fn pop_to_decode(&mut self, limit: usize) -> Option<Undecoded> {
        while let Some(mut next) = self.to_decode.pop_front() {
            if !wanted(&mut self.jobs, &next.key) {
                continue;
            }
            let needs = next.decoding_bytes.saturating_add(self.picture_bytes());
            let held = self.held_bytes.saturating_add(needs);
            // By itself, one may be larger than the limit: it would wait for ever.
            if self.held_bytes > 0 && held > limit {
                self.to_decode.push_front(next);
                return None;
            }
            self.hold(held);
            next.queued = next.since.elapsed();
            next.wait = Span::none();
            self.show();
            return Some(next);
        }
        self.show();
        None
    }

    fn show(&self) {
        measures::queued(self.to_decode.len(), self.ready.len());
    }

    fn picture_bytes(&self) -> usize {
        self.picture_values * size_of::<f32>()
    }

    fn let_go(&mut self, bytes: usize) {
        self.hold(self.held_bytes.saturating_sub(bytes));
    }

    fn let_go_pictures(&mut self, n: usize) {
        self.let_go(n * self.picture_bytes());
    }

    fn hold(&mut self, bytes: usize) {
        self.held_bytes = bytes;
        metrics::gauge!("fondue_vision_decoded_bytes").set(bytes as f64);
    }
}

/// Whether anybody waits for a job; one that nobody waits for is over.
fn wanted(jobs: &mut HashMap<Key, Waiters>, key: &Key) -> bool {
    let wanted = jobs.get_mut(key).is_some_and(Waiters::any_left);
    if !wanted {
        jobs.remove(key);
    }
    wanted
}

impl Decoded {
    /// Its place to answer, and its pixels.
    pub(super) fn split(self) -> (Running, Vec<f32>) {
        (Running(self.key), self.pixels)
    }

    /// How long it waited, for a worker and for the tower.
    pub(super) fn queued(&self) -> Duration {
        self.queued + self.since.elapsed()
    }
}

#[cfg(test)]
impl Line {
    /// Bytes held, and pictures that wait for a worker and for the tower.
    pub(super) fn look(&self) -> (usize, usize, usize) {
        let state = self.lock();
        (state.held_bytes, state.to_decode.len(), state.ready.len())
    }
}
