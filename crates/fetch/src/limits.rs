//! How much a fetch may take.

use std::time::Duration;

/// Bounds of one fetch, and of all at once.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a body.
    pub max_bytes: usize,
    /// Bytes of an answer's head: status line and headers. At least [`Limits::LEAST_HEADER_BYTES`].
    pub max_header_bytes: usize,
    /// Redirects that are followed.
    pub max_redirects: usize,
    /// Time for one connection, TLS included.
    pub connect: Duration,
    /// Time for one attempt, with all its redirects, to the last byte. Waiting for a turn does not count.
    pub total: Duration,
    /// A body must bring `progress_bytes` in every one of these.
    pub progress_window: Duration,
    /// See `progress_window`; 0 lets a body take all of `total`.
    pub progress_bytes: usize,
    /// Further attempts after one that may succeed later: no connection, 429, 500, 502, 503, 504.
    pub retries: u32,
    /// Wait before the first further attempt; doubled for each one after. Half of it is chance.
    pub back_off: Duration,
    /// What that grows to.
    pub max_back_off: Duration,
    /// The longest `Retry-After` that is waited for; a server that asks for more is not asked again.
    pub max_retry_after: Duration,
    /// Connections to one host (and port) at once.
    pub per_host: usize,
    /// Connections at once.
    pub concurrent: usize,
}

impl Limits {
    /// The least that `max_header_bytes` can be: smaller buffers are none that HTTP/1 is read with.
    pub const LEAST_HEADER_BYTES: usize = 8192;
}
