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
}

struct Picture {
    pixels: Vec<f32>,
    out: oneshot::Sender<Result<Vec<f32>, EngineError>>,
    deadline: Instant,
    _permit: OwnedSemaphorePermit,
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
        let (owner, ()) = Owner::spawn("vision", load, |_| (), serve)?;
        Ok(Self { owner: Arc::new(owner), room: Arc::new(Semaphore::new(limits.max_queued)), limits })
    }

    /// Features of pictures, in their order: `3 × size × size` normalised f32 → `feature_dim` f32 each.
    ///
    /// # Errors
    /// [`EngineError::Busy`] at once if they find no room in the queue; [`EngineError::Deadline`].
    pub async fn encode(
        &self,
        pictures: Vec<Vec<f32>>,
        deadline: Instant,
    ) -> Result<Vec<Vec<f32>>, EngineError> {
        let n = u32::try_from(pictures.len()).unwrap_or(u32::MAX);
        let busy = |_| EngineError::Busy { limit: self.limits.max_queued };
        let mut permits = Arc::clone(&self.room).try_acquire_many_owned(n).map_err(busy)?;
        let mut results = Vec::with_capacity(pictures.len());
        for pixels in pictures {
            let (out, result) = oneshot::channel();
            let permit = permits.split(1).ok_or(EngineError::Stopped)?;
            self.owner.send(Picture { pixels, out, deadline, _permit: permit })?;
            results.push(result);
        }
        let mut features = Vec::with_capacity(results.len());
        for result in results {
            features.push(result.await.map_err(|_| EngineError::Stopped)??);
        }
        Ok(features)
    }
}

/// The thread's life: gather, run, hand out.
fn own(tower: &VisionTower, mut pictures: mpsc::UnboundedReceiver<Picture>, limits: VisionLimits) {
    while let Some(first) = pictures.blocking_recv() {
        let mut batch = vec![first];
        gather(&mut batch, &mut pictures, limits);
        let now = Instant::now();
        let (due, late): (Vec<_>, Vec<_>) = batch.into_iter().partition(|picture| now < picture.deadline);
        for picture in late {
            let _ = picture.out.send(Err(EngineError::Deadline { tokens: 0 }));
        }
        let (mut inputs, mut outs) = (Vec::new(), Vec::new());
        for picture in due {
            // Whoever has hung up is not worth a place in the batch.
            if !picture.out.is_closed() {
                inputs.push(picture.pixels);
                outs.push((picture.out, picture._permit));
            }
        }
        metrics::histogram!("fondue_vision_batch_pictures").record(inputs.len() as f64);
        match tower.encode(&inputs) {
            Ok(features) => outs.into_iter().zip(features).for_each(|((out, _), features)| {
                let _ = out.send(Ok(features));
            }),
            Err(error) => {
                let error = EngineError::from(error);
                outs.into_iter().for_each(|(out, _)| {
                    let _ = out.send(Err(error.clone()));
                });
            }
        }
    }
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
