//! The vision tower's `config.json`: its own, or that of a whole CLIP model.

use std::path::Path;

use serde::de::IgnoredAny;

use crate::{
    ModelError,
    files::{self, CONFIG_BYTES, shown},
};

/// Sizes and variants of a vision tower.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(default)]
pub struct VisionConfig {
    /// Width of the states, and of the features.
    pub hidden_size: i64,
    /// Width of the feed-forward layers.
    pub intermediate_size: i64,
    /// Blocks.
    pub num_hidden_layers: usize,
    /// Attention heads.
    pub num_attention_heads: i64,
    /// Side of the input square, in pixels.
    pub image_size: i64,
    /// Side of a patch, in pixels.
    pub patch_size: i64,
    /// Activation of the feed-forward layers: `quick_gelu` or `gelu`.
    pub hidden_act: String,
    /// Epsilon of the layer norms.
    pub layer_norm_eps: f64,
    num_channels: i64,
}

/// Hugging Face's, which a whole model's file leaves out where they hold.
impl Default for VisionConfig {
    fn default() -> Self {
        Self {
            hidden_size: 768,
            intermediate_size: 3072,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            image_size: 224,
            patch_size: 32,
            hidden_act: "quick_gelu".to_owned(),
            layer_norm_eps: 1e-5,
            num_channels: 3,
        }
    }
}

/// What tells the two kinds of file apart.
#[derive(serde::Deserialize)]
struct Head {
    model_type: Option<String>,
    vision_config: Option<IgnoredAny>,
    hidden_size: Option<IgnoredAny>,
}

/// A whole CLIP model's file holds the tower's settings one level down.
#[derive(serde::Deserialize)]
struct Whole {
    vision_config: VisionConfig,
}

impl VisionConfig {
    /// Reads and checks `config.json` of a folder.
    ///
    /// # Errors
    /// [`ModelError`] naming the file and what is wrong.
    pub fn load(folder: &Path) -> Result<Self, ModelError> {
        let path = folder.join("config.json");
        let text = files::read(&path, CONFIG_BYTES)?;
        let wrong = |reason: String| ModelError::content(&path, reason);
        let head: Head = files::parse(&path, &text)?;
        if let Some(kind) = head.model_type.filter(|kind| !kind.starts_with("clip")) {
            return Err(wrong(format!("model_type is `{}`; this is no CLIP", shown(&kind))));
        }
        let config = if head.vision_config.is_some() {
            files::parse::<Whole>(&path, &text)?.vision_config
        } else if head.hidden_size.is_some() {
            files::parse(&path, &text)?
        } else {
            return Err(wrong("has neither a vision_config nor a hidden_size".to_owned()));
        };
        config.check().map_err(wrong)?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        let sizes = [
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_attention_heads", self.num_attention_heads),
            ("image_size", self.image_size),
            ("patch_size", self.patch_size),
        ];
        if let Some((name, n)) = sizes.iter().find(|(_, n)| !(1..=1 << 20).contains(n)) {
            return Err(format!("{name} is {n}: zero, negative or absurd"));
        }
        if self.num_hidden_layers > 1 << 10 {
            return Err(format!("num_hidden_layers is {}: absurd", self.num_hidden_layers));
        }
        let Self { hidden_size, num_attention_heads, image_size, patch_size, .. } = self;
        if hidden_size % num_attention_heads != 0 || image_size % patch_size != 0 {
            return Err(format!(
                "{hidden_size} wide with {num_attention_heads} heads, {image_size} px with patches of {patch_size}: \
                 not divisible"
            ));
        }
        if self.num_channels != 3 {
            return Err(format!("num_channels is {}; pictures here have 3", self.num_channels));
        }
        if !matches!(self.hidden_act.as_str(), "quick_gelu" | "gelu") {
            let name = shown(&self.hidden_act);
            return Err(format!("hidden_act `{name}` is not known; quick_gelu and gelu are"));
        }
        if !(self.layer_norm_eps > 0.0 && self.layer_norm_eps < 1.0) {
            return Err(format!("layer_norm_eps is {}; it lies between 0 and 1", self.layer_norm_eps));
        }
        Ok(())
    }

    /// Whether the activation is x·σ(1.702x); the other one is x·Φ(x).
    pub fn is_quick_gelu(&self) -> bool {
        self.hidden_act == "quick_gelu"
    }

    /// Positions of the tower: the class token and the patches.
    pub fn n_positions(&self) -> i64 {
        let grid = self.image_size / self.patch_size;
        grid * grid + 1
    }
}
