//! The CLIP vision tower: pixels → pooled features.
//!
//! Source: Radford et al. 2021; layout of Hugging Face's `CLIPVisionModel` (its `pre_layrnorm` is spelt so).

pub mod config;
mod native;
mod torch;

use std::path::Path;

pub use self::config::VisionConfig;
use crate::{
    Backend, ModelError, Placement,
    weights::{Survey, Watch, Weights},
};

/// What Hugging Face publishes the names of the tower's tensors with.
pub const PREFIX: &str = "vision_model.";

/// The vision tower with its weights.
pub struct VisionTower {
    config: VisionConfig,
    placement: Placement,
    tower: Tower,
}

enum Tower {
    Native(Box<native::Tower>),
    Torch(torch::Tower),
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
        let (_, weights) = Self::from_weights(config, Weights::look(folder)?, Placement::TORCH_F32)?;
        Ok(weights.survey(known))
    }

    fn from_weights<'w>(
        config: VisionConfig,
        weights: Weights<'w>,
        placement: Placement,
    ) -> Result<(Self, Weights<'w>), ModelError> {
        let weights = weights.under(&["", PREFIX, "model.vision_model."], CLASS)?;
        let tower = match placement.backend {
            Backend::Native => Tower::Native(Box::new(native::Tower::load(&weights, &config, placement)?)),
            Backend::Libtorch => Tower::Torch(torch::Tower::load(&weights, &config, placement)?),
        };
        let tower = Self { config, placement, tower };
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
        if let Some(wrong) = pixels.iter().find(|block| block.len() != expected) {
            return Err(ModelError::Shape { what: "picture", got: wrong.len(), expected });
        }
        match &self.tower {
            Tower::Native(tower) => tower.encode(&self.config, pixels),
            Tower::Torch(tower) => tower.encode(&self.config, pixels),
        }
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
