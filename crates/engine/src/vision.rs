//! The vision engine: pictures of all callers share decode workers, batches and a cache of features.
//!
//! ```text
//! encode ─▶ known by content? ─yes▶ features
//!              │ no: one job for all who want this picture
//!              ▼
//!           to decode ──workers, within decoded_bytes──▶ ready ──the tower's thread, in batches──▶ features
//! ```
//! A job belongs to nobody: it goes on while anybody waits for it, whoever asked first, and is dropped at its next
//! step once nobody does.

mod cache;
mod decode;
mod job;
mod line;
mod links;
mod measures;
mod picture;
mod tower;

use std::{
    convert::Infallible,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use fondue_imaging::{ImageLimits, ImagingError, Picture, Preprocess};
use fondue_model::{ModelError, VisionTower};
use futures::future::try_join_all;
use tokio::sync::Semaphore;

pub use self::{job::Features, measures::VISION_MEASURES, picture::PictureFile};
use self::{
    job::{Failure, Place},
    line::Line,
    picture::Identified,
};
use crate::{EngineError, owner::Owner};

/// Limits of the vision engine.
#[derive(Clone, Copy, Debug)]
pub struct VisionLimits {
    /// Pictures in one forward pass.
    pub max_batch: usize,
    /// Pictures waiting or running at most; more are refused.
    pub max_queued: usize,
    /// Bytes of files that wait to be decoded at most; more are refused.
    pub queued_bytes: usize,
    /// How long after a picture is decoded a batch may wait for company for it.
    pub gather: Duration,
    /// Threads that decode and resize.
    pub decode_threads: usize,
    /// Bytes of pictures that are being decoded, wait for the tower or run through it. A picture that is larger by
    /// itself is decoded when nothing else is held.
    pub decoded_bytes: usize,
    /// Bytes of features that are kept by content; 0 keeps none.
    pub feature_cache_bytes: usize,
    /// Size of one picture.
    pub image: ImageLimits,
}

/// A handle to the threads that decode pictures and own the vision tower; clones share them.
#[derive(Clone)]
pub struct VisionEngine {
    room: Arc<Room>,
}

struct Room {
    line: Arc<Line>,
    /// No commands: the thread takes its work from the line.
    owner: Owner<Infallible>,
    workers: Vec<JoinHandle<()>>,
    places: Arc<Semaphore>,
    /// A permit for each byte of files.
    file_bytes: Arc<Semaphore>,
    limits: VisionLimits,
}

impl VisionEngine {
    /// Starts the threads; returns once the tower is loaded. Blocks: call it outside of async code.
    ///
    /// `preprocess` must make pictures of the tower's size.
    ///
    /// # Errors
    /// [`EngineError::Model`] if the tower does not load, [`EngineError::Thread`].
    pub fn spawn(
        load: impl FnOnce() -> Result<VisionTower, ModelError> + Send + 'static,
        preprocess: Preprocess,
        limits: VisionLimits,
    ) -> Result<Self, EngineError> {
        let prepare = move |file: &PictureFile| {
            preprocess.picture_pixels(&Picture::decode(&file.data, &limits.image, file.compat)?, file.fit)
        };
        let values = |tower: &VisionTower| 3 * tower.image_size() * tower.image_size();
        Self::assemble(load, values, VisionTower::encode, prepare, limits)
    }

    /// An engine of any parts: `values` tells how many numbers a prepared picture has.
    fn assemble<Tower: Send + 'static>(
        load: impl FnOnce() -> Result<Tower, ModelError> + Send + 'static,
        values: impl FnOnce(&Tower) -> usize + Send + 'static,
        encode: impl Fn(&Tower, &[Vec<f32>]) -> Result<Vec<Vec<f32>>, ModelError> + Send + 'static,
        prepare: impl Fn(&PictureFile) -> Result<Vec<f32>, ImagingError> + Send + Sync + 'static,
        limits: VisionLimits,
    ) -> Result<Self, EngineError> {
        let line = Arc::new(Line::new(limits));
        let serve = {
            let line = Arc::clone(&line);
            move |tower, _| tower::own(&line, |pixels| encode(&tower, pixels))
        };
        let (owner, expected) = Owner::spawn("vision", load, values, serve)?;
        line.set_picture_values(expected);
        let places = Arc::new(Semaphore::new(limits.max_queued));
        let file_bytes = Arc::new(Semaphore::new(limits.queued_bytes.min(Semaphore::MAX_PERMITS)));
        let mut room = Room { line, owner, workers: Vec::new(), places, file_bytes, limits };
        let prepare = Arc::new(prepare);
        for n in 0..limits.decode_threads.max(1) {
            let (line, prepare) = (Arc::clone(&room.line), Arc::clone(&prepare));
            let worker = thread::Builder::new()
                .name(format!("decode-{n}"))
                .spawn(move || decode::work(&line, prepare.as_ref()))
                .map_err(|error| EngineError::Thread(error.to_string()))?;
            room.workers.push(worker);
        }
        Ok(Self { room: Arc::new(room) })
    }

    /// Completes when the tower's thread has ended though it should not have.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + use<> {
        self.room.owner.ended()
    }

    /// Features of pictures, in their order: `feature_dim` f32 each. Equal pictures cost one decoding and one place
    /// in a batch, whoever shows them; those that are kept cost neither.
    ///
    /// # Errors
    /// [`EngineError::Busy`] or [`EngineError::BusyBytes`] at once if there is no room for as many; [`EngineError::Picture`] for the first that
    /// cannot be read, [`EngineError::Model`], [`EngineError::Late`], [`EngineError::Broken`],
    /// [`EngineError::Stopped`].
    pub async fn encode(
        &self,
        files: Vec<PictureFile>,
        deadline: Instant,
    ) -> Result<Vec<Features>, EngineError> {
        let limits = self.room.limits;
        // Before any work: what finds no room is refused while it is cheap.
        let n = u32::try_from(files.len()).unwrap_or(u32::MAX);
        let busy = || EngineError::Busy { limit: limits.max_queued };
        let mut places = Arc::clone(&self.room.places).try_acquire_many_owned(n).map_err(|_| busy())?;
        let length = files.iter().map(|file| file.data.len()).sum::<usize>();
        let too_large = || EngineError::BusyBytes { limit: limits.queued_bytes };
        // What is longer than a message of gRPC can be does not come from there.
        let length = u32::try_from(length).map_err(|_| too_large())?;
        let mut bytes =
            Arc::clone(&self.room.file_bytes).try_acquire_many_owned(length).map_err(|_| too_large())?;
        metrics::counter!("fondue_vision_pictures_total").increment(u64::from(n));
        let work = async {
            // Hashing megabytes is no work for an async thread. The places go along, in case the caller leaves.
            let identify = move || {
                let identify = |file: PictureFile| {
                    let room = bytes.split(file.data.len())?;
                    Some((Identified::new(file, &limits.image, room), places.split(1)?))
                };
                files.into_iter().map(identify).collect::<Option<Vec<_>>>()
            };
            let pictures = tokio::task::spawn_blocking(identify).await.map_err(|_| EngineError::Broken)?;
            let wanted = self.room.line.ask(pictures.ok_or_else(busy)?, deadline)?;
            try_join_all(wanted.into_iter().enumerate().map(|(index, place)| features(index, place))).await
        };
        tokio::time::timeout_at(Instant::into(deadline), work).await.unwrap_or(Err(EngineError::Late))
    }
}

async fn features(index: usize, place: Place) -> Result<Features, EngineError> {
    let answer = match place {
        Place::Known(features) => return Ok(features),
        Place::Awaited(answer) => answer.await.map_err(|_| EngineError::Stopped)?,
    };
    answer.map_err(|failure| match failure {
        Failure::Picture(source) => EngineError::Picture { index, source },
        Failure::Engine(error) => error,
    })
}

impl Drop for Room {
    fn drop(&mut self) {
        // The threads wait on the line; the owner joins its own when it is dropped, after this.
        self.line.close();
        for worker in self.workers.drain(..) {
            let _ = worker.join();
        }
    }
}

#[cfg(test)]
mod tests;
