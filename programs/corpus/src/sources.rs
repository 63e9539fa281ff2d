//! What the corpus is made of: packages by name, version and checksum.

mod emojibase;
mod fetch;
mod iconify;
mod package;
mod wordnet;

use anyhow::Result;

pub(crate) use self::{
    emojibase::{Emojibase, plain},
    iconify::Icons,
    package::{PACKAGES, Package},
    wordnet::{Meaning, Wordnet},
};
use crate::{cache::Cache, interrupt::Interrupt};

/// The packages, read.
#[derive(Debug)]
pub(crate) struct Sources {
    /// Names, groups and keywords.
    pub(crate) emojibase: Emojibase,
    /// Drawings, in the order of [`package::ICONS`].
    pub(crate) icons: Vec<Icons>,
    /// Meanings of words.
    pub(crate) wordnet: Wordnet,
}

/// Fetches what is not in the cache, and reads it.
pub(crate) fn read(cache: &Cache, interrupt: &Interrupt) -> Result<Sources> {
    let folders = fetch::all(cache, interrupt)?;
    let emojibase = Emojibase::read(&folders.of(&package::EMOJIBASE))?;
    let icons = package::ICONS.iter().map(|package| Icons::read(package.style, &folders.of(package)));
    let wordnet = Wordnet::read(&folders.of(&package::WORDNET))?;
    Ok(Sources { emojibase, icons: icons.collect::<Result<_>>()?, wordnet })
}
