//! Whether a generation is, bit for bit, what was written.

use std::{collections::BTreeMap, fs};

use fondue_mapped::Mapped;
use sha2::{Digest, Sha256};

use super::Generation;
use crate::{
    IndexError,
    manifest::{DIGESTS, FILE, ORDER, Stored},
};

/// What is mapped at a time: a whole index would fill the memory of this process.
const STEP: usize = 16 << 20;

impl Generation {
    /// Compares what is mapped with the checksums, and the manifest with the generation's id. Reads everything.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] naming the first file that differs, is missing, or does not belong there.
    pub fn verify(&self) -> Result<(), IndexError> {
        self.verify_with(&mut |_, _| true)
    }

    /// The same; `step` is told how many bytes were read of how many, and stops it by returning false.
    ///
    /// # Errors
    /// As [`Generation::verify`], and [`IndexError::Stopped`].
    pub fn verify_with(&self, step: &mut dyn FnMut(u64, u64) -> bool) -> Result<(), IndexError> {
        let damaged = |name: &str, reason: String| IndexError::damaged(&self.folder.join(name), reason);
        let id = self.manifest.id();
        if id != self.id {
            return Err(damaged(FILE, format!("it is the manifest of {id}")));
        }
        self.nothing_else()?;
        let total = self.manifest.files.values().map(|stored| stored.bytes).sum();
        let mut read = 0;
        for (name, file) in self.mapped() {
            let mut stopped = false;
            let sum = sum(file, |bytes| {
                read += bytes;
                stopped = !step(read, total);
                !stopped
            });
            if stopped {
                return Err(IndexError::Stopped);
            }
            let found = Stored { bytes: file.bytes().len() as u64, sha256: sum };
            if self.manifest.files.get(&name) != Some(&found) {
                return Err(damaged(&name, "its checksum is not the manifest's".to_owned()));
            }
        }
        self.check_order()
    }

    /// The manifest names what was mapped and nothing else.
    pub(super) fn check_names(&self) -> Result<(), IndexError> {
        let (mapped, files) = (self.mapped(), &self.manifest.files);
        let damaged = |name: &str, reason: &str| Err(IndexError::damaged(&self.folder.join(name), reason));
        if let Some(name) = mapped.keys().find(|name| !files.contains_key(name.as_str())) {
            return damaged(name, "the manifest has no checksum of it");
        }
        match files.keys().find(|name| !mapped.contains_key(name.as_str())) {
            Some(name) => damaged(name, "is not of this format"),
            None => Ok(()),
        }
    }

    /// All files by their names.
    fn mapped(&self) -> BTreeMap<String, &Mapped> {
        let mut mapped: BTreeMap<String, &Mapped> = BTreeMap::new();
        mapped.extend(self.vectors.files().into_iter().map(|(name, file)| (name.to_owned(), file)));
        mapped.extend([(DIGESTS.to_owned(), &self.digests), (ORDER.to_owned(), &self.order)]);
        for (name, blobs) in [("ids", &self.ids), ("items", &self.items), ("pictures", &self.pictures)] {
            let files = blobs.files();
            mapped.extend(files.map(|(extension, file)| (format!("{name}.{extension}"), file)));
        }
        mapped.extend(self.columns.files());
        mapped.extend(self.graph_files.iter().map(|(name, file)| (name.clone(), file)));
        mapped
    }

    /// The folder holds no file that the manifest does not know.
    pub(crate) fn nothing_else(&self) -> Result<(), IndexError> {
        let entries = fs::read_dir(&self.folder).map_err(IndexError::io(&self.folder))?;
        for entry in entries {
            let name = entry.map_err(IndexError::io(&self.folder))?.file_name();
            let name = name.to_string_lossy();
            if name != FILE && !self.manifest.files.contains_key(name.as_ref()) {
                let reason = "does not belong to the generation";
                return Err(IndexError::damaged(&self.folder.join(name.as_ref()), reason));
            }
        }
        Ok(())
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
}

/// The checksum of a file, as far as `more` lets it be read; hexadecimal.
fn sum(file: &Mapped, mut more: impl FnMut(u64) -> bool) -> String {
    let mut hasher = Sha256::new();
    for (n, part) in file.bytes().chunks(STEP).enumerate() {
        hasher.update(part);
        file.release(n * STEP..n * STEP + part.len());
        if !more(part.len() as u64) {
            break;
        }
    }
    hex::encode(hasher.finalize())
}
