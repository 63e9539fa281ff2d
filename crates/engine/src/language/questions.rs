//! Questions with one answer: the query of a prompt, the likelihood of continuations.
//!
//! Their rows share the steps and the pool with the answers', in pieces, so that no question, however large, keeps the
//! answers that decode waiting for longer than a prompt would. A question takes all blocks that it will ever need when
//! it enters.

use std::{collections::VecDeque, ops::Range, time::Instant};

use fondue_domain::{Compat, Embedding, TokenId};
use fondue_model::{LanguageModel, ModelError, Prompt, layers};
use tch::Tensor;
use tracing::Span;

use super::{
    job::{Ask, Likelihood, Likelihoods, Weighed},
    key::Chain,
    pages::Pages,
    run::{Entry, Run},
};
use crate::EngineError;

/// A question on its way to its answer.
pub(super) struct Question {
    prompt: Prompt,
    /// Positions of the prompt that are run.
    positions: usize,
    pub(super) run: Run,
    /// Whether what others ran may stand in for the prompt's beginning.
    reuses: bool,
    kind: Asked,
    /// What it is at, for the caller's trace.
    stage: Span,
}

enum Asked {
    Query(Ask<Embedding>),
    Score(Ask<Likelihoods>, Score),
    /// Nobody waits any more.
    Nothing,
}

/// Continuations to weigh, and how far that is.
struct Score {
    /// The prompt's token at each position, if it is to be weighed.
    told: Option<Vec<Option<TokenId>>>,
    left: VecDeque<Vec<TokenId>>,
    /// Whether each token is weighed by the state at itself, as the published evaluation does it.
    unshifted: bool,
    /// The one that is being run.
    current: Vec<TokenId>,
    /// The prompt's last state as logits, and the logarithm of their exponentials' sum.
    first: (Vec<f32>, f64),
    /// ln p so far, of the prompt or of the current one: in f64 and token by token, so that it does not depend on pieces.
    sum: f64,
    done: Likelihoods,
}

impl Question {
    /// The query of a prompt. Fails if there is none.
    pub(super) fn query(
        ask: Ask<Embedding>,
        mut prompt: Prompt,
        compat: Compat,
        cache_key: &str,
        model: &LanguageModel,
    ) -> Option<Self> {
        let (ret, prefix_len) = (model.ret(), model.mapping().prefix_len());
        let positions = match compat {
            Compat::Off => {
                // What stands behind it cannot change its state.
                if !prompt.cut_after_last(ret) {
                    prompt.push(ret);
                }
                prompt.positions(prefix_len)
            }
            // The published code looks up a place among the texts' tokens in a list of all positions' states.
            Compat::Reference => {
                let mut texts = prompt.tokens(prefix_len).into_iter().flatten();
                let Some(place) = texts.position(|token| token == ret) else {
                    ask.answer(Err(EngineError::NoRet));
                    return None;
                };
                place + 1
            }
        };
        let chain = Chain::of(cache_key, &prompt, prefix_len, positions);
        let (run, stage) = (Run::new(chain), waits(&ask.span));
        Some(Self { prompt, positions, run, reuses: true, kind: Asked::Query(ask), stage })
    }

    /// The likelihood of continuations and, if it is asked for, of the prompt itself. Fails for a token that there is not.
    pub(super) fn score(
        ask: Ask<Likelihoods>,
        prompt: Prompt,
        Weighed { with_prompt, candidates, unshifted }: Weighed,
        cache_key: &str,
        model: &LanguageModel,
    ) -> Option<Self> {
        if let Some(wrong) = candidates.iter().flatten().find(|token| **token > model.ret()) {
            let rows = model.ret().0 as usize + 1;
            ask.answer(Err(ModelError::Token { token: wrong.0, rows }.into()));
            return None;
        }
        let prefix_len = model.mapping().prefix_len();
        let positions = prompt.positions(prefix_len);
        let chain = Chain::of(cache_key, &prompt, prefix_len, positions);
        let score = Score {
            told: with_prompt.then(|| prompt.tokens(prefix_len)),
            left: candidates.into(),
            unshifted,
            current: Vec::new(),
            first: (Vec::new(), 0.0),
            sum: 0.0,
            done: Likelihoods::default(),
        };
        // To weigh a prompt takes the states of all its positions.
        let reuses = !with_prompt;
        let (run, stage) = (Run::new(chain), waits(&ask.span));
        Some(Self { prompt, positions, run, reuses, kind: Asked::Score(ask, score), stage })
    }

