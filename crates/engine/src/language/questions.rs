//! Questions with one answer: the query of a prompt, the likelihood of continuations.

use std::time::Instant;

use fondue_domain::Embedding;
use fondue_model::{Chunk, KvCache, LanguageModel, Prompt};
use tch::Tensor;

use super::job::{Candidates, Likelihood, Question};
use crate::EngineError;

/// Answers unless nobody waits for it any more or its time is over.
pub(super) fn answer<Ask, Answer>(
    question: Question<Ask, Answer>,
    work: impl FnOnce(Ask, Instant) -> Result<Answer, EngineError>,
) {
    let Question { ask, deadline, out, _permit } = question;
    if out.is_closed() {
        return;
    }
    let late = Instant::now() >= deadline;
    let _ = out.send(if late { Err(EngineError::Deadline { tokens: 0 }) } else { work(ask, deadline) });
}

/// The state at the prompt's last token, which is `[RET]`, in retrieval space.
pub(super) fn query(model: &LanguageModel, mut prompt: Prompt) -> Result<Embedding, EngineError> {
    if !prompt.ends_with(model.ret()) {
        prompt.push(model.ret());
    }
    let mut cache = model.new_cache();
    let last = last_state(model, &mut cache, &prompt)?;
    Ok(model.mapping().query(&last)?.pop().ok_or(EngineError::Stopped)??)
}

/// ln p of each continuation: the prompt runs once, each candidate goes on from a copy of its cache.
pub(super) fn score(
    model: &LanguageModel,
    ask: Candidates,
    deadline: Instant,
) -> Result<Vec<Likelihood>, EngineError> {
    let mut cache = model.new_cache();
    let last = last_state(model, &mut cache, &ask.prompt)?;
    let mut likelihoods = Vec::with_capacity(ask.candidates.len());
    for tokens in ask.candidates {
        if Instant::now() >= deadline {
            return Err(EngineError::Deadline { tokens: 0 });
        }
        // The state before each token: the prompt's last, then those of all tokens but the last.
        let mut states = last.shallow_clone();
        if let Some((_, before @ [_, ..])) = tokens.split_last() {
            let mut fork = cache.fork()?;
            let vectors = model.embed_tokens(before)?;
            let hidden = model.forward(&mut [Chunk { vectors, cache: &mut fork }])?;
            states =
                Tensor::f_cat(&[last.shallow_clone(), hidden], 0).map_err(fondue_model::ModelError::from)?;
        }
        let log_likelihood = model.log_probs(&states, &tokens)?.iter().sum();
        likelihoods.push(Likelihood { log_likelihood, tokens: tokens.len() });
    }
    Ok(likelihoods)
}

fn last_state(model: &LanguageModel, cache: &mut KvCache, prompt: &Prompt) -> Result<Tensor, EngineError> {
    let vectors = model.embed(prompt)?;
    let n = vectors.size()[0];
    let hidden = model.forward(&mut [Chunk { vectors, cache }])?;
    Ok(hidden.f_narrow(0, n - 1, 1).map_err(fondue_model::ModelError::from)?)
}
