//! What goes wrong with models: files that are not as they should be, shapes, libtorch itself.

use std::path::{Path, PathBuf};

use fondue_domain::{Classify, EmbeddingError, Fault};

/// A failure of loading or running a model.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file could not be read.
    #[error("cannot read {path}: {reason}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system or the parser said.
        reason: String,
    },
    /// A file's content is not what this model needs.
    #[error("{path}: {reason}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong and what was expected.
        reason: String,
    },
    /// A pickle that is not one of tensors.
    #[error(transparent)]
    Pickle(#[from] fondue_pickle::PickleError),
    /// A device that is not there.
    #[error("device `{device}`: {reason}")]
    NoDevice {
        /// As it was asked for.
        device: String,
        /// What is there, or what is lacking.
        reason: String,
    },
    /// A vector or tensor of the wrong size.
    #[error("{what} has {got} values, expected {expected}")]
    Shape {
        /// Which.
        what: &'static str,
        /// Its size.
        got: usize,
        /// The right size.
        expected: usize,
    },
    /// The prompt holds no text.
    #[error("a prompt needs at least one text (it may be empty)")]
    NoText,
    /// A token outside the vocabulary.
    #[error("token {token} is outside the vocabulary of {rows}")]
    Token {
        /// The id.
        token: u32,
        /// Rows of the embedding table.
        rows: usize,
    },
    /// The model's positions do not suffice.
    #[error("{needed} positions needed, the model has {max}")]
    Positions {
        /// Positions asked for.
        needed: usize,
        /// Positions there are.
        max: usize,
    },
    /// A state or a picture that maps to no direction in retrieval space.
    #[error("a picture or a state has no direction in retrieval space")]
    NoDirection(#[from] EmbeddingError),
    /// The text could not be tokenised.
    #[error("tokenizer: {0}")]
    Tokenizer(String),
    /// The kernels of our own could not run: no memory, no threads, or steps that do not fit.
    #[error("kernels: {0}")]
    Kernel(String),
    /// libtorch failed.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
}

impl ModelError {
    pub(crate) fn read(path: &Path, reason: impl ToString) -> Self {
        Self::Read { path: path.to_owned(), reason: reason.to_string() }
    }

    pub(crate) fn content(path: &Path, reason: impl ToString) -> Self {
        Self::Content { path: path.to_owned(), reason: reason.to_string() }
    }
}

impl Classify for ModelError {
    fn fault(&self) -> Fault {
        match self {
            Self::Shape { .. }
            | Self::NoText
            | Self::Token { .. }
            | Self::Positions { .. }
            | Self::NoDirection(_) => Fault::Invalid,
            Self::Pickle(_)
            | Self::NoDevice { .. }
            | Self::Read { .. }
            | Self::Content { .. }
            | Self::Tokenizer(_)
            | Self::Kernel(_)
            | Self::Torch(_) => Fault::Internal,
        }
    }
}
