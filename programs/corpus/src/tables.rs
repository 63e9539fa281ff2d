//! The tables of things and pictures, and the files' sums.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::Result;
use sha2::{Digest, Sha256};

use crate::{
    pictures::{Row, file},
    split::Split,
    things::Thing,
};

/// Writes files below the corpus and keeps their sums for the manifest.
#[derive(Debug)]
pub(crate) struct Tables {
    out: PathBuf,
    sums: BTreeMap<String, String>,
}

impl Tables {
    /// Below `out`.
    pub(crate) fn new(out: &Path) -> Self {
        Self { out: out.to_owned(), sums: BTreeMap::new() }
    }

    /// The corpus's folder.
    pub(crate) fn out(&self) -> &Path {
        &self.out
    }

    /// Writes one.
    pub(crate) fn write(&mut self, name: &str, text: &str) -> Result<()> {
        self.sums.insert(name.to_owned(), format!("{:x}", Sha256::digest(text)));
        file(&self.out.join(name), text.as_bytes())
    }

    /// SHA-256 of each file, in hexadecimal, by its name.
    pub(crate) fn sums(&self) -> &BTreeMap<String, String> {
        &self.sums
    }
}

/// `things.tsv`.
pub(crate) fn things(things: &[Thing], split: &Split) -> String {
    let mut table = String::from("thing\tname\tgroup\tsubgroup\tkeywords\theld_out\n");
    for (at, thing) in things.iter().enumerate() {
        let Thing { id, name, group, subgroup, .. } = thing;
        let (keywords, held) = (thing.keywords.join(";"), u8::from(split.holds(at)));
        table.push_str(&format!("{id}\t{name}\t{group}\t{subgroup}\t{keywords}\t{held}\n"));
    }
    table
}

/// `pictures.tsv`.
pub(crate) fn pictures(rows: &[Row], things: &[Thing]) -> String {
    let mut table = String::from("image\tthing\tstyle\tsplit\n");
    for row in rows {
        let (id, split) = (&things[row.thing].id, row.part.name());
        table.push_str(&format!("{}\t{id}\t{}\t{split}\n", row.image, row.style));
    }
    table
}

/// `variants.tsv`: all of them are to train on.
pub(crate) fn variants(rows: &[Row], things: &[Thing]) -> String {
    let mut table = String::from("image\tthing\tstyle\n");
    for row in rows {
        table.push_str(&format!("{}\t{}\t{}\n", row.image, things[row.thing].id, row.style));
    }
    table
}
