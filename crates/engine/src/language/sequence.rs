//! One answer in the making: what was said, and what the next token means.

use std::time::Instant;

use fondue_domain::{Embedding, TokenId};
use fondue_model::{Detokenizer, LanguageModel, ModelError, Sampler, Tokenizer};
use tch::Tensor;

use super::{
    job::{Emission, FinishReason, Job, Usage},
    key::Chain,
    pages::Pages,
    published::{Meaning, Published},
    run::{Entry, Run},
    steps::Steps,
    stop::StopMatcher,
};
use crate::EngineError;

/// What ends a text besides the caller's stop strings.
const NEWLINE: &str = "\n";

pub(super) struct Sequence {
    job: Job,
    pub(super) run: Run,
    /// What was written so far, as the model goes on from it.
    generated: Vec<TokenId>,
    sampler: Sampler,
    detokenizer: Detokenizer,
    stop: StopMatcher,
    /// In place of the two above, where the published code is followed.
    published: Option<Published>,
    usage: Usage,
    started: Option<Instant>,
    first_token: Option<Instant>,
    last_token: Option<Instant>,
    n_rets: u32,
    n_chars: u32,
    /// The last token was `[RET]`: the state that it gives is a query.
    at_ret: bool,
    ended: bool,
    steps: Steps,
}

impl Sequence {
    /// Waits for a slot and for blocks.
    pub(super) fn new(job: Job, model: &LanguageModel, tokenizer: &Tokenizer) -> Self {
        let generation = &job.generation;
        let mut stops = generation.stop.clone();
        if generation.stop_at_newline {
            stops.push(NEWLINE.to_owned());
        }
        let (mut sampling, compat) = (generation.sampling.clone(), generation.compat);
        let published = compat.is_reference().then(|| {
            // The published code writes as many as it likes, and looks up the first ones.
            let max_rets = sampling.max_rets.take();
            Published::new(tokenizer.newline().filter(|_| generation.stop_at_newline), max_rets)
        });
        let prefix_len = model.mapping().prefix_len();
        let chain = Chain::of(&generation.cache_key, &generation.prompt, prefix_len, usize::MAX);
        let steps = Steps::wait(&job.span);
        Self {
            usage: Usage { prompt_tokens: chain.len(), ..Usage::default() },
            run: Run::new(chain),
            generated: Vec::new(),
            sampler: Sampler::new(sampling, model.ret(), compat),
            detokenizer: Detokenizer::default(),
            stop: StopMatcher::new(stops),
            published,
            started: None,
            first_token: None,
            last_token: None,
            n_rets: 0,
            n_chars: 0,
            at_ret: false,
            ended: false,
            steps,
            job,
        }
    }

    /// Takes its blocks, at first or again; what was said before stays said.
    pub(super) fn enter(
        &mut self,
        pages: &mut Pages,
        spare: usize,
        model: &LanguageModel,
    ) -> Result<Entry, ModelError> {
        let (known, begun) = (self.run.known(), Instant::now());
        let entry = self.run.enter(pages, known, known, spare);
        let Entry::Cached(cached) = entry else { return Ok(entry) };
        self.steps.enter(&self.job.span, known, cached, begun.elapsed());
        let mut vectors = model.embed(&self.job.generation.prompt)?;
        if !self.generated.is_empty() {
            vectors = Tensor::f_cat(&[vectors, model.embed_tokens(&self.generated)?], 0)?;
        }
        self.run.set_known(&vectors)?;
        if self.started.is_none() {
            self.start(cached);
        }
        Ok(entry)
    }

    fn start(&mut self, cached_tokens: usize) {
        let (now, prompt_tokens) = (Instant::now(), self.usage.prompt_tokens);
        (self.started, self.usage.cached_tokens) = (Some(now), cached_tokens);
        let queued = now - self.job.submitted;
        metrics::histogram!("fondue_language_queue_seconds").record(queued);
        self.emit(Emission::Started { prompt_tokens, cached_tokens, queued });
    }

    /// Whether it ever had a slot.
    pub(super) fn has_started(&self) -> bool {
        self.started.is_some()
    }

    /// Makes room for others; it goes on from where it is once there is room again.
    pub(super) fn pre_empt(&mut self, pages: &mut Pages) {
        self.run.leave(pages);
        self.steps.make_room(&self.job.span, self.generated.len());
    }

    /// Rows from `start` on were run; told as long as they are the prompt's.
    pub(super) fn ran(&self, start: usize, rows: usize) {
        self.steps.ran(start, rows);
    }

    /// Whether it is worth another step: not ended, somebody listens, and there is time.
    pub(super) fn lives(&mut self, now: Instant) -> bool {
        if self.ended || self.job.out.is_closed() {
            return false;
        }
        if now >= self.job.generation.deadline {
            self.fail(EngineError::Deadline { tokens: self.usage.generated_tokens });
        }
        !self.ended
    }

    /// Whether the next state is a query.
    pub(super) fn wants_query(&self) -> bool {
        self.at_ret
    }

