//! The engine rooms: one OS thread owns each model and serves many callers.
//!
//! A caller's work waits in a bounded queue, joins the batch when there is room, and leaves it when it is done, when
//! its deadline has passed, or when nobody listens any more. Touches `model`, `imaging`, `domain`, channels. Never tonic, clap,
//! files.

pub mod cut;
pub mod error;
pub mod language;
mod owner;
pub mod vision;

pub use error::EngineError;
pub use language::{
    Emission, FinishReason, Generation, KvBudget, KvLoad, LANGUAGE_MEASURES, LanguageEngine, LanguageLimits,
    Likelihood, Likelihoods,
};
pub use vision::{Features, PictureFile, VISION_MEASURES, VisionEngine, VisionLimits};