    /// Whether it is worth another step: not answered, somebody waits, and there is time.
    pub(super) fn lives(&mut self, now: Instant) -> bool {
        let (closed, deadline) = match &self.kind {
            Asked::Query(ask) => (ask.out.is_closed(), ask.deadline),
            Asked::Score(ask, _) => (ask.out.is_closed(), ask.deadline),
            Asked::Nothing => return false,
        };
        if closed {
            self.kind = Asked::Nothing;
        } else if now >= deadline {
            self.fail(EngineError::Deadline { tokens: 0 });
        }
        !matches!(self.kind, Asked::Nothing)
    }

    /// Takes its blocks.
    pub(super) fn enter(
        &mut self,
        pages: &mut Pages,
        spare: usize,
        model: &LanguageModel,
    ) -> Result<Entry, ModelError> {
        let longest = match &self.kind {
            Asked::Score(_, score) => score.left.iter().map(|tokens| score.rows(tokens)).max().unwrap_or(0),
            _ => 0,
        };
        let reusable = if self.reuses { self.positions } else { 0 };
        let entry = self.run.enter(pages, reusable, self.positions + longest, spare);
        if let Entry::Cached(cached_tokens) = entry {
            let parent = match &self.kind {
                Asked::Query(ask) => ask.span.clone(),
                Asked::Score(ask, _) => ask.span.clone(),
                Asked::Nothing => Span::none(),
            };
            // The queue's end is the beginning of this.
            self.stage = tracing::debug_span!(parent: &parent, "run", positions = self.positions as i64, cached_tokens = cached_tokens as i64);
            let vectors = model.embed(&self.prompt)?.f_narrow(0, 0, self.positions as i64)?;
            self.run.set_known(&vectors)?;
        }
        Ok(entry)
    }

    /// Takes the states of the positions `at`, `[n, word_dim]`, which were just run.
    pub(super) fn take(&mut self, states: &Tensor, at: Range<usize>, model: &LanguageModel) {
        if let Err(error) = self.try_take(states, at, model) {
            self.fail(error.into());
        }
    }

    fn try_take(
        &mut self,
        states: &Tensor,
        at: Range<usize>,
        model: &LanguageModel,
    ) -> Result<(), ModelError> {
        let complete = at.end == self.positions;
        match &mut self.kind {
            Asked::Query(_) if complete => {
                let query = model.mapping().query(&last_row(states)?)?.pop();
                let query =
                    query.unwrap_or(Err(ModelError::Shape { what: "queries", got: 0, expected: 1 }))?;
                if let Asked::Query(ask) = std::mem::replace(&mut self.kind, Asked::Nothing) {
                    ask.answer(Ok(query));
                }
            }
            Asked::Query(_) | Asked::Nothing => {}
            Asked::Score(_, score) => {
                if at.end <= self.positions {
                    score.take_prompt(states, at.clone(), model)?;
                    if !complete {
                        return Ok(());
                    }
                    score.end_prompt(states, model)?;
                } else {
                    let offset = at.start - self.positions;
                    score.take_candidate(states, offset, model)?;
                    if offset + at.len() < score.rows(&score.current) {
                        return Ok(());
                    }
                    score.end_candidate();
                }
                if score.begin_candidate() {
                    let vectors = model.embed_tokens(&score.current[..score.rows(&score.current)])?;
                    self.run.branch(self.positions, vectors);
                } else if let Asked::Score(ask, score) = std::mem::replace(&mut self.kind, Asked::Nothing) {
                    ask.answer(Ok(score.done));
                }
            }
        }
        Ok(())
    }

    /// Tells who asked that it came to nothing.
    pub(super) fn fail(&mut self, error: EngineError) {
        match std::mem::replace(&mut self.kind, Asked::Nothing) {
            Asked::Query(ask) => ask.answer(Err(error)),
            Asked::Score(ask, _) => ask.answer(Err(error)),
            Asked::Nothing => {}
        }
    }
}

/// The time in the queue, in the caller's trace.
fn waits(parent: &Span) -> Span {
    tracing::debug_span!(parent: parent, "queue")
}

impl Score {
    /// Tokens of a candidate that are run. The last one is told by the state before it and is not, but where every token is
    /// weighed by the state at itself.
    fn rows(&self, tokens: &[TokenId]) -> usize {
        if self.unshifted { tokens.len() } else { tokens.len().saturating_sub(1) }
    }

