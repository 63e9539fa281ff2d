//! `fondue corpus`: makes a captioned corpus of drawings, texts and dialogues from packages.
//!
//! Nothing of it is committed: the packages are fetched by name and pinned version, and the same seed gives the same files, byte
//! for byte. In reading order: what is fetched, which things it draws, what is held out, then the pictures and texts.

mod sources;

mod phrases;
mod split;
mod things;

mod drawn;
mod palette;
mod pictures;
mod tables;

mod texts;

mod evaluation;

mod licences;
mod make;
mod manifest;

mod cache;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use clap::Parser;
use fondue_terminal::interrupt::{self, Interrupt};

const EXAMPLES: &str = "\
Examples:
  fondue corpus corpus                           about 1,580 things in six styles, with texts
  fondue corpus --palette-variants 4 corpus      and each drawing to train on in four other palettes
  fondue corpus --force --seed 2 corpus          made anew, other things and pictures held out
  fondue train towers --corpus corpus --help     what to do with it

The packages come by npm and apt, once: they stay in the user's cache. OUT appears only once everything in it is complete; \
manifest.json says what it was made of, LICENSES.txt whom it is owed to.";

/// Make a captioned corpus of drawings, texts and dialogues, to train and to measure small models with.
#[derive(Debug, Parser)]
#[command(name = "fondue-corpus", bin_name = "fondue corpus", version, after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Folder to make. One that holds a corpus already is left as it is.
    out: PathBuf,
    /// What is held out, and every choice in the texts, follows from this number.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Width and height of a picture in pixels.
    #[arg(long, value_name = "PIXELS", default_value_t = 128, value_parser = clap::value_parser!(u32).range(16..=1024))]
    size: u32,
    /// Draw each drawing to train on in this many other palettes as well.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=64))]
    palette_variants: u32,
    /// Replace the corpus that OUT holds.
    #[arg(long)]
    force: bool,
    /// Threads that draw.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
    /// Folder that packages are kept in [default: fondue/corpus in the user's cache].
    #[arg(long, value_name = "FOLDER")]
    cache: Option<PathBuf>,
}

/// Runs the command line that this process was given; failures are told on stderr. Ctrl-C and SIGTERM end it with code 130, and
/// then nothing was written but packages into the cache.
pub fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<interrupt::Interrupted>() => {
            eprintln!("error: {error}");
            interrupt::CODE.into()
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let interrupt = Interrupt::listen("nothing was written").context("listening for Ctrl-C")?;
    interrupt.begin()?;
    make::make(args, &interrupt)
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
