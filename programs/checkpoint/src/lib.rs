//! `fondue model`: tells what a model's files hold and whether it is all there, and writes them in a compact form.
//!
//! It looks at files with the same code as the services that load them. Touches `model`, `imaging`, files. Never the
//! network.

mod check;
mod convert;
mod parts;
mod print;
mod report;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Parser, Subcommand};
use fondue_terminal::{interrupt, output};

const EXAMPLES: &str = "\
Examples:
  fondue model check my-model                      # a model folder: opt/, clip/, fromage/
  fondue model check opt-6.7b clip-vit-large-patch14 fromage_model    # the same from three folders
  fondue model check my-model --quick --json       # without reading the tensors, for a machine
  fondue model convert my-model --out compact --dtype bf16

A folder is told by what it holds: Hugging Face's OPT, Hugging Face's CLIP (whole or its vision part), or \
model_args.json with mapping layers (mapping.safetensors, pretrained_ckpt.pth.tar, ckpt_best.pth.tar, ckpt.pth.tar).";

/// Checks and converts models' files.
#[derive(Debug, Parser)]
#[command(name = "fondue-model", bin_name = "fondue model", version, after_help = EXAMPLES)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Tell what the files hold, and every fault: ends with `ok`, or with code 1.
    Check(CheckArgs),
    /// Write the model as safetensors, in a folder with opt/, clip/ and fromage/.
    Convert(convert::ConvertArgs),
}

/// Check a model.
#[derive(Debug, clap::Args)]
struct CheckArgs {
    /// A model folder, or folders that together make a model.
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Do not read the tensors: names, shapes and sizes only.
    #[arg(long)]
    quick: bool,
    /// Show long lists whole.
    #[arg(long)]
    verbose: bool,
    /// Print the same as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command line that this process was given. Code 1 is a fault, 2 a wrong command line, 130 Ctrl-C.
pub fn main() -> ExitCode {
    let result = match Args::parse().command {
        Command::Check(args) => check(&args),
        Command::Convert(args) => convert::run(&args).map(|()| ExitCode::SUCCESS),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        if error.is::<interrupt::Interrupted>() { interrupt::CODE.into() } else { ExitCode::FAILURE }
    })
}

fn check(args: &CheckArgs) -> Result<ExitCode> {
    let report = check::check(&args.folders, args.quick);
    output::print(&if args.json {
        serde_json::to_string_pretty(&report)? + "\n"
    } else {
        print::text(&report, args.verbose)
    })?;
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
