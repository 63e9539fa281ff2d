//! One block of OPT: attention and feed-forward, pre-LN or post-LN.

use std::collections::HashMap;

use anyhow::{Context, Result};
use fondue_model::opt::{OptConfig, PREFIX};
use tch::{Tensor, no_grad};

use super::{Linear, Norm};
use crate::nets::attention::{Looks, attention};

pub(super) struct Layer {
    attention_norm: Norm,
    q: Linear,
    k: Linear,
    v: Linear,
    out: Linear,
    ffn_norm: Norm,
    fc1: Linear,
    fc2: Linear,
}

impl Layer {
    pub(super) fn new(tensors: &HashMap<String, Tensor>, n: usize, config: &OptConfig) -> Result<Self> {
        let name = |part: &str| format!("{PREFIX}layers.{n}.{part}");
        let linear = |part: &str| Linear::new(tensors, &name(part), config.has_biases());
        Ok(Self {
            attention_norm: Norm::new(tensors, &name("self_attn_layer_norm"))?,
            q: linear("self_attn.q_proj")?,
            k: linear("self_attn.k_proj")?,
            v: linear("self_attn.v_proj")?,
            out: linear("self_attn.out_proj")?,
            ffn_norm: Norm::new(tensors, &name("final_layer_norm"))?,
            fc1: linear("fc1")?,
            fc2: linear("fc2")?,
        })
    }

    /// `[n, t, width]` → the same shape; each row looks at itself and those before it.
    pub(super) fn forward(&self, x: &Tensor, config: &OptConfig) -> Result<Tensor> {
        let heads = config.num_attention_heads;
        self.around(x, config, |x| {
            let part = |linear: &Linear| split(&linear.forward(x)?, heads);
            let (q, k, v) = (part(&self.q)?, part(&self.k)?, part(&self.v)?);
            self.out.forward(&joined(&attention(&q, &k, &v, Looks::Back)?)?)
        })
    }

    /// One more row, `y` `[n, 1, width]`, behind those of `x` `[n, t, width]`, which take no gradient; `mask`
    /// `[n, 1, 1, t + 1]` says what it looks at.
    pub(super) fn forward_last(
        &self,
        x: &Tensor,
        y: &Tensor,
        mask: &Tensor,
        config: &OptConfig,
    ) -> Result<(Tensor, Tensor)> {
        let heads = config.num_attention_heads;
        let part = |linear: &Linear, x: &Tensor| split(&linear.forward(x)?, heads);
        let mut seen = None;
        let attend = |x: &Tensor| {
            let (k, v) = (part(&self.k, x)?, part(&self.v, x)?);
            let mixed = attention(&part(&self.q, x)?, &k, &v, Looks::Back)?;
            seen = Some((k, v));
            self.out.forward(&joined(&mixed)?)
        };
        let x = no_grad(|| self.around(x, config, attend))?;
        let (keys, values) = seen.context("attention ran")?;
        let y = self.around(y, config, |y| {
            let k = Tensor::f_cat(&[&keys, &part(&self.k, y)?], 2)?;
            let v = Tensor::f_cat(&[&values, &part(&self.v, y)?], 2)?;
            self.out.forward(&joined(&attention(&part(&self.q, y)?, &k, &v, Looks::Where(mask))?)?)
        })?;
        Ok((x, y))
    }

    /// All of the block but the attention itself, which takes the states that the norm before it may have passed.
    fn around(
        &self,
        x: &Tensor,
        config: &OptConfig,
        attend: impl FnOnce(&Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let pre = config.do_layer_norm_before;
        let attended = if pre { attend(&self.attention_norm.forward(x)?)? } else { attend(x)? };
        let mut x = x.f_add(&attended)?;
        if !pre {
            x = self.attention_norm.forward(&x)?;
        }
        let inner =
            if pre { self.fc1.forward(&self.ffn_norm.forward(&x)?)? } else { self.fc1.forward(&x)? };
        x = x.f_add(&self.fc2.forward(&inner.f_relu()?)?)?;
        if pre { Ok(x) } else { self.ffn_norm.forward(&x) }
    }
}

/// `[n, t, width]` → `[n, heads, t, head_dim]`
fn split(x: &Tensor, heads: i64) -> Result<Tensor> {
    let (n, t, width) = x.size3()?;
    Ok(x.f_view([n, t, heads, width / heads])?.f_transpose(1, 2)?)
}

/// `[n, heads, t, head_dim]` → `[n, t, width]`
fn joined(x: &Tensor) -> Result<Tensor> {
    let (n, heads, t, head_dim) = x.size4()?;
    Ok(x.f_transpose(1, 2)?.f_reshape([n, t, heads * head_dim])?)
}
