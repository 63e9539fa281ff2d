//! What is asked of the language model: texts, queries, likelihoods. Many at once, each kept as it comes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use fondue_domain::{Compat, Embedding};
use fondue_engine::{Emission, EngineError, Generation, LanguageEngine};
use fondue_model::{ModelError, Sampling};
use fondue_terminal::{interrupt::Interrupt, progress};
use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};

use super::{
    Answer, Model, Piece, Sight,
    kept::{Floats, Kept, Key, key},
    piece::parts,
};

/// How long the model may think: no question ends for lack of time.
const PATIENCE: Duration = Duration::from_secs(7 * 86_400);
/// How often Ctrl-C is looked for while answers are awaited.
const LOOK: Duration = Duration::from_millis(50);
/// All questions may share what they begin with.
const SHARED: &str = "";

/// Where a text ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Ends {
    /// At a newline, as an answer of a dialogue.
    Line,
    /// At `[RET]`, a newline or the end of sequence, as a caption in training.
    Ret,
    /// At the end of sequence; `[RET]` cannot be chosen: section 2.4 of the published training.
    Never,
}

/// A text to be written greedily.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Ask {
    /// What stands before.
    pub(crate) prompt: Vec<Piece>,
    /// Tokens at most.
    pub(crate) tokens: usize,
    /// Where it ends before that.
    pub(crate) ends: Ends,
}

/// What the model wrote.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Said {
    /// Without `[RET]`s.
    pub(crate) text: String,
    /// The query of each `[RET]`.
    pub(crate) queries: Vec<Floats>,
}

/// Continuations to be weighed.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Weigh {
    /// What stands before.
    pub(crate) prompt: Vec<Piece>,
    /// Texts behind it.
    pub(crate) candidates: Vec<String>,
    /// As the published evaluation does it: BOS before each, and each token by the state where it is input.
    pub(crate) unshifted: bool,
}

impl Model {
    /// ln p of every candidate of each question.
    pub(crate) fn weigh(&mut self, questions: &[Weigh], pieces: &str) -> Result<Vec<Answer<Floats>>> {
        let keys = keys("weigh", questions)?;
        let at_once = 2 * self.engines.slots();
        let Self { engines, scores, interrupt, .. } = self;
        let work = |at: usize, engine: LanguageEngine| weigh(engine, questions[at].clone());
        all(engines, scores, &keys, Work { at_once, pieces, interrupt }, work)
    }

    /// The texts that the model writes.
    pub(crate) fn say(&mut self, asks: &[Ask], pieces: &str) -> Result<Vec<Answer<Said>>> {
        let keys = keys("say", asks)?;
        let at_once = 2 * self.engines.slots();
        let Self { engines, said, interrupt, .. } = self;
        let work = |at: usize, engine: LanguageEngine| say(engine, asks[at].clone());
        all(engines, said, &keys, Work { at_once, pieces, interrupt }, work)
    }

    /// The query of each prompt: the state at its `[RET]`, which is added where it is missing.
    pub(crate) fn queries(&mut self, prompts: &[Vec<Piece>], pieces: &str) -> Result<Vec<Answer<Floats>>> {
        let keys = keys("query", prompts)?;
        let at_once = 2 * self.engines.slots();
        let Self { engines, embeddings, interrupt, .. } = self;
        let work = |at: usize, engine: LanguageEngine| query(engine, prompts[at].clone());
        all(engines, embeddings, &keys, Work { at_once, pieces, interrupt }, work)
    }

    /// The embeddings of pictures in retrieval space.
    pub(crate) fn project(&mut self, sights: &[Sight]) -> Result<Vec<Answer<Floats>>> {
        let keys = keys("project", sights)?;
        let at_once = 2 * self.engines.slots();
        let Self { engines, embeddings, interrupt, .. } = self;
        let work = |at: usize, engine: LanguageEngine| project(engine, sights[at].clone());
        all(engines, embeddings, &keys, Work { at_once, pieces: "pictures placed", interrupt }, work)
    }
}

async fn say(engine: LanguageEngine, ask: Ask) -> Result<Said, EngineError> {
    let prompt = engine.prompt(parts(&ask.prompt, engine.tokenizer(), engine.facts().bos)?)?;
    let max_rets = (ask.ends == Ends::Never).then_some(0);
    let mut emissions = engine.generate(Generation {
        prompt,
        sampling: Sampling { max_rets, ..Sampling::GREEDY },
        max_new_tokens: ask.tokens,
        stop: Vec::new(),
        stop_at_newline: ask.ends != Ends::Never,
        compat: Compat::Off,
        cache_key: SHARED.to_owned(),
        deadline: Instant::now() + PATIENCE,
    })?;
    let mut said = Said::default();
    while let Some(emission) = emissions.recv().await {
        match emission {
            Emission::Started { .. } => {}
            Emission::Text(text) => said.text.push_str(&text),
            Emission::Query { embedding, .. } => {
                said.queries.push(Floats(embedding.into_values()));
                if ask.ends == Ends::Ret {
                    return Ok(said); // whoever does not listen any more ends the text
                }
            }
            Emission::Done { .. } => return Ok(said),
            Emission::Failed(error) => return Err(error),
        }
    }
    Err(EngineError::Stopped)
}

