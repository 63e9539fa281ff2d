//! Settings of the retrieval service: command line over file over defaults, checked once.

use std::{path::PathBuf, str::FromStr, time::Duration};

use clap::Parser;
use fondue_index::{
    graph::{Graphing, Params},
    live::{Limits as ChangeLimits, Settings as LiveSettings},
};
use fondue_serving::settings::{self, Serving, ServingSettings, SettingsError, parsed, within};
use serde::{Deserialize, Serialize};

use crate::{
    local::{Keeping, Searching},
    milvus::settings::{MAX_K, MilvusConfig, MilvusSettings},
};

/// The retrieval service: query embeddings in, pictures out.
#[derive(Debug, Parser)]
#[command(name = "fondue-retrieval", version)]
pub struct Args {
    /// TOML file with the same settings (snake_case keys); the command line wins.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The settings themselves.
    #[command(flatten)]
    pub settings: Settings,
    /// Something else than serving.
    #[command(subcommand)]
    pub task: Option<Task>,
}

/// What the program does instead of serving.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Task {
    /// Copy a generation of the index folder into Milvus. It can be broken off and begun again.
    Load {
        /// Which [default: the active one].
        #[arg(long, value_name = "ID")]
        generation: Option<String>,
        /// Make it the active one in Milvus.
        #[arg(long)]
        activate: bool,
    },
}

/// What holds the index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// A folder of this machine.
    #[default]
    Local,
    /// A Milvus server.
    Milvus,
}

impl FromStr for Backend {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "local" => Ok(Self::Local),
            "milvus" => Ok(Self::Milvus),
            other => Err(format!("must be local or milvus, got `{other}`")),
        }
    }
}

/// What can be set. Unset settings take the file's, then the defaults.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize)]
pub struct Settings {
    /// Settings of every server.
    #[command(flatten)]
    #[serde(flatten)]
    pub serving: ServingSettings,
    /// What holds the index: local, a folder, or milvus, a server [default: local].
    #[arg(long, value_name = "KIND")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// Settings of Milvus.
    #[command(flatten)]
    #[serde(flatten)]
    pub milvus: MilvusSettings,
    /// Index folder, made by `fondue index` [default: .fondue/index].
    #[arg(long, value_name = "ROOT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<PathBuf>,
    /// Compare a generation with its checksums before it becomes the active one, and, when the service starts, while it is
    /// searched [default: true].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<bool>,
    /// Pictures of one search [default: 1000].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_k: Option<usize>,
    /// Ids, and digests, that one search may exclude [default: 10000].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_excluded: Option<usize>,
    /// Conditions of one search [default: 32].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_conditions: Option<usize>,
    /// Values of one condition [default: 1000].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_values: Option<usize>,
    /// Candidates that an approximate search may be asked to keep [default: 10000].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_effort: Option<usize>,
    /// Ids of one deletion [default: 10000].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_deleted: Option<usize>,
    /// Pictures of a stream that are made durable together at most [default: 256].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_rows: Option<usize>,
    /// Bytes of a stream that are made durable together, at which no more are waited for [default: 8388608].
    #[arg(long, value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_bytes: Option<usize>,
    /// Bytes of pictures in one answer; what is beyond comes without its bytes [default: 16777216].
    #[arg(long, value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_data_bytes: Option<usize>,
    /// Calls that run at once; others wait [default: 64].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_searching: Option<usize>,
    /// Calls that wait; more are refused [default: 256].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_queued: Option<usize>,
    /// Threads that scan vectors [default: one for each core].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search_threads: Option<usize>,
    /// Candidates that an approximate search keeps, where the caller does not say: more find more, and take longer
    /// [default: 192].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effort: Option<usize>,
    /// Pictures above which a compacted generation gets a graph for approximate search [default: 50000].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub graph_above: Option<usize>,
    /// Links of a node of such a graph on the upper levels; on the lowest it has up to twice as many [default: 32].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub graph_m: Option<usize>,
    /// Candidates that are kept while such a graph is built [default: 100].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub graph_ef_construction: Option<usize>,
    /// Threads that build such a graph, beside those that search [default: half of the cores].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub graph_threads: Option<usize>,
    /// Changes that are kept beside a generation; more are refused until they are compacted [default: 1000000].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_changes: Option<usize>,
    /// Bytes of memory for changes, but for stored pictures [default: 4294967296].
    #[arg(long, value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_change_bytes: Option<usize>,
    /// Bytes that may be made durable together [default: 67108864].
    #[arg(long, value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_batch_bytes: Option<usize>,
    /// Changes after which the index is compacted in the background; 0: only when asked [default: 50000].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compact_above: Option<usize>,
    /// Seconds for which a generation that was compacted must be unused before it is removed; well above the gateway's
    /// pin_interval_ms [default: 3600].
    #[arg(long, value_name = "S")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collect_after_seconds: Option<u64>,
    /// Milliseconds between looks at what is to be compacted and collected [default: 10000].
    #[arg(long, value_name = "MS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_interval_ms: Option<u64>,
    /// Generations that stay open beside the active one, for dialogues that began with them [default: 4].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_open: Option<usize>,
    /// Most milliseconds that a call may take, and an Ingest stream may be silent [default: 60000].
    #[arg(long, value_name = "MS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_limit_ms: Option<u64>,
}

