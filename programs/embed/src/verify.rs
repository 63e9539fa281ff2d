//! `fondue index verify`: whether generations are, bit for bit, what was written.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Parser;
use fondue_index::{IndexError, Root};
use fondue_terminal::{interrupt::Interrupt, output};
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

use crate::opened::to_read;

const EXAMPLES: &str = "\
Examples:
  fondue index verify --index my-index
  fondue index verify --all --index my-index

Every byte is read and compared with the checksums of the manifest, and the changes of the active generation with \
theirs. The exit code is 1 if anything is damaged; what is, and how, is told.";

/// Compares a generation's files with their checksums.
#[derive(Debug, Parser)]
#[command(name = "verify", after_help = EXAMPLES)]
pub struct Args {
    /// Which [default: the active one].
    generation: Option<String>,
    /// Index folder.
    #[arg(long, value_name = "ROOT", default_value = ".fondue/index")]
    index: PathBuf,
    /// Verify all generations.
    #[arg(long, conflicts_with = "generation")]
    all: bool,
}

pub(crate) fn verify(args: &Args, interrupt: &Interrupt) -> Result<()> {
    let root = Root::open(&args.index)?;
    let ids = match &args.generation {
        _ if args.all => root.generations()?,
        Some(id) => vec![id.clone()],
        None => vec![root.active()?],
    };
    let (mut damaged, n) = (0, ids.len());
    for id in ids {
        match one(&root, &id, interrupt) {
            Ok(bytes) => output::print(&format!("{id}: {} intact\n", HumanBytes(bytes)))?,
            Err(IndexError::Stopped) => {
                return Err(interrupt.check().err().map_or(IndexError::Stopped.into(), Into::into));
            }
            Err(error) => {
                damaged += 1;
                eprintln!("{id}: {error}");
            }
        }
    }
    if damaged > 0 {
        bail!("{damaged} of {n} generations of {} are damaged", args.index.display());
    }
    // Opening replays the changes, whose records have checksums of their own.
    if root.active().is_ok() {
        let view = to_read(&args.index)?.view(args.generation.as_deref().unwrap_or_default())?;
        output::print(&format!("{} changes intact\n", view.added() + view.removed()))?;
    }
    Ok(())
}

/// The bytes that were compared.
fn one(root: &Root, id: &str, interrupt: &Interrupt) -> Result<u64, IndexError> {
    let generation = root.generation(id)?;
    let total = generation.files().map(|(_, bytes)| bytes).sum();
    let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left");
    let bar = ProgressBar::new(total).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let result = generation.verify_with(&mut |read, _| {
        bar.set_position(read);
        interrupt.check().is_ok()
    });
    bar.finish_and_clear();
    result.map(|()| total)
}
