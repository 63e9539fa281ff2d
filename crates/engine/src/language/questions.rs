//! Questions with one answer: embeddings of pictures, the query of a prompt, the likelihood of continuations.
//!
//! They are worked off between the steps of the batch, one forward pass at a time, so that no question, however
//! large, keeps the answers that decode waiting for longer than one pass.

use std::{collections::VecDeque, time::Instant};

use fondue_domain::{Embedding, TokenId};
use fondue_model::{Chunk, KvCache, LanguageModel, ModelError, Prompt};
use tch::Tensor;

use super::job::{Ask, Likelihood};
use crate::EngineError;

/// A question on its way to its answer.
pub(super) enum Question {
    Project(Ask<Vec<Embedding>>, Vec<Vec<f32>>),
    Query(Ask<Embedding>, Prompt),
    Score(Ask<Vec<Likelihood>>, Score),
}

/// Continuations to weigh, and how far that is.
pub(super) struct Score {
    prompt: Prompt,
    left: VecDeque<Vec<TokenId>>,
    done: Vec<Likelihood>,
    /// The prompt's keys and values, and its last state, once it was run.
    ran: Option<(KvCache, Tensor)>,
}

impl Score {
    pub(super) fn new(prompt: Prompt, candidates: Vec<Vec<TokenId>>) -> Self {
        Self { prompt, left: candidates.into(), done: Vec::new(), ran: None }
    }
}

impl Question {
    /// Does the work of one forward pass; gives the question back if more is left. One that nobody waits for any more
    /// is dropped, one whose time is over is refused.
    pub(super) fn advance(self, model: &LanguageModel) -> Option<Self> {
        match self {
            Self::Project(ask, features) => {
                let ask = ask.still_wanted()?;
                ask.answer(model.mapping().project(&features).map_err(EngineError::from));
                None
            }
            Self::Query(ask, prompt) => {
                let ask = ask.still_wanted()?;
                ask.answer(query(model, prompt));
                None
            }
            Self::Score(ask, score) => {
                let ask = ask.still_wanted()?;
                match score.advance(model) {
                    Ok(Ok(done)) => ask.answer(Ok(done)),
                    Ok(Err(more)) => return Some(Self::Score(ask, more)),
                    Err(error) => ask.answer(Err(error)),
                }
                None
            }
        }
    }

    /// The engine goes: who asked is told.
    pub(super) fn abandon(self) {
        match self {
            Self::Project(ask, _) => ask.answer(Err(EngineError::Stopped)),
            Self::Query(ask, _) => ask.answer(Err(EngineError::Stopped)),
            Self::Score(ask, _) => ask.answer(Err(EngineError::Stopped)),
        }
    }
}

impl<Answer> Ask<Answer> {
    fn still_wanted(self) -> Option<Self> {
        if self.out.is_closed() {
            return None;
        }
        if Instant::now() >= self.deadline {
            self.answer(Err(EngineError::Deadline { tokens: 0 }));
            return None;
        }
        Some(self)
    }

    fn answer(self, answer: Result<Answer, EngineError>) {
        // The room is free before the answer is there: whoever asks again at once finds it.
        drop(self.permit);
        let _ = self.out.send(answer);
    }
}

/// The state at the prompt's last `[RET]`, in retrieval space; one is added if there is none.
fn query(model: &LanguageModel, mut prompt: Prompt) -> Result<Embedding, EngineError> {
    // What stands behind it cannot change its state.
    if !prompt.cut_after_last(model.ret()) {
        prompt.push(model.ret());
    }
    let mut cache = model.new_cache();
    let last = last_state(model, &mut cache, &prompt)?;
    Ok(model.mapping().query(&last)?.pop().ok_or(EngineError::Stopped)??)
}

impl Score {
    /// Runs the prompt the first time and one candidate each time after, from a copy of the prompt's cache. `Err` is
    /// what is left.
    fn advance(mut self, model: &LanguageModel) -> Result<Result<Vec<Likelihood>, Self>, EngineError> {
        let Some((cache, last)) = &self.ran else {
            let mut cache = model.new_cache();
            let last = last_state(model, &mut cache, &self.prompt)?;
            self.ran = Some((cache, last));
            return Ok(Err(self));
        };
        if let Some(tokens) = self.left.pop_front() {
            let likelihood = weigh(model, cache, last, &tokens)?;
            self.done.push(likelihood);
        }
        Ok(if self.left.is_empty() { Ok(self.done) } else { Err(self) })
    }
}

fn weigh(
    model: &LanguageModel,
    cache: &KvCache,
    last: &Tensor,
    tokens: &[TokenId],
) -> Result<Likelihood, EngineError> {
    // The state before each token: the prompt's last, then those of all tokens but the last.
    let mut states = last.shallow_clone();
    if let Some((_, before @ [_, ..])) = tokens.split_last() {
        let mut fork = cache.fork()?;
        let vectors = model.embed_tokens(before)?;
        let hidden = model.forward(&mut [Chunk { vectors, cache: &mut fork }])?;
        states = Tensor::f_cat(&[last.shallow_clone(), hidden], 0).map_err(ModelError::from)?;
    }
    let log_likelihood = model.log_probs(&states, tokens)?.iter().sum();
    Ok(Likelihood { log_likelihood, tokens: tokens.len() })
}

fn last_state(model: &LanguageModel, cache: &mut KvCache, prompt: &Prompt) -> Result<Tensor, EngineError> {
    let vectors = model.embed(prompt)?;
    let n = vectors.size()[0];
    let hidden = model.forward(&mut [Chunk { vectors, cache }])?;
    Ok(hidden.f_narrow(0, n - 1, 1).map_err(ModelError::from)?)
}
