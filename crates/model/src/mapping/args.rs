//! FROMAGe's `model_args.json`.

use std::path::Path;

use crate::{
    ModelError,
    files::{CONFIG_BYTES, read_json},
};

/// What the model was trained with; keys beyond these are the trainer's.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct ModelArgs {
    /// Input vectors of the language model that a picture becomes (k).
    pub n_visual_tokens: i64,
    /// Width of retrieval space (q).
    pub shared_emb_dim: i64,
    /// Layers whose states are mapped to retrieval space; −1 is the last.
    pub text_emb_layers: Vec<i64>,
    /// The language model's name.
    pub opt_version: Option<String>,
    /// The vision tower's name.
    pub visual_encoder: Option<String>,
}

impl ModelArgs {
    /// Reads and checks `model_args.json` of a folder.
    ///
    /// # Errors
    /// [`ModelError`] naming the file and what is wrong.
    pub fn load(folder: &Path) -> Result<Self, ModelError> {
        let path = folder.join("model_args.json");
        let args: Self = read_json(&path, CONFIG_BYTES)?;
        args.check().map_err(|reason| ModelError::content(&path, reason))?;
        Ok(args)
    }

    fn check(&self) -> Result<(), String> {
        let (k, q) = (self.n_visual_tokens, self.shared_emb_dim);
        if !(1..=1 << 10).contains(&k) || !(1..=1 << 16).contains(&q) {
            return Err(format!("n_visual_tokens {k} or shared_emb_dim {q} is zero, negative or absurd"));
        }
        if self.text_emb_layers != [-1] {
            let few: Vec<_> = self.text_emb_layers.iter().take(8).collect();
            return Err(format!("text_emb_layers begins {few:?}: only [-1], the last layer, is known"));
        }
        Ok(())
    }
}
