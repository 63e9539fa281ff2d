//! What a back end of the index does. The RPCs, their checks and their limits are the same over each.

use bytes::Bytes;
use fondue_domain::{Classify, Embedding, Fault, Violation};
use fondue_index::{Exclusions, Filter, IndexError, Item, NewItem, metadata::Kind};
use futures::future::BoxFuture;

/// An index that is served.
///
/// A call may be dropped at any time; what it began may go on, but nothing is left half done.
#[tonic::async_trait]
pub trait Store: Send + Sync + 'static {
    /// The nearest pictures, best first.
    async fn search(&self, search: Search) -> Result<Found, StoreError>;

    /// One picture with its bytes, and the generation that it was found in; `None` if no picture has the id.
    async fn fetch(&self, id: &str, generation: &str) -> Result<Option<(Picture, String)>, StoreError>;

    /// Adds or replaces pictures, all of them or none; durable and seen by every later search when it returns.
    async fn ingest(&self, batch: Vec<(NewItem, Embedding)>) -> Result<Ingested, StoreError>;

    /// Removes pictures; as durable. Unknown ids are passed over.
    async fn delete(&self, ids: Vec<String>) -> Result<Deleted, StoreError>;

    /// Makes a generation the active one; without an id the one that the index itself names.
    async fn activate(&self, id: &str) -> Result<Activated, StoreError>;

    /// Makes the active generation and its changes one new generation, and activates it.
    async fn compact(&self) -> Result<Compacted, StoreError>;

    /// What goes on behind the calls, as long as it is polled. Ends only with what makes the index useless.
    fn keeper(&self) -> BoxFuture<'static, StoreError> {
        Box::pin(std::future::pending())
    }

    /// What is known of a generation; without an id of the active one.
    async fn describe(&self, generation: &str) -> Result<Description, StoreError>;
}

/// A search, checked but for the vector's length, which its generation knows.
#[derive(Clone, Debug)]
pub struct Search {
    /// Of unit length.
    pub query: Embedding,
    /// Pictures wanted, at least 1.
    pub k: usize,
    /// What must not be found.
    pub exclusions: Exclusions,
    /// What must hold for what is found.
    pub filter: Filter,
    /// Empty for the active one.
    pub generation: String,
    /// Whether every picture must be compared.
    pub exact: bool,
    /// Candidates of an approximate search; `None` for the back end's choice.
    pub effort: Option<usize>,
    /// Bytes of pictures that the answer may hold; pictures beyond come without theirs.
    pub data_bytes: usize,
}

/// Pictures that were found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Cosine similarity and picture, best first.
    pub hits: Vec<(f32, Picture)>,
    /// The generation that was searched.
    pub generation: String,
    /// Whether every picture was compared.
    pub exact: bool,
}

/// A picture of the index.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// Name and description.
    pub item: Item,
    /// Its file; empty if none is stored or asked for.
    pub data: Bytes,
}

/// What was added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ingested {
    /// Pictures that took the place of one with the same id.
    pub replaced: usize,
    /// The generation that they were added to.
    pub generation: String,
}

/// What was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deleted {
    /// Pictures that were there.
    pub deleted: usize,
    /// The generation that they were removed from.
    pub generation: String,
}

/// A change of the active generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activated {
    /// Now.
    pub active: String,
    /// Before.
    pub previous: String,
}

/// A generation that took the place of another and its changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// Now active.
    pub generation: String,
    /// Before; the same if there were no changes.
    pub previous: String,
    /// Pictures in it.
    pub rows: usize,
}

/// What is known of a generation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// Which.
    pub generation: String,
    /// The active one.
    pub active: String,
    /// All that there are.
    pub generations: Vec<String>,
    /// Pictures that searches see.
    pub rows: usize,
    /// Length of its vectors.
    pub dim: usize,
    /// Identity of the mapping layers that made it; empty if nobody knows.
    pub fingerprint: String,
    /// Identity of the vision tower that saw its pictures; empty if nobody knows.
    pub vision_fingerprint: String,
    /// Seconds since 1970.
    pub created_seconds: u64,
    /// What it was compacted from; empty if it was built.
    pub parent: String,
    /// `f32`, `f16`, `int8`.
    pub precision: String,
    /// Whether it is searched approximately where that pays.
    pub has_graph: bool,
    /// Pictures added since it was made.
    pub ingested: usize,
    /// Pictures of it deleted or replaced since.
    pub removed: usize,
    /// Fields of its metadata.
    pub fields: Vec<(String, Kind)>,
    /// Which back end.
    pub backend: &'static str,
}

/// Why a back end could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The index's own.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// Another server that this needs is down, slow, or refuses.
    #[error("the index's back end is not available: {reason}")]
    Unavailable {
        /// What it said.
        reason: String,
    },
    /// What this back end does not do.
    #[error("{0}")]
    Unsupported(&'static str),
    /// A defect, of this or of the other server.
    #[error("the index's back end failed: {reason}")]
    Broken {
        /// What happened.
        reason: String,
    },
}

impl Classify for StoreError {
    fn fault(&self) -> Fault {
        match self {
            Self::Index(error) => error.fault(),
            Self::Unavailable { .. } => Fault::Unavailable,
            Self::Unsupported(_) => Fault::Unsupported,
            Self::Broken { .. } => Fault::Internal,
        }
    }

    fn violations(&self) -> Vec<Violation> {
        match self {
            Self::Index(error) => error.violations(),
            _ => Vec::new(),
        }
    }
}
