//! OPT as a network that gradients pass through, in its usual form: layer norms before, no projections around.
//!
//! Source: Zhang et al., OPT: Open Pre-trained Transformer Language Models; names as in Hugging Face's `OPTForCausalLM`.

use serde_json::json;
use tch::Tensor;

use super::super::flat::{Layout, Start};

/// Sizes of the model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Rows of the token embedding.
    pub(crate) vocab: i64,
    /// Positions.
    pub(crate) positions: i64,
    /// Width of the states.
    pub(crate) width: i64,
    /// Blocks.
    pub(crate) layers: i64,
    /// Attention heads.
    pub(crate) heads: i64,
    /// Width of the feed-forward layers.
    pub(crate) ffn: i64,
}

const PREFIX: &str = "model.decoder.";
/// The table of positions begins with two rows that are never read.
const OFFSET: i64 = 2;

/// The tensors, named as Hugging Face names them.
pub(crate) fn layout(shape: Shape) -> Layout {
    let Shape { vocab, positions, width, layers, ffn, .. } = shape;
    let mut layout = Layout::default();
    let into = (width as f64).powf(-0.5);
    let residual = into * (2.0 * layers as f64).powf(-0.5);
    layout.add(format!("{PREFIX}embed_tokens.weight"), &[vocab, width], Start::Normal(0.05), false);
    let table = [positions + OFFSET, width];
    layout.add(format!("{PREFIX}embed_positions.weight"), &table, Start::Normal(0.02), false);
    for n in 0..layers {
        let name = |part: &str| format!("{PREFIX}layers.{n}.{part}");
        layout.norm(&name("self_attn_layer_norm"), width);
        for part in ["q_proj", "k_proj", "v_proj"] {
            layout.linear(&name(&format!("self_attn.{part}")), width, width, into);
        }
        layout.linear(&name("self_attn.out_proj"), width, width, residual);
        layout.norm(&name("final_layer_norm"), width);
        layout.linear(&name("fc1"), ffn, width, into * 1.4);
        layout.linear(&name("fc2"), width, ffn, residual * (width as f64 / ffn as f64).sqrt());
    }
    layout.norm(&format!("{PREFIX}final_layer_norm"), width);
    layout
}

/// Input vectors `[n, t, width]` → last hidden states `[n, t, width]`. `tensors`: those of [`layout`], in order.
#[allow(clippy::assign_op_pattern)] // in place, a sum would overwrite what a backward pass needs
pub(crate) fn forward(shape: Shape, tensors: &[Tensor], embeds: &Tensor) -> Tensor {
    let Shape { width, layers, heads, .. } = shape;
    let (n, t) = (embeds.size()[0], embeds.size()[1]);
    let head = width / heads;
    let mut rest = tensors.iter().skip(1);
    let mut next = || rest.next().unwrap_or_else(|| unreachable!("the layout has them all"));
    let norm = |x: &Tensor, weight: &Tensor, bias: &Tensor| {
        x.layer_norm([width], Some(weight), Some(bias), 1e-5, false)
    };
    let mut x = embeds + next().narrow(0, OFFSET, t);
    for _ in 0..layers {
        let h = norm(&x, next(), next());
        let (wq, bq, wk, bk, wv, bv) = (next(), next(), next(), next(), next(), next());
        let qkv = h.linear(&Tensor::cat(&[wq, wk, wv], 0), Some(&Tensor::cat(&[bq, bk, bv], 0)));
        let qkv = qkv.view([n, t, 3, heads, head]).permute([2, 0, 3, 1, 4]);
        let part = |i: i64| qkv.select(0, i);
        let mixed = Tensor::scaled_dot_product_attention(
            &part(0),
            &part(1),
            &part(2),
            None::<Tensor>,
            0.0,
            true,
            None,
            false,
        );
        x = x + mixed.transpose(1, 2).reshape([n, t, width]).linear(next(), Some(next()));
        let h = norm(&x, next(), next()).linear(next(), Some(next())).relu();
        x = x + h.linear(next(), Some(next()));
    }
    norm(&x, next(), next())
}

/// Hugging Face's `config.json`.
pub(crate) fn config(shape: Shape) -> serde_json::Value {
    json!({
        "_remove_final_layer_norm": false,
        "activation_function": "relu",
        "architectures": ["OPTForCausalLM"],
        "attention_dropout": 0.0,
        "bos_token_id": 2,
        "do_layer_norm_before": true,
        "dropout": 0.0,
        "dtype": "bfloat16",
        "enable_bias": true,
        "eos_token_id": 2,
        "ffn_dim": shape.ffn,
        "hidden_size": shape.width,
        "init_std": 0.02,
        "layer_norm_elementwise_affine": true,
        "layerdrop": 0.0,
        "max_position_embeddings": shape.positions,
        "model_type": "opt",
        "num_attention_heads": shape.heads,
        "num_hidden_layers": shape.layers,
        "pad_token_id": 1,
        "tie_word_embeddings": true,
        "use_cache": true,
        "vocab_size": shape.vocab,
        "word_embed_proj_dim": shape.width,
    })
}
