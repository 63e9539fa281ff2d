//! `manifest.json`: what a generation holds and how its files can be checked.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    path::Path,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use fondue_mapped::Mapped;

use crate::{
    IndexError,
    columns::{DESCRIBED, MAX_COLUMNS},
    metadata::{Kind, check_name},
    rows::Precision,
};

pub(crate) const FORMAT: u32 = 2;
pub(crate) const FILE: &str = "manifest.json";
pub(crate) const VECTORS: &str = "vectors.f32";
pub(crate) const HALVES: &str = "vectors.f16";
pub(crate) const CODES: &str = "vectors.i8";
pub(crate) const SCALES: &str = "scales.f32";
pub(crate) const DIGESTS: &str = "digests.bin";
pub(crate) const ORDER: &str = "order.u32";

/// The only measure of nearness that there is.
const METRIC: &str = "cosine";

/// Bytes of the file at most: of all columns that there can be, it has a tenth.
const MAX_BYTES: usize = 1 << 22;

/// Levels of a graph above the lowest at most: with two links a node, enough for all rows that there can be.
pub(crate) const MAX_LEVELS: usize = 32;

/// Vectors longer than this are a mistake.
pub(crate) const MAX_DIM: usize = 1 << 16;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    pub(crate) format: u32,
    pub(crate) rows: usize,
    pub(crate) dim: usize,
    pub(crate) metric: String,
    pub(crate) precision: Precision,
    /// Identity of the mapping layers that made the vectors; empty if nobody knows.
    pub(crate) fingerprint: String,
    /// Identity of the vision tower that they were made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) vision_fingerprint: Option<String>,
    /// Seconds since 1970.
    pub(crate) created: u64,
    /// The generation that it was compacted from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) graph: Option<GraphFacts>,
    /// Columns that filters look at, in the order of their files.
    pub(crate) columns: Vec<Column>,
    pub(crate) files: BTreeMap<String, Stored>,
    /// SHA-256 of this file with an empty seal.
    pub(crate) seal: String,
}

/// What is known of a graph for approximate search beside its files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GraphFacts {
    /// Links of a node on the upper levels; on the lowest it is twice as many.
    pub m: usize,
    /// Candidates that were kept while it was built.
    pub ef_construction: usize,
    /// Where every search begins.
    pub entry: u32,
    /// Nodes of each level above the lowest, from below.
    pub upper: Vec<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stored {
    pub(crate) bytes: u64,
    /// Hexadecimal.
    pub(crate) sha256: String,
}

impl Manifest {
    /// The file's bytes, sealed, and the generation's id.
    pub(crate) fn seal(mut self) -> (Vec<u8>, String) {
        METRIC.clone_into(&mut self.metric);
        self.seal = self.made_seal();
        let id = self.id();
        (self.text(), id)
    }

    /// A generation's id: `g` and 16 hexadecimal digits of its manifest's SHA-256, but for when it was made and the
    /// seal. As the manifest holds every file's checksum, the id stands for the whole content. The time counts for one
    /// that was compacted: the changes of an equal one, made before, are not its own.
    pub(crate) fn id(&self) -> String {
        let created = if self.parent.is_some() { self.created } else { 0 };
        let timeless = Self { created, seal: String::new(), ..self.clone() };
        format!("g{}", &hex::encode(Sha256::digest(timeless.text()))[..16])
    }

    fn made_seal(&self) -> String {
        hex::encode(Sha256::digest(Self { seal: String::new(), ..self.clone() }.text()))
    }

    fn text(&self) -> Vec<u8> {
        // Strings and numbers always become JSON.
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    /// Reads and checks it. Every bit of the file counts: it must be the very bytes that were written.
    pub(crate) fn read(folder: &Path) -> Result<Self, IndexError> {
        #[derive(Deserialize)]
        struct Versioned {
            format: u32,
        }
        let path = folder.join(FILE);
        let mapped = Mapped::open(&path).map_err(IndexError::io(&path))?;
        let text = mapped.bytes();
        let broken = |error: serde_json::Error| IndexError::damaged(&path, error.to_string());
        if text.len() > MAX_BYTES {
            return Err(IndexError::damaged(&path, format!("{} bytes, limit {MAX_BYTES}", text.len())));
        }
        // The format first: of another one, nothing else can be expected to be as here.
        let Versioned { format } = serde_json::from_slice(text).map_err(broken)?;
        if format != FORMAT {
            return Err(IndexError::Format { path, got: format, expected: FORMAT });
        }
        let manifest: Self = serde_json::from_slice(text).map_err(broken)?;
        let damaged = |reason: String| Err(IndexError::damaged(&path, reason));
        if manifest.rows == 0
            || u32::try_from(manifest.rows).is_err()
            || !(1..=MAX_DIM).contains(&manifest.dim)
        {
            return damaged(format!("{} rows of {} values", manifest.rows, manifest.dim));
        }
        if manifest.metric != METRIC {
            return damaged(format!("the metric `{}`, expected `{METRIC}`", manifest.metric));
        }
        if manifest.seal != manifest.made_seal() || manifest.text() != text {
            return damaged("the seal does not fit: it was changed after it was written".to_owned());
        }
        // Whoever can seal a manifest can still not make it name what lies elsewhere.
        if let Some(name) = manifest.files.keys().find(|name| !is_plain(name)) {
            return damaged(format!("it names a file `{name}`"));
        }
        let levels = manifest.graph.as_ref().map_or(0, |graph| graph.upper.len());
        if levels > MAX_LEVELS {
            return damaged(format!("a graph of {levels} levels above the lowest"));
        }
        match wrong_column(&manifest.columns) {
            Some(reason) => damaged(reason),
            None => Ok(manifest),
        }
    }

    /// Looks whether each file is there and has the length that it should have.
    pub(crate) fn check_lengths(&self, folder: &Path) -> Result<(), IndexError> {
        for (name, stored) in &self.files {
            let path = folder.join(name);
            let bytes = fs::metadata(&path).map_err(IndexError::io(&path))?.len();
            if bytes != stored.bytes {
                let reason = format!("{bytes} bytes, the manifest tells of {}", stored.bytes);
                return Err(IndexError::damaged(&path, reason));
            }
        }
        Ok(())
    }
}

/// Whether a file of this name can only lie in the folder itself.
fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
    name.starts_with(|first: char| first.is_ascii_lowercase()) && name.bytes().all(plain)
}

/// Why there are no such columns.
fn wrong_column(columns: &[Column]) -> Option<String> {
    if columns.len() > MAX_COLUMNS + DESCRIBED.len() {
        return Some(format!("{} columns", columns.len()));
    }
    let mut names = HashSet::new();
    for Column { name, kind } in columns {
        let wrong = match DESCRIBED.contains(&name.as_str()) {
            true => (*kind != Kind::Text).then(|| "must hold text".to_owned()),
            false => check_name(name).err(),
        };
        let twice = !names.insert(name.as_str());
        let reason = wrong.or_else(|| twice.then(|| "is there twice".to_owned()));
        if let Some(reason) = reason {
            return Some(format!("column `{name}`: {reason}"));
        }
    }
    None
}

#[cfg(test)]
mod tests;
