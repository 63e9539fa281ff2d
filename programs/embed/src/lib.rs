//! Makes generations of the picture index: from folders of captioned pictures, and from published embeddings.
//!
//! `build` runs the model in its own process: the same code as the services', without their queues. `import` needs no
//! model; it reads vectors that are there.

pub mod build;
pub mod import;

mod interrupt;
mod output;
mod progress;
mod publish;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::interrupt::Interrupt;

const EXAMPLES: &str = "\
Examples:
  fondue index build --pictures photos/ --model assets/model --index my-index
  fondue index import my-model/fromage --model my-model --index my-index

`fondue index COMMAND --help` has more. An index is a folder of generations, of which one is active; a new \
generation appears whole or not at all, and the services that use the index go on meanwhile.";

/// Makes the index that pictures are found in.
#[derive(Debug, Parser)]
#[command(name = "fondue-index", bin_name = "fondue index", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make an index of a folder of captioned pictures.
    Build(Box<build::Args>),
    /// Make an index of published embeddings: cc3m_embeddings*.pkl.
    Import(import::Args),
}

/// Runs the command line that this process was given; failures are told on stderr. Ctrl-C and SIGTERM end it with code 130, and
/// then nothing is published.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = Interrupt::listen().and_then(|interrupt| match &cli.command {
        Command::Build(args) => build::build(args, &interrupt),
        Command::Import(args) => import::import(args, &interrupt),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            if error.is::<interrupt::Interrupted>() { interrupt::CODE.into() } else { ExitCode::FAILURE }
        }
    }
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
