//! One generation, mapped: searched, read, checked.

pub(crate) mod blobs;
mod search;
pub(crate) mod vectors;
mod verify;

use std::{
    collections::{BTreeMap, HashSet},
    path::{Path, PathBuf},
};

use fondue_domain::Embedding;
use fondue_mapped::Mapped;
use serde::Deserialize;

use self::{blobs::Blobs, vectors::Vectors};
use crate::{
    Bitmap, Condition, Filter, Graph, GraphFacts, IndexError, Item, Precision, Rows, Test, Value,
    columns::{Columns, DESCRIBED},
    item::{Captioned, Description},
    manifest::{DIGESTS, Manifest, ORDER},
    metadata::Kind,
};

/// How the names of a graph's files begin.
const GRAPH: &str = "graph.";

/// An open generation. It never changes, so any number of threads may search it.
pub struct Generation {
    id: String,
    folder: PathBuf,
    manifest: Manifest,
    vectors: Vectors,
    digests: Mapped,
    order: Mapped,
    ids: Blobs,
    items: Blobs,
    pictures: Blobs,
    columns: Columns,
    graph_files: BTreeMap<String, Mapped>,
}

/// What is to be found.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// Of unit length.
    pub vector: &'a Embedding,
    /// How many at most.
    pub k: usize,
    /// What must hold for them.
    pub filter: &'a Filter,
    /// What they must not be.
    pub exclusions: &'a Exclusions,
}

/// What must not be found.
#[derive(Clone, Debug, Default)]
pub struct Exclusions {
    /// By name.
    pub ids: HashSet<String>,
    /// By the SHA-256 of the picture file, or of the URL where only that is known: see [`crate::NewItem::sha256`].
    pub sha256: HashSet<[u8; 32]>,
}

impl Exclusions {
    /// Whether nothing is excluded.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty() && self.sha256.is_empty()
    }
}

/// A row that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// Which.
    pub row: usize,
    /// Cosine similarity, −1 … 1.
    pub score: f32,
}

impl Generation {
    /// Opens a generation's folder, whose name is its id. Reads the manifest and the offsets of texts, and looks at every
    /// file's length, so that a torn one is noticed at once; what a bit more or less does is told by
    /// [`Generation::verify`].
    ///
    /// # Errors
    /// [`IndexError`] naming the file at fault.
    pub fn open(folder: &Path) -> Result<Self, IndexError> {
        let manifest = Manifest::read(folder)?;
        manifest.check_lengths(folder)?;
        let (rows, dim) = (manifest.rows, manifest.dim);
        let mut graph_files = BTreeMap::new();
        for name in manifest.files.keys().filter(|name| name.starts_with(GRAPH)) {
            let path = folder.join(name);
            graph_files.insert(name.clone(), Mapped::open(&path).map_err(IndexError::io(&path))?);
        }
        let generation = Self {
            id: folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            vectors: Vectors::open(folder, manifest.precision, rows, dim)?,
            digests: exactly(folder, DIGESTS, rows * 32, rows)?,
            order: exactly(folder, ORDER, rows * size_of::<u32>(), rows)?,
            ids: Blobs::open(folder, "ids", rows)?,
            items: Blobs::open(folder, "items", rows)?,
            pictures: Blobs::open(folder, "pictures", rows)?,
            columns: Columns::open(folder, &manifest.columns, rows)?,
            graph_files,
            folder: folder.to_owned(),
            manifest,
        };
        generation.check_names()?;
        generation.rows()?;
        Graph::of(&generation)?;
        Ok(generation)
    }

    /// Its name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Pictures in it.
    pub fn len(&self) -> usize {
        self.manifest.rows
    }

    /// Whether it holds nothing; a published one never does.
    pub fn is_empty(&self) -> bool {
        self.manifest.rows == 0
    }

    /// Length of its vectors.
    pub fn dim(&self) -> usize {
        self.manifest.dim
    }

    /// Identity of the mapping layers that made its vectors; empty if nobody knows.
    pub fn fingerprint(&self) -> &str {
        &self.manifest.fingerprint
    }

    /// Identity of the vision tower that saw its pictures; `None` if nobody knows, as in generations of before this
    /// was noted.
    pub fn vision_fingerprint(&self) -> Option<&str> {
        self.manifest.vision_fingerprint.as_deref()
    }

