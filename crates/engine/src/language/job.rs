//! What callers ask of the language engine, and what they get back.

use std::time::{Duration, Instant};

use fondue_domain::{Compat, Embedding, TokenId};
use fondue_model::{Prompt, Sampling};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::questions::Projection;
use crate::EngineError;

/// A continuation to generate.
#[derive(Clone, Debug)]
pub struct Generation {
    /// What stands before.
    pub prompt: Prompt,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Tokens at most, `[RET]`s included.
    pub max_new_tokens: usize,
    /// The text ends before the first of these.
    pub stop: Vec<String>,
    /// Whether a newline ends the text too.
    pub stop_at_newline: bool,
    /// [`Compat::Reference`]: the text comes in whole segments, truncated as the published code does it, `stop` has no
    /// effect, and `sampling.max_rets` tells how many `[RET]`s are looked up, not how many are written.
    pub compat: Compat,
    /// Whose prompts may share keys and values: only generations and questions with the same one do.
    pub cache_key: String,
    /// When the caller's time runs out.
    pub deadline: Instant,
}

/// Something that happened while generating. The last of a stream is `Done` or `Failed`; a stream that ends
/// without one was cut off.
#[derive(Clone, Debug)]
pub enum Emission {
    /// A slot was found.
    Started {
        /// Positions of the prompt.
        prompt_tokens: usize,
        /// Those whose keys and values were there already.
        cached_tokens: usize,
        /// Time in the queue.
        queued: Duration,
    },
    /// More text, whole characters.
    Text(String),
    /// The model wrote `[RET]`.
    Query {
        /// The state at `[RET]`, in retrieval space.
        embedding: Embedding,
        /// Which `[RET]` of this answer, from 0.
        ret_index: u32,
        /// Code points of text before it.
        text_offset: u32,
    },
    /// The text is complete.
    Done {
        /// Why it ended.
        reason: FinishReason,
        /// What it took.
        usage: Usage,
    },
    /// The text was cut off.
    Failed(EngineError),
}

/// Why a text ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// End of sequence, or a newline; with [`Compat::Reference`] also the last `[RET]` that is looked up.
    Stop,
    /// A stop string.
    StopString,
    /// All tokens that were asked for.
    Length,
    /// No position is left.
    ContextFull,
}

/// What an answer took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Positions of the prompt.
    pub prompt_tokens: usize,
    /// Those whose keys and values were there already.
    pub cached_tokens: usize,
    /// Tokens generated, `[RET]` and the one that ended the text included.
    pub generated_tokens: usize,
    /// From the slot to the first token.
    pub prefill: Duration,
    /// From the first token to the last.
    pub decode: Duration,
}

/// ln p of some text.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Likelihood {
    /// Sum over its tokens, in nats.
    pub log_likelihood: f32,
    /// How many.
    pub tokens: usize,
}

/// How likely texts are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Likelihoods {
    /// The prompt's own tokens, each given all before it; the first position has nothing before it and does not count,
    /// pictures neither. Only if it was asked for.
    pub prompt: Option<Likelihood>,
    /// The continuations, in their order.
    pub candidates: Vec<Likelihood>,
}

/// A generation on its way through the engine.
pub(super) struct Job {
    pub(super) generation: Generation,
    /// Room for everything that may ever be sent, so that sending never waits.
    pub(super) out: mpsc::Sender<Emission>,
    pub(super) submitted: Instant,
    pub(super) span: tracing::Span,
    /// Given back before the closing event, so that whoever asks again at once finds the room.
    pub(super) permit: Option<OwnedSemaphorePermit>,
}

impl Job {
    /// Emissions that a generation can cause at most: for each token some text and a query, and the two ends.
    pub(super) fn capacity(generation: &Generation) -> usize {
        2 * generation.max_new_tokens + 4
    }
}

/// Who asked a question.
pub(super) struct Ask<Answer> {
    pub(super) deadline: Instant,
    pub(super) out: oneshot::Sender<Result<Answer, EngineError>>,
    pub(super) permit: OwnedSemaphorePermit,
    /// Of the call.
    pub(super) span: tracing::Span,
}

/// Everything that reaches the owner's thread.
pub(super) enum Command {
    Generate(Box<Job>),
    Query { ask: Ask<Embedding>, prompt: Prompt, compat: Compat, cache_key: String },
    Score { ask: Ask<Likelihoods>, prompt: Prompt, weighed: Weighed, cache_key: String },
    Project(Projection),
    Forget(oneshot::Sender<()>),
}

/// What is to be weighed.
pub(super) struct Weighed {
    pub(super) with_prompt: bool,
    pub(super) candidates: Vec<Vec<TokenId>>,
    /// Each token of a candidate is weighed by the state at itself.
    pub(super) unshifted: bool,
}
