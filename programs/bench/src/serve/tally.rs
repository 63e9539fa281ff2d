//! Adds records up: histograms, counts, a line of seconds.

use std::{collections::BTreeMap, time::Duration};

use hdrhistogram::Histogram;

use super::{
    mix::Kind,
    outcome::Outcome,
    record::Record,
    report::{Latency, Measure, Second},
};

/// The longest time that a histogram tells from longer ones, in microseconds: an hour.
const LONGEST: u64 = 3_600_000_000;
/// Digits of a time that are kept.
const DIGITS: u8 = 3;

/// What a good turn is: answered, and as soon as this, counted from when it was due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slo {
    pub(crate) first: Duration,
    pub(crate) turn: Duration,
}

/// Times in microseconds.
#[derive(Clone, Debug)]
struct Times(Histogram<u64>);

/// What a run's records come to.
#[derive(Debug)]
pub(crate) struct Tally {
    /// What was due in it counts.
    from: Duration,
    to: Duration,
    slo: Slo,
    times: BTreeMap<(Measure, Option<Kind>), Times>,
    /// By outcome with its code.
    pub(crate) counts: BTreeMap<String, u64>,
    /// Turns that were due.
    pub(crate) due: u64,
    /// Turns that were answered.
    pub(crate) answered: u64,
    /// Good turns.
    pub(crate) good: u64,
    /// Answers that lack a picture for which nobody could be asked.
    pub(crate) lacking: u64,
    /// Errors that nobody asked for.
    pub(crate) errors: u64,
    /// Texts that came.
    pub(crate) texts: u64,
    seconds: Vec<Second>,
    /// Milliseconds of the answered turns that ended in each second.
    ended: Vec<Vec<f64>>,
}

impl Tally {
    /// Nothing yet. What is due from `from` to `to` since the run's beginning counts; the line of seconds has all.
    pub(crate) fn new(from: Duration, to: Duration, slo: Slo) -> Self {
        Self {
            from,
            to,
            slo,
            times: BTreeMap::new(),
            counts: BTreeMap::new(),
            due: 0,
            answered: 0,
            good: 0,
            lacking: 0,
            errors: 0,
            texts: 0,
            seconds: Vec::new(),
            ended: Vec::new(),
        }
    }

    /// Adds a turn.
    pub(crate) fn add(&mut self, record: &Record) {
        let good = self.is_good(record);
        self.add_to_seconds(record, good);
        if record.intended < self.from || record.intended >= self.to {
            return;
        }
        self.due += 1;
        *self.counts.entry(record.outcome.to_string()).or_default() += 1;
        self.good += u64::from(good);
        self.errors += u64::from(record.outcome.is_error());
        let since_due = |moment: Duration| moment.saturating_sub(record.intended);
        if record.outcome != Outcome::Unsent {
            self.time(Measure::Lag, None, since_due(record.sent));
        }
        for gap in &record.gaps {
            self.time(Measure::Gap, None, *gap);
        }
        self.texts += record.gaps.len() as u64 + u64::from(record.first.is_some());
        if let Some(first) = record.first {
            self.time_of(Measure::First, record.kind, since_due(first));
        }
        if let Some(picture) = record.picture {
            self.time_of(Measure::Picture, record.kind, since_due(picture));
        }
        match record.outcome {
            Outcome::Answered => {
                self.answered += 1;
                self.lacking += u64::from(record.lacking);
                self.time_of(Measure::Turn, record.kind, record.took());
            }
            Outcome::Refused(_) => self.time(Measure::Refusal, None, record.took()),
            _ => {}
        }
    }

    fn is_good(&self, record: &Record) -> bool {
        // An answer of no words has begun when it ends.
        let first = record.first.unwrap_or(record.ended).saturating_sub(record.intended);
        record.outcome == Outcome::Answered
            && !record.lacking
            && first <= self.slo.first
            && record.took() <= self.slo.turn
    }

    fn time_of(&mut self, measure: Measure, kind: Kind, time: Duration) {
        self.time(measure, Some(kind), time);
        self.time(measure, None, time);
    }

    fn time(&mut self, measure: Measure, kind: Option<Kind>, time: Duration) {
        self.times.entry((measure, kind)).or_insert_with(Times::new).add(time);
    }

    fn add_to_seconds(&mut self, record: &Record, good: bool) {
        self.second(record.intended).due += 1;
        let second = self.second(record.ended);
        match record.outcome {
            Outcome::Answered => second.answered += 1,
            Outcome::Refused(_) => second.refused += 1,
            Outcome::Failed(_) => second.failed += 1,
            Outcome::Broken => second.broken += 1,
            Outcome::Cancelled => second.cancelled += 1,
            Outcome::Unsent => second.unsent += 1,
            Outcome::Unfinished => {}
        }
        second.good += u64::from(good);
        second.lacking += u64::from(record.lacking);
        if record.outcome == Outcome::Answered {
            let at = record.ended.as_secs() as usize;
            self.ended[at].push(record.took().as_secs_f64() * 1e3);
        }
    }

    fn second(&mut self, moment: Duration) -> &mut Second {
        let at = moment.as_secs() as usize;
        while self.seconds.len() <= at {
            let second = self.seconds.len() as u64;
            self.seconds.push(Second { second, ..Second::default() });
            self.ended.push(Vec::new());
        }
        &mut self.seconds[at]
    }

    /// The seconds of the run, warm-up included.
    pub(crate) fn timeline(&self) -> Vec<Second> {
        let worst =
            |times: &Vec<f64>| (!times.is_empty()).then(|| crate::statistics::percentile(times, 0.99));
        let seconds = self.seconds.iter().zip(&self.ended);
        seconds.map(|(second, ended)| Second { turn_p99_ms: worst(ended), ..second.clone() }).collect()
    }

    /// All histograms, as percentiles.
    pub(crate) fn latencies(&self) -> Vec<Latency> {
        self.times.iter().map(|((measure, kind), times)| times.latency(*measure, *kind)).collect()
    }
}

impl Times {
    fn new() -> Self {
        // These bounds are right, which is all that it could refuse.
        Self(Histogram::new_with_bounds(1, LONGEST, DIGITS).unwrap_or_else(|_| unreachable!()))
    }

    fn add(&mut self, time: Duration) {
        let microseconds = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.0.saturating_record(microseconds.max(1));
    }

    fn at(&self, share: f64) -> f64 {
        self.0.value_at_quantile(share) as f64 / 1e3
    }

    fn latency(&self, measure: Measure, kind: Option<Kind>) -> Latency {
        // Denser towards the end, which is what one looks for.
        let mut curve: Vec<f64> = (0..20).map(|n| f64::from(n) * 0.05).collect();
        for nines in 1..=4 {
            let rest = 10_f64.powi(-nines);
            curve.extend([1.0, 0.8, 0.6, 0.4, 0.2].map(|part| 1.0 - part * rest));
        }
        curve.retain(|share| (1.0 - share) * self.0.len() as f64 >= 1.0);
        curve.push(1.0);
        curve.sort_by(f64::total_cmp);
        curve.dedup_by(|a, b| (*a - *b).abs() < 1e-9);
        Latency {
            measure,
            kind,
            count: self.0.len(),
            mean_ms: self.0.mean() / 1e3,
            p50_ms: self.at(0.5),
            p90_ms: self.at(0.9),
            p95_ms: self.at(0.95),
            p99_ms: self.at(0.99),
            p999_ms: self.at(0.999),
            max_ms: self.0.max() as f64 / 1e3,
            curve: curve.into_iter().map(|share| (share, self.at(share))).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
