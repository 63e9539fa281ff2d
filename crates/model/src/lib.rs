//! FROMAGe's networks, by kernels of our own on the CPU and by libtorch anywhere: vision tower, OPT with a KV cache, mapping layers, tokenizer, sampler.
//!
//! Synchronous and single-threaded by design: `fondue-engine` gives each model to one OS thread.
//! Touches tch and model files. Never tonic, tokio, clap.

pub mod detokenize;
pub mod dialogue;
pub mod error;
mod files;
pub mod fingerprint;
pub mod language;
pub mod layers;
pub mod mapping;
pub mod opt;
mod packed;
pub mod placement;
pub mod prompt;
pub mod sampler;
pub mod table;
pub mod tokenizer;
pub mod vision;
pub mod weights;

pub use detokenize::Detokenizer;
pub use dialogue::DialogueTemplate;
pub use error::ModelError;
pub use language::LanguageModel;
pub use opt::{BLOCK, BlockId, Chunk, KvPool};
pub use placement::{Backend, Dtype, Placement};
pub use prompt::{Prompt, PromptPart};
pub use sampler::{Sampler, Sampling};
pub use tokenizer::Tokenizer;
pub use vision::VisionTower;
