//! The thread that owns the language model: its memory and its life.

use std::{collections::VecDeque, sync::Arc};

use fondue_model::{KvPool, LanguageModel, ModelError, Tokenizer};
use tokio::sync::mpsc::{UnboundedReceiver, error::TryRecvError};

use super::{
    LanguageLimits,
    batch::Batch,
    gauges::Gauges,
    job::Command,
    questions::{Projection, Question},
};
use crate::EngineError;

/// What the thread owns.
pub(super) struct Room {
    model: LanguageModel,
    pool: KvPool,
}

impl Room {
    /// Loads the model and sets the memory for keys and values aside.
    pub(super) fn open(
        load: impl FnOnce() -> Result<LanguageModel, ModelError>,
        limits: LanguageLimits,
    ) -> Result<Self, EngineError> {
        let model = load()?;
        let (block_bytes, positions) = (model.block_bytes(), model.config().max_positions());
        let blocks = limits.kv.blocks(limits.slots, block_bytes, positions)?;
        let pool = model
            .new_pool(blocks)
            .map_err(|error| EngineError::KvMemory { bytes: blocks * block_bytes, error: Arc::new(error) })?;
        let bytes = blocks * block_bytes;
        tracing::info!(blocks, bytes, prefix_cache = limits.prefix_cache, "memory for keys and values");
        metrics::gauge!("fondue_language_kv_budget_bytes").set(bytes as f64);
        metrics::gauge!("fondue_language_slots").set(limits.slots as f64);
        Ok(Self { model, pool })
    }

    pub(super) fn model(&self) -> &LanguageModel {
        &self.model
    }

    pub(super) fn blocks(&self) -> usize {
        self.pool.blocks()
    }

    /// The thread's life: take what came, let go of what is over, one step, again. It sleeps only when idle.
    pub(super) fn live(
        self,
        tokenizer: &Tokenizer,
        mut commands: UnboundedReceiver<Command>,
        limits: LanguageLimits,
        gauges: Arc<Gauges>,
    ) {
        let Self { model, pool } = self;
        let mut work = Work {
            batch: Batch::new(limits, pool, Arc::clone(&gauges)),
            projections: VecDeque::new(),
            model: &model,
            tokenizer,
        };
        loop {
            if work.batch.is_idle() && work.projections.is_empty() {
                match commands.blocking_recv() {
                    Some(command) => work.take(command),
                    None => return,
                }
            }
            loop {
                match commands.try_recv() {
                    Ok(command) => work.take(command),
                    Err(TryRecvError::Empty) => break,
                    // Nobody holds the engine any more.
                    Err(TryRecvError::Disconnected) => return work.abandon(),
                }
            }
            work.batch.turn_over(&model);
            let (decoding, waiting) = work.batch.load();
            let load = (decoding, waiting + work.projections.len());
            gauges.show(work.batch.pages(), model.block_bytes(), load);
            work.batch.step(&model, tokenizer);
            if let Some(projection) = work.projections.pop_front() {
                projection.run(&model);
            }
        }
    }
}

struct Work<'a> {
    batch: Batch,
    projections: VecDeque<Projection>,
    model: &'a LanguageModel,
    tokenizer: &'a Tokenizer,
}

impl Work<'_> {
    fn take(&mut self, command: Command) {
        let question = match command {
            Command::Generate(job) => return self.batch.answer(*job, self.model, self.tokenizer),
            Command::Project(projection) => return self.projections.push_back(projection),
            Command::Forget(done) => {
                self.batch.forget();
                let _ = done.send(());
                return;
            }
            Command::Query { ask, prompt, compat, cache_key } => {
                Question::query(ask, prompt, compat, &cache_key, self.model)
            }
            Command::Score { ask, prompt, weighed, cache_key } => {
                Question::score(ask, prompt, weighed, &cache_key, self.model)
            }
        };
        if let Some(question) = question {
            self.batch.question(question);
        }
    }

    fn abandon(mut self) {
        self.batch.abandon();
        self.projections.drain(..).for_each(|projection| projection.ask.answer(Err(EngineError::Stopped)));
    }
}
