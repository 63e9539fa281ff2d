//! The CLIP vision tower as a network that gradients pass through.
//!
//! Source: Radford et al., Learning Transferable Visual Models From Natural Language Supervision; names and order as in
//! Hugging Face's `CLIPVisionModel`.

use serde_json::json;
use tch::{Kind, Tensor};

use super::super::flat::{Layout, Start};
use crate::nets::attention::{Looks, attention};

/// Sizes of the tower.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub(crate) struct Shape {
    /// Side of the square, in pixels.
    pub(crate) image_size: i64,
    /// Side of a patch, in pixels.
    pub(crate) patch_size: i64,
    /// Width of the states.
    pub(crate) width: i64,
    /// Blocks.
    pub(crate) layers: i64,
    /// Attention heads.
    pub(crate) heads: i64,
    /// Width of the feed-forward layers.
    pub(crate) ffn: i64,
}

/// The factor in CLIP's `quick_gelu`, h·σ(1.702 h).
const QUICK_GELU: f64 = 1.702;
const PREFIX: &str = "vision_model.";

/// The tensors of a tower, named as Hugging Face names them.
pub(crate) fn layout(shape: Shape) -> Layout {
    let Shape { image_size, patch_size, width, layers, ffn, .. } = shape;
    let mut layout = Layout::default();
    let patches = (image_size / patch_size).pow(2);
    let fan_in = (3 * patch_size * patch_size) as f64;
    layout.add(format!("{PREFIX}embeddings.class_embedding"), &[width], Start::Normal(0.02), false);
    let kernel = [width, 3, patch_size, patch_size];
    layout.add(
        format!("{PREFIX}embeddings.patch_embedding.weight"),
        &kernel,
        Start::Normal(fan_in.powf(-0.5)),
        false,
    );
    let positions = [patches + 1, width];
    layout.add(
        format!("{PREFIX}embeddings.position_embedding.weight"),
        &positions,
        Start::Normal(0.02),
        false,
    );
    layout.norm(&format!("{PREFIX}pre_layrnorm"), width);
    let into = (width as f64).powf(-0.5);
    let residual = into * (2.0 * layers as f64).powf(-0.5);
    for n in 0..layers {
        let name = |part: &str| format!("{PREFIX}encoder.layers.{n}.{part}");
        layout.norm(&name("layer_norm1"), width);
        for part in ["q_proj", "k_proj", "v_proj"] {
            layout.linear(&name(&format!("self_attn.{part}")), width, width, into * 0.7);
        }
        layout.linear(&name("self_attn.out_proj"), width, width, residual);
        layout.norm(&name("layer_norm2"), width);
        layout.linear(&name("mlp.fc1"), ffn, width, into);
        layout.linear(&name("mlp.fc2"), width, ffn, residual * (width as f64 / ffn as f64).sqrt());
    }
    layout.norm(&format!("{PREFIX}post_layernorm"), width);
    layout
}

/// `[n, 3, side, side]` normalised pixels → `[n, width]`: the class token's last state after `post_layernorm`.
///
/// `tensors`: those of [`layout`], in order, all of `pixels`' kind.
#[allow(clippy::assign_op_pattern)] // in place, a sum would overwrite what a backward pass needs
pub(crate) fn forward(shape: Shape, tensors: &[Tensor], pixels: &Tensor, left_out: LeftOut) -> Tensor {
    let Shape { patch_size, width, layers, heads, .. } = shape;
    let n = pixels.size()[0];
    let mut rest = tensors.iter();
    let mut next = || rest.next().unwrap_or_else(|| unreachable!("the layout has them all"));
    let (class, kernel, positions) = (next(), next(), next());
    let patches = pixels.conv2d(kernel, None::<Tensor>, patch_size, 0, 1, 1).flatten(2, 3).transpose(1, 2);
    let class = class.view([1, 1, width]).expand([n, 1, width], false);
    let norm = |x: &Tensor, weight: &Tensor, bias: &Tensor| {
        x.layer_norm([width], Some(weight), Some(bias), 1e-5, false)
    };
    let mut x = Tensor::cat(&[class, patches], 1) + positions;
    if left_out.patches > 0.0 {
        x = some_patches(&x, left_out.patches);
    }
    let mut x = norm(&x, next(), next());
    let tokens = x.size()[1];
    let head = width / heads;
    let keep = |branch: Tensor, layer: i64| {
        let drop = left_out.blocks * (layer + 1) as f64 / layers as f64;
        if drop <= 0.0 {
            return branch;
        }
        let mask = Tensor::rand([n, 1, 1], (Kind::Float, branch.device())).ge(drop).to_kind(branch.kind());
        branch * (mask / (1.0 - drop))
    };
    for layer in 0..layers {
        let h = norm(&x, next(), next());
        let (wq, bq, wk, bk, wv, bv) = (next(), next(), next(), next(), next(), next());
        let qkv = h.linear(&Tensor::cat(&[wq, wk, wv], 0), Some(&Tensor::cat(&[bq, bk, bv], 0)));
        let qkv = qkv.view([n, tokens, 3, heads, head]).permute([2, 0, 3, 1, 4]).contiguous();
        // At once: parts that are taken one by one cost a gradient of the whole each.
        let parts = qkv.unbind(0);
        let mixed = attention(&parts[0], &parts[1], &parts[2], Looks::Everywhere)
            .unwrap_or_else(|error| unreachable!("the parts have one shape: {error:#}"));
        let mixed = mixed.transpose(1, 2).reshape([n, tokens, width]);
        x = x + keep(mixed.linear(next(), Some(next())), layer);
        let h = norm(&x, next(), next());
        let (w1, b1, w2, b2) = (next(), next(), next(), next());
        // h·σ(1.702 h) as SiLU, one pass over the states: the weights, which are fewer, take the factor in and out again.
        let h = h.linear(&(w1 * QUICK_GELU), Some(&(b1 * QUICK_GELU))).silu();
        x = x + keep(h.linear(&(w2 / QUICK_GELU), Some(b2)), layer);
    }
    norm(&x.select(1, 0), next(), next())
}

