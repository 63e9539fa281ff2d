//! The two engines, each loaded when something is asked of it.

use std::{cell::OnceCell, path::PathBuf, thread, time::Duration};

use anyhow::{Context, Result, ensure};
use fondue_engine::{KvBudget, LanguageEngine, LanguageLimits, VisionEngine, VisionLimits};
use fondue_imaging::{ImageLimits, Preprocess};
use fondue_model::{
    LanguageModel, Placement, Tokenizer, VisionTower, placement::set_threads, weights::unwatched,
};
use tokio::runtime::Runtime;

use super::ModelArgs;

/// How large a picture may be.
pub(super) const PICTURE: ImageLimits = ImageLimits { max_pixels: 100_000_000, max_bytes: 64 << 20 };
/// Pictures in one forward pass.
const BATCH: usize = 32;
/// Waiting costs nothing here: whoever asks waits for the answers in any case.
const QUEUE: usize = 1 << 16;

/// Both engines and the runtime that their answers come through.
pub(super) struct Engines {
    model: PathBuf,
    placement: Placement,
    slots: usize,
    kv_bytes: usize,
    pub(super) runtime: Runtime,
    vision: OnceCell<VisionEngine>,
    language: OnceCell<LanguageEngine>,
}

impl Engines {
    pub(super) fn new(args: &ModelArgs) -> Result<Self> {
        let placement = args.placement()?;
        placement.check()?;
        if let Some(threads) = args.threads {
            set_threads(threads);
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        Ok(Self {
            model: args.model.clone(),
            placement,
            slots: args.slots.into(),
            kv_bytes: args.kv_bytes,
            runtime: runtime.context("starting threads")?,
            vision: OnceCell::new(),
            language: OnceCell::new(),
        })
    }

    pub(super) fn placement(&self) -> Placement {
        self.placement
    }

    /// Questions of the language model that run at once.
    pub(super) fn slots(&self) -> usize {
        self.slots
    }

    pub(super) fn vision(&self) -> Result<&VisionEngine> {
        if self.vision.get().is_none() {
            let _ = self.vision.set(self.load_vision()?);
        }
        self.vision.get().context("the vision tower was not loaded")
    }

    pub(super) fn language(&self) -> Result<&LanguageEngine> {
        if self.language.get().is_none() {
            let _ = self.language.set(self.load_language()?);
        }
        self.language.get().context("the language model was not loaded")
    }

    fn load_vision(&self) -> Result<VisionEngine> {
        let (clip, placement) = (self.model.join("clip"), self.placement);
        let preprocess = Preprocess::from_file(&clip.join("preprocessor_config.json"))?;
        let made = preprocess.size as usize;
        let threads = thread::available_parallelism().map_or(1, usize::from).min(16);
        let limits = VisionLimits {
            max_batch: BATCH,
            max_queued: QUEUE,
            queued_bytes: usize::MAX >> 4,
            gather: Duration::from_millis(5),
            decode_threads: threads,
            decoded_bytes: 512 << 20,
            feature_cache_bytes: 0,
            image: PICTURE,
        };
        let tower = VisionTower::load(&clip, placement, &unwatched)?;
        let taken = tower.image_size();
        ensure!(
            made == taken,
            "preprocessor_config.json makes pictures of {made} px, the tower takes {taken} px"
        );
        Ok(VisionEngine::spawn(move || Ok(tower), preprocess, limits)?)
    }

    fn load_language(&self) -> Result<LanguageEngine> {
        let (opt, mapping, placement) = (self.model.join("opt"), self.model.join("fromage"), self.placement);
        let tokenizer = Tokenizer::load(&opt)?;
        let ret = tokenizer.ret();
        let limits = LanguageLimits {
            slots: self.slots,
            queue: QUEUE,
            prefill_rows: 512,
            prefill_stretch: 1000.0, // nobody watches the words come
            kv: KvBudget::UpTo(self.kv_bytes),
            prefix_cache: true,
        };
        let load = move || LanguageModel::load(&opt, &mapping, ret, placement, &unwatched);
        Ok(LanguageEngine::spawn(load, tokenizer, limits)?)
    }
}
