//! What the small OPT begins as: sizes, tensors, configuration; in OPT's usual form, layer norms before, no projections around.
//!
//! Source: Zhang et al., OPT: Open Pre-trained Transformer Language Models; names as in Hugging Face's `OPTForCausalLM`.

use serde_json::json;

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
