//! Builds a generation beside the published ones and publishes it by one rename.

mod file;
mod names;
mod work;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
};

use fondue_domain::Embedding;

use self::{
    file::{BlobsFile, HashedFile},
    names::Names,
    work::Work,
};
use crate::{
    Generation, IndexError, Item,
    generation::blobs::Blobs,
    item::Description,
    manifest::{DIGESTS, FILE, FORMAT, MAX_DIM, Manifest, ORDER, Stored, VECTORS, id_of},
    root::GENERATIONS,
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
/// Everything goes to the disk as it comes: for each row it keeps some 20 bytes in memory, whatever the row holds.
pub struct Builder {
    generations: PathBuf,
    work: Work,
    dim: usize,
    fingerprint: String,
    vision_fingerprint: Option<String>,
    names: Names,
    rows: usize,
    vectors: HashedFile,
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
            vectors: HashedFile::create(&folder, VECTORS)?,
            digests: HashedFile::create(&folder, DIGESTS)?,
            ids: BlobsFile::create(&folder, "ids")?,
            items: BlobsFile::create(&folder, "items")?,
            pictures: BlobsFile::create(&folder, "pictures")?,
            generations,
            work,
            dim,
            fingerprint: fingerprint.to_owned(),
            vision_fingerprint: None,
            names: Names::default(),
            rows: 0,
        })
    }

    /// Tells which vision tower saw the pictures, where that is known.
    pub fn seen_by(self, vision_fingerprint: &str) -> Self {
        Self { vision_fingerprint: Some(vision_fingerprint.to_owned()), ..self }
    }

    /// Rows that were added.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether none was added.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Adds a picture; nothing is added if this fails for the picture's sake.
    ///
    /// # Errors
    /// [`IndexError::Dim`], [`IndexError::DuplicateId`], [`IndexError::IdLength`], or [`IndexError::Io`].
    pub fn add(&mut self, new: NewItem, embedding: &Embedding) -> Result<(), IndexError> {
        let NewItem { item, picture, sha256 } = new;
        let (got, expected) = (embedding.values().len(), self.dim);
        if got != expected {
            return Err(IndexError::Dim { got, expected });
        }
        if item.id.is_empty() || item.id.len() > MAX_ID {
            return Err(IndexError::IdLength { got: item.id.len(), max: MAX_ID });
        }
        if self.rows >= MAX_ROWS {
            return Err(IndexError::TooMany { max: MAX_ROWS });
        }
        if !self.names.add(&item.id, self.rows as u32, &mut self.ids)? {
            return Err(IndexError::DuplicateId { id: item.id });
        }
        // Empty bytes are no picture.
        let picture = picture.unwrap_or_default();
        let description = Description {
            caption: item.caption.as_str().into(),
            group: item.group.as_str().into(),
            media_type: if picture.is_empty() { "".into() } else { item.media_type.as_str().into() },
            url: item.url.as_str().into(),
            metadata: item.metadata,
        };
        // Strings always become JSON.
        let json = serde_json::to_vec(&description).unwrap_or_default();
        self.vectors.write(bytemuck::cast_slice(embedding.values()))?;
        self.digests.write(&sha256)?;
        self.ids.write(item.id.as_bytes())?;
        self.items.write(&json)?;
        self.pictures.write(&picture)?;
        self.rows += 1;
        Ok(())
    }

    /// Writes everything through to the disk and renames it into place: [`Builder::finish`] and
    /// [`Finished::publish`] in one.
    ///
    /// # Errors
    /// Those of both.
    pub fn publish(self) -> Result<String, IndexError> {
        self.finish()?.publish()
    }

    /// Sorts the ids and writes everything through to the disk, which for millions of rows takes a while.
    ///
    /// # Errors
    /// [`IndexError::Empty`], [`IndexError::Io`], or what a look at the finished files finds.
    pub fn finish(self) -> Result<Finished, IndexError> {
        let rows = self.rows;
        if rows == 0 {
            return Err(IndexError::Empty);
        }
        drop(self.names); // its memory is of use for sorting
        let folder = self.work.path().join("new");
        let mut files: BTreeMap<String, Stored> = BTreeMap::new();
        for file in [self.vectors, self.digests] {
            files.extend([file.finish()?]);
        }
        for blobs in [self.ids, self.items, self.pictures] {
            files.extend(blobs.finish()?);
        }
        let mut order = HashedFile::create(&folder, ORDER)?;
        order.write(bytemuck::cast_slice(&in_order_of_ids(&folder, rows)?))?;
        files.extend([order.finish()?]);
        let manifest = Manifest {
            format: FORMAT,
            rows,
            dim: self.dim,
            fingerprint: self.fingerprint,
            vision_fingerprint: self.vision_fingerprint,
            files,
        };
        let text = serde_json::to_vec_pretty(&manifest).unwrap_or_default();
        let mut file = HashedFile::create(&folder, FILE)?;
        file.write(&text)?;
        file.finish()?;
        sync_folder(&folder)?;
        Generation::open(&folder)?;
        Ok(Finished { generations: self.generations, work: self.work, folder, id: id_of(&text) })
    }
}

/// A generation that is whole, but not yet in its place. Dropped unpublished, it leaves nothing behind.
pub struct Finished {
    generations: PathBuf,
    work: Work,
    folder: PathBuf,
    id: String,
}

impl Finished {
    /// Renames it into place; returns the generation's id, which is made from its content. It is not active yet: see
    /// [`crate::Root::activate`].
    ///
    /// # Errors
    /// [`IndexError::Io`].
    pub fn publish(self) -> Result<String, IndexError> {
        let Self { generations, work, folder, id } = self;
        let place = generations.join(&id);
        // The name tells the content: if it is there and undamaged, it is this very generation.
        if intact(&place) {
            return Ok(id);
        }
        if place.exists() {
            // Goes with the work folder. Whoever has mapped it keeps it.
            let aside = work.path().join("damaged");
            fs::rename(&place, &aside).map_err(IndexError::io(&place))?;
        }
        if let Err(error) = fs::rename(&folder, &place) {
            // Another builder of the same content may have been faster.
            if !intact(&place) {
                return Err(IndexError::io(&place)(error));
            }
        }
        sync_folder(&generations)?;
        Ok(id)
    }
}

/// The rows, sorted by the ids that were written.
fn in_order_of_ids(folder: &Path, rows: usize) -> Result<Vec<u32>, IndexError> {
    let ids = Blobs::open(folder, "ids", rows)?;
    let id = |row: u32| ids.get(row as usize).unwrap_or_default();
    let mut order: Vec<u32> = (0..rows as u32).collect();
    // Each id is there once, so that equal ones need no order of their own.
    order.sort_unstable_by(|&a, &b| id(a).cmp(id(b)));
    Ok(order)
}

fn intact(folder: &Path) -> bool {
    Generation::open(folder).and_then(|generation| generation.verify()).is_ok()
}

/// Makes a folder's entries durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), IndexError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(IndexError::io(folder))
}
