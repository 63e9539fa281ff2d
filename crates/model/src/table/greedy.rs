//! The most probable tokens, chosen where the logits lie, so that only their ids leave the device.

use tch::{Kind, Tensor};

use crate::{ModelError, placement::upload, sampler::RetRule};

/// `[n, word_dim]` states, a table `[rows, word_dim]` whose row `ret` is `[RET]`, and n rules → n rows of the table.
pub(super) fn greedy(
    table: &Tensor,
    states: &Tensor,
    ret: usize,
    rules: &[RetRule],
) -> Result<Vec<usize>, ModelError> {
    let logits = states.f_matmul(&table.f_transpose(0, 1)?)?.f_to_kind(Kind::Float)?;
    let column = |each: fn(&RetRule) -> f32| -> Result<Tensor, ModelError> {
        let values: Vec<f32> = rules.iter().map(each).collect();
        Ok(upload(&Tensor::f_from_slice(&values)?, logits.device())?)
    };
    let raw = logits.f_select(1, ret as i64)?;
    // factor · l + slope · |l| + bias, where one of the first two is the published rule and the other is ours; −∞ forbids.
    let weighed = raw
        .f_mul(&column(|rule| rule.factor)?)?
        .f_add(&raw.f_abs()?.f_mul(&column(|rule| rule.slope)?)?)?
        .f_add(&column(|rule| rule.bias)?)?;
    let mut place = logits.f_select(1, ret as i64)?;
    place.f_copy_(&weighed)?;
    let chosen = logits.f_argmax(1, false)?.f_to_device(tch::Device::Cpu)?;
    let mut ids = vec![0i64; rules.len()];
    chosen.f_copy_data(&mut ids, rules.len())?;
    Ok(ids.into_iter().map(|id| id as usize).collect())
}
