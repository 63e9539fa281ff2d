//! The language engine: decodes many answers on one thread, which it shares with projections, queries and scores.

mod batch;
mod budget;
mod gauges;
mod job;
mod key;
mod member;
mod pace;
mod pages;
mod published;
mod questions;
mod room;
mod run;
mod sequence;
mod steps;
mod stop;

use std::{sync::Arc, time::Instant};

use fondue_domain::{Compat, Embedding, TokenId};
use fondue_model::{LanguageModel, ModelError, Prompt, PromptPart, Tokenizer};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

pub use budget::KvBudget;
pub use gauges::{KvLoad, LANGUAGE_MEASURES};
pub use job::{Emission, FinishReason, Generation, Likelihood, Likelihoods, Usage};

use self::{
    gauges::Gauges,
    job::{Ask, Command, Job, Weighed},
    questions::Projection,
    room::Room,
};
use crate::{EngineError, owner::Owner};

/// Limits of the language engine.
#[derive(Clone, Copy, Debug)]
pub struct LanguageLimits {
    /// Answers that decode at once.
    pub slots: usize,
    /// Requests that wait for a slot at most; more are refused.
    pub queue: usize,
    /// Rows of prompts in one step at most.
    pub prefill_rows: usize,
    /// While answers decode, prompts enter in pieces such that a step takes this many times as long at most as one
    /// without them; 1 or more. Eight rows of prompts move in any case.
    pub prefill_stretch: f32,
    /// Memory for keys and values.
    pub kv: KvBudget,
    /// Whether keys and values are kept for a later prompt that begins alike.
    pub prefix_cache: bool,
}

/// What the loaded model is like.
#[derive(Clone, Copy, Debug)]
pub struct LanguageFacts {
    /// Length of the features of a picture.
    pub feature_dim: usize,
    /// Length of a query.
    pub embedding_dim: usize,
    /// Positions that a picture takes.
    pub prefix_len: usize,
    /// Positions of prompt and answer together.
    pub max_positions: usize,
    /// Beginning of a text.
    pub bos: TokenId,
    /// Bytes of a block of keys and values.
    pub kv_block_bytes: usize,
    /// Such blocks in all.
    pub kv_blocks: usize,
}

/// A handle to the thread that owns the language model; clones share it.
#[derive(Clone)]
pub struct LanguageEngine {
    owner: Arc<Owner<Command>>,
    tokenizer: Arc<Tokenizer>,
    facts: LanguageFacts,
    room: Arc<Semaphore>,
    limits: LanguageLimits,
    gauges: Arc<Gauges>,
}

impl LanguageEngine {
    /// Starts the thread; returns once the model is loaded. Blocks: call it outside of async code.
    ///
    /// # Errors
    /// [`EngineError::Model`] if it does not load; [`EngineError::KvBudget`], [`EngineError::KvMemory`].
    pub fn spawn(
        load: impl FnOnce() -> Result<LanguageModel, ModelError> + Send + 'static,
        tokenizer: Tokenizer,
        limits: LanguageLimits,
    ) -> Result<Self, EngineError> {
        let (tokenizer, gauges) = (Arc::new(tokenizer), Arc::new(Gauges::default()));
        let (for_owner, shown) = (Arc::clone(&tokenizer), Arc::clone(&gauges));
        let open = move || Room::open(load, limits);
        let serve = move |room: Room, commands| room.live(&for_owner, commands, limits, shown);
        let (owner, facts) = Owner::spawn("language", open, facts, serve)?;
        let room = Arc::new(Semaphore::new(limits.slots + limits.queue));
        Ok(Self { owner: Arc::new(owner), tokenizer, facts, room, limits, gauges })
    }

