//! `fondue evaluate`: measures a model as the paper does, and the shipped one on the corpus that it was trained on.

pub mod metrics;

mod corpus;
mod model;
mod report;
mod table;

mod interrupt;
mod output;
mod progress;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

use crate::interrupt::Interrupt;

const EXAMPLES: &str = "\
Examples:
  fondue evaluate corpus --model assets/model --corpus my-corpus --bars --html report.html";

/// Measures a model.
#[derive(Debug, Parser)]
#[command(name = "fondue-evaluate", bin_name = "fondue evaluate", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
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
    let interrupt = Interrupt::listen().context("listening for Ctrl-C")?;
    match command {
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
