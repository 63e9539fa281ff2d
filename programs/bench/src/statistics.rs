//! Medians, percentiles, and what one measurement of answers says.

use serde::{Deserialize, Serialize};

use crate::limit::share;

/// The value below which `share` of all lie; 0 of none.
pub(crate) fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    let at = (share * last as f64).round() as usize;
    sorted.get(at.min(last)).copied().unwrap_or(0.0)
}

/// The middle one.
pub(crate) fn median(values: &[f64]) -> f64 {
    percentile(values, 0.5)
}

/// Answers that were made at the same time.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Answers {
    /// For each answer the seconds from its request to each of its tokens.
    pub(crate) tokens: Vec<Vec<f64>>,
    /// For each answer its tokens; none for what was not known.
    pub(crate) ids: Vec<Vec<Option<u32>>>,
    /// Most memory that the process has had, in bytes.
    pub(crate) peak: f64,
}

/// What answers say that were made at the same time.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Figures {
    /// Seconds to the first token, the median of all answers.
    pub ttft: f64,
    /// Tokens a second of all answers together, while they decode.
    pub decode: f64,
    /// Tokens a second over all, prompts included.
    pub overall: f64,
    /// Seconds between tokens.
    pub p50: f64,
    /// Seconds between tokens that 1 in 100 exceeds.
    pub p99: f64,
    /// Most memory that the process has had, in bytes.
    pub peak: f64,
}

impl Answers {
    pub(crate) fn figures(&self) -> Figures {
        let firsts: Vec<f64> = self.tokens.iter().filter_map(|times| times.first().copied()).collect();
        let last = self.tokens.iter().filter_map(|times| times.last().copied()).fold(0.0, f64::max);
        // All decode from the last first token on; answers that began earlier had others' prompts beside them.
        let begun = firsts.iter().copied().fold(0.0, f64::max);
        let later = self.tokens.iter().flatten().filter(|&&time| time > begun).count();
        let gaps = self.gaps();
        let all: usize = self.tokens.iter().map(Vec::len).sum();
        Figures {
            ttft: median(&firsts),
            decode: later as f64 / (last - begun).max(1e-9),
            overall: all as f64 / last.max(1e-9),
            p50: percentile(&gaps, 0.5),
            p99: percentile(&gaps, 0.99),
            peak: self.peak,
        }
    }

    /// Seconds between tokens, of all answers.
    pub(crate) fn gaps(&self) -> Vec<f64> {
        let gaps = self.tokens.iter().flat_map(|times| times.windows(2).map(|pair| pair[1] - pair[0]));
        gaps.collect()
    }
}

/// Share of the tokens that are the same in two sets of answers to the same prompts.
pub(crate) fn agreement(a: &[Vec<Option<u32>>], b: &[Vec<Option<u32>>]) -> f64 {
    let pairs = a.iter().flatten().zip(b.iter().flatten());
    let same = pairs.filter(|(a, b)| a.is_some() && a == b).count();
    share(same as f64, a.iter().flatten().count().max(b.iter().flatten().count()) as f64)
}

/// Each figure's median over several runs; of the peak the largest.
pub(crate) fn medians(runs: &[Figures]) -> Figures {
    let of = |each: fn(&Figures) -> f64| median(&runs.iter().map(each).collect::<Vec<_>>());
    Figures {
        ttft: of(|f| f.ttft),
        decode: of(|f| f.decode),
        overall: of(|f| f.overall),
        p50: of(|f| f.p50),
        p99: of(|f| f.p99),
        peak: runs.iter().map(|f| f.peak).fold(0.0, f64::max),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_there() {
        let values: Vec<f64> = (1..=101).rev().map(f64::from).collect();
        assert_eq!((percentile(&values, 0.5), percentile(&values, 0.99)), (51.0, 100.0));
        assert_eq!((percentile(&values, 0.0), percentile(&values, 1.0)), (1.0, 101.0));
        assert_eq!((percentile(&[], 0.5), median(&[7.0])), (0.0, 7.0));
    }

    #[test]
    fn figures_of_answers() {
        let answers =
            Answers { tokens: vec![vec![1.0, 2.0, 3.0], vec![2.0, 2.5, 3.0]], ids: Vec::new(), peak: 5.0 };
        let figures = answers.figures();
        assert_eq!(figures.ttft, 2.0);
        // After 2.0 there come 3.0, 2.5 and 3.0.
        assert_eq!((figures.decode, figures.overall), (3.0, 2.0));
        assert_eq!((figures.p50, figures.p99, figures.peak), (1.0, 1.0, 5.0));
    }

    #[test]
    fn one_answer_of_one_token_divides_by_nothing() {
        let figures = Answers { tokens: vec![vec![1.0]], ..Answers::default() }.figures();
        assert_eq!((figures.decode, figures.overall, figures.p99), (0.0, 1.0, 0.0));
        let figures = Answers::default().figures();
        assert_eq!((figures.decode, figures.overall, figures.ttft), (0.0, 0.0, 0.0));
    }

    #[test]
    fn medians_are_of_each_figure_and_of_memory_the_most() {
        let run = |ttft, decode, peak| Figures { ttft, decode, peak, ..Figures::default() };
        let all = medians(&[run(1.0, 30.0, 1.0), run(3.0, 20.0, 3.0), run(2.0, 10.0, 2.0)]);
        assert_eq!((all.ttft, all.decode, all.peak), (2.0, 20.0, 3.0));
    }

    #[test]
    fn agreement_is_of_known_tokens_in_their_places() {
        let (a, b) = (vec![vec![Some(1), Some(2), None]], vec![vec![Some(1), Some(3), None]]);
        assert_eq!((agreement(&a, &a), agreement(&a, &b), agreement(&[], &[])), (2.0 / 3.0, 1.0 / 3.0, 0.0));
        assert_eq!(agreement(&a, &[vec![Some(1)]]), 1.0 / 3.0);
    }
}
