//! The batch: which sequences run, and one step of them all.

use std::{collections::VecDeque, time::Instant};

use fondue_model::{Chunk, LanguageModel, ModelError, Tokenizer};
use tch::Tensor;

use super::{LanguageLimits, job::Job, sequence::Sequence};
use crate::EngineError;

/// Sequences that decode and jobs that wait for a slot.
pub(super) struct Batch {
    running: Vec<Sequence>,
    waiting: VecDeque<Job>,
    limits: LanguageLimits,
}

impl Batch {
    pub(super) fn new(limits: LanguageLimits) -> Self {
        Self { running: Vec::new(), waiting: VecDeque::new(), limits }
    }

    pub(super) fn enqueue(&mut self, job: Job) {
        self.waiting.push_back(job);
    }

    pub(super) fn is_idle(&self) -> bool {
        self.running.is_empty() && self.waiting.is_empty()
    }

    /// (decoding, waiting)
    pub(super) fn load(&self) -> (usize, usize) {
        (self.running.len(), self.waiting.len())
    }

    /// Lets go of who has ended, gone or run out of time, and gives free slots to who waits.
    pub(super) fn turn_over(&mut self, model: &LanguageModel, tokenizer: &Tokenizer) {
        let now = Instant::now();
        self.running.retain_mut(|sequence| sequence.lives(now));
        self.waiting.retain(|job| {
            let late = now >= job.generation.deadline;
            if late {
                refuse(job, EngineError::Deadline { tokens: 0 });
            }
            !late && !job.out.is_closed()
        });
        while self.running.len() < self.limits.slots {
            let Some(job) = self.waiting.pop_front() else { break };
            match model.embed(&job.generation.prompt) {
                Ok(vectors) => self.running.push(Sequence::start(job, vectors, model, tokenizer)),
                Err(error) => refuse(&job, error.into()),
            }
        }
    }

    /// One forward pass of everything that runs.
    ///
    /// If it fails, nobody's cache has grown, and each sequence is tried alone: whoever asks for too much (memory,
    /// say) fails without the others.
    pub(super) fn step(&mut self, model: &LanguageModel, tokenizer: &Tokenizer) {
        let all: Vec<usize> = (0..self.running.len()).collect();
        if all.is_empty() {
            return;
        }
        match self.forward(&all, model) {
            Ok(states) => self.harvest(states, &all, model, tokenizer),
            Err(error) if all.len() == 1 => self.running[0].fail(error.into()),
            Err(error) => {
                tracing::warn!(%error, sequences = all.len(), "a step failed; its sequences are tried one by one");
                for n in all {
                    match self.forward(&[n], model) {
                        Ok(states) => self.harvest(states, &[n], model, tokenizer),
                        Err(error) => self.running[n].fail(error.into()),
                    }
                }
            }
        }
    }

    /// Runs the next rows of some sequences.
    fn forward(&mut self, which: &[usize], model: &LanguageModel) -> Result<States, ModelError> {
        // Prompts share a budget of rows, so that a long one delays the others' next token by a bounded time.
        let mut budget = self.limits.prefill_rows as i64;
        let mut chunks = Vec::with_capacity(which.len());
        let mut taken = Vec::with_capacity(which.len());
        let mut rows = 0;
        for (n, sequence) in self.running.iter_mut().enumerate().filter(|(n, _)| which.contains(n)) {
            let pending = sequence.pending.size()[0];
            let take = if pending == 1 { 1 } else { pending.min(budget) };
            if take == 0 {
                continue;
            }
            if pending > 1 {
                budget -= take;
            }
            rows += take;
            taken.push((n, take, rows - 1));
            chunks
                .push(Chunk { vectors: sequence.pending.f_narrow(0, 0, take)?, cache: &mut sequence.cache });
        }
        let hidden = model.forward(&mut chunks)?;
        drop(chunks);
        let mut ready = Vec::with_capacity(taken.len());
        for (n, take, last) in taken {
            let sequence = &mut self.running[n];
            let left = sequence.pending.size()[0] - take;
            if left == 0 {
                ready.push((n, last));
            } else {
                sequence.pending = sequence.pending.f_narrow(0, take, left)?;
            }
        }
        Ok(States { hidden, ready })
    }

    /// Takes queries and tokens from the states of a step. If that fails, its sequences cannot go on.
    fn harvest(&mut self, states: States, which: &[usize], model: &LanguageModel, tokenizer: &Tokenizer) {
        if let Err(error) = self.try_harvest(states, model, tokenizer) {
            let error = EngineError::from(error);
            which.iter().for_each(|&n| self.running[n].fail(error.clone()));
        }
    }

    fn try_harvest(
        &mut self,
        States { hidden, mut ready }: States,
        model: &LanguageModel,
        tokenizer: &Tokenizer,
    ) -> Result<(), ModelError> {
        self.take_queries(model, &hidden, &ready)?;
        let running = &self.running;
        ready.retain(|&(n, _)| !running[n].ended());
        if ready.is_empty() {
            return Ok(());
        }
        let logits = model.logits(&select(&hidden, &ready)?)?;
        for (&(n, _), mut row) in ready.iter().zip(logits) {
            self.running[n].take_logits(&mut row, model, tokenizer);
        }
        Ok(())
    }

    fn take_queries(
        &mut self,
        model: &LanguageModel,
        hidden: &Tensor,
        ready: &[(usize, i64)],
    ) -> Result<(), ModelError> {
        let at_ret: Vec<_> = ready.iter().copied().filter(|&(n, _)| self.running[n].wants_query()).collect();
        if at_ret.is_empty() {
            return Ok(());
        }
        let queries = model.mapping().query(&select(hidden, &at_ret)?)?;
        for ((n, _), query) in at_ret.into_iter().zip(queries) {
            match query {
                Ok(query) => self.running[n].take_query(query),
                Err(error) => self.running[n].fail(error.into()),
            }
        }
        Ok(())
    }

    /// The engine goes: everybody is told.
    pub(super) fn abandon(&mut self) {
        self.running.drain(..).for_each(|mut sequence| sequence.fail(EngineError::Stopped));
        self.waiting.drain(..).for_each(|job| refuse(&job, EngineError::Stopped));
    }
}

/// What a step gave: states, and whose last row of all lies where.
struct States {
    hidden: Tensor,
    ready: Vec<(usize, i64)>,
}

fn refuse(job: &Job, error: EngineError) {
    let _ = job.out.try_send(super::Emission::Failed(error));
}

/// The rows of `hidden` that sequences ended their chunks with.
fn select(hidden: &Tensor, ready: &[(usize, i64)]) -> Result<Tensor, ModelError> {
    let rows: Vec<i64> = ready.iter().map(|&(_, row)| row).collect();
    let rows = Tensor::f_from_slice(&rows)?.f_to_device(hidden.device())?;
    Ok(hidden.f_index_select(0, &rows)?)
}