    /// When it was made, in seconds since 1970.
    pub fn created(&self) -> u64 {
        self.manifest.created
    }

    /// The generation that it was compacted from.
    pub fn parent(&self) -> Option<&str> {
        self.manifest.parent.as_deref()
    }

    /// How its vectors are stored.
    pub fn precision(&self) -> Precision {
        self.manifest.precision
    }

    /// What is known of its graph, if it has one.
    pub fn graph_facts(&self) -> Option<&GraphFacts> {
        self.manifest.graph.as_ref()
    }

    /// A file of its graph.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] if the generation has no such file, or it is no array of such values.
    pub fn graph_file<T: bytemuck::AnyBitPattern>(&self, name: &str) -> Result<&[T], IndexError> {
        let file = self.graph_files.get(name);
        let missing = || IndexError::damaged(&self.folder.join(name), "the manifest does not name it");
        slice(&self.folder, name, file.ok_or_else(missing)?)
    }

    /// Names and kinds of the metadata's fields.
    pub fn fields(&self) -> impl Iterator<Item = (&str, Kind)> {
        self.columns.kinds().filter(|(name, _)| !DESCRIBED.contains(name))
    }

    /// Names and bytes of its files.
    pub fn files(&self) -> impl Iterator<Item = (&str, u64)> {
        self.manifest.files.iter().map(|(name, stored)| (name.as_str(), stored.bytes))
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// All vectors, as they are stored.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] if the files cannot be read as such.
    pub fn rows(&self) -> Result<Rows<'_>, IndexError> {
        self.vectors.rows(&self.folder)
    }

    /// Whether a query fits.
    ///
    /// # Errors
    /// [`IndexError::Dim`] for a query of another length.
    pub fn check(&self, query: &Embedding) -> Result<(), IndexError> {
        let (got, expected) = (query.values().len(), self.dim());
        if got == expected { Ok(()) } else { Err(IndexError::Dim { got, expected }) }
    }

    /// The rows that pass a filter; `None` if all do, as the filter is empty.
    ///
    /// Takes some milliseconds for a million rows and a condition, but for conditions on captions, for which every item
    /// is read: a second or two.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] if an item cannot be read.
    pub fn select(&self, filter: &Filter) -> Result<Option<Bitmap>, IndexError> {
        let mut passing: Option<Bitmap> = None;
        for condition in &filter.conditions {
            let rows = match condition.field.as_str() {
                "id" => self.with_ids(condition)?,
                "caption" => self.with_captions(condition)?,
                _ => self.columns.select(condition),
            };
            match &mut passing {
                Some(passing) => passing.intersect(&rows),
                None => passing = Some(rows),
            }
        }
        Ok(passing)
    }

    fn with_ids(&self, condition: &Condition) -> Result<Bitmap, IndexError> {
        let mut rows = Bitmap::none(self.len());
        if let Test::AnyOf(values) = &condition.test {
            for value in values {
                if let Value::Text(id) = value
                    && let Some(row) = self.row(id)?
                {
                    rows.insert(row);
                }
            }
        }
        if condition.negate {
            rows.invert();
        }
        Ok(rows)
    }

    fn with_captions(&self, condition: &Condition) -> Result<Bitmap, IndexError> {
        let mut rows = Bitmap::none(self.len());
        // No other test passes a text.
        if let Test::AnyOf(values) = &condition.test {
            let wanted: HashSet<&str> = values.iter().filter_map(Value::as_text).collect();
            for row in 0..self.len() {
                // What is empty is not there.
                let Captioned { caption } = self.described(row)?;
                if !caption.is_empty() && wanted.contains(&*caption) {
                    rows.insert(row);
                }
            }
        }
        if condition.negate {
            rows.invert();
        }
        Ok(rows)
    }

    /// Whether a row must not be found.
    pub fn excludes(&self, row: usize, exclusions: &Exclusions) -> bool {
        let id = || self.ids.get(row).and_then(|bytes| std::str::from_utf8(bytes).ok());
        (!exclusions.sha256.is_empty()
            && self.sha256(row).is_some_and(|digest| exclusions.sha256.contains(&digest)))
            || (!exclusions.ids.is_empty() && id().is_some_and(|id| exclusions.ids.contains(id)))
    }

