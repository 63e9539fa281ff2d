//! Files that know their length and checksum when they are done.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::{IndexError, manifest::Stored};

pub(super) struct HashedFile {
    path: PathBuf,
    name: String,
    file: BufWriter<File>,
    hasher: Sha256,
    bytes: u64,
}

impl HashedFile {
    pub(super) fn create(folder: &Path, name: &str) -> Result<Self, IndexError> {
        let path = folder.join(name);
        let file = File::create_new(&path).map_err(IndexError::io(&path))?;
        Ok(Self { path, name: name.to_owned(), file: BufWriter::new(file), hasher: Sha256::new(), bytes: 0 })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), IndexError> {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        self.file.write_all(bytes).map_err(IndexError::io(&self.path))
    }

    /// Durable from here on.
    pub(super) fn finish(self) -> Result<(String, Stored), IndexError> {
        let path = self.path;
        let file = self.file.into_inner().map_err(|error| IndexError::io(&path)(error.into_error()))?;
        file.sync_all().map_err(IndexError::io(&path))?;
        Ok((self.name, Stored { bytes: self.bytes, sha256: hex::encode(self.hasher.finalize()) }))
    }
}

/// Values of any length: `NAME.blob` and, at the end, `NAME.u64`.
pub(super) struct BlobsFile {
    data: HashedFile,
    offsets: Vec<u64>,
    folder: PathBuf,
    name: String,
}

impl BlobsFile {
    pub(super) fn create(folder: &Path, name: &str) -> Result<Self, IndexError> {
        let data = HashedFile::create(folder, &format!("{name}.blob"))?;
        Ok(Self { data, offsets: vec![0], folder: folder.to_owned(), name: name.to_owned() })
    }

    pub(super) fn write(&mut self, value: &[u8]) -> Result<(), IndexError> {
        self.data.write(value)?;
        self.offsets.push(self.data.bytes);
        Ok(())
    }

    pub(super) fn finish(self) -> Result<[(String, Stored); 2], IndexError> {
        let mut offsets = HashedFile::create(&self.folder, &format!("{}.u64", self.name))?;
        offsets.write(bytemuck::cast_slice(&self.offsets))?;
        Ok([self.data.finish()?, offsets.finish()?])
    }
}
