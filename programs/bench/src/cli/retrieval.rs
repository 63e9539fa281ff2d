//! What is measured of the retrieval service.

use clap::{Args, ValueEnum};
use fondue_index::Precision;

use super::at_least_one;

/// What is measured of the retrieval service.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Retrieval")]
pub(crate) struct RetrievalArgs {
    /// Pictures, each number by itself: 100k, 1m, 3.3m [default: 100k,1m; with --quick: 6k].
    #[arg(long, value_delimiter = ',', value_name = "N", value_parser = rows)]
    pub(crate) rows: Vec<usize>,
    /// How ours stores vectors: f32, f16, int8 [default: f32].
    #[arg(long, value_delimiter = ',', value_name = "PRECISION")]
    pub(crate) precision: Vec<Precision>,
    /// Candidates that searches of graphs keep. Settings above one that finds nearly all are passed over
    /// [default: 16,32,64,96,128,144,160,192,256,512; with --quick: 16,64].
    #[arg(long, value_delimiter = ',', value_name = "EF", value_parser = at_least_one)]
    pub(crate) ef: Vec<usize>,
    /// Queries whose true neighbours are found by a plain loop, once [default: 1000; with --quick: 100].
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) queries: Option<usize>,
    /// Runs, whose medians count [default: 3; with --quick: 1].
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) retrieval_runs: Option<usize>,
    /// Milliseconds that clients ask, each time [default: 3000; with --quick: 200].
    #[arg(long, value_name = "MS", value_parser = at_least_one)]
    pub(crate) load_ms: Option<usize>,
    /// Links of a node in the peers' graphs.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = at_least_one)]
    pub(crate) links: usize,
    /// Candidates that the peers keep while they build their graphs.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = at_least_one)]
    pub(crate) ef_construction: usize,
    /// Only these parts.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        value_name = "PART",
        default_value = "within,served,open,swap,live"
    )]
    pub(crate) part: Vec<Part>,
    /// Ingest and compaction are measured among so many pictures at most: a compaction builds a graph anew.
    #[arg(long, value_name = "N", default_value = "100k", value_parser = rows)]
    pub(crate) live_rows: usize,
    /// A further flag for the retrieval service, for example --retrieval-flag=--verify=false; may be given several times.
    #[arg(long, value_name = "FLAG", allow_hyphen_values = true)]
    pub(crate) retrieval_flag: Vec<String>,
}

/// A part of what is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Scans and graphs within each system's own process, ours beside the peers.
    Within,
    /// Searches over gRPC, and memory.
    Served,
    /// From nothing to the first answer.
    Open,
    /// Generations that take each other's place under load.
    Swap,
    /// Ingest, searches beside it, compaction.
    Live,
}

fn rows(text: &str) -> Result<usize, String> {
    let lower = text.to_ascii_lowercase();
    let (number, unit) = match lower.strip_suffix('k') {
        Some(number) => (number, 1e3),
        None => lower.strip_suffix('m').map_or((lower.as_str(), 1.0), |number| (number, 1e6)),
    };
    let rows = number.parse::<f64>().ok().map(|number| (number * unit).round());
    let rows = rows.filter(|rows| (100.0..=1e8).contains(rows)).map(|rows| rows as usize);
    rows.ok_or_else(|| "must be a number from 100 to 100m, such as 5000, 100k or 3.3m".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_rows_have_units() {
        let read = |text| rows(text).ok();
        assert_eq!(["5000", "100k", "1M", "3.3m"].map(read), [5000, 100_000, 1_000_000, 3_300_000].map(Some));
        assert_eq!(["99", "101m", "k", "", "-5k", "nan"].map(read), [None; 6]);
        assert_eq!(["100", "100m"].map(read), [Some(100), Some(100_000_000)]);
    }
}
