//! What goes wrong in an engine room.

use std::{sync::Arc, time::Duration};

use fondue_domain::{Classify, Fault};
use fondue_imaging::ImagingError;
use fondue_model::ModelError;

/// When a refused caller should try again: about the time in which a short answer frees its slot.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A failure of an engine, cheap to hand to every caller of a batch.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EngineError {
    /// The queue is full.
    #[error("the queue is full: {limit} requests are decoding or waiting")]
    Busy {
        /// Requests at most, slots and queue together.
        limit: usize,
    },
    /// The files that wait are too large for one more.
    #[error("the queue is full: at most {limit} bytes of pictures wait to be decoded")]
    BusyBytes {
        /// Bytes at most.
        limit: usize,
    },
    /// The prompt leaves no position for an answer.
    #[error("the prompt takes {got} positions, the model has {max} for prompt and answer together")]
    PromptTooLong {
        /// Positions of the prompt.
        got: usize,
        /// Positions of the model.
        max: usize,
    },
    /// The memory for keys and values is too small for the model.
    #[error(
        "the KV budget of {budget} bytes is too small: one sequence of all {positions} positions takes {needed}; \
         raise kv_bytes"
    )]
    KvBudget {
        /// Bytes allowed.
        budget: usize,
        /// Bytes at least.
        needed: usize,
        /// Positions of the model.
        positions: usize,
    },
    /// The memory for keys and values is not there.
    #[error("cannot set aside {bytes} bytes for keys and values; lower kv_bytes: {error}")]
    KvMemory {
        /// Bytes asked for.
        bytes: usize,
        /// What libtorch says.
        error: Arc<ModelError>,
    },
    /// The published code makes no query of a prompt without `[RET]`.
    #[error("holds no [RET]; with the published code's behaviour it is not added")]
    NoRet,
    /// The caller's time ran out.
    #[error("the deadline passed after {tokens} tokens")]
    Deadline {
        /// Tokens generated until then.
        tokens: usize,
    },
    /// A picture that cannot be read.
    #[error("pictures[{index}]: {source}")]
    Picture {
        /// Which of the call's.
        index: usize,
        /// Why.
        source: Arc<ImagingError>,
    },
    /// The caller's time ran out before the features of its pictures were there.
    #[error("the deadline passed before the pictures were encoded")]
    Late,
    /// The decoder of a picture panicked.
    #[error("decoding a picture was broken off")]
    Broken,
    /// The model failed.
    #[error(transparent)]
    Model(Arc<ModelError>),
    /// The engine has stopped.
    #[error("the engine has stopped")]
    Stopped,
    /// The engine's thread could not be started.
    #[error("cannot start the engine's thread: {0}")]
    Thread(String),
}

impl From<ModelError> for EngineError {
    fn from(error: ModelError) -> Self {
        Self::Model(Arc::new(error))
    }
}

impl Classify for EngineError {
    fn fault(&self) -> Fault {
        match self {
            Self::Busy { .. } | Self::BusyBytes { .. } => Fault::Busy { retry_after: RETRY_AFTER },
            Self::PromptTooLong { .. } | Self::NoRet => Fault::Invalid,
            Self::Deadline { .. } | Self::Late => Fault::Deadline,
            Self::Picture { source, .. } => source.fault(),
            Self::Model(error) => error.fault(),
            Self::Stopped => Fault::Unavailable,
            Self::Thread(_) | Self::Broken | Self::KvBudget { .. } | Self::KvMemory { .. } => Fault::Internal,
        }
    }
}
