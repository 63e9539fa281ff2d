//! How an index is served and how much it may change before it is compacted.

use std::time::Duration;

use crate::graph::Graphing;

/// How an index is served.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Whether a generation is compared with its checksums before it becomes the active one.
    pub verify: bool,
    /// Generations that stay open beside the active one.
    pub max_open: usize,
    /// How long a generation that was compacted must be unused before it is removed.
    pub collect_after: Duration,
    /// Which compacted generations get a graph for approximate search.
    pub graphing: Graphing,
    /// What may change.
    pub limits: Limits,
}

/// What may change between two compactions.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Changes of a generation: pictures added, and rows removed.
    pub changes: usize,
    /// Bytes of memory for them, but for stored pictures, which lie in the log.
    pub bytes: usize,
    /// Bytes of one batch.
    pub batch_bytes: usize,
}