/// The retrieval service's configuration, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// What every server has.
    pub serving: Serving,
    /// What holds the index.
    pub backend: Backend,
    /// How Milvus is reached, if that is asked for.
    pub milvus: MilvusConfig,
    /// The index's root.
    pub index: PathBuf,
    /// How the index is opened, changed and collected.
    pub live: LiveSettings,
    /// How it is searched.
    pub searching: Searching,
    /// What goes on behind the searches.
    pub keeping: Keeping,
    /// Limits of requests.
    pub limits: Limits,
}

/// What a caller may send.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Pictures of one search.
    pub k: usize,
    /// Ids, and digests, to exclude.
    pub excluded: usize,
    /// Conditions of one search.
    pub conditions: usize,
    /// Values of one condition.
    pub values: usize,
    /// Candidates of an approximate search.
    pub effort: usize,
    /// Ids of one deletion.
    pub deleted: usize,
    /// Pictures that are made durable together.
    pub batch_rows: usize,
    /// Bytes at which a batch is full.
    pub batch_bytes: usize,
    /// Bytes of pictures in one answer.
    pub data_bytes: usize,
    /// Searches that run at once.
    pub searching: usize,
    /// Searches that wait.
    pub queued: usize,
    /// Time of a call, and of silence in a stream.
    pub timeout: Duration,
}

impl Args {
    /// Merges command line, file and defaults.
    ///
    /// # Errors
    /// [`SettingsError`] that names the setting and what would be right.
    pub fn resolve(self) -> Result<Config, SettingsError> {
        settings::merge(self.settings, self.config.as_deref())?.resolve()
    }
}

