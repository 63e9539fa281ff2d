//! What all of Fondue shares: faults, token ids, embeddings, names of metrics. Pure and synchronous.
//! Touches nothing: no network, no files, no tensors.

pub mod compat;
pub mod embedding;
pub mod fault;
pub mod measure;

pub use compat::{Compat, CompatError};
pub use embedding::{Embedding, EmbeddingError};
pub use fault::{Classify, Fault, Violation};

/// A token of the language model's vocabulary, `[RET]` included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(pub u32);

impl TokenId {
    /// The id as libtorch counts.
    pub fn as_i64(self) -> i64 {
        i64::from(self.0)
    }
}
