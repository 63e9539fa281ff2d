//! The sampler's rules, one by one.

use super::*;

const RET: TokenId = TokenId(3);

fn sampler(change: impl FnOnce(&mut Sampling)) -> Sampler {
    let mut sampling = Sampling::GREEDY;
    change(&mut sampling);
    Sampler::new(sampling, RET, Compat::Off)
}

fn published(change: impl FnOnce(&mut Sampling)) -> Sampler {
    Sampler { compat: Compat::Reference, ..sampler(change) }
}

#[test]
fn greedy_takes_the_first_largest() {
    assert_eq!(sampler(|_| {}).sample(&mut [0.0, 2.0, 2.0, -1.0]), TokenId(1));
}

#[test]
fn the_factor_works_in_the_right_direction_and_as_published_in_the_wrong_one_below_zero() {
    let logits = [-2.0, -3.0, -5.0, -4.0];
    assert_eq!(sampler(|s| s.ret_scale_factor = 3.0).sample(&mut logits.clone()), RET);
    assert_eq!(sampler(|s| s.ret_scale_factor = 0.1).sample(&mut logits.clone()), TokenId(0));
    assert_eq!(published(|s| s.ret_scale_factor = 3.0).sample(&mut logits.clone()), TokenId(0));
    assert_eq!(published(|s| s.ret_scale_factor = 0.1).sample(&mut logits.clone()), RET);
    // The bias knows no sign.
    for mut sampler in [sampler(|s| s.ret_bias = 3.0), published(|s| s.ret_bias = 3.0)] {
        assert_eq!(sampler.sample(&mut logits.clone()), RET);
    }
}

#[test]
fn above_zero_the_factor_is_the_published_one() {
    for factor in [0.0, 0.5, 1.0, 1.3, 100.0] {
        for logit in [0.0, 0.1, 7.25] {
            let mut rows = [[0.0, 0.0, 0.0, logit]; 2];
            sampler(|s| s.ret_scale_factor = factor).sample(&mut rows[0]);
            published(|s| s.ret_scale_factor = factor).sample(&mut rows[1]);
            assert!(
                (rows[0][3] - rows[1][3]).abs() <= 1e-6 * logit * factor.max(1.0),
                "{factor} × {logit}: {rows:?}"
            );
        }
    }
}

#[test]
fn ret_is_kept_back_at_first_and_after_enough() {
    let mut sampler = sampler(|s| (s.min_word_tokens, s.max_rets) = (2, Some(1)));
    let drawn: Vec<u32> = (0..5).map(|_| sampler.sample(&mut [0.0, 1.0, 0.5, 9.0]).0).collect();
    assert_eq!(drawn, [1, 1, 3, 1, 1]);
}

#[test]
fn top_p_drops_what_comes_after_enough_probability() {
    // Probabilities 0.6, 0.3, 0.1: with 0.5 only the first is kept, with 0.7 the first two.
    let logits = [0.6f32.ln(), 0.3f32.ln(), 0.1f32.ln(), f32::NEG_INFINITY];
    let drawn = |top_p: f32| {
        let mut sampler = sampler(|s| (s.temperature, s.top_p, s.seed) = (1.0, top_p, 5));
        let mut counts = [0; 4];
        for _ in 0..4000 {
            counts[sampler.sample(&mut logits.clone()).0 as usize] += 1;
        }
        counts
    };
    assert_eq!(drawn(0.5)[0], 4000);
    let two = drawn(0.7);
    assert_eq!(two[2] + two[3], 0);
    assert!((two[0] as f32 / 4000.0 - 2.0 / 3.0).abs() < 0.03, "{two:?}");
    let all = drawn(1.0);
    assert!((all[2] as f32 / 4000.0 - 0.1).abs() < 0.02, "{all:?}");
}

#[test]
fn a_seed_repeats_and_low_temperature_does_not_overflow() {
    let run = |seed| {
        let mut sampler = sampler(|s| (s.temperature, s.seed) = (1.0, seed));
        (0..32).map(|_| sampler.sample(&mut [0.1, 0.2, 0.3, 0.4]).0).collect::<Vec<_>>()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
    assert_eq!(sampler(|s| s.temperature = 1e-6).sample(&mut [900.0, 901.0, 2.0, 3.0]), TokenId(1));
}

#[test]
fn numbers_that_are_none_do_not_panic() {
    let token = sampler(|s| s.temperature = 1.0).sample(&mut [f32::NAN; 4]);
    assert!(token.0 < 4);
    assert_eq!(sampler(|_| {}).sample(&mut [f32::NAN, 1.0, 0.0, 0.0]), TokenId(1));
}