impl Settings {
    /// The configuration, defaults filled in.
    ///
    /// # Errors
    /// [`SettingsError`] that names the setting and what would be right.
    pub fn resolve(self) -> Result<Config, SettingsError> {
        let serving = self.serving.resolve("127.0.0.1:7403")?;
        serving.refuse_exposure(serving.knows_callers(), "set tls_client_ca")?;
        let backend = match self.backend.as_deref() {
            None => Backend::default(),
            Some(text) => parsed("backend", text.parse())?,
        };
        // One answer of Milvus holds no more.
        let max_k = if backend == Backend::Milvus { MAX_K } else { 1 << 20 };
        let searching = within("max_searching", self.max_searching, 64, 1, 1024)?;
        let open = within("max_open", self.max_open, 4, 0, 1024)?;
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(1024));
        Ok(Config {
            backend,
            milvus: self.milvus.resolve()?,
            index: self.index.unwrap_or_else(|| ".fondue/index".into()),
            live: LiveSettings {
                verify: self.verify.unwrap_or(true),
                max_open: open,
                collect_after: Duration::from_secs(within(
                    "collect_after_seconds",
                    self.collect_after_seconds,
                    3600,
                    0,
                    365 * 86_400,
                )?),
                graphing: Graphing {
                    above: within("graph_above", self.graph_above, 50_000, 0, 1 << 31)?,
                    params: Params {
                        m: within("graph_m", self.graph_m, 32, 2, 64)?,
                        ef_construction: within(
                            "graph_ef_construction",
                            self.graph_ef_construction,
                            100,
                            1,
                            10_000,
                        )?,
                        threads: within("graph_threads", self.graph_threads, cores.div_ceil(2), 1, 1024)?,
                    },
                },
                limits: ChangeLimits {
                    changes: within("max_changes", self.max_changes, 1_000_000, 1, 1 << 31)?,
                    bytes: within("max_change_bytes", self.max_change_bytes, 4 << 30, 1, 1 << 44)?,
                    batch_bytes: within("max_batch_bytes", self.max_batch_bytes, 64 << 20, 1, 1 << 30)?,
                },
            },
            searching: Searching {
                calls: searching,
                threads: within("search_threads", self.search_threads, cores, 1, 1024)?,
                ef: within("effort", self.effort, 192, 1, 1 << 20)?,
            },
            keeping: Keeping {
                compact_above: Some(within("compact_above", self.compact_above, 50_000, 0, 1 << 31)?)
                    .filter(|most| *most > 0),
                interval: Duration::from_millis(within(
                    "keep_interval_ms",
                    self.keep_interval_ms,
                    10_000,
                    1,
                    86_400_000,
                )?),
            },
            limits: Limits {
                k: within("max_k", self.max_k, 1000, 1, max_k)?,
                excluded: within("max_excluded", self.max_excluded, 10_000, 0, 1 << 20)?,
                conditions: within("max_conditions", self.max_conditions, 32, 0, 1024)?,
                values: within("max_values", self.max_values, 1000, 1, 1 << 20)?,
                effort: within("max_effort", self.max_effort, 10_000, 1, 1 << 20)?,
                deleted: within("max_deleted", self.max_deleted, 10_000, 1, 1 << 20)?,
                batch_rows: within("batch_rows", self.batch_rows, 256, 1, 1 << 16)?,
                batch_bytes: within("batch_bytes", self.batch_bytes, 8 << 20, 1, 1 << 30)?,
                data_bytes: within("max_data_bytes", self.max_data_bytes, 16 << 20, 0, 1 << 30)?,
                searching,
                queued: within("max_queued", self.max_queued, 256, 0, 1 << 20)?,
                timeout: Duration::from_millis(within(
                    "timeout_limit_ms",
                    self.timeout_limit_ms,
                    60_000,
                    1,
                    3_600_000,
                )?),
            },
            serving,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(flags: &[&str]) -> Result<Config, String> {
        let args = Args::try_parse_from([&["fondue-retrieval"], flags].concat()).unwrap();
        args.resolve().map_err(|error| error.to_string())
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_the_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("retrieval.toml");
        std::fs::write(&file, "index = \"/there\"\nmax_k = 7\nmax_open = 2\nverify = false\n").unwrap();
        let config = resolve(&["--config", file.to_str().unwrap(), "--max-k", "9"]).unwrap();
        assert_eq!((config.limits.k, config.live.max_open, config.live.verify), (9, 2, false));
        assert_eq!((config.index, config.limits.excluded), (PathBuf::from("/there"), 10_000));
        std::fs::write(&file, "max_l = 7\n").unwrap();
        let error = resolve(&["--config", file.to_str().unwrap()]).unwrap_err();
        assert!(error.contains("max_l") && error.contains("max_k"), "{error}");
    }

    #[test]
    fn what_is_out_of_range_is_named() {
        for (flag, value, name) in [
            ("--max-k", "0", "max_k"),
            ("--max-searching", "0", "max_searching"),
            ("--backend", "redis", "backend"),
            ("--max-open", "9999", "max_open"),
        ] {
            let error = resolve(&[flag, value]).unwrap_err();
            assert!(error.contains(name), "{error}");
        }
    }
}
