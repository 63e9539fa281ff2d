//! The end of every command that makes a generation.

use std::path::Path;

use anyhow::Result;
use fondue_index::{Builder, Root};

use crate::{interrupt::Interrupt, progress};

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

/// Publishes, and makes it the active generation if `activate`.
pub(crate) fn publish(
    builder: Builder,
    index: &Path,
    activate: bool,
    interrupt: &Interrupt,
) -> Result<Published> {
    interrupt.check()?;
    let spinner = progress::spinner("sorting the ids, writing through to the disk");
    let finished = builder.finish()?;
    interrupt.check()?; // the last time: publishing and activating belong together
    let id = finished.publish()?;
    let root = Root::open(index)?;
    if activate {
        root.activate(&id)?;
    }
    spinner.finish_and_clear();
    Ok(Published { id, active: activate })
}
