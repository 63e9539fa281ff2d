//! How many rows of prompts a step takes: all that are allowed while nobody decodes; else as many as keep the step within
//! a multiple of a pure decoding step, so that a long prompt slows the others by that much and no more.
//!
//! Times are learned while running: a decoding step's by the number of sequences, a prompt row's from the steps that
//! hold both. The row's cost is not a constant (the first rows ride on weights that are read in any case, later ones pay
//! for arithmetic), so the number is found by going up in small steps (half as much again) from what was tried.

use std::time::Duration;

/// Rows of prompts in a step at least, so that prompts move whatever the estimate says.
const LEAST: usize = 8;
/// Weight of a new measurement.
const NEWS: f64 = 0.25;
/// Of one that shows rows to be cheaper than was thought, or dearer: late tokens are worse than a prompt that takes some
/// steps more, so that the estimate stays near the dearest of late.
const GOOD_NEWS: f64 = 0.1;
const BAD_NEWS: f64 = 0.75;
/// Steps with prompts in a row after which one without tells anew what decoding alone takes; sooner where prompts hardly
/// move, since the machine may only have become slower.
const PROBE: u32 = 64;
const PROBE_SOON: u32 = 8;
/// Sizes of batches that are told apart: 1, 2 to 3, 4 to 7, …
const SIZES: usize = 13;

/// The estimate.
#[derive(Debug)]
pub(super) struct Pace {
    /// A step with prompts takes this many decoding steps' time at most.
    stretch: f64,
    /// Rows of prompts in a step at most.
    most: usize,
    /// Seconds of a step that only decodes, by the binary logarithm of its sequences.
    decode: [Option<f64>; SIZES],
    /// Seconds that a row of a prompt adds.
    row: Option<f64>,
    /// Rows that were tried and not found too many.
    tried: usize,
    mixed: u32,
}

impl Pace {
    pub(super) fn new(stretch: f64, most: usize) -> Self {
        Self { stretch, most, decode: [None; SIZES], row: None, tried: LEAST.min(most), mixed: 0 }
    }

    /// Rows of prompts for the next step, in which `decoding` sequences decode; 0 to measure decoding alone.
    pub(super) fn rows(&self, decoding: usize) -> usize {
        if decoding == 0 {
            return self.most;
        }
        let least = LEAST.min(self.most);
        let (Some(base), Some(row)) = (self.base(decoding), self.row) else { return least };
        let fit = (self.stretch - 1.0) * base / row.max(1e-9);
        let probe = if fit > least as f64 { PROBE } else { PROBE_SOON };
        if self.mixed >= probe {
            return 0;
        }
        // Float to integer saturates.
        (fit as usize).min(self.tried + self.tried / 2 + 1).clamp(least, self.most)
    }

    /// A step took this long.
    pub(super) fn note(&mut self, decoding: usize, prompts: usize, took: Duration) {
        let took = took.as_secs_f64();
        match (decoding, prompts) {
            (0, 0) => {}
            (0, rows) => {
                // Rows by themselves cost more than beside others: a beginning, not an estimate.
                self.row.get_or_insert(took / rows as f64);
            }
            (_, 0) => {
                // What was learned before many steps is old.
                let weight = if self.mixed >= PROBE_SOON { BAD_NEWS } else { NEWS };
                self.mixed = 0;
                blend(&mut self.decode[size(decoding)], took, weight);
            }
            (_, rows) => {
                self.mixed += 1;
                let Some(base) = self.base(decoding) else {
                    self.decode[size(decoding)] = Some(took); // too much, until a step tells better
                    return;
                };
                if rows < LEAST.min(self.most) {
                    return; // the rest of a prompt: mostly noise
                }
                let row = (took - base).max(0.0) / rows as f64;
                let weight = if self.row.is_some_and(|old| row > old) { BAD_NEWS } else { GOOD_NEWS };
                blend(&mut self.row, row, weight);
                if took > 1.25 * self.stretch * base {
                    self.tried = self.tried.min(rows / 2).max(LEAST.min(self.most));
                } else {
                    self.tried = self.tried.max(rows);
                }
            }
        }
    }

    /// What decoding takes with about as many sequences.
    fn base(&self, decoding: usize) -> Option<f64> {
        let at = size(decoding);
        (0..SIZES)
            .filter_map(|n| Some((n.abs_diff(at), self.decode[n]?)))
            .min_by_key(|(far, _)| *far)
            .map(|(_, s)| s)
    }
}

fn size(sequences: usize) -> usize {
    (sequences.max(1).ilog2() as usize).min(SIZES - 1)
}

fn blend(old: &mut Option<f64>, new: f64, weight: f64) {
    *old = Some(old.map_or(new, |old| old + weight * (new - old)));
}

