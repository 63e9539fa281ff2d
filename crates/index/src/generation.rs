//! One generation, mapped: searched, read, checked.

pub(crate) mod blobs;
mod search;

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use fondue_domain::Embedding;
use fondue_mapped::Mapped;
use sha2::{Digest, Sha256};

use self::blobs::Blobs;
use crate::{
    IndexError, Item,
    item::Description,
    manifest::{DIGESTS, FILE, Manifest, ORDER, VECTORS},
};

/// An open generation. It never changes, so any number of threads may search it.
pub struct Generation {
    id: String,
    /// The id that the manifest's bytes make; of an undamaged generation it is the folder's name.
    content_id: String,
    folder: PathBuf,
    manifest: Manifest,
    vectors: Mapped,
    digests: Mapped,
    order: Mapped,
    ids: Blobs,
    items: Blobs,
    pictures: Blobs,
}

/// What must not be found.
#[derive(Clone, Debug, Default)]
pub struct Exclusions {
    /// By name.
    pub ids: HashSet<String>,
    /// By the SHA-256 of the picture file, or of the URL where only that is known: see [`crate::NewItem::sha256`].
    pub sha256: HashSet<[u8; 32]>,
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
    /// Opens a generation's folder, whose name is its id. Everything that a later read relies on is checked here,
    /// but not the checksums: see [`Generation::verify`].
    ///
    /// # Errors
    /// [`IndexError`] naming the file at fault.
    pub fn open(folder: &Path) -> Result<Self, IndexError> {
        let (manifest, content_id) = Manifest::read(folder)?;
        let (rows, dim) = (manifest.rows, manifest.dim);
        let exactly = |name: &str, bytes: usize| -> Result<Mapped, IndexError> {
            let path = folder.join(name);
            let mapped = Mapped::open(&path).map_err(IndexError::io(&path))?;
            if mapped.bytes().len() != bytes {
                let reason = format!("{} bytes, {rows} rows need {bytes}", mapped.bytes().len());
                return Err(IndexError::damaged(&path, reason));
            }
            Ok(mapped)
        };
        let generation = Self {
            id: folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            vectors: exactly(VECTORS, rows * dim * size_of::<f32>())?,
            digests: exactly(DIGESTS, rows * 32)?,
            order: exactly(ORDER, rows * size_of::<u32>())?,
            ids: Blobs::open(folder, "ids", rows)?,
            items: Blobs::open(folder, "items", rows)?,
            pictures: Blobs::open(folder, "pictures", rows)?,
            folder: folder.to_owned(),
            content_id,
            manifest,
        };
        generation.check_order()?;
        Ok(generation)
    }

    /// The rows in `order` must give strictly rising ids: then each is there once, and each id is unique.
    fn check_order(&self) -> Result<(), IndexError> {
        let damaged = |reason: String| IndexError::damaged(&self.folder.join(ORDER), reason);
        let mut before: Option<&[u8]> = None;
        for &row in self.order()? {
            let id = self.ids.get(row as usize).ok_or_else(|| damaged(format!("names row {row}")))?;
            if before.is_some_and(|before| before >= id) {
                return Err(damaged(format!("row {row} is out of order")));
            }
            before = Some(id);
        }
        Ok(())
    }

    /// Compares what is mapped with the checksums, and the manifest with the generation's id. Reads everything.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] naming the first file that differs.
    pub fn verify(&self) -> Result<(), IndexError> {
        if self.content_id != self.id {
            let reason = format!("it is the manifest of {}", self.content_id);
            return Err(IndexError::damaged(&self.folder.join(FILE), reason));
        }
        for (name, file) in [(VECTORS, &self.vectors), (DIGESTS, &self.digests), (ORDER, &self.order)] {
            self.verify_file(name, file)?;
        }
        for (name, blobs) in [("ids", &self.ids), ("items", &self.items), ("pictures", &self.pictures)] {
            for (extension, file) in blobs.files() {
                self.verify_file(&format!("{name}.{extension}"), file)?;
            }
        }
        Ok(())
    }

    fn verify_file(&self, name: &str, file: &Mapped) -> Result<(), IndexError> {
        /// What is mapped at a time: a whole index would fill the memory of this process.
        const STEP: usize = 16 << 20;
        let bytes = file.bytes();
        let damaged = |reason: &str| IndexError::damaged(&self.folder.join(name), reason);
        let stored =
            self.manifest.files.get(name).ok_or_else(|| damaged("the manifest has no checksum of it"))?;
        let mut hasher = Sha256::new();
        for (n, part) in bytes.chunks(STEP).enumerate() {
            hasher.update(part);
            file.release(n * STEP..n * STEP + part.len());
        }
        if bytes.len() as u64 != stored.bytes || hex::encode(hasher.finalize()) != stored.sha256 {
            return Err(damaged("its checksum is not the manifest's"));
        }
        Ok(())
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

    /// The `k` nearest pictures that are not excluded, best first, equal ones in the order of their rows.
    ///
    /// # Errors
    /// [`IndexError::Dim`] for a query of another length.
    pub fn search(
        &self,
        query: &Embedding,
        k: usize,
        exclusions: &Exclusions,
    ) -> Result<Vec<Hit>, IndexError> {
        let (got, expected) = (query.values().len(), self.dim());
        if got != expected {
            return Err(IndexError::Dim { got, expected });
        }
        let vectors: &[f32] = self.slice(&self.vectors, VECTORS)?;
        let excluded = |row: usize| {
            let digest = self.digests.bytes().get(row * 32..row * 32 + 32);
            let digest = digest.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
            let id = self.ids.get(row).and_then(|bytes| std::str::from_utf8(bytes).ok());
            digest.is_some_and(|digest| exclusions.sha256.contains(&digest))
                || id.is_some_and(|id| exclusions.ids.contains(id))
        };
        Ok(search::nearest(vectors, query.values(), k, excluded))
    }

    /// What is known of a row.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] if it cannot be read.
    pub fn item(&self, row: usize) -> Result<Item, IndexError> {
        let damaged = |reason: String| {
            IndexError::damaged(&self.folder.join("items.blob"), format!("row {row}: {reason}"))
        };
        let missing = || damaged("is not there".to_owned());
        let id = self.ids.get(row).ok_or_else(missing)?;
        let id = std::str::from_utf8(id).map_err(|error| damaged(error.to_string()))?;
        let json = self.items.get(row).ok_or_else(missing)?;
        let description: Description<'_> =
            serde_json::from_slice(json).map_err(|error| damaged(error.to_string()))?;
        Ok(Item {
            id: id.to_owned(),
            caption: description.caption.into_owned(),
            group: description.group.into_owned(),
            media_type: description.media_type.into_owned(),
            url: description.url.into_owned(),
            metadata: description.metadata,
        })
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

    fn order(&self) -> Result<&[u32], IndexError> {
        self.slice(&self.order, ORDER)
    }

    fn slice<'a, T: bytemuck::AnyBitPattern>(
        &self,
        mapped: &'a Mapped,
        name: &str,
    ) -> Result<&'a [T], IndexError> {
        mapped.as_slice().map_err(|error| IndexError::damaged(&self.folder.join(name), error.to_string()))
    }
}

#[cfg(test)]
mod tests;
