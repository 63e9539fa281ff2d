//! The CLIP vision tower: pixels → pooled features.
//!
//! Source: Radford et al. 2021; layout of Hugging Face's `CLIPVisionModel` (its `pre_layrnorm` is spelt so).

pub mod config;

use std::path::Path;

use tch::{Kind, Tensor};

pub use self::config::VisionConfig;
use crate::{
    ModelError, Placement,
    layers::{LayerNorm, Linear, Size, values},
    weights::{Survey, Watch, Weights},
};

/// What Hugging Face publishes the names of the tower's tensors with.
pub const PREFIX: &str = "vision_model.";

/// The vision tower with its weights.
pub struct VisionTower {
    config: VisionConfig,
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

impl VisionTower {
    /// Reads `config.json` and the weights of a CLIP folder, whole model or vision part alone.
    ///
    /// # Errors
    /// [`ModelError`] naming the file and the tensor at fault.
    pub fn load(folder: &Path, placement: Placement, watch: Watch<'_>) -> Result<Self, ModelError> {
        placement.check()?;
        let config = VisionConfig::load(folder)?;
        let weights = Weights::open(folder, watch)?;
        let (tower, _) = Self::from_weights(config, weights, placement)?;
        Ok(tower)
    }

    /// Looks at the same files without reading the weights.
    ///
    /// # Errors
    /// As [`VisionTower::load`], but faults of single tensors are part of what is returned.
    pub fn survey(folder: &Path) -> Result<Survey, ModelError> {
        let config = VisionConfig::load(folder)?;
        let (_, weights) = Self::from_weights(config, Weights::look(folder)?, Placement::CPU_F32)?;
        Ok(weights.survey(known))
    }

    fn from_weights<'w>(
        config: VisionConfig,
        weights: Weights<'w>,
        placement: Placement,
    ) -> Result<(Self, Weights<'w>), ModelError> {
        let weights = weights.under(&["", PREFIX, "model.vision_model."], CLASS)?;
        let (width, eps, at) = (config.hidden_size, config.layer_norm_eps, placement);
        let patch = [width, 3, config.patch_size, config.patch_size];
        let layers = (0..config.num_hidden_layers).map(|n| Layer::load(&weights, n, &config, at));
        let tower = Self {
            class_embedding: weights.tensor(CLASS, &[width], at)?,
            patch_embedding: weights.tensor("embeddings.patch_embedding.weight", &patch, at)?,
            position_embedding: weights.tensor(
                "embeddings.position_embedding.weight",
                &[config.n_positions(), width],
                at,
            )?,
            pre_norm: LayerNorm::load(&weights, "pre_layrnorm", width, eps, at)?,
            layers: layers.collect::<Result<_, _>>()?,
            post_norm: LayerNorm::load(&weights, "post_layernorm", width, eps, at)?,
            config,
            placement,
        };
        Ok((tower, weights))
    }

    /// Length of a feature vector.
    pub fn feature_dim(&self) -> usize {
        self.config.hidden_size as usize
    }

    /// Side of the input square, in pixels.
    pub fn image_size(&self) -> usize {
        self.config.image_size as usize
    }

    /// Where it lies.
    pub fn placement(&self) -> Placement {
        self.placement
    }

    /// Pooled features of pictures.
    ///
    /// `pixels`: one `3 × size × size` block of normalised f32 for each picture → one `feature_dim` vector each.
    ///
    /// # Errors
    /// [`ModelError::Shape`] if a block has another length.
    pub fn encode(&self, pixels: &[Vec<f32>]) -> Result<Vec<Vec<f32>>, ModelError> {
        if pixels.is_empty() {
            return Ok(Vec::new());
        }
        let side = self.config.image_size;
        let expected = (3 * side * side) as usize;
        let mut blocks = Vec::with_capacity(pixels.len());
        for block in pixels {
            if block.len() != expected {
                return Err(ModelError::Shape { what: "picture", got: block.len(), expected });
            }
            blocks.push(Tensor::f_from_slice(block)?.f_reshape([3, side, side])?);
        }
        let batch = Tensor::f_stack(&blocks, 0)?
            .f_to_device(self.placement.device)?
            .f_to_kind(self.placement.dtype.kind())?;
        let flat = values(&self.forward(&batch)?)?;
        Ok(flat.chunks(self.feature_dim()).map(<[f32]>::to_vec).collect())
    }

    /// `[batch, 3, size, size]` → `[batch, feature_dim]`: the class token's last state after `post_layernorm`.
    ///
    /// # Errors
    /// [`ModelError::Torch`] on another shape.
    pub fn forward(&self, pixels: &Tensor) -> Result<Tensor, ModelError> {
        let (batch, width, patch) = (pixels.size()[0], self.config.hidden_size, self.config.patch_size);
        let patches = pixels
            .f_conv2d(&self.patch_embedding, None::<&Tensor>, [patch, patch], [0, 0], [1, 1], 1)?
            .f_flatten(2, 3)?
            .f_transpose(1, 2)?;
        let class = self.class_embedding.f_reshape([1, 1, width])?.f_expand([batch, 1, width], false)?;
        let x = Tensor::f_cat(&[class, patches], 1)?.f_add(&self.position_embedding)?;
        let mut x = self.pre_norm.forward(&x)?;
        for layer in &self.layers {
            x = layer.forward(&x, &self.config)?;
        }
        self.post_norm.forward(&x.f_select(1, 0)?)
    }
}

const CLASS: &str = "embeddings.class_embedding";

/// Why a tensor that is no part of the tower may be in its files.
fn known(name: &str) -> Option<&'static str> {
    let name = name.strip_prefix("model.").unwrap_or(name);
    if name.ends_with("position_ids") {
        return Some("the numbers of the positions, which are counted here");
    }
    let text = ["text_model.", "text_projection.", "visual_projection."];
    if text.iter().any(|start| name.starts_with(start)) || name == "logit_scale" {
        return Some("CLIP's text part and the projections to it, which FROMAGe does without");
    }
    None
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
        let active = match config.hidden_act.as_str() {
            "gelu" => inner.f_gelu("none")?,
            // x·σ(1.702x)
            _ => inner.f_mul(&inner.f_mul_scalar(1.702)?.f_sigmoid()?)?,
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
