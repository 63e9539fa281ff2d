//! Builds a generation beside the published ones and publishes it by one rename.

mod file;
mod laid;
mod names;
mod vectors;
mod work;

#[cfg(test)]
mod tests;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use fondue_domain::Embedding;

pub(crate) use self::file::HashedFile;
pub use self::laid::{Finished, Laid};
use self::{file::BlobsFile, names::Names, vectors::VectorsFile, work::Work};
use crate::{
    Generation, IndexError, Item,
    columns::ColumnsFile,
    item::Description,
    manifest::{DIGESTS, MAX_DIM},
    root::GENERATIONS,
    rows::Precision,
};

/// Bytes of an id at most.
const MAX_ID: usize = 1024;
/// Rows are counted in 32 bits.
const MAX_ROWS: usize = u32::MAX as usize;

/// A picture to add.
#[derive(Clone, Debug)]
pub struct NewItem {
    /// Name and description.
    pub item: Item,
    /// Its file, if it is to be stored.
    pub picture: Option<Vec<u8>>,
    /// SHA-256 of its file, stored or not. Of a picture whose file was never seen, that of its URL: it excludes no
    /// other picture then, as one that all such pictures share would.
    pub sha256: [u8; 32],
}

/// A generation in the making. Dropped unpublished, it leaves nothing behind; if its process is killed, the next
/// builder of the same index clears up.
///
/// Everything goes to the disk as it comes: for each row it keeps 20 to 40 bytes in memory, and 60 for the moment in which its
/// table of ids grows, whatever the row holds.
pub struct Builder {
    generations: PathBuf,
    work: Work,
    dim: usize,
    fingerprint: String,
    vision_fingerprint: Option<String>,
    parent: Option<String>,
    names: Names,
    rows: usize,
    /// Whether a row was begun and not written to its end: the files differ in their rows then.
    broken: bool,
    vectors: VectorsFile,
    columns: ColumnsFile,
    digests: HashedFile,
    ids: BlobsFile,
    items: BlobsFile,
    pictures: BlobsFile,
}

impl Builder {
    /// Begins a generation of vectors of length `dim` under `root`, which is made if it is not there. Removes what
    /// builders left that were killed. `fingerprint` tells the mapping layers that made the vectors; empty if nobody
    /// knows.
    ///
    /// # Errors
    /// [`IndexError::DimLimit`], or [`IndexError::Io`] if the folder cannot be written.
    pub fn new(root: &Path, dim: usize, fingerprint: &str) -> Result<Self, IndexError> {
        if !(1..=MAX_DIM).contains(&dim) {
            return Err(IndexError::DimLimit { got: dim, max: MAX_DIM });
        }
        let generations = root.join(GENERATIONS);
        fs::create_dir_all(&generations).map_err(IndexError::io(&generations))?;
        let work = Work::begin(&generations)?;
        let folder = work.path().join("new");
        fs::create_dir(&folder).map_err(IndexError::io(&folder))?;
        Ok(Self {
            vectors: VectorsFile::create(&folder, Precision::F32)?,
            columns: ColumnsFile::default(),
            digests: HashedFile::create(&folder, DIGESTS)?,
            ids: BlobsFile::create(&folder, "ids")?,
            items: BlobsFile::create(&folder, "items")?,
            pictures: BlobsFile::create(&folder, "pictures")?,
            generations,
            work,
            dim,
            fingerprint: fingerprint.to_owned(),
            vision_fingerprint: None,
            parent: None,
            names: Names::default(),
            rows: 0,
            broken: false,
        })
    }

    /// Tells which vision tower saw the pictures, where that is known.
    pub fn seen_by(self, vision_fingerprint: &str) -> Self {
        Self { vision_fingerprint: Some(vision_fingerprint.to_owned()), ..self }
    }

    /// Tells which generation it takes the place of.
    pub fn instead_of(self, parent: &str) -> Self {
        Self { parent: Some(parent.to_owned()), ..self }
    }

    /// Stores vectors in this precision instead of f32; to be told before the first is added.
    ///
    /// # Errors
    /// [`IndexError::Io`] if the files cannot be made.
    pub fn stored_as(mut self, precision: Precision) -> Result<Self, IndexError> {
        if precision != self.vectors.precision() {
            let folder = self.folder();
            self.vectors.discard()?;
            self.vectors = VectorsFile::create(&folder, precision)?;
        }
        Ok(self)
    }

    /// Rows that were added.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether none was added.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Adds a picture; nothing is added if this fails for the picture's sake. If it fails for the disk's, the picture may
    /// be written in part, and the builder takes no more and ends in nothing.
    ///
    /// # Errors
    /// [`IndexError::Dim`], [`IndexError::DuplicateId`], [`IndexError::IdLength`], [`IndexError::FieldKind`],
    /// [`IndexError::TooManyFields`], [`IndexError::TooMany`], [`IndexError::Io`], or [`IndexError::HalfWritten`].
    pub fn add(&mut self, new: NewItem, embedding: &Embedding) -> Result<(), IndexError> {
        self.add_values(new, embedding.values())
    }

