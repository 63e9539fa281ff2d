//! What was measured of searches among so many pictures.

use serde::{Deserialize, Serialize};

use super::Bar;

/// Pictures of one number, and what each system did with them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Gallery {
    /// Pictures.
    pub rows: usize,
    /// Values of a vector.
    pub dim: usize,
    /// Pictures that each search asks for.
    pub k: usize,
    /// Queries whose true neighbours are known.
    pub queries: usize,
    /// Bytes of memory read a second by all threads, the most at any time.
    pub bandwidth: f64,
    /// The systems.
    pub systems: Vec<Indexed>,
    /// Scans of all rows, within the systems' own processes.
    pub exact: Vec<Scanned>,
    /// Approximate searches, within the systems' own processes.
    pub graph: Vec<Walked>,
    /// Ours over gRPC.
    pub served: Vec<Served>,
    /// What stands against a bar.
    pub bars: Vec<Bar>,
}

/// An index and what it takes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Indexed {
    /// `fondue f32`, `faiss` and so on; the service is `fondue f32, served`.
    pub name: String,
    /// Seconds that it took to build.
    pub build_seconds: f64,
    /// Bytes on the disk; for ours of vectors and graph.
    pub disk: f64,
    /// Bytes that were resident after all searches, mapped files included, but for those that were before it was opened.
    pub resident: f64,
    /// Those that were before.
    pub baseline: f64,
}

/// Scans by one system.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Scanned {
    /// Whose.
    pub name: String,
    /// Queries at the same time.
    pub together: usize,
    /// Seconds until all of them are answered, the median.
    pub seconds: f64,
    /// Bytes of stored vectors, over those seconds.
    pub bytes_per_second: f64,
    /// Bytes of memory read a second by all threads, in turns with these scans, the median: on a shared machine it is
    /// another a minute later. For ours of the very bytes that are scanned, for others of as many.
    pub bandwidth: f64,
    /// Of all queries that were asked.
    pub recall: f64,
}

/// Approximate searches by one system with one setting, medians of runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Walked {
    /// Whose.
    pub name: String,
    /// Candidates that are kept.
    pub ef: usize,
    /// Share of the true neighbours that are found.
    pub recall: f64,
    /// Searches a second with all threads, all queries in one call.
    pub qps: f64,
    /// Searches a second on one thread, each in a call of its own.
    pub alone: f64,
    /// Seconds of such a call.
    pub p50: f64,
    /// Seconds that 1 in 100 exceeds.
    pub p99: f64,
}

/// Searches over gRPC, medians of runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Served {
    /// Whose.
    pub name: String,
    /// Candidates that are kept; none for exact searches.
    pub ef: Option<usize>,
    /// Clients, each of which waits for its answer before it asks again.
    pub clients: usize,
    /// Of the answers.
    pub recall: f64,
    /// Answers a second of all.
    pub qps: f64,
    /// Seconds of an answer.
    pub p50: f64,
    /// Seconds that 1 in 100 exceeds.
    pub p99: f64,
}

/// `100k`, `1M`, `3.3M`.
pub(crate) fn size(rows: usize) -> String {
    match rows {
        1_000_000.. => format!("{}M", rows as f64 / 1e6),
        1000.. => format!("{}k", rows as f64 / 1e3),
        _ => rows.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        let all = [999, 5000, 100_000, 1_000_000, 3_300_000].map(size);
        assert_eq!(all, ["999", "5k", "100k", "1M", "3.3M"]);
    }
}
