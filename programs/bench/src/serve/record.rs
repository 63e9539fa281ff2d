//! What one turn's client saw, and when.

use std::time::{Duration, Instant};

use super::{mix::Kind, outcome::Outcome};

/// Time since a run began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    /// Begins now.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(self) -> Duration {
        self.0.elapsed()
    }

    /// The moment at which so much has passed.
    pub(crate) fn at(self, time: Duration) -> tokio::time::Instant {
        (self.0 + time).into()
    }
}

/// One turn. Times are since the run's beginning.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    pub(crate) kind: Kind,
    /// When it was due. Everything is counted from here, so that a server that stalls is not spared the turns that would have
    /// come meanwhile.
    pub(crate) intended: Duration,
    pub(crate) sent: Duration,
    /// The first piece of the answer, text or picture.
    pub(crate) first: Option<Duration>,
    pub(crate) picture: Option<Duration>,
    /// Whether a picture is not there because nobody could be asked for it.
    pub(crate) lacking: bool,
    /// Between texts.
    pub(crate) gaps: Vec<Duration>,
    pub(crate) ended: Duration,
    pub(crate) outcome: Outcome,
}

impl Record {
    /// One that was not sent.
    pub(crate) fn unsent(kind: Kind, intended: Duration) -> Self {
        Watch::new(kind, intended, intended).end(Outcome::Unsent, intended)
    }

    /// Since it was due.
    pub(crate) fn took(&self) -> Duration {
        self.ended.saturating_sub(self.intended)
    }
}

/// A turn that is under way.
#[derive(Debug)]
pub(crate) struct Watch {
    record: Record,
    last_text: Option<Duration>,
}

impl Watch {
    pub(crate) fn new(kind: Kind, intended: Duration, sent: Duration) -> Self {
        let record = Record {
            kind,
            intended,
            sent,
            first: None,
            picture: None,
            lacking: false,
            gaps: Vec::new(),
            ended: sent,
            outcome: Outcome::Unfinished,
        };
        Self { record, last_text: None }
    }

    /// Whether anything of the answer has come.
    pub(crate) fn has_begun(&self) -> bool {
        self.record.first.is_some()
    }

    pub(crate) fn text(&mut self, now: Duration) {
        if let Some(last) = self.last_text.replace(now) {
            self.record.gaps.push(now.saturating_sub(last));
        }
        self.record.first.get_or_insert(now);
    }

    pub(crate) fn picture(&mut self, now: Duration) {
        self.record.picture.get_or_insert(now);
        self.record.first.get_or_insert(now);
    }

    /// A picture is not there, since nobody could be asked for it.
    pub(crate) fn lack(&mut self) {
        self.record.lacking = true;
    }

    pub(crate) fn end(mut self, outcome: Outcome, now: Duration) -> Record {
        (self.record.outcome, self.record.ended) = (outcome, now);
        self.record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_between_texts_and_firsts_are_of_either() {
        let ms = Duration::from_millis;
        let mut watch = Watch::new(Kind::Show, ms(10), ms(12));
        assert!(!watch.has_begun());
        watch.picture(ms(20));
        watch.text(ms(30));
        watch.picture(ms(35));
        watch.text(ms(50));
        let record = watch.end(Outcome::Answered, ms(60));
        assert_eq!(
            (record.first, record.picture, record.gaps.clone()),
            (Some(ms(20)), Some(ms(20)), vec![ms(20)])
        );
        assert_eq!(record.took(), ms(50));
    }
}
