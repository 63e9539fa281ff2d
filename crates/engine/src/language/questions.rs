//! Questions with one answer: embeddings of pictures, the query of a prompt, the likelihood of continuations.
//!
//! They are worked off between the steps of the batch, one forward pass at a time, so that no question, however
//! large, keeps the answers that decode waiting for longer than one pass.

use std::{collections::VecDeque, time::Instant};

use fondue_domain::{Compat, Embedding, TokenId};
use fondue_model::{Chunk, KvCache, LanguageModel, ModelError, Prompt};
use tch::Tensor;

use super::job::{Ask, Likelihood, Likelihoods};
use crate::EngineError;

/// A question on its way to its answer.
pub(super) enum Question {
    Project(Ask<Vec<Embedding>>, Vec<Vec<f32>>),
    Query(Ask<Embedding>, Prompt, Compat),
    Score(Ask<Likelihoods>, Score),
}

/// Continuations to weigh, and how far that is.
pub(super) struct Score {
    prompt: Prompt,
    with_prompt: bool,
    left: VecDeque<Vec<TokenId>>,
    done: Likelihoods,
    /// The prompt's keys and values, and its last state, once it was run.
    ran: Option<(KvCache, Tensor)>,
}

impl Score {
    pub(super) fn new(prompt: Prompt, with_prompt: bool, candidates: Vec<Vec<TokenId>>) -> Self {
        Self { prompt, with_prompt, left: candidates.into(), done: Likelihoods::default(), ran: None }
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
            Self::Query(ask, prompt, compat) => {
                let ask = ask.still_wanted()?;
                ask.answer(query(model, prompt, compat));
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
            Self::Query(ask, ..) => ask.answer(Err(EngineError::Stopped)),
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

/// The state at the prompt's `[RET]`, in retrieval space.
fn query(model: &LanguageModel, mut prompt: Prompt, compat: Compat) -> Result<Embedding, EngineError> {
    let ret = model.ret();
    let read = match compat {
        Compat::Off => {
            // What stands behind it cannot change its state.
            if !prompt.cut_after_last(ret) {
                prompt.push(ret);
            }
            prompt.positions(model.mapping().prefix_len())
        }
        // The published code looks up a place among the texts' tokens in a list of all positions' states.
        Compat::Reference => {
            let mut texts = prompt.tokens(model.mapping().prefix_len()).into_iter().flatten();
            texts.position(|token| token == ret).ok_or(EngineError::NoRet)? + 1
        }
    };
    let vectors = model.embed(&prompt)?.f_narrow(0, 0, read as i64).map_err(ModelError::from)?;
    let mut cache = model.new_cache();
    let hidden = model.forward(&mut [Chunk { vectors, cache: &mut cache }])?;
    Ok(model.mapping().query(&last_row(&hidden)?)?.pop().ok_or(EngineError::Stopped)??)
}

impl Score {
    /// Runs the prompt the first time and one candidate each time after, from a copy of the prompt's cache. `Err` is
    /// what is left.
    fn advance(mut self, model: &LanguageModel) -> Result<Result<Likelihoods, Self>, EngineError> {
        let Some((cache, last)) = &self.ran else {
            let mut cache = model.new_cache();
            let vectors = model.embed(&self.prompt)?;
            let hidden = model.forward(&mut [Chunk { vectors, cache: &mut cache }])?;
            if self.with_prompt {
                self.done.prompt = Some(weigh_prompt(model, &hidden, &self.prompt)?);
            }
            self.ran = Some((cache, last_row(&hidden)?));
            return Ok(Err(self));
        };
        if let Some(tokens) = self.left.pop_front() {
            let likelihood = weigh(model, cache, last, &tokens)?;
            self.done.candidates.push(likelihood);
        }
        Ok(if self.left.is_empty() { Ok(self.done) } else { Err(self) })
    }
}

/// ln p of a prompt's text tokens, each told by the state before it; `hidden` are the prompt's states.
fn weigh_prompt(model: &LanguageModel, hidden: &Tensor, prompt: &Prompt) -> Result<Likelihood, EngineError> {
    let tokens = prompt.tokens(model.mapping().prefix_len());
    let told = (0i64..).zip(tokens.iter().skip(1)).filter_map(|(before, token)| Some((before, (*token)?)));
    let (before, next): (Vec<i64>, Vec<TokenId>) = told.unzip();
    let mut likelihood = Likelihood { log_likelihood: 0.0, tokens: next.len() };
    // In pieces, since a row of logits is as long as the vocabulary.
    for (before, next) in before.chunks(LOGITS_AT_ONCE).zip(next.chunks(LOGITS_AT_ONCE)) {
        let rows = Tensor::f_from_slice(before).map_err(ModelError::from)?;
        let rows = rows.f_to_device(hidden.device()).map_err(ModelError::from)?;
        let states = hidden.f_index_select(0, &rows).map_err(ModelError::from)?;
        likelihood.log_likelihood += model.log_probs(&states, next)?.iter().sum::<f32>();
    }
    Ok(likelihood)
}

/// Rows of logits in memory at a time: 50,267 f32 each with OPT's vocabulary, 13 MB together.
const LOGITS_AT_ONCE: usize = 64;

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

fn last_row(hidden: &Tensor) -> Result<Tensor, EngineError> {
    Ok(hidden.f_narrow(0, hidden.size()[0] - 1, 1).map_err(ModelError::from)?)
}
