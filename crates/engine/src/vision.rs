//! The vision engine: pictures of all callers share batches.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use fondue_model::{ModelError, VisionTower};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::{EngineError, owner::Owner};

/// Limits of the vision engine.
#[derive(Clone, Copy, Debug)]
pub struct VisionLimits {
    /// Pictures in one forward pass.
    pub max_batch: usize,
    /// Pictures waiting or running at most; more are refused.
    pub max_queued: usize,
    /// How long a batch waits for company after its first picture.
    pub gather: Duration,
}

/// A handle to the thread that owns the vision tower; clones share it.
#[derive(Clone)]
pub struct VisionEngine {
    owner: Arc<Owner<Picture>>,
    room: Arc<Semaphore>,
    limits: VisionLimits,
    /// Values of one picture.
    expected: usize,
}

/// Room for pictures that are not there yet.
#[derive(Debug)]
pub struct Reservation(OwnedSemaphorePermit);

struct Picture {
    pixels: Vec<f32>,
    out: oneshot::Sender<Result<Vec<f32>, EngineError>>,
    deadline: Instant,
    permit: OwnedSemaphorePermit,
}

impl VisionEngine {
    /// Starts the thread; returns once the tower is loaded. Blocks: call it outside of async code.
    ///
    /// # Errors
    /// [`EngineError::Model`] if it does not load.
    pub fn spawn(
        load: impl FnOnce() -> Result<VisionTower, ModelError> + Send + 'static,
        limits: VisionLimits,
    ) -> Result<Self, EngineError> {
        let serve = move |tower, pictures| own(&tower, pictures, limits);
        let values = |tower: &VisionTower| 3 * tower.image_size() * tower.image_size();
        let (owner, expected) = Owner::spawn("vision", load, values, serve)?;
        let room = Arc::new(Semaphore::new(limits.max_queued));
        Ok(Self { owner: Arc::new(owner), room, limits, expected })
    }

    /// Completes when the thread has ended though it should not have.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + use<> {
        self.owner.ended()
    }

    /// Takes room for `n` pictures, before the work of decoding them is done.
    ///
    /// # Errors
    /// [`EngineError::Busy`] at once if there is not enough.
    pub fn reserve(&self, n: usize) -> Result<Reservation, EngineError> {
        let n = u32::try_from(n).unwrap_or(u32::MAX);
        let busy = |_| EngineError::Busy { limit: self.limits.max_queued };
        Ok(Reservation(Arc::clone(&self.room).try_acquire_many_owned(n).map_err(busy)?))
    }

    /// Features of pictures, in their order: `3 × size × size` normalised f32 → `feature_dim` f32 each. The room must
    /// have been reserved for as many.
    ///
    /// # Errors
    /// [`EngineError::Model`] for a picture of another length; [`EngineError::Deadline`].
    pub async fn encode(
        &self,
        Reservation(mut permits): Reservation,
        pictures: Vec<Vec<f32>>,
        deadline: Instant,
    ) -> Result<Vec<Vec<f32>>, EngineError> {
        let expected = self.expected;
        if let Some(wrong) = pictures.iter().find(|pixels| pixels.len() != expected) {
            return Err(ModelError::Shape { what: "picture", got: wrong.len(), expected }.into());
        }
        let mut results = Vec::with_capacity(pictures.len());
        for pixels in pictures {
            let (out, result) = oneshot::channel();
            let permit = permits.split(1).ok_or(EngineError::Busy { limit: self.limits.max_queued })?;
            self.owner.send(Picture { pixels, out, deadline, permit })?;
            results.push(result);
        }
        let mut features = Vec::with_capacity(results.len());
        for result in results {
            features.push(result.await.map_err(|_| EngineError::Stopped)??);
        }
        Ok(features)
    }
}

impl Picture {
    fn answer(self, answer: Result<Vec<f32>, EngineError>) {
        // The room is free before the answer is there: whoever asks again at once finds it.
        drop(self.permit);
        let _ = self.out.send(answer);
    }
}

/// The thread's life: gather, run, hand out.
fn own(tower: &VisionTower, mut pictures: mpsc::UnboundedReceiver<Picture>, limits: VisionLimits) {
    while let Some(first) = pictures.blocking_recv() {
        let mut batch = vec![first];
        gather(&mut batch, &mut pictures, limits);
        let now = Instant::now();
        let (due, late): (Vec<_>, Vec<_>) = batch.into_iter().partition(|picture| now < picture.deadline);
        late.into_iter().for_each(|picture| picture.answer(Err(EngineError::Deadline { tokens: 0 })));
        // Whoever has hung up is not worth a place in the batch.
        let mut batch: Vec<Picture> = due.into_iter().filter(|picture| !picture.out.is_closed()).collect();
        if batch.is_empty() {
            continue;
        }
        metrics::histogram!("fondue_vision_batch_pictures").record(batch.len() as f64);
        match run(tower, &mut batch) {
            Ok(()) => {}
            Err(error) if batch.len() == 1 => fail(batch, error),
            Err(error) => {
                // Whoever asks for too much (memory, say) fails without the others.
                tracing::warn!(%error, pictures = batch.len(), "a batch failed; its pictures are tried one by one");
                for picture in batch {
                    let mut alone = vec![picture];
                    if let Err(error) = run(tower, &mut alone) {
                        fail(alone, error);
                    }
                }
            }
        }
    }
}

/// Runs a batch and answers it; a batch that fails is as it was.
fn run(tower: &VisionTower, batch: &mut Vec<Picture>) -> Result<(), ModelError> {
    let pixels: Vec<Vec<f32>> = batch.iter_mut().map(|picture| std::mem::take(&mut picture.pixels)).collect();
    match tower.encode(&pixels) {
        Ok(features) => {
            batch.drain(..).zip(features).for_each(|(picture, features)| picture.answer(Ok(features)));
            Ok(())
        }
        Err(error) => {
            batch.iter_mut().zip(pixels).for_each(|(picture, pixels)| picture.pixels = pixels);
            Err(error)
        }
    }
}

fn fail(batch: Vec<Picture>, error: ModelError) {
    let error = EngineError::from(error);
    batch.into_iter().for_each(|picture| picture.answer(Err(error.clone())));
}

/// Fills the batch with what waits, and with what comes within the time to gather.
fn gather(batch: &mut Vec<Picture>, pictures: &mut mpsc::UnboundedReceiver<Picture>, limits: VisionLimits) {
    let until = Instant::now() + limits.gather;
    while batch.len() < limits.max_batch {
        match pictures.try_recv() {
            Ok(picture) => batch.push(picture),
            Err(mpsc::error::TryRecvError::Disconnected) => return,
            Err(mpsc::error::TryRecvError::Empty) => {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return;
                }
                std::thread::sleep(left.min(GLANCE));
            }
        }
    }
}

/// How often a batch looks for company while it waits.
const GLANCE: Duration = Duration::from_micros(200);
