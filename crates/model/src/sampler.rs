//! Where a token is sampled: the rule for `[RET]`, then greedy or top-p.
//!
//! Source: the reference's token loop; Holtzman et al. 2020 for top-p. Probabilities are taken after subtracting
//! the largest logit, so that a low temperature cannot overflow.
//!
//! The published factor f on the raw logit l of `[RET]` makes `[RET]` rarer where it should make it likelier, if l is
//! below 0. It is therefore a bias of (f − 1)·|l| here: the same number for l ≥ 0, and the right direction for all
//! others. [`Compat::Reference`] gives f·l as published.

use fondue_domain::{Compat, TokenId};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// How tokens are chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// 0 is greedy.
    pub temperature: f32,
    /// Tokens whose *preceding* cumulative probability exceeds this are dropped; 1 drops none.
    pub top_p: f32,
    /// Seed of the draws.
    pub seed: u64,
    /// Added to the logit of `[RET]`.
    pub ret_bias: f32,
    /// Makes `[RET]` likelier above 1, rarer below 1: a factor on its raw logit, before the bias; see the module.
    pub ret_scale_factor: f32,
    /// No `[RET]` among this many first tokens.
    pub min_word_tokens: usize,
    /// `[RET]`s at most.
    pub max_rets: Option<usize>,
}

impl Sampling {
    /// The most probable token each time, `[RET]` as the model has it.
    pub const GREEDY: Self = Self {
        temperature: 0.0,
        top_p: 1.0,
        seed: 0,
        ret_bias: 0.0,
        ret_scale_factor: 1.0,
        min_word_tokens: 0,
        max_rets: None,
    };
}

/// factor · l + slope · |l| + bias for the logit l of `[RET]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct RetRule {
    pub(crate) factor: f32,
    pub(crate) slope: f32,
    /// −∞ where `[RET]` is forbidden.
    pub(crate) bias: f32,
}

/// The sampler of one sequence.
pub struct Sampler {
    sampling: Sampling,
    compat: Compat,
    ret: usize,
    rng: ChaCha8Rng,
    n_tokens: usize,
    n_rets: usize,
}

impl Sampler {
    /// A sampler for a vocabulary in which `ret` is `[RET]`.
    pub fn new(sampling: Sampling, ret: TokenId, compat: Compat) -> Self {
        let rng = ChaCha8Rng::seed_from_u64(sampling.seed);
        Self { sampling, compat, ret: ret.0 as usize, rng, n_tokens: 0, n_rets: 0 }
    }

    /// Whether it takes the most probable token each time.
    pub fn is_greedy(&self) -> bool {
        self.sampling.temperature <= 0.0
    }

    /// What is done to the logit of `[RET]` for the next token.
    pub(crate) fn ret_rule(&self) -> RetRule {
        let Sampling { ret_bias, ret_scale_factor, min_word_tokens, max_rets, .. } = self.sampling;
        let forbidden = self.n_tokens < min_word_tokens || max_rets.is_some_and(|max| self.n_rets >= max);
        let (factor, slope) = match self.compat {
            Compat::Off => (1.0, ret_scale_factor - 1.0),
            Compat::Reference => (ret_scale_factor, 0.0),
        };
        RetRule { factor, slope, bias: if forbidden { f32::NEG_INFINITY } else { ret_bias } }
    }

    /// Notes a token that was chosen elsewhere by [`Sampler::ret_rule`].
    pub(crate) fn take(&mut self, token: usize) -> TokenId {
        self.n_tokens += 1;
        self.n_rets += usize::from(token == self.ret);
        TokenId(token as u32)
    }

    /// Chooses the next token from one row of logits, which it changes as it needs.
    pub fn sample(&mut self, logits: &mut [f32]) -> TokenId {
        self.weigh_ret(logits);
        let token = if self.is_greedy() { argmax(logits) } else { self.draw(logits) };
        self.take(token)
    }

    fn weigh_ret(&self, logits: &mut [f32]) {
        let RetRule { factor, slope, bias } = self.ret_rule();
        if let Some(logit) = logits.get_mut(self.ret) {
            let weighed = *logit * factor + logit.abs() * slope + bias;
            // Forbidden is forbidden, be the logit infinite.
            *logit = if bias == f32::NEG_INFINITY { bias } else { weighed };
        }
    }

    fn draw(&mut self, logits: &[f32]) -> usize {
        let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let temperature = f64::from(self.sampling.temperature);
        let mut weights: Vec<(usize, f64)> = logits
            .iter()
            .enumerate()
            .map(|(token, &logit)| (token, (f64::from(logit - largest) / temperature).exp()))
            // A logit that is no number has no weight.
            .filter(|(_, weight)| *weight > 0.0)
            .collect();
        let mut total: f64 = weights.iter().map(|(_, weight)| weight).sum();
        let top_p = f64::from(self.sampling.top_p);
        if top_p < 1.0 {
            weights.sort_by(|a, b| b.1.total_cmp(&a.1));
            let mut before = 0.0;
            let kept = weights.iter().take_while(|(_, weight)| {
                let keep = before <= top_p * total;
                before += weight;
                keep
            });
            let kept = kept.count();
            weights.truncate(kept);
            total = weights.iter().map(|(_, weight)| weight).sum();
        }
        let mut left = self.rng.random::<f64>() * total;
        for (token, weight) in &weights {
            left -= weight;
            if left < 0.0 {
                return *token;
            }
        }
        // Rounding may leave a crumb beyond the last; logits without a single number leave nothing at all.
        weights.last().map_or_else(|| argmax(logits), |(token, _)| *token)
    }
}

/// The first of the largest, as torch's argmax on the CPU.
fn argmax(logits: &[f32]) -> usize {
    let mut best = 0;
    for (token, logit) in logits.iter().enumerate() {
        if *logit > logits[best] || logits[best].is_nan() {
            best = token;
        }
    }
    best
}

#[cfg(test)]
mod tests;
