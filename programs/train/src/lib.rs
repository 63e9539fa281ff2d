//! `fondue train`: fits the mapping layers of a model, and makes small frozen towers from nothing.
//!
//! Touches `model`, `imaging`, tch, files. Never tonic.

pub mod ground;
pub mod nets;
pub mod run;
pub mod towers;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use fondue_terminal::interrupt;

const EXAMPLES: &str = "\
Examples:
  fondue train ground --help
  fondue train towers vision --help";

/// Trains what a model is made of.
#[derive(Debug, Parser)]
#[command(name = "fondue-train", bin_name = "fondue train", version, after_help = EXAMPLES)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[allow(clippy::large_enum_variant)] // there is one of it
#[derive(Debug, Subcommand)]
enum Command {
    /// Fit the mapping layers and [RET] to frozen towers.
    Ground(Box<ground::GroundArgs>),
    /// Make small towers from nothing.
    #[command(subcommand)]
    Towers(towers::TowersCommand),
}

/// Runs the command line that this process was given. Code 1 is a fault, 2 a wrong command line, 130 Ctrl-C.
pub fn main() -> ExitCode {
    let result = match Args::parse().command {
        Command::Ground(args) => ground::run(&args),
        Command::Towers(command) => towers::run(&command),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            let interrupted = error.is::<interrupt::Interrupted>();
            if interrupted { ExitCode::from(interrupt::CODE) } else { ExitCode::FAILURE }
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }
}
