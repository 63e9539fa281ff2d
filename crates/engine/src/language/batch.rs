//! The batch: who runs, who waits for a slot or for blocks, and one step of all that run.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use fondue_model::{KvPool, LanguageModel, ModelError, Tokenizer, layers};
use tch::Tensor;

use super::{
    LanguageLimits,
    gauges::{self, Gauges},
    job::Job,
    member::{Member, Work},
    pace::{Pace, share},
    pages::Pages,
    questions::Question,
    run::Entry,
    sequence::Sequence,
};
use crate::EngineError;

/// Questions that have blocks at once. They take no slots of the answers.
const QUESTIONS: usize = 4;

/// Those who share the model's steps and the pool.
pub(super) struct Batch {
    running: Vec<Member>,
    /// In the order in which they came.
    waiting: VecDeque<Member>,
    arrivals: u64,
    limits: LanguageLimits,
    pool: KvPool,
    pages: Pages,
    pace: Pace,
    gauges: Arc<Gauges>,
}

impl Batch {
    pub(super) fn new(limits: LanguageLimits, pool: KvPool, gauges: Arc<Gauges>) -> Self {
        Self {
            running: Vec::new(),
            waiting: VecDeque::new(),
            arrivals: 0,
            pages: Pages::new(pool.blocks(), limits.prefix_cache),
            pace: Pace::new(f64::from(limits.prefill_stretch), limits.prefill_rows),
            limits,
            pool,
            gauges,
        }
    }

    pub(super) fn answer(&mut self, job: Job, model: &LanguageModel, tokenizer: &Tokenizer) {
        self.enqueue(Work::Answer(Box::new(Sequence::new(job, model, tokenizer))));
    }

    pub(super) fn question(&mut self, question: Question) {
        self.enqueue(Work::Question(Box::new(question)));
    }

    fn enqueue(&mut self, work: Work) {
        self.arrivals += 1;
        self.waiting.push_back(Member { arrival: self.arrivals, work });
    }

    pub(super) fn is_idle(&self) -> bool {
        self.running.is_empty() && self.waiting.is_empty()
    }

    /// (answers that have a slot, all others)
    pub(super) fn load(&self) -> (usize, usize) {
        let answers = self.answers();
        (answers, self.running.len() - answers + self.waiting.len())
    }

    pub(super) fn pages(&self) -> &Pages {
        &self.pages
    }

    /// Forgets the prefixes that nobody runs.
    pub(super) fn forget(&mut self) {
        self.pages.clear();
    }

    /// Lets go of who has ended, gone or run out of time, makes room for the next tokens of those who stay, and lets in who
    /// waits.
    pub(super) fn turn_over(&mut self, model: &LanguageModel) {
        let now = Instant::now();
        let pages = &mut self.pages;
        self.running.retain_mut(|member| {
            let lives = member.lives(now);
            if !lives {
                member.run_mut().leave(pages);
            }
            lives
        });
        self.waiting.retain_mut(|member| member.lives(now));
        self.grow();
        self.admit(model);
    }

    /// Takes a block for whoever's next token begins one. If none can be had, the answer that came last lets go of all of
    /// its own and waits again; the one that came first has the whole pool in the end, and that holds it.
    fn grow(&mut self) {
        let mut decoding: Vec<u64> =
            self.running.iter().filter(|member| member.decodes()).map(|member| member.arrival).collect();
        decoding.sort_unstable();
        for arrival in decoding {
            while let Some(member) = self.running.iter_mut().find(|member| member.arrival == arrival)
                && !member.run_mut().grow(&mut self.pages)
            {
                self.pre_empt();
            }
        }
    }

    fn pre_empt(&mut self) {
        let answers = self.running.iter().enumerate().filter(|(_, member)| member.is_answer());
        let Some((youngest, _)) = answers.max_by_key(|(_, member)| member.arrival) else { return };
        let mut member = self.running.remove(youngest);
        if let Work::Answer(sequence) = &mut member.work {
            sequence.pre_empt(&mut self.pages);
        }
        self.gauges.pre_empted();
        let place = self.waiting.partition_point(|other| other.arrival < member.arrival);
        self.waiting.insert(place, member);
    }

