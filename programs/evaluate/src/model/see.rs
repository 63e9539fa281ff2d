//! Pictures through the vision tower.

use std::{fs, path::PathBuf, sync::Arc, time::Instant};

use anyhow::Result;
use bytes::Bytes;
use fondue_domain::Compat;
use fondue_engine::{EngineError, PictureFile, VisionEngine};
use fondue_imaging::Fit;
use sha2::{Digest, Sha256};

use super::{
    Answer, Model, Sight,
    ask::{Work, missing, refusal, run},
    engines::PICTURE,
    kept::{Floats, Key},
};

/// Pictures on the way at once: two batches.
const AT_ONCE: usize = 64;
/// How long the tower may take: no picture ends for lack of time.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(86_400);

impl Model {
    /// Sees pictures, as is right or as the published code shows pictures of the web to its tower: squashed.
    pub(crate) fn see(&mut self, files: &[PathBuf], compat: Compat) -> Result<Vec<Answer<Sight>>> {
        let fit = if compat.is_reference() { Fit::Squash } else { Fit::Crop };
        let mut keys = Vec::with_capacity(files.len());
        for file in files {
            self.interrupt.check()?;
            // Read once more where it must be seen, so that not all of them lie in memory.
            keys.push(read(file).map(|bytes| key(&bytes, fit, compat)));
        }
        let known: Vec<Key> = keys.iter().filter_map(|key| key.as_ref().ok().copied()).collect();
        let places: Vec<usize> = (0..files.len()).filter(|&at| keys[at].is_ok()).collect();
        let missing = missing(&self.features, &known);
        let mut refused = Vec::new();
        if !missing.is_empty() {
            let engine = self.engines.vision()?;
            let jobs = missing.iter().map(|&at| {
                let (file, engine) = (files[places[at]].clone(), engine.clone());
                async move { (at, encode(engine, file, fit, compat).await) }
            });
            let work = Work { at_once: AT_ONCE, pieces: "pictures seen", interrupt: &self.interrupt };
            let features = &mut self.features;
            self.engines.runtime.block_on(run(jobs, missing.len(), &work, |at, answer| {
                match answer {
                    Ok(Ok(values)) => features.put(known[at], Floats(values))?,
                    Ok(Err(error)) => refused.push((known[at], refusal(error)?)),
                    Err(reason) => refused.push((known[at], reason)),
                }
                Ok(())
            }))?;
        }
        let sight = |key: Answer<Key>| {
            let key = key?;
            let refusal = refused.iter().find(|(other, _)| *other == key);
            let features = self.features.get(&key).ok_or_else(|| {
                refusal.map_or_else(|| "it was not seen".to_owned(), |(_, reason)| reason.clone())
            })?;
            Ok(Sight { key, features: Arc::from(features.0.as_slice()) })
        };
        Ok(keys.into_iter().map(sight).collect())
    }
}

type Features = Vec<f32>;

async fn encode(
    engine: VisionEngine,
    file: PathBuf,
    fit: Fit,
    compat: Compat,
) -> Answer<Result<Features, EngineError>> {
    let data = Bytes::from(read(&file)?);
    let picture = PictureFile { data, fit, compat };
    let features = engine.encode(vec![picture], Instant::now() + PATIENCE).await;
    Ok(features.map(|features| features.first().map(|values| values.to_vec()).unwrap_or_default()))
}

fn read(file: &PathBuf) -> Answer<Vec<u8>> {
    let length = fs::metadata(file).map_err(|error| error.to_string())?.len();
    if length > PICTURE.max_bytes as u64 {
        return Err(format!("has {length} bytes, the limit is {}", PICTURE.max_bytes));
    }
    fs::read(file).map_err(|error| error.to_string())
}

fn key(bytes: &[u8], fit: Fit, compat: Compat) -> Key {
    let mut hash = Sha256::new();
    hash.update(format!("{fit:?} {compat} "));
    hash.update(bytes);
    hash.finalize().into()
}