    /// Takes the query that the state at `[RET]` gave.
    pub(super) fn take_query(&mut self, embedding: Embedding) {
        self.at_ret = false;
        self.steps.ret(self.n_rets, self.n_chars);
        self.emit(Emission::Query { embedding, ret_index: self.n_rets, text_offset: self.n_chars });
        self.n_rets += 1;
        if self.published.as_ref().is_some_and(Published::is_complete) {
            self.finish(FinishReason::Stop);
        } else if self.usage.generated_tokens >= self.job.generation.max_new_tokens {
            self.finish(FinishReason::Length); // nothing was said since
        }
    }

    /// Whether it is to have another token; ends it where no position is left for one.
    pub(super) fn may_go_on(&mut self, model: &LanguageModel, tokenizer: &Tokenizer) -> bool {
        if !self.ended && self.run.filled() >= model.config().max_positions() {
            self.end(FinishReason::ContextFull, tokenizer);
        }
        !self.ended
    }

    /// What chooses its tokens.
    pub(super) fn sampler(&mut self) -> &mut Sampler {
        &mut self.sampler
    }

    /// Takes the next token and says what it means.
    pub(super) fn take_token(&mut self, token: TokenId, model: &LanguageModel, tokenizer: &Tokenizer) {
        self.timed();
        self.usage.generated_tokens += 1;
        match &mut self.published {
            Some(published) => match published.take(token, model.ret()) {
                Meaning::Text => {}
                Meaning::Ret => {
                    let text = published.before_ret(tokenizer);
                    self.show(text);
                    self.at_ret = true;
                }
                Meaning::End => return self.end(FinishReason::Stop, tokenizer),
            },
            None if token.0 == model.config().eos_token_id => return self.end(FinishReason::Stop, tokenizer),
            None if token == model.ret() => {
                // A picture stands between what comes before and after: no character and no stop string spans it.
                self.flush();
                self.at_ret = true;
            }
            None => self.say(tokenizer.bytes(token)),
        }
        if !self.ended && !self.at_ret && self.usage.generated_tokens >= self.job.generation.max_new_tokens {
            self.end(FinishReason::Length, tokenizer);
        }
        if !self.ended {
            self.generated.push(token);
            self.run.push(token);
        }
    }

    /// Takes the time of a token.
    fn timed(&mut self) {
        let now = Instant::now();
        self.steps.prompt_is_run();
        match self.last_token.replace(now) {
            Some(last) => metrics::histogram!("fondue_language_inter_token_seconds").record(now - last),
            None => {
                self.first_token = Some(now);
                let waited = now - self.job.submitted;
                metrics::histogram!("fondue_language_first_token_seconds").record(waited);
                self.steps.first_token(&self.job.span, waited);
            }
        }
    }

    fn say(&mut self, bytes: &[u8]) {
        let text = self.detokenizer.push(bytes);
        let piece = self.stop.push(&text);
        self.show(piece.text);
        if let Some(stop) = piece.stop {
            // The newline is listed behind the caller's own.
            let own = stop < self.job.generation.stop.len();
            self.finish(if own { FinishReason::StopString } else { FinishReason::Stop });
        }
    }

    /// Shows what was held back for a stop string or for the rest of a character.
    fn flush(&mut self) {
        let text = self.detokenizer.finish();
        let piece = self.stop.push(&text);
        self.show(piece.text);
        let held = self.stop.flush();
        self.show(held);
    }

    fn show(&mut self, text: String) {
        if !text.is_empty() {
            self.n_chars += text.chars().count() as u32;
            self.emit(Emission::Text(text));
        }
    }

    /// Ends the text with all that was held back.
    fn end(&mut self, reason: FinishReason, tokenizer: &Tokenizer) {
        match &mut self.published {
            Some(published) => {
                let text = published.at_end(tokenizer);
                self.show(text);
            }
            None => self.flush(),
        }
        self.finish(reason);
    }

    fn finish(&mut self, reason: FinishReason) {
        let now = Instant::now();
        let first = self.first_token.unwrap_or(now);
        self.usage.prefill = first - self.started.unwrap_or(first);
        self.usage.decode = now - first;
        metrics::counter!("fondue_language_tokens_total").increment(self.usage.generated_tokens as u64);
        metrics::histogram!("fondue_language_prefill_seconds").record(self.usage.prefill);
        self.steps.end(&self.job.span, reason, &self.usage, self.n_rets);
        self.job.permit = None;
        self.emit(Emission::Done { reason, usage: self.usage });
        self.ended = true;
    }

    /// Cuts the text off.
    pub(super) fn fail(&mut self, error: EngineError) {
        // Logged where it is told to the caller.
        self.steps.break_off(&self.job.span);
        self.job.permit = None;
        self.emit(Emission::Failed(error));
        self.ended = true;
    }

    /// There is room for everything; only a channel that nobody reads any more refuses.
    fn emit(&self, emission: Emission) {
        let _ = self.job.out.try_send(emission);
    }
}