/// What a tower in training does without; nothing for one at work.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LeftOut {
    /// Share of the patches, drawn for each picture: time goes down with it. Source: Li et al., Scaling Language-Image
    /// Pre-training via Masking.
    pub(crate) patches: f64,
    /// Share of the rows that pass the last block by, less for the blocks before. Source: Huang et al., Deep Networks with
    /// Stochastic Depth.
    pub(crate) blocks: f64,
}

/// `[n, 1 + p, width]` → the first position and a share of the others.
fn some_patches(x: &Tensor, left_out: f64) -> Tensor {
    let (n, p, width) = (x.size()[0], x.size()[1] - 1, x.size()[2]);
    let keep = (((1.0 - left_out) * p as f64).round() as i64).clamp(1, p);
    let order = Tensor::rand([n, p], (Kind::Float, x.device())).argsort(1, false).narrow(1, 0, keep);
    let index = (order + 1).unsqueeze(2).expand([n, keep, width], false);
    Tensor::cat(&[x.narrow(1, 0, 1), x.gather(1, &index, false)], 1)
}

/// Hugging Face's `config.json` for the tower.
pub(crate) fn config(shape: Shape) -> serde_json::Value {
    json!({
        "architectures": ["CLIPVisionModel"],
        "attention_dropout": 0.0,
        "dtype": "bfloat16",
        "hidden_act": "quick_gelu",
        "hidden_size": shape.width,
        "image_size": shape.image_size,
        "initializer_factor": 1.0,
        "initializer_range": 0.02,
        "intermediate_size": shape.ffn,
        "layer_norm_eps": 1e-5,
        "model_type": "clip_vision_model",
        "num_attention_heads": shape.heads,
        "num_channels": 3,
        "num_hidden_layers": shape.layers,
        "patch_size": shape.patch_size,
        "projection_dim": shape.width,
    })
}

/// Hugging Face's `preprocessor_config.json` for the tower.
pub(crate) fn preprocessor(shape: Shape) -> serde_json::Value {
    let side = shape.image_size;
    json!({
        "crop_size": { "height": side, "width": side },
        "do_center_crop": true,
        "do_convert_rgb": true,
        "do_normalize": true,
        "do_rescale": true,
        "do_resize": true,
        "image_mean": MEAN,
        "image_std": STD,
        "resample": 3,
        "size": { "shortest_edge": side },
    })
}

/// CLIP's mean of red, green, blue.
pub(crate) const MEAN: [f64; 3] = [0.48145466, 0.4578275, 0.40821073];
/// CLIP's standard deviation of red, green, blue.
pub(crate) const STD: [f64; 3] = [0.26862954, 0.26130258, 0.27577711];

#[cfg(test)]
mod tests {
    use std::fs;

    use fondue_model::{Backend, Dtype, Placement, VisionTower, weights::unwatched};

    use super::*;

    const SHAPE: Shape = Shape { image_size: 24, patch_size: 12, width: 32, layers: 2, heads: 4, ffn: 64 };

    #[test]
    fn the_written_tower_is_the_one_that_was_trained() {
        let folder = tempfile::tempdir().unwrap();
        tch::manual_seed(3);
        let layout = layout(SHAPE);
        let flat = layout.begin();
        let flat = &flat + flat.randn_like() * 0.05;
        let named = layout.named(&flat);
        let named: Vec<(&str, Tensor)> = named.iter().map(|(name, t)| (name.as_str(), t.copy())).collect();
        Tensor::write_safetensors(&named, folder.path().join("model.safetensors")).unwrap();
        fs::write(folder.path().join("config.json"), config(SHAPE).to_string()).unwrap();
        fs::write(folder.path().join("preprocessor_config.json"), preprocessor(SHAPE).to_string()).unwrap();
        let at = Placement { device: tch::Device::Cpu, dtype: Dtype::F32, backend: Backend::Native };
        let tower = VisionTower::load(folder.path(), at, &unwatched).unwrap();
        let pixels = Tensor::randn([2, 3, 24, 24], (Kind::Float, tch::Device::Cpu));
        let own = forward(SHAPE, &layout.split(&flat), &pixels, LeftOut::default());
        let blocks: Vec<Vec<f32>> =
            (0..2).map(|n| Vec::try_from(pixels.select(0, n).reshape([-1])).unwrap()).collect();
        let served = tower.encode(&blocks).unwrap();
        for (n, row) in served.iter().enumerate() {
            let difference =
                (own.select(0, n as i64) - Tensor::from_slice(row)).abs().max().double_value(&[]);
            assert!(difference < 1e-4, "{difference}");
        }
    }

    #[test]
    fn patches_that_are_left_out_are_others_each_time_and_never_the_class_token() {
        let x = Tensor::arange(9, (Kind::Float, tch::Device::Cpu)).view([1, 9, 1]).expand([50, 9, 1], false);
        let some = some_patches(&x, 0.5);
        assert_eq!(some.size(), [50, 5, 1]);
        let rows: Vec<Vec<f32>> =
            (0..50).map(|n| Vec::try_from(some.select(0, n).reshape([-1])).unwrap()).collect();
        for row in &rows {
            let mut patches = row[1..].to_vec();
            patches.sort_by(f32::total_cmp);
            patches.dedup();
            assert!(row[0] == 0.0 && patches.len() == 4 && patches[0] >= 1.0, "{row:?}");
        }
        assert!(rows.iter().any(|row| *row != rows[0]));
    }
}
