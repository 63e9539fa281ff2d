//! One block of OPT: attention and feed-forward, pre-LN or post-LN.

use tch::{Kind, Tensor};

use super::{Rows, softmax};
use crate::{
    ModelError, Placement,
    layers::{LayerNorm, Linear, Size},
    opt::{OptConfig, cache::TorchPool, config::EPS},
    weights::Weights,
};

pub(super) struct Layer {
    attention_norm: LayerNorm,
    qkv: Linear,
    out: Linear,
    ffn_norm: LayerNorm,
    fc1: Linear,
    fc2: Linear,
}

impl Layer {
    pub(super) fn load(
        weights: &Weights<'_>,
        n: usize,
        config: &OptConfig,
        at: Placement,
    ) -> Result<Self, ModelError> {
        let (width, ffn) = (config.hidden_size, config.ffn_dim);
        let name = |part: &str| format!("layers.{n}.{part}");
        let bias = config.has_biases();
        let linear =
            |part: &str, output, input| Linear::load(weights, &name(part), Size { output, input }, bias, at);
        let square = |part: &str| linear(part, width, width);
        let norm = |part: &str| LayerNorm::load(weights, &name(part), width, EPS, at);
        Ok(Self {
            attention_norm: norm("self_attn_layer_norm")?,
            qkv: Linear::side_by_side(
                weights,
                &["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"].map(name),
                Size { output: width, input: width },
                bias,
                at,
            )?,
            out: square("self_attn.out_proj")?,
            ffn_norm: norm("final_layer_norm")?,
            fc1: linear("fc1", ffn, width)?,
            fc2: linear("fc2", width, ffn)?,
        })
    }

    /// `[rows, width]` → `[rows, width]`; `n` is this layer's place in the pool, `new` the places of the rows in it.
    pub(super) fn forward(
        &self,
        x: &Tensor,
        n: usize,
        pool: &mut TorchPool,
        chunks: &[Rows],
        new: &Tensor,
        config: &OptConfig,
    ) -> Result<Tensor, ModelError> {
        let pre = config.do_layer_norm_before;
        let attended = if pre {
            self.attend(&self.attention_norm.forward(x)?, n, pool, chunks, new, config)?
        } else {
            self.attend(x, n, pool, chunks, new, config)?
        };
        let mut x = x.f_add(&attended)?;
        if !pre {
            x = self.attention_norm.forward(&x)?;
        }
        let inner =
            if pre { self.fc1.forward(&self.ffn_norm.forward(&x)?)? } else { self.fc1.forward(&x)? };
        x = x.f_add(&self.fc2.forward(&inner.f_relu()?)?)?;
        if pre { Ok(x) } else { self.ffn_norm.forward(&x) }
    }

    fn attend(
        &self,
        x: &Tensor,
        n: usize,
        pool: &mut TorchPool,
        chunks: &[Rows],
        new: &Tensor,
        config: &OptConfig,
    ) -> Result<Tensor, ModelError> {
        let heads = config.num_attention_heads;
        let (rows, width) = x.size2()?;
        let head_dim = width / heads;
        // [rows, 3·width] → [3, heads, rows, head_dim]
        let qkv = self.qkv.forward(x)?.f_reshape([rows, 3, heads, head_dim])?.f_permute([1, 2, 0, 3])?;
        let scaled = qkv.f_select(0, 0)?.f_mul_scalar((head_dim as f64).powf(-0.5))?;
        let row_major = |part: i64| qkv.f_select(0, part)?.f_transpose(0, 1);
        pool.write(n, new, &row_major(1)?, &row_major(2)?)?;
        let mut mixed = Vec::with_capacity(chunks.len());
        let mut first = 0;
        for chunk in chunks {
            let (k, v) = pool.read(n, &chunk.all)?;
            let mut scores = scaled.f_narrow(1, first, chunk.n)?.f_matmul(&k.f_transpose(1, 2)?)?;
            if chunk.n > 1 {
                scores = scores.f_add(&causal_mask(chunk.n, chunk.start, &scores)?)?;
            }
            // [heads, n, head_dim] → [n, width]
            let out = softmax(&scores)?.f_matmul(&v)?;
            mixed.push(out.f_transpose(0, 1)?.f_reshape([chunk.n, width])?);
            first += chunk.n;
        }
        self.out.forward(&Tensor::f_cat(&mixed, 0)?)
    }
}

/// `[n, past + n]`: 0 where row i may look (columns up to past + i), −∞ elsewhere.
fn causal_mask(n: i64, past: i64, like: &Tensor) -> Result<Tensor, ModelError> {
    let full = Tensor::f_full([n, past + n], f64::NEG_INFINITY, (Kind::Float, like.device()))?;
    Ok(full.f_triu(past + 1)?.f_to_kind(like.f_kind()?)?)
}
