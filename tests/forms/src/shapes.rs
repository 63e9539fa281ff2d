//! Names, shapes and configurations of models of any size, without data.

use serde_json::{Value, json};

use crate::Values;

/// Sizes of an OPT.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the names are those of config.json")]
pub struct Opt {
    pub hidden_size: u64,
    pub num_hidden_layers: u64,
    pub num_attention_heads: u64,
    pub ffn_dim: u64,
    pub vocab_size: u64,
    pub max_position_embeddings: u64,
}

impl Opt {
    /// `facebook/opt-6.7b`.
    pub const B6_7: Self = Self {
        hidden_size: 4096,
        num_hidden_layers: 32,
        num_attention_heads: 32,
        ffn_dim: 16384,
        vocab_size: 50272,
        max_position_embeddings: 2048,
    };

    /// Its configuration file.
    pub fn config(&self) -> Value {
        json!({
            "model_type": "opt",
            "hidden_size": self.hidden_size,
            "num_hidden_layers": self.num_hidden_layers,
            "num_attention_heads": self.num_attention_heads,
            "ffn_dim": self.ffn_dim,
            "vocab_size": self.vocab_size,
            "max_position_embeddings": self.max_position_embeddings,
            "word_embed_proj_dim": self.hidden_size,
        })
    }

    /// Its tensors.
    pub fn tensors(&self, dtype: &'static str) -> Vec<Values> {
        let (d, ffn) = (self.hidden_size, self.ffn_dim);
        let tensor =
            |name: &str, shape: &[u64]| Values::zeros(&format!("model.decoder.{name}"), dtype, shape);
        let mut all = vec![
            tensor("embed_tokens.weight", &[self.vocab_size, d]),
            tensor("embed_positions.weight", &[self.max_position_embeddings + 2, d]),
        ];
        let mut pair = |name: &str, shape: &[u64]| {
            all.push(tensor(&format!("{name}.weight"), shape));
            all.push(tensor(&format!("{name}.bias"), &shape[..1]));
        };
        for n in 0..self.num_hidden_layers {
            for part in ["q_proj", "k_proj", "v_proj", "out_proj"] {
                pair(&format!("layers.{n}.self_attn.{part}"), &[d, d]);
            }
            pair(&format!("layers.{n}.self_attn_layer_norm"), &[d]);
            pair(&format!("layers.{n}.fc1"), &[ffn, d]);
            pair(&format!("layers.{n}.fc2"), &[d, ffn]);
            pair(&format!("layers.{n}.final_layer_norm"), &[d]);
        }
        pair("final_layer_norm", &[d]);
        all
    }
}

/// Mapping layers for a language model of width `d`: k prefix vectors, q dimensions of retrieval space.
pub fn mapping(d: u64, k: u64, q: u64, features: u64, dtype: &'static str) -> Vec<Values> {
    let tensor = |name: &str, shape: &[u64]| Values::zeros(name, dtype, shape);
    vec![
        tensor("model.logit_scale", &[]),
        tensor("model.visual_embeddings.weight", &[d * k, features]),
        tensor("model.visual_embeddings.bias", &[d * k]),
        tensor("model.visual_fc.weight", &[q, features]),
        tensor("model.visual_fc.bias", &[q]),
        tensor("model.text_hidden_fcs.0.0.weight", &[q, d]),
        tensor("model.text_hidden_fcs.0.0.bias", &[q]),
        tensor("ret_input_embeddings.weight", &[1, d]),
    ]
}

/// What `model_args.json` says of them.
pub fn model_args(k: u64, q: u64) -> Value {
    json!({"n_visual_tokens": k, "shared_emb_dim": q, "text_emb_layers": [-1], "freeze_lm": true})
}
