//! The end of every command that makes a generation.

use std::{path::Path, thread};

use anyhow::Result;
use fondue_index::{
    Builder, IndexError, Precision, Root,
    graph::{self, Graphing, Params},
};
use fondue_terminal::{interrupt::Interrupt, progress};

/// What becomes of the rows.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct PublishArgs {
    /// How vectors are stored: f32; f16, half the bytes; int8, searched in a quarter of the bytes and ranked in f32.
    #[arg(long, value_name = "PRECISION", default_value_t = Precision::F32)]
    pub(crate) precision: Precision,
    /// Pictures above which the index gets a graph for approximate search.
    #[arg(long, value_name = "N", default_value_t = 50_000)]
    graph_above: usize,
    /// Publish the generation, but leave the active one active.
    #[arg(long)]
    no_activate: bool,
}

/// A generation that is in its place.
pub(crate) struct Published {
    pub(crate) id: String,
    active: bool,
}

impl Published {
    /// What became of it, for people.
    pub(crate) fn state(&self) -> &'static str {
        if self.active { "published and active" } else { "published" }
    }
}

/// Publishes, and makes it the active generation unless that is not wanted.
pub(crate) fn publish(
    builder: Builder,
    index: &Path,
    args: &PublishArgs,
    interrupt: &Interrupt,
) -> Result<Published> {
    interrupt.check()?;
    let activate = !args.no_activate;
    let spinner = progress::spinner("sorting the ids, writing through to the disk");
    let mut laid = builder.lay_down()?;
    if laid.len() > args.graph_above {
        spinner.set_message("linking the rows for approximate search");
    }
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let graphing = Graphing { above: args.graph_above, params: Params::new(threads) };
    match graph::add_if_large(&mut laid, graphing, &|_, _| interrupt.check().is_ok()) {
        Err(IndexError::Stopped) => interrupt.check()?,
        added => added?,
    }
    let finished = laid.seal()?;
    interrupt.check()?; // the last time: publishing and activating belong together
    let id = finished.publish()?;
    let root = Root::open(index)?;
    if activate {
        root.activate(&id)?;
    }
    spinner.finish_and_clear();
    Ok(Published { id, active: activate })
}
