//! Percentiles, classes and what a stall does to them.

use super::*;
use crate::serve::record::Watch;

const SLO: Slo = Slo { first: Duration::from_millis(100), turn: Duration::from_millis(500) };

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

impl Tally {
    /// A percentile of a measure of all turns in milliseconds; none if nothing was measured.
    fn percentile(&self, measure: Measure, share: f64) -> Option<f64> {
        self.times.get(&(measure, None)).map(|times| times.at(share))
    }

    /// How many there are of a measure.
    fn measured(&self, measure: Measure) -> u64 {
        self.times.get(&(measure, None)).map_or(0, |times| times.0.len())
    }
}

fn tally() -> Tally {
    Tally::new(ms(1000), ms(11_000), SLO)
}

/// An answer whose text came at `first` and that ended at `ended`, both after it was due.
fn answer(intended: u64, first: u64, ended: u64) -> Record {
    let mut watch = Watch::new(Kind::Text, ms(intended), ms(intended));
    watch.text(ms(intended + first));
    watch.end(Outcome::Answered, ms(intended + ended))
}

fn ended(intended: u64, outcome: Outcome, after: u64) -> Record {
    Watch::new(Kind::Show, ms(intended), ms(intended)).end(outcome, ms(intended + after))
}

#[test]
fn percentiles_are_within_a_thousandth() {
    let mut tally = tally();
    for n in 1..=1000 {
        tally.add(&answer(1000 + n, 1, n));
    }
    for (share, wanted) in [(0.5, 500.0), (0.9, 900.0), (0.99, 990.0), (1.0, 1000.0)] {
        let got = tally.percentile(Measure::Turn, share).unwrap();
        assert!((got / wanted - 1.0).abs() < 1e-3, "{share}: {got}");
    }
    assert_eq!((tally.good, tally.answered, tally.due), (500, 1000, 1000));
    let all = tally.latencies();
    let turn = all.iter().find(|one| one.measure == Measure::Turn && one.kind.is_none()).unwrap();
    assert!(turn.curve.is_sorted() && turn.curve.last().unwrap().0 == 1.0, "{:?}", turn.curve);
    assert_eq!(tally.percentile(Measure::Picture, 0.5), None);
}

#[test]
fn warm_up_and_what_comes_later_do_not_count() {
    let mut tally = tally();
    tally.add(&answer(999, 1, 400));
    tally.add(&answer(11_000, 1, 400));
    assert_eq!((tally.due, tally.measured(Measure::Turn)), (0, 0));
    tally.add(&answer(1000, 1, 400));
    // Due in time, answered later: counts.
    tally.add(&answer(10_999, 1, 400));
    assert_eq!((tally.due, tally.good), (2, 2));
    let seconds: Vec<_> = tally.timeline().iter().map(|second| (second.due, second.answered)).collect();
    assert_eq!((seconds[0], seconds[1], seconds[10], seconds[11]), ((1, 0), (1, 2), (1, 0), (1, 2)));
}

#[test]
fn a_good_turn_meets_both_limits_and_has_its_picture() {
    let mut tally = tally();
    tally.add(&answer(2000, 100, 500));
    tally.add(&answer(2000, 101, 500));
    tally.add(&answer(2000, 100, 501));
    // Nothing said at all, but soon.
    tally.add(&ended(2000, Outcome::Answered, 90));
    tally.add(&ended(2000, Outcome::Answered, 110));
    tally.add(&Record { lacking: true, ..answer(2000, 10, 20) });
    assert_eq!((tally.good, tally.answered, tally.lacking), (2, 6, 1));
}

#[test]
fn each_outcome_has_its_place() {
    let mut tally = tally();
    for (outcome, after) in [
        (Outcome::Refused("RESOURCE_EXHAUSTED"), 3),
        (Outcome::Refused("UNAVAILABLE"), 5),
        (Outcome::Failed("INTERNAL"), 70),
        (Outcome::Broken, 80),
        (Outcome::Cancelled, 90),
        (Outcome::Unsent, 0),
    ] {
        tally.add(&ended(3000, outcome, after));
    }
    let counts: Vec<_> = tally.counts.iter().map(|(name, n)| (name.as_str(), *n)).collect();
    assert_eq!(
        counts,
        [
            ("broken", 1),
            ("cancelled", 1),
            ("failed INTERNAL", 1),
            ("refused RESOURCE_EXHAUSTED", 1),
            ("refused UNAVAILABLE", 1),
            ("unsent", 1)
        ]
    );
    assert_eq!((tally.errors, tally.good, tally.due), (4, 0, 6));
    assert_eq!((tally.measured(Measure::Refusal), tally.measured(Measure::Turn)), (2, 0));
    let worst = tally.percentile(Measure::Refusal, 1.0).unwrap();
    assert!((worst - 5.0).abs() < 0.01, "{worst}");
}

#[test]
fn a_stall_is_seen_by_all_that_were_due_meanwhile() {
    // A turn each 10 ms; the server answers at once, but for one second in which it answers nobody. A client that waited for
    // each answer before it asked again would have seen one slow turn.
    let mut tally = tally();
    for due in (1000..11_000).step_by(10) {
        let wait = if (5000..6000).contains(&due) { 6000 - due } else { 1 };
        tally.add(&answer(due, wait, wait));
    }
    let p = |share| tally.percentile(Measure::First, share).unwrap();
    assert!(p(0.5) < 2.0 && (p(0.95) - 500.0).abs() < 20.0 && (p(0.99) - 900.0).abs() < 20.0, "{}", p(0.95));
    assert_eq!(tally.due - tally.good, 90);
}
