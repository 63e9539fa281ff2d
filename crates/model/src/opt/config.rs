//! OPT's `config.json`.

use std::path::Path;

use crate::{
    ModelError,
    files::{CONFIG_BYTES, read_json, shown},
};

/// Epsilon of OPT's layer norms; the file does not hold it.
pub(super) const EPS: f64 = 1e-5;

/// Sizes and variants of an OPT model.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct OptConfig {
    /// Width of the states.
    pub hidden_size: i64,
    /// Blocks.
    pub num_hidden_layers: usize,
    /// Attention heads.
    pub num_attention_heads: i64,
    /// Width of the feed-forward layers.
    pub ffn_dim: i64,
    /// Rows of the token embedding as stored.
    pub vocab_size: i64,
    /// Positions of a sequence.
    pub max_position_embeddings: i64,
    /// Width of the token embedding; differs from `hidden_size` in OPT-350m.
    word_embed_proj_dim: Option<i64>,
    /// Pre-LN (true) or post-LN.
    #[serde(default = "yes")]
    pub do_layer_norm_before: bool,
    #[serde(default, rename = "_remove_final_layer_norm")]
    remove_final_layer_norm: bool,
    #[serde(default = "relu")]
    activation_function: String,
    #[serde(default = "yes")]
    enable_bias: bool,
    #[serde(default = "yes")]
    layer_norm_elementwise_affine: bool,
    #[serde(default = "yes")]
    tie_word_embeddings: bool,
    #[serde(default = "opt")]
    model_type: String,
    /// Beginning of a text; OPT's unknown token too.
    #[serde(default = "two")]
    pub bos_token_id: u32,
    /// End of a text.
    #[serde(default = "two")]
    pub eos_token_id: u32,
}

fn yes() -> bool {
    true
}

fn two() -> u32 {
    2
}

fn relu() -> String {
    "relu".to_owned()
}

fn opt() -> String {
    "opt".to_owned()
}

impl OptConfig {
    /// Reads and checks `config.json` of a folder.
    ///
    /// # Errors
    /// [`ModelError`] naming the file and what is wrong.
    pub fn load(folder: &Path) -> Result<Self, ModelError> {
        let path = folder.join("config.json");
        let config: Self = read_json(&path, CONFIG_BYTES)?;
        config.check().map_err(|reason| ModelError::content(&path, reason))?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        if self.model_type != "opt" {
            return Err(format!("model_type is `{}`; this is no OPT", shown(&self.model_type)));
        }
        let sizes = [
            ("hidden_size", self.hidden_size),
            ("num_attention_heads", self.num_attention_heads),
            ("ffn_dim", self.ffn_dim),
            ("vocab_size", self.vocab_size),
            ("word_embed_proj_dim", self.word_dim()),
            ("max_position_embeddings", self.max_position_embeddings),
        ];
        if let Some((name, n)) = sizes.iter().find(|(_, n)| !(1..=1 << 24).contains(n)) {
            return Err(format!("{name} is {n}: zero, negative or absurd"));
        }
        if !(1..=1 << 10).contains(&self.num_hidden_layers) {
            return Err(format!("num_hidden_layers is {}: zero or absurd", self.num_hidden_layers));
        }
        if self.hidden_size % self.num_attention_heads != 0 {
            let Self { hidden_size, num_attention_heads, .. } = self;
            return Err(format!("hidden_size {hidden_size} is not divisible by {num_attention_heads} heads"));
        }
        if self.activation_function != "relu" {
            let name = shown(&self.activation_function);
            return Err(format!("activation_function `{name}` is not known; relu is"));
        }
        if !self.layer_norm_elementwise_affine {
            return Err("layer_norm_elementwise_affine is false; only true is known".to_owned());
        }
        if !self.tie_word_embeddings {
            return Err(
                "tie_word_embeddings is false; only a head that is the token embedding is known".to_owned()
            );
        }
        Ok(())
    }

    /// Width of the vectors that go in and of the states that come out ("d" of the mapping layers).
    pub fn word_dim(&self) -> i64 {
        self.word_embed_proj_dim.unwrap_or(self.hidden_size)
    }

    /// Positions of a sequence.
    pub fn max_positions(&self) -> usize {
        self.max_position_embeddings as usize
    }

    /// Whether there are projections between the token embedding and the states.
    pub fn is_projected(&self) -> bool {
        self.word_dim() != self.hidden_size
    }

    /// Whether linear layers have biases.
    pub fn has_biases(&self) -> bool {
        self.enable_bias
    }

    /// Whether a layer norm follows the last block.
    pub fn has_final_norm(&self) -> bool {
        self.do_layer_norm_before && !self.remove_final_layer_norm
    }
}
