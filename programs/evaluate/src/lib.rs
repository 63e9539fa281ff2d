//! `fondue evaluate`: measures a model as the paper does, and the shipped one on the corpus that it was trained on.

pub mod metrics;

mod captions;
mod corpus;
mod visdial;
mod vist;

mod model;
mod pictures;
mod report;

mod folder;
mod json;
mod modes;
mod table;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use fondue_terminal::interrupt::{self, Interrupt};

const EXAMPLES: &str = "\
Examples:
  fondue evaluate vist --model my-model --annotations val.story-in-sequence.json --images vist/val
  fondue evaluate visdial --model my-model --annotations visdial_1.0_val.json \\
      --dense visdial_1.0_val_dense_annotations.json --images VisualDialog_val2018
  fondue evaluate captions --model my-model --tsv cc3m_val.tsv --images cc3m/validation
  fondue evaluate corpus --model assets/model --corpus my-corpus --bars --html report.html

Every command prints its figures; --json and --html write them with single cases. What the model has answered is kept in --work, by \
a hash of its files and of the question: a command that was stopped goes on where it was.";

/// Measures a model.
#[derive(Debug, Parser)]
#[command(name = "fondue-evaluate", bin_name = "fondue evaluate", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Contextual retrieval: the fifth picture of a story (VIST).
    Vist(Box<vist::Args>),
    /// Visual dialogue: answers chosen, pictures found by dialogs (VisDial).
    Visdial(Box<visdial::Args>),
    /// Captions written, and pictures and captions found by each other.
    Captions(Box<captions::Args>),
    /// The shipped model's figures on the corpus of drawings.
    Corpus(Box<corpus::Args>),
}

/// Runs the command line that this process was given. Code 1 is a fault or a bar that is not reached, 2 a wrong command line, 130
/// Ctrl-C.
pub fn main() -> ExitCode {
    match run(&Cli::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            if error.is::<interrupt::Interrupted>() { interrupt::CODE.into() } else { ExitCode::FAILURE }
        }
    }
}

/// Whether all that was to be reached was reached.
fn run(command: &Command) -> Result<bool> {
    let left = "the same command goes on where it was";
    let interrupt = Interrupt::listen(left).context("listening for Ctrl-C")?;
    interrupt.begin()?;
    match command {
        Command::Vist(args) => vist::run(args, &interrupt).map(|()| true),
        Command::Visdial(args) => visdial::run(args, &interrupt).map(|()| true),
        Command::Captions(args) => captions::run(args, &interrupt).map(|()| true),
        Command::Corpus(args) => corpus::run(args, &interrupt),
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
