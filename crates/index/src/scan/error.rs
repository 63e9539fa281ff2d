//! What goes wrong with a scan.

use fondue_domain::{Classify, Fault};

/// A scan that gives no hits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// A query of another length than the rows'.
    #[error("the query has {got} values, the rows {expected}")]
    Dim {
        /// Its length.
        got: usize,
        /// The rows'.
        expected: usize,
    },
    /// A set of admitted rows for another number of rows.
    #[error("the set of admitted rows is of {got} rows, there are {expected}")]
    Admitted {
        /// Rows of the set.
        got: usize,
        /// Rows there are.
        expected: usize,
    },
    /// The slices do not hold the same number of whole rows, or more of them than are counted.
    #[error("the stored vectors are not whole rows of {dim} values; the index is damaged, build it again")]
    Shape {
        /// Values of a row.
        dim: usize,
    },
    /// The caller went away.
    #[error("the search was taken back")]
    Cancelled,
    /// The scanner was dropped while the search was under way.
    #[error("the scanner was closed before the search was done")]
    Closed,
    /// The search's own predicate panicked.
    #[error("the search's test of rows broke off")]
    Predicate,
    /// No room for the query.
    #[error("there is no memory for the query")]
    Memory,
    /// The system gave no thread.
    #[error("the system gives no more threads for scanning; configure fewer")]
    Threads,
}

impl Classify for ScanError {
    fn fault(&self) -> Fault {
        match self {
            Self::Dim { .. } => Fault::Invalid,
            Self::Cancelled => Fault::Cancelled,
            Self::Closed => Fault::Unavailable,
            Self::Admitted { .. } | Self::Shape { .. } | Self::Predicate | Self::Memory | Self::Threads => {
                Fault::Internal
            }
        }
    }
}
