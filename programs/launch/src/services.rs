//! The four services as child processes: planned, started, watched, stopped.
//!
//! Contract with a service: it prints `listening HOST:PORT` on stdout when it is ready, logs to stderr, and stops on
//! SIGTERM or, with `--stop-with-stdin`, when its stdin closes, so that it does not outlive a launcher that crashed.

mod cluster;
mod log;
mod plan;
mod process;
mod signals;

use std::path::PathBuf;

pub(crate) use cluster::Cluster;
pub(crate) use plan::{Extra, logs};
pub(crate) use signals::Signals;

/// What every command that starts the services takes.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Services")]
pub(crate) struct ServiceArgs {
    /// Model folder: holds opt/, clip/ and fromage/.
    #[arg(long, value_name = "DIR", default_value = "assets/model")]
    pub(crate) model: PathBuf,
    /// Index of pictures, made by `fondue index` [default: DATA/index].
    #[arg(long, value_name = "ROOT")]
    pub(crate) index: Option<PathBuf>,
    /// Folder of run-time data: logs, the index, found pictures.
    #[arg(long, value_name = "DIR", default_value = ".fondue")]
    pub(crate) data: PathBuf,
    /// Show the services' logs here too, each line with its service's name.
    #[arg(long)]
    pub(crate) verbose: bool,
    /// A further flag for one service, for example `--pass language=--weights=bf16`; may be given several times.
    #[arg(long, value_name = "SERVICE=FLAG")]
    pub(crate) pass: Vec<Extra>,
    /// Seconds that a service may take until it is ready.
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub(crate) start_timeout: u64,
}

impl ServiceArgs {
    /// The index's folder.
    pub(crate) fn index(&self) -> PathBuf {
        self.index.clone().unwrap_or_else(|| self.data.join("index"))
    }
}