/// Shares a step's rows among prompts, the oldest first: it gets half at least, the others share the rest, short ones first,
/// and what they leave is the oldest's again. So a long prompt always moves, and a short one behind it does not wait for
/// its end.
pub(super) fn share(rows: usize, wanted: &[usize]) -> Vec<usize> {
    let mut shares = vec![0; wanted.len()];
    let Some((&first, others)) = wanted.split_first() else { return shares };
    shares[0] = first.min(if others.is_empty() { rows } else { rows.div_ceil(2) });
    let mut left = rows - shares[0];
    let mut order: Vec<usize> = (1..wanted.len()).collect();
    order.sort_by_key(|&n| wanted[n]); // stable: of equals the older first
    for (n, &at) in order.iter().enumerate() {
        let even = left / (order.len() - n);
        shares[at] = wanted[at].min(even.max(1)).min(left);
        left -= shares[at];
    }
    for (share, wanted) in shares.iter_mut().zip(wanted) {
        let more = left.min(wanted - *share);
        *share += more;
        left -= more;
    }
    shares
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Seconds of a step on a machine where some rows ride for nothing.
    fn cost(decoding: usize, prompts: usize, free: usize) -> f64 {
        let paid = (decoding + prompts).saturating_sub(free);
        0.050 + 0.001 * decoding as f64 + 0.001 * paid as f64
    }

    fn run_slower(pace: &mut Pace, decoding: usize, prompts: usize, slower: f64) {
        pace.note(decoding, prompts, Duration::from_secs_f64(cost(decoding, prompts, 0) * slower));
    }

    fn run(pace: &mut Pace, decoding: usize, prompts: usize, free: usize) -> f64 {
        let took = cost(decoding, prompts, free);
        pace.note(decoding, prompts, Duration::from_secs_f64(took));
        took
    }

    #[test]
    fn steps_stay_within_the_stretch_and_use_it() {
        for (decoding, free) in [(1, 0), (7, 0), (7, 16), (1, 40), (32, 16)] {
            let mut pace = Pace::new(2.0, 512);
            (0..10).for_each(|_| _ = run(&mut pace, decoding, 0, free));
            let base = cost(decoding, 0, free);
            let (mut times, mut rows) = (Vec::new(), 0);
            for _ in 0..200 {
                let n = pace.rows(decoding);
                times.push(run(&mut pace, decoding, n, free));
                rows = if n > 0 { n } else { rows };
            }
            let worst = times.iter().copied().fold(0.0, f64::max);
            assert!(worst <= 3.0 * base, "{decoding} {free}: {worst} {base}");
            let settled = times[100..].iter().copied().fold(0.0, f64::max);
            assert!(settled <= 2.2 * base, "{decoding} {free}: {settled} {base}");
            assert!(cost(decoding, rows, free) >= 1.6 * base, "{decoding} {free}: {rows} rows");
        }
    }

    #[test]
    fn bounds_hold_whatever_was_measured() {
        let mut pace = Pace::new(2.0, 512);
        assert_eq!((pace.rows(0), pace.rows(3)), (512, LEAST), "nothing is known yet");
        // Rows that cost next to nothing, then far too much.
        for took in [1e-3, 1e-3, 10.0] {
            (0..50).for_each(|_| {
                let rows = pace.rows(3);
                pace.note(3, rows, Duration::from_secs_f64(if rows == 0 { 1e-3 } else { took }));
                assert!(rows == 0 || (LEAST..=512).contains(&rows));
            });
        }
        assert_eq!(pace.rows(3).max(LEAST), LEAST);
        assert_eq!(Pace::new(2.0, 3).rows(1), 3, "the limit wins over the least");
        let mut one = Pace::new(1.0, 64);
        (0..5).for_each(|_| one.note(1, 0, Duration::from_millis(10)));
        one.note(1, 8, Duration::from_millis(20));
        assert_eq!(one.rows(1), LEAST, "without any stretch prompts still move");
    }

    #[test]
    fn decoding_alone_is_measured_again_in_a_long_prompt() {
        let mut pace = Pace::new(2.0, 64);
        let mut step = |slower: f64| {
            let rows = pace.rows(2);
            run_slower(&mut pace, 2, rows, slower);
            rows
        };
        (0..200).for_each(|_| _ = step(1.0));
        let probes = (0..2 * PROBE + 2).filter(|_| step(1.0) == 0).count();
        assert_eq!(probes, 2);
        // The machine becomes three times slower: that is not the prompt's fault, and it moves on as before.
        let rows: Vec<usize> = (0..200).map(|_| step(3.0)).collect();
        assert!(rows[150..].iter().filter(|&&n| n > 0).all(|&n| n > 2 * LEAST), "{rows:?}");
    }

    #[test]
    fn the_oldest_gets_half_and_short_ones_are_not_stuck_behind_it() {
        assert!(share(64, &[]).is_empty());
        assert_eq!(share(64, &[1500]), [64]);
        assert_eq!(share(64, &[1500, 10]), [54, 10]);
        assert_eq!(share(64, &[1500, 1500, 10]), [32, 22, 10]);
        assert_eq!(share(64, &[4, 1500, 1500]), [4, 30, 30]);
        assert_eq!(share(8, &[1500, 900, 900, 900, 900, 3]), [4, 1, 1, 1, 0, 1]);
        assert_eq!(share(1, &[1500, 2]), [1, 0]);
        assert_eq!(share(0, &[3, 3]), [0, 0]);
    }

    proptest! {
        #[test]
        fn all_rows_are_given_to_who_wants_them(rows in 0usize..600, wanted in prop::collection::vec(2usize..900, 0..20)) {
            let shares = share(rows, &wanted);
            prop_assert_eq!(shares.iter().sum::<usize>(), rows.min(wanted.iter().sum()));
            prop_assert!(shares.iter().zip(&wanted).all(|(share, wanted)| share <= wanted));
            if let Some(first) = wanted.first() {
                prop_assert!(shares[0] >= (*first).min(rows / 2));
            }
        }
    }
}
