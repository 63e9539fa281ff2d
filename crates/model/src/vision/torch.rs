//! The tower by libtorch, on any device.

use tch::{Kind, Tensor};

use super::{CLASS, VisionConfig};
use crate::{
    ModelError, Placement,
    layers::{LayerNorm, Linear, Size, values},
    placement::upload,
    weights::Weights,
};

pub(super) struct Tower {
    placement: Placement,
    class_embedding: Tensor,
    patch_embedding: Tensor,
    position_embedding: Tensor,
    pre_norm: LayerNorm,
    layers: Vec<Layer>,
    post_norm: LayerNorm,
}

struct Layer {
    norm1: LayerNorm,
    qkv: Linear,
    out: Linear,
    norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
}

impl Tower {
    pub(super) fn load(
        weights: &Weights<'_>,
        config: &VisionConfig,
        at: Placement,
    ) -> Result<Self, ModelError> {
        let (width, eps) = (config.hidden_size, config.layer_norm_eps);
        let patch = [width, 3, config.patch_size, config.patch_size];
        let layers = (0..config.num_hidden_layers).map(|n| Layer::load(weights, n, config, at));
        Ok(Self {
            placement: at,
            class_embedding: weights.tensor(CLASS, &[width], at)?,
            patch_embedding: weights.tensor("embeddings.patch_embedding.weight", &patch, at)?,
            position_embedding: weights.tensor(
                "embeddings.position_embedding.weight",
                &[config.n_positions(), width],
                at,
            )?,
            pre_norm: LayerNorm::load(weights, "pre_layrnorm", width, eps, at)?,
            layers: layers.collect::<Result<_, _>>()?,
            post_norm: LayerNorm::load(weights, "post_layernorm", width, eps, at)?,
        })
    }

    /// Blocks of `[3, size, size]`, all of that length → the class token's last state of each, `feature_dim` long.
    pub(super) fn encode(
        &self,
        config: &VisionConfig,
        pixels: &[Vec<f32>],
    ) -> Result<Vec<Vec<f32>>, ModelError> {
        let side = config.image_size;
        let blocks = pixels.iter().map(|block| Tensor::f_from_slice(block)?.f_reshape([3, side, side]));
        let batch = Tensor::f_stack(&blocks.collect::<Result<Vec<_>, _>>()?, 0)?;
        let batch = upload(&batch, self.placement.device)?.f_to_kind(self.placement.dtype.kind())?;
        let flat = values(&self.forward(config, &batch)?)?;
        Ok(flat.chunks(config.hidden_size as usize).map(<[f32]>::to_vec).collect())
    }

    fn forward(&self, config: &VisionConfig, pixels: &Tensor) -> Result<Tensor, ModelError> {
        let (batch, width, patch) = (pixels.size()[0], config.hidden_size, config.patch_size);
        let patches = pixels
            .f_conv2d(&self.patch_embedding, None::<&Tensor>, [patch, patch], [0, 0], [1, 1], 1)?
            .f_flatten(2, 3)?
            .f_transpose(1, 2)?;
        let class = self.class_embedding.f_reshape([1, 1, width])?.f_expand([batch, 1, width], false)?;
        let x = Tensor::f_cat(&[class, patches], 1)?.f_add(&self.position_embedding)?;
        let mut x = self.pre_norm.forward(&x)?;
        for layer in &self.layers {
            x = layer.forward(&x, config)?;
        }
        self.post_norm.forward(&x.f_select(1, 0)?)
    }
}

impl Layer {
    fn load(
        weights: &Weights<'_>,
        n: usize,
        config: &VisionConfig,
        at: Placement,
    ) -> Result<Self, ModelError> {
        let (width, ffn, eps) = (config.hidden_size, config.intermediate_size, config.layer_norm_eps);
        let name = |part: &str| format!("encoder.layers.{n}.{part}");
        let linear =
            |part: &str, output, input| Linear::load(weights, &name(part), Size { output, input }, true, at);
        let square = |part: &str| linear(part, width, width);
        Ok(Self {
            norm1: LayerNorm::load(weights, &name("layer_norm1"), width, eps, at)?,
            qkv: Linear::side_by_side(
                weights,
                &["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"].map(name),
                Size { output: width, input: width },
                true,
                at,
            )?,
            out: square("self_attn.out_proj")?,
            norm2: LayerNorm::load(weights, &name("layer_norm2"), width, eps, at)?,
            fc1: linear("mlp.fc1", ffn, width)?,
            fc2: linear("mlp.fc2", width, ffn)?,
        })
    }

    fn forward(&self, x: &Tensor, config: &VisionConfig) -> Result<Tensor, ModelError> {
        let attended = self.attend(&self.norm1.forward(x)?, config)?;
        let x = x.f_add(&attended)?;
        let inner = self.fc1.forward(&self.norm2.forward(&x)?)?;
        let active = match config.is_quick_gelu() {
            false => inner.f_gelu("none")?,
            // x·σ(1.702x)
            true => inner.f_mul(&inner.f_mul_scalar(1.702)?.f_sigmoid()?)?,
        };
        Ok(x.f_add(&self.fc2.forward(&active)?)?)
    }

    fn attend(&self, x: &Tensor, config: &VisionConfig) -> Result<Tensor, ModelError> {
        let (batch, positions, width) = x.size3()?;
        let heads = config.num_attention_heads;
        // [batch, positions, 3·width] → [3, batch, heads, positions, head_dim]
        let qkv = self
            .qkv
            .forward(x)?
            .f_reshape([batch, positions, 3, heads, width / heads])?
            .f_permute([2, 0, 3, 1, 4])?;
        let (q, k, v) = (qkv.f_select(0, 0)?, qkv.f_select(0, 1)?, qkv.f_select(0, 2)?);
        let scores = q.f_mul_scalar(((width / heads) as f64).powf(-0.5))?.f_matmul(&k.f_transpose(2, 3)?)?;
        let mixed = scores.f_softmax(-1, None::<Kind>)?.f_matmul(&v)?;
        self.out.forward(&mixed.f_transpose(1, 2)?.f_reshape([batch, positions, width])?)
    }
}