    /// Weighs what the states of the prompt's positions `at` tell.
    fn take_prompt(
        &mut self,
        states: &Tensor,
        at: Range<usize>,
        model: &LanguageModel,
    ) -> Result<(), ModelError> {
        let Some(tokens) = &self.told else { return Ok(()) };
        let next = tokens[at.start + 1..].iter().take(at.len());
        let told: Vec<(i64, TokenId)> =
            (0..).zip(next).filter_map(|(row, token)| Some((row, (*token)?))).collect();
        self.sum = weigh(self.sum, states, &told, model)?;
        Ok(())
    }

    fn end_prompt(&mut self, states: &Tensor, model: &LanguageModel) -> Result<(), ModelError> {
        if let Some(tokens) = &self.told {
            let tokens = tokens.iter().skip(1).flatten().count();
            self.done.prompt = Some(Likelihood { log_likelihood: self.sum as f32, tokens });
        }
        if !self.left.is_empty() {
            let logits = model.logits(&last_row(states)?)?.pop().unwrap_or_default();
            let normal = log_sum_exp(&logits);
            self.first = (logits, normal);
        }
        Ok(())
    }

    /// Goes on to a candidate of which something must be run; those of one token are told by the prompt's last state.
    /// `false` if none is left.
    fn begin_candidate(&mut self) -> bool {
        while let Some(tokens) = self.left.pop_front() {
            let (logits, normal) = &self.first;
            let logit = tokens.first().and_then(|token| logits.get(token.0 as usize));
            self.sum = match logit {
                Some(_) if self.unshifted => 0.0,
                Some(&logit) => f64::from(logit) - normal,
                None => f64::NEG_INFINITY,
            };
            self.current = tokens;
            if self.rows(&self.current) > 0 {
                return true;
            }
            self.end_candidate();
        }
        false
    }

    /// Weighs what the states of the current one's positions tell, the first of them its `offset`-th.
    fn take_candidate(
        &mut self,
        states: &Tensor,
        offset: usize,
        model: &LanguageModel,
    ) -> Result<(), ModelError> {
        let next = self.current[offset + usize::from(!self.unshifted)..].iter().copied();
        let told: Vec<(i64, TokenId)> = (0..states.size()[0]).zip(next).collect();
        self.sum = weigh(self.sum, states, &told, model)?;
        Ok(())
    }

    fn end_candidate(&mut self) {
        let tokens = self.current.len();
        self.done.candidates.push(Likelihood { log_likelihood: self.sum as f32, tokens });
    }
}

/// Rows of logits in memory at a time: 50,267 f32 each with OPT's vocabulary, 13 MB together.
const LOGITS_AT_ONCE: usize = 64;

/// `sum` and ln p of the tokens, each told by a row of `states`.
fn weigh(
    mut sum: f64,
    states: &Tensor,
    told: &[(i64, TokenId)],
    model: &LanguageModel,
) -> Result<f64, ModelError> {
    for piece in told.chunks(LOGITS_AT_ONCE) {
        let (rows, next): (Vec<i64>, Vec<TokenId>) = piece.iter().copied().unzip();
        let probabilities = model.log_probs(&layers::rows(states, &rows)?, &next)?;
        sum = probabilities.into_iter().fold(sum, |sum, ln_p| sum + f64::from(ln_p));
    }
    Ok(sum)
}

fn log_sum_exp(logits: &[f32]) -> f64 {
    let largest = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    largest + logits.iter().map(|&logit| (f64::from(logit) - largest).exp()).sum::<f64>().ln()
}

fn last_row(states: &Tensor) -> Result<Tensor, ModelError> {
    Ok(states.f_narrow(0, states.size()[0] - 1, 1)?)
}

/// Pictures to project: no rows and no blocks, one pass of one layer.
pub(super) struct Projection {
    pub(super) ask: Ask<Vec<Embedding>>,
    pub(super) features: Vec<Vec<f32>>,
}

impl Projection {
    pub(super) fn run(self, model: &LanguageModel) {
        if self.ask.out.is_closed() {
            return;
        }
        if Instant::now() >= self.ask.deadline {
            return self.ask.answer(Err(EngineError::Deadline { tokens: 0 }));
        }
        self.ask.answer(model.mapping().project(&self.features).map_err(EngineError::from));
    }
}

impl<Answer> Ask<Answer> {
    pub(super) fn answer(self, answer: Result<Answer, EngineError>) {
        // The room is free before the answer is there: whoever asks again at once finds it.
        drop(self.permit);
        let _ = self.out.send(answer);
    }
}
