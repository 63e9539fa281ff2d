//! What systems that search within their own process are asked, ours and the peers: JSON lines both ways.

use serde::{Deserialize, Serialize};

/// A question. Queries are counted round: after the last one the first comes again.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(crate) enum Ask {
    /// Scans all rows, for `together` queries at the same time, until `count` are answered.
    Exact {
        /// The first query.
        first: usize,
        /// How many.
        count: usize,
        /// How many at the same time.
        together: usize,
    },
    /// Searches the graph for `count` queries: one after the other, or with all threads in one call.
    Graph {
        /// The first query.
        first: usize,
        /// How many.
        count: usize,
        /// Candidates that are kept.
        ef: usize,
        /// Whether one after the other, on one thread.
        one_by_one: bool,
    },
    /// Reads all bytes that a scan reads, and does nothing with them. Of ours alone.
    Read {
        /// Times, of which the best counts.
        readings: usize,
    },
    /// Opens the index anew and answers one query. Of ours alone.
    Open,
    /// What it takes.
    Memory,
}

/// The answer to a search.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Found {
    /// Of each pass, or of each query one by one, or of the one call.
    pub(crate) seconds: Vec<f64>,
    /// Rows, best first, for each query. What was not found is missing or negative.
    pub(crate) rows: Vec<Vec<i64>>,
}

/// Bytes that are resident.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Memory {
    /// Before the index was opened.
    pub(crate) baseline: f64,
    /// Now.
    pub(crate) resident: f64,
}

/// What it says when it can be asked.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Ready {
    /// Seconds that its index took when it was built, now or in an earlier run.
    pub(crate) build_seconds: f64,
    /// Bytes of its index on the disk.
    pub(crate) bytes: f64,
    /// Whether it has a graph.
    pub(crate) graph: bool,
}

/// How a line of each kind begins.
pub(crate) const READY: &str = "ready ";
pub(crate) const FOUND: &str = "found ";
pub(crate) const MEMORY: &str = "memory ";
