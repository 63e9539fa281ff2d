//! One of those who share the steps: an answer or a question, and when it came.

use std::time::Instant;

use fondue_model::{LanguageModel, ModelError};

use super::{
    gauges,
    pages::Pages,
    questions::Question,
    run::{Entry, Run},
    sequence::Sequence,
};
use crate::EngineError;

pub(super) struct Member {
    /// Who came first goes first, also after having been pre-empted.
    pub(super) arrival: u64,
    pub(super) work: Work,
}

pub(super) enum Work {
    Answer(Box<Sequence>),
    Question(Box<Question>),
}

impl Member {
    pub(super) fn is_answer(&self) -> bool {
        matches!(self.work, Work::Answer(_))
    }

    pub(super) fn run(&self) -> &Run {
        match &self.work {
            Work::Answer(sequence) => &sequence.run,
            Work::Question(question) => &question.run,
        }
    }

    pub(super) fn run_mut(&mut self) -> &mut Run {
        match &mut self.work {
            Work::Answer(sequence) => &mut sequence.run,
            Work::Question(question) => &mut question.run,
        }
    }

    /// Whether its next row is a token of its own, behind the prompt.
    pub(super) fn decodes(&self) -> bool {
        self.is_answer() && self.run().wanted() == 1
    }

    /// Whether it is worth another step.
    pub(super) fn lives(&mut self, now: Instant) -> bool {
        match &mut self.work {
            Work::Answer(sequence) => sequence.lives(now),
            Work::Question(question) => question.lives(now),
        }
    }

    /// Takes its blocks if `spare` more stay to be had.
    pub(super) fn enter(
        &mut self,
        pages: &mut Pages,
        spare: usize,
        model: &LanguageModel,
    ) -> Result<Entry, ModelError> {
        let (entry, positions) = match &mut self.work {
            Work::Answer(sequence) => {
                let first = !sequence.has_started();
                (sequence.enter(pages, spare, model)?, first.then(|| sequence.run.known()))
            }
            Work::Question(question) => (question.enter(pages, spare, model)?, Some(question.run.known())),
        };
        if let (Entry::Cached(cached), Some(positions)) = (&entry, positions) {
            gauges::prompt(positions, *cached);
        }
        Ok(entry)
    }

    /// Cuts it off.
    pub(super) fn fail(&mut self, error: EngineError) {
        match &mut self.work {
            Work::Answer(sequence) => sequence.fail(error),
            Work::Question(question) => question.fail(error),
        }
    }
}
