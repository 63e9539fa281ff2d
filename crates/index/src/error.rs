//! What goes wrong with an index.

use std::path::{Path, PathBuf};

use fondue_domain::{Classify, Fault};

use crate::metadata::Kind;

/// When what cannot be done now may be tried again.
const RETRY_AFTER: std::time::Duration = std::time::Duration::from_secs(5);

/// A failure of reading or building an index.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The system refused a file.
    #[error("cannot read or write {}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
    /// A generation's files do not hold together.
    #[error("{}: {reason}; the generation is damaged, build it again", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A generation of another format.
    #[error(
        "{}: format {got}, this version reads format {expected}; build or import the index again",
        path.display()
    )]
    Format {
        /// Which file.
        path: PathBuf,
        /// Its format.
        got: u32,
        /// Ours.
        expected: u32,
    },
    /// No such generation.
    #[error("the index has no generation `{id}`; its folder `generations` holds those it has")]
    NoGeneration {
        /// What was asked for.
        id: String,
    },
    /// No index at all.
    #[error("there is no index in {}; build one with `fondue index build`", root.display())]
    NoIndex {
        /// The folder that was named.
        root: PathBuf,
    },
    /// No generation is active.
    #[error("no generation is active in {}; build one with `fondue index build`", root.display())]
    NoneActive {
        /// The index's root.
        root: PathBuf,
    },
    /// A vector of another length than the index's.
    #[error("the vector has {got} values, the index {expected}")]
    Dim {
        /// Its length.
        got: usize,
        /// The index's.
        expected: usize,
    },
    /// Vectors of a length that no index has.
    #[error("an index has vectors of 1 … {max} values, not {got}")]
    DimLimit {
        /// What was asked for.
        got: usize,
        /// The limit.
        max: usize,
    },
    /// An id that is there already.
    #[error("two pictures have the id `{id}`")]
    DuplicateId {
        /// The id.
        id: String,
    },
    /// An id that cannot be one.
    #[error("an id must have 1 … {max} bytes, got {got}")]
    IdLength {
        /// Its bytes.
        got: usize,
        /// The limit.
        max: usize,
    },
    /// A builder that could not write a picture to its end before.
    #[error("picture {row} could be written in part only, so this build cannot go on; build the index again")]
    HalfWritten {
        /// Its row.
        row: usize,
    },
    /// A field of a picture's metadata that cannot be.
    #[error("metadata `{field}`: {reason}")]
    Metadata {
        /// Its name.
        field: String,
        /// What is wrong.
        reason: String,
    },
    /// A field that has another kind of value in other pictures.
    #[error("metadata `{field}`: a {got}, but in this index the field holds a {expected}")]
    FieldKind {
        /// Its name.
        field: String,
        /// The value's kind.
        got: Kind,
        /// The field's.
        expected: Kind,
    },
    /// More fields than an index holds.
    #[error("an index has {max} metadata fields at most, of all pictures together")]
    TooManyFields {
        /// The limit.
        max: usize,
    },
    /// A log that does not hold together.
    #[error(
        "{}: {reason}; put back a copy of the file, or move it away to go on without the changes in it",
        path.display()
    )]
    DamagedLog {
        /// Which.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
    /// Changes that could not be made durable.
    #[error("the changes could not be written, and nothing of them is kept: {reason}")]
    NotWritten {
        /// What the system said.
        reason: String,
    },
    /// More changes than are kept beside a generation.
    #[error(
        "{max} {what} are kept until they are compacted, the limit; compact the index, or try again later"
    )]
    TooManyChanges {
        /// The limit.
        max: usize,
        /// Of what.
        what: &'static str,
    },
    /// A batch that is too large.
    #[error("changes that are made together have {max} bytes at most; send fewer at a time")]
    TooLargeBatch {
        /// The limit.
        max: usize,
    },
    /// Another process changes the index.
    #[error("{}: another process changes this index; it alone can, until it ends", root.display())]
    Locked {
        /// The index's root.
        root: PathBuf,
    },
    /// A compaction runs.
    #[error("the index is being compacted already")]
    Compacting,
    /// Nothing would be left.
    #[error("every picture was removed; a generation needs at least one, so the changes stay as they are")]
    NothingLeft,
    /// Another generation became the active one meanwhile.
    #[error("the active generation was changed meanwhile; its changes stay as they are")]
    Overtaken,
    /// A scan of the rows.
    #[error(transparent)]
    Scan(#[from] crate::scan::ScanError),
    /// The caller wanted no more of it.
    #[error("it was stopped")]
    Stopped,
    /// Nothing to publish.
    #[error("an index needs at least one picture")]
    Empty,
    /// More than an index holds.
    #[error("an index holds at most {max} pictures")]
    TooMany {
        /// The limit.
        max: usize,
    },
}

impl IndexError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn damaged(path: &Path, reason: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), reason: reason.into() }
    }
}

impl Classify for IndexError {
    fn fault(&self) -> Fault {
        match self {
            Self::Dim { .. }
            | Self::DimLimit { .. }
            | Self::DuplicateId { .. }
            | Self::IdLength { .. }
            | Self::Metadata { .. }
            | Self::FieldKind { .. }
            | Self::TooManyFields { .. }
            | Self::Empty
            | Self::TooMany { .. } => Fault::Invalid,
            Self::NoGeneration { .. } => Fault::NotFound,
            Self::Stopped => Fault::Cancelled,
            Self::TooLargeBatch { .. } => Fault::TooLarge,
            Self::TooManyChanges { .. } | Self::Compacting | Self::Overtaken => {
                Fault::Busy { retry_after: RETRY_AFTER }
            }
            Self::Locked { .. } | Self::NothingLeft => Fault::Unavailable,
            Self::NotWritten { .. } => Fault::Unavailable,
            Self::Scan(error) => error.fault(),
            Self::NoIndex { .. } | Self::NoneActive { .. } => Fault::Unavailable,
            Self::Io { .. }
            | Self::HalfWritten { .. }
            | Self::Damaged { .. }
            | Self::DamagedLog { .. }
            | Self::Format { .. } => Fault::Internal,
        }
    }
}
