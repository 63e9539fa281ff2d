//! Makes generations of the picture index, from pictures and from published embeddings, looks into them, and changes those
//! that are served.
//!
//! `build` runs the model in its own process: the same code as the services', without their queues. `import` needs no
//! model; it reads vectors that are there. `add`, `delete` and `compact` change an index while it is served, through the
//! services.

pub mod build;
pub mod import;

pub mod add;
pub mod compact;
pub mod delete;

pub mod info;
pub mod list;
pub mod search;
pub mod verify;

mod lines;
mod opened;
mod publish;
mod remote;

use std::{os::unix::process::CommandExt, process, process::ExitCode};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use fondue_terminal::interrupt::{self, Interrupt};

const EXAMPLES: &str = "\
Examples:
  fondue index build --pictures photos/ --model assets/model --index my-index
  fondue index import my-model/fromage --model my-model --index my-index
  fondue index search --text \"a dog on a beach\" --model assets/model --index my-index
  fondue index add --pictures more-photos/

`fondue index COMMAND --help` has more. An index is a folder of generations, of which one is active, and of the changes \
made to them; a new generation appears whole or not at all, and the services that use the index go on meanwhile.";

/// Makes the index that pictures are found in, looks into it, changes it.
#[derive(Debug, Parser)]
#[command(name = "fondue-index", bin_name = "fondue index", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make an index of pictures: a folder, a table, URLs.
    Build(Box<build::Args>),
    /// Make an index of embeddings: cc3m_embeddings*.pkl, NumPy's .npy.
    Import(import::Args),
    /// Add pictures to an index that is served.
    Add(Box<add::Args>),
    /// Remove pictures from an index, served or not.
    Delete(delete::Args),
    /// Make the active generation and its changes one new generation.
    Compact(compact::Args),
    /// Find pictures, by text or by picture.
    Search(search::Args),
    /// Tell what a generation holds.
    Info(info::Args),
    /// List the generations.
    List(list::Args),
    /// Compare a generation's files with their checksums.
    Verify(verify::Args),
    /// Measure searches: runs `fondue bench retrieval`.
    Bench(BenchArgs),
}

/// Runs `fondue bench retrieval`, which measures searches beside other libraries'.
#[derive(Debug, Parser)]
#[command(disable_help_flag = true)]
struct BenchArgs {
    /// Everything is handed on: `fondue index bench --help` is that of `fondue bench retrieval`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<std::ffi::OsString>,
}

impl Command {
    /// What is said to Ctrl-C.
    fn left(&self) -> &'static str {
        match self {
            Self::Build(_) | Self::Import(_) | Self::Compact(_) => "nothing was published",
            _ => "",
        }
    }

    fn run(&self, interrupt: &Interrupt) -> Result<()> {
        match self {
            Self::Build(args) => build::build(args, interrupt),
            Self::Import(args) => import::import(args, interrupt),
            Self::Add(args) => add::add(args, interrupt),
            Self::Delete(args) => delete::delete(args, interrupt),
            Self::Compact(args) => compact::compact(args, interrupt),
            Self::Search(args) => search::search(args, interrupt),
            Self::Info(args) => info::info(args),
            Self::List(args) => list::list(args),
            Self::Verify(args) => verify::verify(args, interrupt),
            Self::Bench(args) => bench(args),
        }
    }
}

/// Runs the command line that this process was given; failures are told on stderr. Ctrl-C and SIGTERM end it with code 130, and
/// then nothing is published.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            if error.is::<interrupt::Interrupted>() { interrupt::CODE.into() } else { ExitCode::FAILURE }
        }
    }
}

fn run(command: &Command) -> Result<()> {
    let interrupt = Interrupt::listen(command.left()).context("listening for Ctrl-C")?;
    // A connection to a service needs a runtime from the moment that it is meant, before anything waits for it.
    let runtime = remote::runtime()?;
    let _inside = runtime.enter();
    command.run(&interrupt)
}

/// Becomes `fondue-bench`, which lies beside this program.
fn bench(args: &BenchArgs) -> Result<()> {
    let own = std::env::current_exe().context("finding this program's own place")?;
    let program = own.with_file_name("fondue-bench");
    let error = process::Command::new(&program).arg("retrieval").args(&args.words).exec();
    Err(error).with_context(|| format!("running {}", program.display()))
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