    /// Completes when the thread has ended though it should not have.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + use<> {
        self.owner.ended()
    }

    /// What the loaded model is like.
    pub fn facts(&self) -> LanguageFacts {
        self.facts
    }

    /// (answers that decode now, requests that wait now). Both are 0 only if all room is free.
    pub fn load(&self) -> (usize, usize) {
        // Permits are exact at any time; the thread tells what it decodes once a step.
        let inside = self.limits.slots + self.limits.queue - self.room.available_permits();
        let active = self.gauges.decoding().min(inside);
        (active, inside - active)
    }

    /// The memory of keys and values, as it was before the last step.
    pub fn kv(&self) -> KvLoad {
        self.gauges.kv(self.facts.kv_block_bytes, self.facts.kv_blocks)
    }

    /// Forgets the keys and values that nobody uses now.
    ///
    /// # Errors
    /// [`EngineError::Stopped`].
    pub async fn forget_prefixes(&self) -> Result<(), EngineError> {
        let (done, forgotten) = oneshot::channel();
        self.owner.send(Command::Forget(done))?;
        forgotten.await.map_err(|_| EngineError::Stopped)
    }

    /// The tokenizer that belongs to the model.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Lays out a prompt and checks that it leaves room for an answer.
    ///
    /// # Errors
    /// [`EngineError::Model`] if there is no text or a picture has features of another length;
    /// [`EngineError::PromptTooLong`].
    pub fn prompt(&self, parts: Vec<PromptPart>) -> Result<Prompt, EngineError> {
        let expected = self.facts.feature_dim;
        for part in &parts {
            if let PromptPart::Image(features) = part
                && features.len() != expected
            {
                return Err(ModelError::Shape {
                    what: "a picture's feature vector",
                    got: features.len(),
                    expected,
                }
                .into());
            }
        }
        let prompt = Prompt::assemble(parts, self.facts.bos)?;
        let (got, max) = (prompt.positions(self.facts.prefix_len), self.facts.max_positions);
        if got >= max { Err(EngineError::PromptTooLong { got, max }) } else { Ok(prompt) }
    }

    /// Starts an answer; dropping the receiver ends it within one step.
    ///
    /// # Errors
    /// [`EngineError::Busy`] at once if slots and queue are full.
    pub fn generate(&self, generation: Generation) -> Result<mpsc::Receiver<Emission>, EngineError> {
        let permit = self.permit()?;
        let (out, emissions) = mpsc::channel(Job::capacity(&generation));
        let (submitted, span) = (Instant::now(), tracing::Span::current());
        self.owner.send(Command::Generate(Box::new(Job {
            generation,
            out,
            submitted,
            span,
            permit: Some(permit),
        })))?;
        Ok(emissions)
    }

    /// Features of pictures → their embeddings in retrieval space.
    ///
    /// # Errors
    /// [`EngineError::Busy`], [`EngineError::Deadline`], or [`EngineError::Model`] for a wrong length.
    pub async fn project(
        &self,
        features: Vec<Vec<f32>>,
        deadline: Instant,
    ) -> Result<Vec<Embedding>, EngineError> {
        self.ask(deadline, |ask| Command::Project(Projection { ask, features })).await
    }

    /// The retrieval query of a prompt: the state at its last `[RET]`, which is added if it is missing.
    ///
    /// With [`Compat::Reference`], as the published code reads it: the first `[RET]`, which must be there, counted among
    /// the prompt's *text* tokens, and the state at that place among *all* positions, so that every position of a picture
    /// before it moves the place that is read one position towards the beginning.
    ///
    /// `cache_key` as in [`Generation::cache_key`].
    ///
    /// # Errors
    /// As [`LanguageEngine::project`]; [`EngineError::NoRet`].
    pub async fn query(
        &self,
        prompt: Prompt,
        compat: Compat,
        cache_key: &str,
        deadline: Instant,
    ) -> Result<Embedding, EngineError> {
        let cache_key = cache_key.to_owned();
        self.ask(deadline, |ask| Command::Query { ask, prompt, compat, cache_key }).await
    }

    /// Log-likelihoods of continuations of a prompt and, if asked for, of the prompt itself. `cache_key` as in
    /// [`Generation::cache_key`].
    ///
    /// # Errors
    /// As [`LanguageEngine::project`]; [`EngineError::PromptTooLong`] if one does not fit.
    pub async fn score(
        &self,
        prompt: Prompt,
        with_prompt: bool,
        candidates: Vec<Vec<TokenId>>,
        cache_key: &str,
        deadline: Instant,
    ) -> Result<Likelihoods, EngineError> {
        let weighed = Weighed { with_prompt, candidates, unshifted: false };
        self.weigh(prompt, weighed, cache_key, deadline).await
    }

    /// As [`LanguageEngine::score`] for continuations alone, but as the published evaluation of visual dialogue weighs them: each
    /// token by the logits of the state where it is *input*, which tell the token after it. Wrong in principle; without it
    /// the published figures do not come out.
    ///
    /// # Errors
    /// As [`LanguageEngine::score`].
    pub async fn score_unshifted(
        &self,
        prompt: Prompt,
        candidates: Vec<Vec<TokenId>>,
        cache_key: &str,
        deadline: Instant,
    ) -> Result<Vec<Likelihood>, EngineError> {
        let weighed = Weighed { with_prompt: false, candidates, unshifted: true };
        Ok(self.weigh(prompt, weighed, cache_key, deadline).await?.candidates)
    }

    async fn weigh(
        &self,
        prompt: Prompt,
        weighed: Weighed,
        cache_key: &str,
        deadline: Instant,
    ) -> Result<Likelihoods, EngineError> {
        let before = prompt.positions(self.facts.prefix_len);
        let longest = weighed.candidates.iter().map(Vec::len).max().unwrap_or(0);
        if before + longest > self.facts.max_positions {
            return Err(EngineError::PromptTooLong { got: before + longest, max: self.facts.max_positions });
        }
        let cache_key = cache_key.to_owned();
        self.ask(deadline, |ask| Command::Score { ask, prompt, weighed, cache_key }).await
    }

    async fn ask<Answer>(
        &self,
        deadline: Instant,
        question: impl FnOnce(Ask<Answer>) -> Command,
    ) -> Result<Answer, EngineError> {
        let permit = self.permit()?;
        let (out, answer) = oneshot::channel();
        let span = tracing::Span::current();
        self.owner.send(question(Ask { deadline, out, permit, span }))?;
        answer.await.map_err(|_| EngineError::Stopped)?
    }

    fn permit(&self) -> Result<OwnedSemaphorePermit, EngineError> {
        let limit = self.limits.slots + self.limits.queue;
        Arc::clone(&self.room).try_acquire_owned().map_err(|_| EngineError::Busy { limit })
    }
}

fn facts(room: &Room) -> LanguageFacts {
    let model = room.model();
    LanguageFacts {
        feature_dim: model.mapping().feature_dim(),
        embedding_dim: model.mapping().embedding_dim(),
        prefix_len: model.mapping().prefix_len(),
        max_positions: model.config().max_positions(),
        bos: TokenId(model.config().bos_token_id),
        kv_block_bytes: model.block_bytes(),
        kv_blocks: room.blocks(),
    }
}
