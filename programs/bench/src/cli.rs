//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::shape::Shape;

const EXAMPLES: &str = "\
Examples:
  cargo xtask bench                                       everything, with the peers; about an hour
  fondue bench language --shape 125m --prompt 256 --dialogues 1,8 --runs 3
  fondue bench language --peers none --quick              ours alone, a few seconds
  fondue bench vision --layers 4
  fondue bench all --markdown docs/benchmarks.md

Runs of all systems alternate, so that whatever else the machine does disturbs them alike; still, let it do nothing else.";

/// The running services against their peers and against the machine's memory bandwidth.
///
/// Models of random weights are written once into the user's cache; the peers (the published loop on Transformers, Transformers
/// with its cache, CTranslate2) are installed once from PyPI beside them.
#[derive(Debug, Parser)]
#[command(name = "fondue bench", version, after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Text: TTFT, tokens a second, times between tokens, memory.
    Language(LanguageOnly),
    /// Pictures a second.
    Vision(VisionOnly),
    /// Both.
    All(All),
}

#[derive(Debug, Args)]
pub(crate) struct LanguageOnly {
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    #[command(flatten)]
    pub(crate) language: LanguageArgs,
}

#[derive(Debug, Args)]
pub(crate) struct VisionOnly {
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    #[command(flatten)]
    pub(crate) vision: VisionArgs,
}

#[derive(Debug, Args)]
pub(crate) struct All {
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    #[command(flatten)]
    pub(crate) language: LanguageArgs,
    #[command(flatten)]
    pub(crate) vision: VisionArgs,
}

/// What all measurements take.
#[derive(Debug, Args)]
pub(crate) struct CommonArgs {
    /// Threads of each system [default: one per core].
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// Without peers, tiny models, one run: to see that all works.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Folder for models and peers [default: the user's cache].
    #[arg(long, value_name = "DIR")]
    pub(crate) cache: Option<PathBuf>,
    /// The small model's tokenizer, which is filled up to OPT's size.
    #[arg(long, value_name = "FILE", default_value = "assets/model/opt/tokenizer.json")]
    pub(crate) tokenizer: PathBuf,
    /// Write the figures here too, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Write the tables here too; what the file held stays below.
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
}

/// What is measured of the language service.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Language")]
pub(crate) struct LanguageArgs {
    /// Shapes of models.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "125m,350m")]
    pub(crate) shape: Vec<Shape>,
    /// How ours store weights: f32, f16, bf16, int8.
    #[arg(long, value_delimiter = ',', default_value = "f32,bf16,int8")]
    pub(crate) weights: Vec<String>,
    /// Tokens of a prompt.
    #[arg(long, value_delimiter = ',', default_value = "32,256,1024")]
    pub(crate) prompt: Vec<usize>,
    /// Dialogues at the same time.
    #[arg(long, value_delimiter = ',', default_value = "1,4,8,16")]
    pub(crate) dialogues: Vec<usize>,
    /// Tokens of an answer.
    #[arg(long, default_value_t = 64)]
    pub(crate) new_tokens: usize,
    /// Runs of each cell; medians count.
    #[arg(long, default_value_t = 3)]
    pub(crate) runs: usize,
    /// Peers: reference, transformers, ctranslate2-float32, ctranslate2-int8; or none.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "reference,transformers,ctranslate2-float32,ctranslate2-int8"
    )]
    pub(crate) peers: Vec<String>,
    /// Prompts longer than this are not given to the reference, which would take minutes for each.
    #[arg(long, default_value_t = 256)]
    pub(crate) reference_prompt: usize,
    /// The services' budget for keys and values, in bytes.
    #[arg(long, default_value_t = 2 << 30)]
    pub(crate) kv_bytes: u64,
    /// Tokens of the answers beside a long prompt.
    #[arg(long, default_value_t = 160)]
    pub(crate) beside_tokens: usize,
    /// A further flag for the language service; may be given several times.
    #[arg(long, value_name = "FLAG", allow_hyphen_values = true)]
    pub(crate) service_flag: Vec<String>,
    /// Only the cells: no next turn, no long prompt.
    #[arg(long)]
    pub(crate) cells_only: bool,
}

/// What is measured of the vision service.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Vision")]
pub(crate) struct VisionArgs {
    /// Layers of the tower.
    #[arg(long, default_value_t = 4)]
    pub(crate) layers: usize,
    /// How ours store weights.
    #[arg(long, value_delimiter = ',', default_value = "f32,bf16")]
    pub(crate) vision_weights: Vec<String>,
    /// Pictures of one run.
    #[arg(long, default_value_t = 32)]
    pub(crate) pictures: usize,
    /// Pictures of one batch.
    #[arg(long, default_value_t = 8)]
    pub(crate) batch: usize,
    /// Runs; medians count.
    #[arg(long, default_value_t = 5)]
    pub(crate) vision_runs: usize,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