    /// Lets in who waits, first come, first served: an answer if a slot is free, and if its blocks are there and one more
    /// for each answer that runs, which it will want soon. Nobody overtakes one who waits for blocks, so that a large
    /// prompt is not passed over for ever; but answers that wait for a slot hold up no question.
    fn admit(&mut self, model: &LanguageModel) {
        let mut answers = self.answers();
        let mut questions = self.running.len() - answers;
        let mut at = 0;
        while at < self.waiting.len() && (answers < self.limits.slots || questions < QUESTIONS) {
            let member = &mut self.waiting[at];
            let (count, most) = if member.is_answer() {
                (&mut answers, self.limits.slots)
            } else {
                (&mut questions, QUESTIONS)
            };
            if *count >= most {
                at += 1;
                continue;
            }
            let spare = self.running.iter().filter(|member| member.is_answer()).count();
            match member.enter(&mut self.pages, spare, model) {
                Ok(Entry::NoRoom) => break,
                Ok(Entry::Cached(_)) => {
                    *count += 1;
                    self.running.extend(self.waiting.remove(at));
                }
                Err(error) => {
                    member.run_mut().leave(&mut self.pages);
                    member.fail(error.into());
                    self.waiting.remove(at);
                }
            }
        }
    }

    fn answers(&self) -> usize {
        self.running.iter().filter(|member| member.is_answer()).count()
    }

    /// One forward pass of everything that runs.
    ///
    /// If it fails, nothing that was run before is lost, and each is tried alone: whoever asks for too much (memory, say)
    /// fails without the others.
    pub(super) fn step(&mut self, model: &LanguageModel, tokenizer: &Tokenizer) {
        let (plan, decoding, prompt_rows) = self.plan();
        if plan.is_empty() {
            return;
        }
        let begun = Instant::now();
        match self.forward(&plan, model) {
            Ok(hidden) => self.harvest(&plan, &hidden, model, tokenizer),
            Err(error) if plan.len() == 1 => self.running[plan[0].0].fail(error.into()),
            Err(error) => {
                tracing::warn!(%error, sequences = plan.len(), "a step failed; its sequences are tried one by one");
                for one in plan {
                    match self.forward(&[one], model) {
                        Ok(hidden) => self.harvest(&[one], &hidden, model, tokenizer),
                        Err(error) => self.running[one.0].fail(error.into()),
                    }
                }
                return;
            }
        }
        self.took(decoding, prompt_rows, plan.len(), begun.elapsed());
    }

    fn took(&mut self, decoding: usize, prompt_rows: usize, sequences: usize, took: Duration) {
        self.pace.note(decoding, prompt_rows, took);
        gauges::step((decoding, self.limits.slots), prompt_rows, sequences, took);
    }

    /// Whose rows the next step takes, and how many: one of each that decodes, and as many of the prompts as the pace
    /// allows. With it the number of those that decode, and of the prompts' rows.
    fn plan(&self) -> (Vec<(usize, usize)>, usize, usize) {
        let single = |n: &usize| self.running[*n].run().wanted() == 1;
        let (singles, mut prompts): (Vec<usize>, Vec<usize>) = (0..self.running.len()).partition(single);
        prompts.retain(|&n| self.running[n].run().wanted() > 0);
        prompts.sort_by_key(|&n| self.running[n].arrival);
        let decoding = singles.iter().filter(|&&n| self.running[n].decodes()).count();
        let wanted: Vec<usize> = prompts.iter().map(|&n| self.running[n].run().wanted()).collect();
        let shares = share(self.pace.rows(decoding), &wanted);
        let prompt_rows = shares.iter().sum();
        let prompts = prompts.into_iter().zip(shares).filter(|(_, rows)| *rows > 0);
        (singles.into_iter().map(|n| (n, 1)).chain(prompts).collect(), decoding, prompt_rows)
    }

    /// Runs the planned rows: their states, `[Σrows, word_dim]`.
    fn forward(&mut self, plan: &[(usize, usize)], model: &LanguageModel) -> Result<Tensor, ModelError> {
        let Self { running, pool, .. } = self;
        let tokens: Vec<_> = plan.iter().filter_map(|&(n, _)| running[n].run().token()).collect();
        let vectors = if tokens.is_empty() { None } else { Some(model.embed_tokens(&tokens)?) };
        let mut looked_up = 0..;
        let chunks = plan.iter().map(|&(n, rows)| {
            let run = running[n].run();
            let vector = match (run.token(), &vectors) {
                (Some(_), Some(vectors)) => {
                    looked_up.next().map(|row| vectors.f_narrow(0, row, 1)).transpose()?
                }
                _ => None,
            };
            run.chunk(rows, vector)
        });
        let chunks = chunks.collect::<Result<Vec<_>, ModelError>>()?;
        model.forward(pool, &chunks)
    }