    /// Adds a picture whose vector has unit length already, as it is.
    pub(crate) fn add_values(&mut self, new: NewItem, values: &[f32]) -> Result<(), IndexError> {
        let NewItem { item, picture, sha256 } = new;
        let (got, expected) = (values.len(), self.dim);
        if got != expected {
            return Err(IndexError::Dim { got, expected });
        }
        self.admit(&item)?;
        self.vectors.add(values)?;
        self.describe(item, &picture.unwrap_or_default(), &sha256)
    }

    /// Adds a row of another generation as it is: its vector keeps its very bits where both have one precision.
    ///
    /// # Errors
    /// As [`Builder::add`], and [`IndexError::Damaged`] if the row cannot be read.
    pub fn add_row_of(&mut self, from: &Generation, row: usize) -> Result<(), IndexError> {
        let (got, expected) = (from.dim(), self.dim);
        if got != expected {
            return Err(IndexError::Dim { got, expected });
        }
        let item = from.item(row)?;
        self.admit(&item)?;
        self.vectors.copy(from.rows()?, row, self.dim).map_err(|error| match error {
            Some(error) => error,
            None => from.damaged_row(row),
        })?;
        self.describe(item, from.picture(row).unwrap_or_default(), &from.sha256(row).unwrap_or_default())
    }

    /// Whether an item can be the next; notes its id. From here on the builder is broken until all of the row is written.
    fn admit(&mut self, item: &Item) -> Result<(), IndexError> {
        self.check_whole()?;
        check_id(&item.id)?;
        if self.rows >= MAX_ROWS {
            return Err(IndexError::TooMany { max: MAX_ROWS });
        }
        self.columns.check(item)?;
        if !self.names.add(&item.id, self.rows as u32, &mut self.ids)? {
            return Err(IndexError::DuplicateId { id: item.id.clone() });
        }
        self.broken = true;
        Ok(())
    }

    /// No row was begun and not ended.
    fn check_whole(&self) -> Result<(), IndexError> {
        if self.broken { Err(IndexError::HalfWritten { row: self.rows }) } else { Ok(()) }
    }

    /// Writes everything of a row but its vector, which is there already: then the row is whole. Empty bytes are no
    /// picture.
    fn describe(&mut self, mut item: Item, picture: &[u8], sha256: &[u8; 32]) -> Result<(), IndexError> {
        if picture.is_empty() {
            item.media_type.clear();
        }
        let folder = self.folder();
        self.columns.add(&folder, self.rows, &item)?;
        let description = Description {
            caption: item.caption.as_str().into(),
            group: item.group.as_str().into(),
            media_type: item.media_type.as_str().into(),
            url: item.url.as_str().into(),
            metadata: item.metadata,
        };
        // Strings always become JSON.
        let json = serde_json::to_vec(&description).unwrap_or_default();
        self.digests.write(sha256)?;
        self.ids.write(item.id.as_bytes())?;
        self.items.write(&json)?;
        self.pictures.write(picture)?;
        self.rows += 1;
        self.broken = false;
        Ok(())
    }

    fn folder(&self) -> PathBuf {
        self.work.path().join("new")
    }

    /// Writes everything through to the disk and renames it into place: [`Builder::finish`] and
    /// [`Finished::publish`] in one.
    ///
    /// # Errors
    /// Those of both.
    pub fn publish(self) -> Result<String, IndexError> {
        self.finish()?.publish()
    }

    /// [`Builder::lay_down`] and [`Laid::seal`] in one.
    ///
    /// # Errors
    /// Those of both.
    pub fn finish(self) -> Result<Finished, IndexError> {
        self.lay_down()?.seal()
    }

    /// Sorts the ids and writes all rows through to the disk, which for millions of rows takes a while. What is made
    /// from all rows can be added to the result.
    ///
    /// # Errors
    /// [`IndexError::HalfWritten`], [`IndexError::Empty`] or [`IndexError::Io`].
    pub fn lay_down(self) -> Result<Laid, IndexError> {
        self.check_whole()?;
        if self.rows == 0 {
            return Err(IndexError::Empty);
        }
        drop(self.names); // its memory is of use for sorting
        let mut files = self.vectors.finish()?;
        files.push(self.digests.finish()?);
        for blobs in [self.ids, self.items, self.pictures] {
            files.extend(blobs.finish()?);
        }
        let (columns, column_files) = self.columns.finish(self.rows)?;
        files.extend(column_files);
        Laid::new(laid::Parts {
            generations: self.generations,
            work: self.work,
            rows: self.rows,
            dim: self.dim,
            fingerprint: self.fingerprint,
            vision_fingerprint: self.vision_fingerprint,
            parent: self.parent,
            columns,
            files,
        })
    }
}

/// Whether an id can be one.
pub(crate) fn check_id(id: &str) -> Result<(), IndexError> {
    if id.is_empty() || id.len() > MAX_ID {
        return Err(IndexError::IdLength { got: id.len(), max: MAX_ID });
    }
    Ok(())
}

/// Makes a folder's entries durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), IndexError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(IndexError::io(folder))
}