async fn query(engine: LanguageEngine, pieces: Vec<Piece>) -> Result<Floats, EngineError> {
    let prompt = engine.prompt(parts(&pieces, engine.tokenizer(), engine.facts().bos)?)?;
    let query = engine.query(prompt, Compat::Off, SHARED, Instant::now() + PATIENCE).await?;
    Ok(Floats(query.into_values()))
}

async fn weigh(engine: LanguageEngine, question: Weigh) -> Result<Floats, EngineError> {
    let bos = engine.facts().bos;
    let prompt = engine.prompt(parts(&question.prompt, engine.tokenizer(), bos)?)?;
    let encode = |text: &String| {
        let mut tokens = engine.tokenizer().encode(text)?;
        if question.unshifted {
            tokens.insert(0, bos);
        }
        Ok(tokens)
    };
    let candidates = question.candidates.iter().map(encode).collect::<Result<Vec<_>, ModelError>>()?;
    let deadline = Instant::now() + PATIENCE;
    let scores = if question.unshifted {
        engine.score_unshifted(prompt, candidates, SHARED, deadline).await?
    } else {
        engine.score(prompt, false, candidates, SHARED, deadline).await?.candidates
    };
    Ok(Floats(scores.into_iter().map(|score| score.log_likelihood).collect()))
}

async fn project(engine: LanguageEngine, sight: Sight) -> Result<Floats, EngineError> {
    // One by one: libtorch's results depend on the company.
    let embeddings = engine.project(vec![sight.features.to_vec()], Instant::now() + PATIENCE).await?;
    Ok(Floats(embeddings.into_iter().next().map(Embedding::into_values).unwrap_or_default()))
}

/// The keys of questions of one kind.
pub(super) fn keys(kind: &str, questions: &[impl Serialize]) -> Result<Vec<Key>> {
    questions.iter().map(|question| key(&(kind, question))).collect()
}

/// How many questions are asked.
pub(super) struct Work<'a> {
    pub(super) at_once: usize,
    /// What they are called beside the bar.
    pub(super) pieces: &'a str,
    pub(super) interrupt: &'a Interrupt,
}

/// Asks what is not known yet and keeps the answers; then all of them are known.
fn all<V, F>(
    engines: &super::Engines,
    kept: &mut Kept<V>,
    keys: &[Key],
    work: Work<'_>,
    ask: impl Fn(usize, LanguageEngine) -> F,
) -> Result<Vec<Answer<V>>>
where
    V: Clone + Serialize + serde::de::DeserializeOwned,
    F: Future<Output = Result<V, EngineError>>,
{
    let missing = missing(kept, keys);
    let mut refused = Vec::new();
    if !missing.is_empty() {
        let engine = engines.language()?;
        let jobs = missing.iter().map(|&at| {
            let answer = ask(at, engine.clone());
            async move { (at, answer.await) }
        });
        engines.runtime.block_on(run(jobs, missing.len(), &work, |at, answer| {
            match answer {
                Ok(value) => kept.put(keys[at], value)?,
                Err(error) => refused.push((keys[at], refusal(error)?)),
            }
            Ok(())
        }))?;
    }
    answers(kept, keys, &refused)
}

/// Places of the questions without an answer, each question once.
pub(super) fn missing<V: Serialize + serde::de::DeserializeOwned>(
    kept: &Kept<V>,
    keys: &[Key],
) -> Vec<usize> {
    let mut seen = std::collections::HashSet::new();
    (0..keys.len()).filter(|&at| kept.get(&keys[at]).is_none() && seen.insert(keys[at])).collect()
}

/// Runs jobs, some at once, and hands on what comes of each.
pub(super) async fn run<T>(
    jobs: impl Iterator<Item = impl Future<Output = (usize, T)>>,
    total: usize,
    work: &Work<'_>,
    mut done: impl FnMut(usize, T) -> Result<()>,
) -> Result<()> {
    let bar = progress::bar(total as u64, work.pieces);
    let mut results = std::pin::pin!(stream::iter(jobs).buffer_unordered(work.at_once));
    loop {
        work.interrupt.check()?;
        match tokio::time::timeout(LOOK, results.next()).await {
            Ok(Some((at, result))) => done(at, result)?,
            Ok(None) => break,
            Err(_) => continue,
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

/// What is known of each question, or why it could not be asked.
pub(super) fn answers<V: Clone + Serialize + serde::de::DeserializeOwned>(
    kept: &Kept<V>,
    keys: &[Key],
    refused: &[(Key, String)],
) -> Result<Vec<Answer<V>>> {
    let answer = |key: &Key| {
        if let Some(value) = kept.get(key) {
            return Ok(Ok(value.clone()));
        }
        let reason = refused.iter().find(|(other, _)| other == key);
        reason.map(|(_, reason)| Err(reason.clone())).context("a question came to nothing")
    };
    keys.iter().map(answer).collect()
}

/// Why one question could not be asked; an error if no other can be asked either.
pub(super) fn refusal(error: EngineError) -> Result<String> {
    match error {
        EngineError::PromptTooLong { .. } | EngineError::Picture { .. } | EngineError::NoRet => {
            Ok(error.to_string())
        }
        EngineError::Model(ref inner) if matches!(**inner, ModelError::NoDirection(_)) => {
            Ok(error.to_string())
        }
        error => Err(error.into()),
    }
}
