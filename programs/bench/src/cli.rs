//! The command line.

mod retrieval;
mod serve;

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Parser, Subcommand};

pub(crate) use self::{
    retrieval::{Part, RetrievalArgs},
    serve::ServeArgs,
};
use crate::{
    retrieval::InProcess,
    shape::Shape,
    systems::{PeerName, Weights},
    train::TrainArgs,
};

const EXAMPLES: &str = "\
Examples:
  cargo xtask bench                                       everything beside all peers; an hour or two
  cargo xtask bench --quick                               does it all work? tiny models, no peers, seconds
  fondue bench language --shape 125m --prompt 256 --dialogues 1,8 --weights f32,int8
  fondue bench language --shape 350m --prompt 256 --dialogues 1 --peers none
  fondue bench vision --peers transformers
  fondue bench retrieval --rows 1m --peers faiss,usearch --markdown docs/benchmarks.md
  fondue bench train --steps 200
  fondue bench serve --rates 1,2,4,8 --html load.html     how a running system takes a load; see `serve --help`
  fondue bench all --out figures.json --markdown docs/benchmarks.md

Runs of all systems alternate, so that whatever else the machine does disturbs them alike; still, let it do nothing else.
The bars are for prompts of 256 tokens and 1 and 8 dialogues: leave these in where they shall be judged.";

const SERVE_EXAMPLES: &str = "\
Examples:
  fondue bench serve                                    starts the services, 4 turns/s for a minute
  fondue bench serve --gateway http://127.0.0.1:7400 --ramp 1..20 --json load.json --html load.html
  fondue bench serve --rates 1,2,4,8 --compare load.json
  fondue bench serve --overload 5                       what is answered still at five times what they can do
  fondue bench serve --tracing                          what traces cost
  fondue bench serve --break-each kill,freeze           who notices that a replica dies, or stands still

The load comes from this machine: where it also runs the services, both share its cores. `sent late` tells how late the load
itself was. Ctrl-C ends early with what was measured.";

/// The running services beside their peers, and against the machine's memory bandwidth.
///
/// Starts fondue-language, fondue-vision and fondue-retrieval, speaks gRPC with them as any client does, and gives the same
/// prompts, pictures and queries to the peers: the published loop on Transformers, Transformers with its cache, CTranslate2;
/// faiss and usearch. Models of random weights and indexes are written once into the user's cache; the peers are installed
/// once from PyPI beside them. Without a command: all.
#[derive(Debug, Parser)]
#[command(name = "fondue bench", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What is measured.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Text: TTFT, tokens a second, times between tokens, memory.
    Language {
        #[command(flatten)]
        common: CommonArgs,
        #[command(flatten)]
        language: LanguageArgs,
    },
    /// Pictures a second.
    Vision {
        #[command(flatten)]
        common: CommonArgs,
        #[command(flatten)]
        vision: VisionArgs,
    },
    /// Searches among 100 thousand and a million pictures: scans, graphs, gRPC, changes.
    Retrieval {
        #[command(flatten)]
        common: CommonArgs,
        #[command(flatten)]
        retrieval: Box<RetrievalArgs>,
    },
    /// All of it.
    All {
        #[command(flatten)]
        common: CommonArgs,
        #[command(flatten)]
        language: LanguageArgs,
        #[command(flatten)]
        vision: VisionArgs,
        #[command(flatten)]
        retrieval: Box<RetrievalArgs>,
    },
    /// A load on a gateway: turns that arrive whatever became of those before, judged by when they were due.
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(Box<ServeArgs>),
    /// A step of training, beside the reference's loop on the same data.
    Train(TrainArgs),
    /// Ours within a process of its own: what `retrieval` starts beside the peers.
    #[command(hide = true)]
    InProcess(InProcess),
}

/// What all measurements take.
#[derive(Clone, Debug, Args)]
pub(crate) struct CommonArgs {
    /// Threads of each system [default: one per core].
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) threads: Option<usize>,
    /// Tiny models, few cells, one run and no peers, where nothing else is asked for: shows that all works.
    #[arg(long)]
    pub(crate) quick: bool,
    /// What runs beside ours, where it can; ctranslate2 is both of its precisions [default: all; with --quick: none].
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PEER")]
    pub(crate) peers: Vec<PeerName>,
    /// Folder for models and peers [default: fondue/bench in the user's cache].
    #[arg(long, value_name = "DIR")]
    pub(crate) cache: Option<PathBuf>,
    /// Write the figures as JSON too.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Put the tables into this file too, before those of earlier runs.
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
}