    /// Takes what the states of a step tell. If that fails, its sequences cannot go on.
    fn harvest(
        &mut self,
        plan: &[(usize, usize)],
        hidden: &Tensor,
        model: &LanguageModel,
        tokenizer: &Tokenizer,
    ) {
        if let Err(error) = self.try_harvest(plan, hidden, model, tokenizer) {
            let error = EngineError::from(error);
            plan.iter().for_each(|&(n, _)| self.running[n].fail(error.clone()));
        }
    }

    fn try_harvest(
        &mut self,
        plan: &[(usize, usize)],
        hidden: &Tensor,
        model: &LanguageModel,
        tokenizer: &Tokenizer,
    ) -> Result<(), ModelError> {
        let (mut ready, mut row) = (Vec::new(), 0);
        for &(n, rows) in plan {
            let member = &mut self.running[n];
            let start = member.run().filled();
            let first = row;
            row += rows as i64;
            member.run_mut().advance(rows, &mut self.pages)?;
            match &mut member.work {
                Work::Question(question) => {
                    let states = hidden.f_narrow(0, first, rows as i64)?;
                    question.take(&states, start..start + rows, model);
                }
                Work::Answer(sequence) => {
                    sequence.ran(start, rows);
                    if sequence.run.wanted() == 0 {
                        ready.push((n, row - 1));
                    }
                }
            }
        }
        self.take_queries(model, hidden, &ready)?;
        self.take_tokens(model, tokenizer, hidden, ready)
    }

    /// Samples the next token of each that is ready and goes on.
    fn take_tokens(
        &mut self,
        model: &LanguageModel,
        tokenizer: &Tokenizer,
        hidden: &Tensor,
        mut ready: Vec<(usize, i64)>,
    ) -> Result<(), ModelError> {
        ready.retain(|&(n, _)| self.sequence(n).is_some_and(|sequence| sequence.may_go_on(model, tokenizer)));
        ready.sort_unstable();
        if ready.is_empty() {
            return Ok(());
        }
        let mut places = ready.iter().map(|&(n, _)| n).peekable();
        let sequences = self.running.iter_mut().enumerate().filter_map(|(n, member)| {
            let is_ready = places.next_if_eq(&n).is_some();
            match &mut member.work {
                Work::Answer(sequence) if is_ready => Some(sequence),
                _ => None,
            }
        });
        let mut sequences: Vec<_> = sequences.collect();
        let mut samplers: Vec<_> = sequences.iter_mut().map(|sequence| sequence.sampler()).collect();
        let tokens = model.sample(&select(hidden, &ready)?, &mut samplers)?;
        for (sequence, token) in sequences.into_iter().zip(tokens) {
            sequence.take_token(token, model, tokenizer);
        }
        Ok(())
    }

    fn take_queries(
        &mut self,
        model: &LanguageModel,
        hidden: &Tensor,
        ready: &[(usize, i64)],
    ) -> Result<(), ModelError> {
        let mut at_ret = ready.to_vec();
        at_ret.retain(|&(n, _)| self.sequence(n).is_some_and(|sequence| sequence.wants_query()));
        if at_ret.is_empty() {
            return Ok(());
        }
        let queries = model.mapping().query(&select(hidden, &at_ret)?)?;
        for ((n, _), query) in at_ret.into_iter().zip(queries) {
            match (self.sequence(n), query) {
                (Some(sequence), Ok(query)) => sequence.take_query(query),
                (Some(sequence), Err(error)) => sequence.fail(error.into()),
                (None, _) => {}
            }
        }
        Ok(())
    }

    fn sequence(&mut self, n: usize) -> Option<&mut Sequence> {
        match &mut self.running[n].work {
            Work::Answer(sequence) => Some(sequence),
            Work::Question(_) => None,
        }
    }

    /// The engine goes: everybody is told.
    pub(super) fn abandon(&mut self) {
        let all = self.running.drain(..).chain(self.waiting.drain(..));
        all.for_each(|mut member| member.fail(EngineError::Stopped));
    }
}

/// The rows of `hidden` that sequences ended their chunks with.
fn select(hidden: &Tensor, ready: &[(usize, i64)]) -> Result<Tensor, ModelError> {
    let rows: Vec<i64> = ready.iter().map(|&(_, row)| row).collect();
    layers::rows(hidden, &rows)
}

#[cfg(test)]
mod tests;