    /// The nearest pictures, best first, equal ones in the order of their rows: every row is scored, one after the
    /// other. It is what anything faster is measured against.
    ///
    /// # Errors
    /// [`IndexError::Dim`] for a query of another length, [`IndexError::Damaged`] if a file cannot be read.
    pub fn search(&self, query: &Query<'_>) -> Result<Vec<Hit>, IndexError> {
        self.search_where(query, |_| true)
    }

    /// The same among the rows that `kept` lets through.
    pub(crate) fn search_where(
        &self,
        query: &Query<'_>,
        kept: impl Fn(usize) -> bool,
    ) -> Result<Vec<Hit>, IndexError> {
        self.check(query.vector)?;
        let (rows, passing) = (self.rows()?, self.select(query.filter)?);
        let passes = |row: usize| {
            kept(row)
                && passing.as_ref().is_none_or(|passing| passing.contains(row))
                && !self.excludes(row, query.exclusions)
        };
        Ok(search::nearest(rows, query.vector.values(), query.k, passes))
    }

    /// What its picture's file, or its URL where only that is known, has for SHA-256.
    pub fn sha256(&self, row: usize) -> Option<[u8; 32]> {
        self.digests.bytes().chunks_exact(32).nth(row).and_then(|bytes| bytes.try_into().ok())
    }

    /// What is known of a row.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] if it cannot be read.
    pub fn item(&self, row: usize) -> Result<Item, IndexError> {
        let damaged = |reason: String| {
            IndexError::damaged(&self.folder.join("ids.blob"), format!("row {row}: {reason}"))
        };
        let id = self.ids.get(row).ok_or_else(|| damaged("is not there".to_owned()))?;
        let id = std::str::from_utf8(id).map_err(|error| damaged(error.to_string()))?;
        let description: Description<'_> = self.described(row)?;
        Ok(Item {
            id: id.to_owned(),
            caption: description.caption.into_owned(),
            group: description.group.into_owned(),
            media_type: description.media_type.into_owned(),
            url: description.url.into_owned(),
            metadata: description.metadata,
        })
    }

    /// What is stored of an item, or a part of it.
    fn described<'a, T: Deserialize<'a>>(&'a self, row: usize) -> Result<T, IndexError> {
        let damaged = |reason: String| {
            IndexError::damaged(&self.folder.join("items.blob"), format!("row {row}: {reason}"))
        };
        let json = self.items.get(row).ok_or_else(|| damaged("is not there".to_owned()))?;
        serde_json::from_slice(json).map_err(|error| damaged(error.to_string()))
    }

    /// The stored picture file of a row, if there is one.
    pub fn picture(&self, row: usize) -> Option<&[u8]> {
        self.pictures.get(row).filter(|bytes| !bytes.is_empty())
    }

    /// The row of an id.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] if the order cannot be read.
    pub fn row(&self, id: &str) -> Result<Option<usize>, IndexError> {
        let order = self.order()?;
        let key = |row: &u32| self.ids.get(*row as usize).unwrap_or_default();
        Ok(order.binary_search_by(|row| key(row).cmp(id.as_bytes())).ok().map(|at| order[at] as usize))
    }

    /// A row whose files cannot be read.
    pub(crate) fn damaged_row(&self, row: usize) -> IndexError {
        IndexError::damaged(&self.folder, format!("row {row} cannot be read"))
    }

    fn order(&self) -> Result<&[u32], IndexError> {
        slice(&self.folder, ORDER, &self.order)
    }
}

/// A file of so many bytes, mapped.
fn exactly(folder: &Path, name: &str, bytes: usize, rows: usize) -> Result<Mapped, IndexError> {
    let path = folder.join(name);
    let mapped = Mapped::open(&path).map_err(IndexError::io(&path))?;
    if mapped.bytes().len() != bytes {
        let reason = format!("{} bytes, {rows} rows need {bytes}", mapped.bytes().len());
        return Err(IndexError::damaged(&path, reason));
    }
    Ok(mapped)
}

fn slice<'a, T: bytemuck::AnyBitPattern>(
    folder: &Path,
    name: &str,
    mapped: &'a Mapped,
) -> Result<&'a [T], IndexError> {
    mapped.as_slice().map_err(|error| IndexError::damaged(&folder.join(name), error.to_string()))
}

#[cfg(test)]
mod tests;
