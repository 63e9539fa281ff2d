//! Choosing tokens where the logits lie gives what choosing them on the host gives.

use fondue_domain::Compat;

use super::*;
use crate::{Sampling, placement::set_threads};

/// A libtorch table of 6 rows, `[RET]` last, and states whose logits are of both signs.
fn table() -> (Table, Tensor) {
    set_threads(1);
    let values: Vec<f32> = (0..18).map(|n| ((n * 7 % 11) as f32 - 5.0) / 3.0).collect();
    let tensor = Tensor::from_slice(&values).reshape([6, 3]);
    let states: Vec<f32> = (0..60).map(|n| ((n * 5 % 13) as f32 - 6.0) / 2.0).collect();
    let table = Table { rows: 6, store: Store::Torch { tensor, at: Placement::TORCH_F32 } };
    (table, Tensor::from_slice(&states).reshape([20, 3]))
}

#[test]
fn greedy_and_drawn_tokens_are_those_of_the_host() {
    let (table, states) = table();
    let rules = [
        Sampling::GREEDY,
        Sampling { ret_bias: 2.5, ..Sampling::GREEDY },
        Sampling { ret_scale_factor: 3.0, ..Sampling::GREEDY },
        Sampling { min_word_tokens: 2, ret_bias: 100.0, ..Sampling::GREEDY },
        Sampling { max_rets: Some(1), ret_bias: 100.0, ..Sampling::GREEDY },
        Sampling { temperature: 0.8, top_p: 0.9, seed: 3, ..Sampling::GREEDY },
    ];
    for compat in [Compat::Off, Compat::Reference] {
        let make = || rules.iter().map(|rule| Sampler::new(rule.clone(), TokenId(5), compat));
        let (mut here, mut there): (Vec<Sampler>, Vec<Sampler>) = (make().collect(), make().collect());
        let mut rets = 0;
        for step in 0..14 {
            let rows = states.narrow(0, step, rules.len() as i64);
            let logits = table.logits(&rows).unwrap();
            let host: Vec<TokenId> = logits
                .into_iter()
                .zip(&mut here)
                .map(|(mut row, sampler)| sampler.sample(&mut row))
                .collect();
            let mut all: Vec<&mut Sampler> = there.iter_mut().collect();
            assert_eq!(table.sample(&rows, &mut all).unwrap(), host, "{compat:?}, step {step}");
            rets += host.iter().filter(|token| token.0 == 5).count();
        }
        assert!(rets > 14, "the rules make it come: {rets}");
    }
}
