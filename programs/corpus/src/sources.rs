//! What the corpus is made of: packages by name, version and checksum.

mod emojibase;
mod fetch;
mod iconify;
mod package;
mod wordnet;

use std::fs;

use anyhow::{Context, Result};

pub(crate) use self::{
    emojibase::{Emojibase, plain},
    iconify::Icons,
    package::{Kind, PACKAGES, Package},
    wordnet::{Meaning, Wordnet},
};
use fondue_terminal::interrupt::Interrupt;

use crate::cache::Cache;

/// The packages, read.
#[derive(Debug)]
pub(crate) struct Sources {
    /// Names, groups and keywords.
    pub(crate) emojibase: Emojibase,
    /// Drawings, in the order of [`package::ICONS`].
    pub(crate) icons: Vec<Icons>,
    /// Meanings of words.
    pub(crate) wordnet: Wordnet,
    /// The licence that WordNet's words come with, whose text goes wherever they go.
    pub(crate) wordnet_licence: String,
}

/// Fetches what is not in the cache, and reads it.
pub(crate) fn read(cache: &Cache, interrupt: &Interrupt) -> Result<Sources> {
    let folders = fetch::all(cache, interrupt)?;
    let emojibase = Emojibase::read(&folders.of(&package::EMOJIBASE))?;
    let icons = package::ICONS.iter().map(|package| Icons::read(package.style, &folders.of(package)));
    let words = folders.of(&package::WORDNET);
    let licence = words.join("usr/share/doc/wordnet-base/copyright");
    let wordnet_licence =
        fs::read_to_string(&licence).with_context(|| format!("reading {}", licence.display()))?;
    Ok(Sources {
        emojibase,
        icons: icons.collect::<Result<_>>()?,
        wordnet: Wordnet::read(&words)?,
        wordnet_licence,
    })
}