/// What is measured of the language service.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Language")]
pub(crate) struct LanguageArgs {
    /// Shapes of models [default: 125m,350m; with --quick: tiny].
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) shape: Vec<Shape>,
    /// How ours stores weights [default: f32,bf16,int8; with --quick: f32,int8].
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) weights: Vec<Weights>,
    /// Tokens of a prompt [default: 32,256,1024; with --quick: 32,64].
    #[arg(long, value_delimiter = ',', value_name = "N", value_parser = prompt_tokens)]
    pub(crate) prompt: Vec<usize>,
    /// Dialogues at the same time [default: 1,4,8,16; with --quick: 1,8].
    #[arg(long, value_delimiter = ',', value_name = "N", value_parser = at_least_one)]
    pub(crate) dialogues: Vec<usize>,
    /// Tokens of an answer [default: 64; with --quick: 8].
    #[arg(long, value_name = "N", value_parser = new_tokens)]
    pub(crate) new_tokens: Option<usize>,
    /// Runs of each cell, whose medians count [default: 3; with --quick: 1].
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) runs: Option<usize>,
    /// Runs of the published loop, which takes a minute for what others take a second for. It serves one caller, so it
    /// runs in cells of one dialogue alone.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) reference_runs: usize,
    /// The published loop gets no prompts longer than this.
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub(crate) reference_prompt: usize,
    /// Bytes for keys and values of ours [default: what the largest cell needs].
    #[arg(long, value_name = "BYTES")]
    pub(crate) kv_bytes: Option<u64>,
    /// A further flag for the language service, for example --service-flag=--prefill-stretch=1.5; may be given several times.
    #[arg(long, value_name = "FLAG", allow_hyphen_values = true)]
    pub(crate) service_flag: Vec<String>,
    /// Only the cells: no next turn, no long prompt, no memory.
    #[arg(long, conflicts_with = "scenarios_only")]
    pub(crate) cells_only: bool,
    /// No cells: only next turn, long prompt, memory.
    #[arg(long)]
    pub(crate) scenarios_only: bool,
}

/// What is measured of the vision service.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Vision")]
pub(crate) struct VisionArgs {
    /// Layers of the tower, which has ViT-L/14's widths [default: 4; with --quick: 1, and narrow].
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) layers: Option<usize>,
    /// How ours stores weights [default: f32,bf16; with --quick: f32].
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) vision_weights: Vec<Weights>,
    /// Pictures of one run [default: 32; with --quick: 4].
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) pictures: Option<usize>,
    /// Pictures of one batch [default: 8; with --quick: 2].
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) batch: Option<usize>,
    /// Runs, whose medians count [default: 5; with --quick: 1].
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) vision_runs: Option<usize>,
}

impl Cli {
    /// Reads a command line; flags without a command are those of `all`.
    pub(crate) fn read(words: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut words: Vec<OsString> = words.into_iter().collect();
        let own = ["-h", "--help", "-V", "--version"];
        let first = words.get(1).and_then(|word| word.to_str());
        if first.is_none_or(|word| word.starts_with('-') && !own.contains(&word)) {
            words.insert(1.min(words.len()), "all".into());
        }
        Self::try_parse_from(words)
    }
}

pub(crate) fn at_least_one(text: &str) -> Result<usize, String> {
    within(text, 1, 1 << 20)
}

/// BOS and a word at least.
fn prompt_tokens(text: &str) -> Result<usize, String> {
    within(text, 2, 2000)
}

/// What is between two tokens needs two.
fn new_tokens(text: &str) -> Result<usize, String> {
    within(text, 2, 1024)
}

fn within(text: &str, low: usize, high: usize) -> Result<usize, String> {
    let n = text.parse().ok().filter(|n| (low..=high).contains(n));
    n.ok_or_else(|| format!("must be a number from {low} to {high}"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn read(words: &[&str]) -> Result<Cli, String> {
        Cli::read(words.iter().map(OsString::from)).map_err(|error| error.to_string())
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn without_a_command_it_is_all() {
        assert!(matches!(read(&["b"]).unwrap().command, Command::All { .. }));
        let cli = read(&["b", "--quick", "--prompt", "2,2000"]).unwrap();
        let Command::All { common, language, .. } = cli.command else { panic!("{cli:?}") };
        assert!(common.quick && language.prompt == [2, 2000]);
        assert!(matches!(read(&["b", "vision"]).unwrap().command, Command::Vision { .. }));
        assert!(read(&["b", "--help"]).unwrap_err().contains("Examples"));
    }

    #[test]
    fn what_cannot_be_measured_is_refused() {
        for words in [
            ["--prompt", "1"],
            ["--prompt", "2001"],
            ["--new-tokens", "1"],
            ["--new-tokens", "1025"],
            ["--runs", "0"],
            ["--weights", "f64"],
            ["--peers", "somebody"],
        ] {
            let error = read(&["b", "all", words[0], words[1]]).unwrap_err();
            assert!(error.contains(words[0]), "{error}");
        }
    }
}
