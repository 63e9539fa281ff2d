//! Files that know their length and checksum when they are done.

use std::{
    fs::File,
    io::{BufWriter, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::{IndexError, manifest::Stored};

pub(crate) struct HashedFile {
    path: PathBuf,
    name: String,
    file: BufWriter<File>,
    hasher: Sha256,
    bytes: u64,
}

impl HashedFile {
    pub(crate) fn create(folder: &Path, name: &str) -> Result<Self, IndexError> {
        let path = folder.join(name);
        let file = File::options().read(true).write(true).create_new(true).open(&path);
        let file = BufWriter::new(file.map_err(IndexError::io(&path))?);
        Ok(Self { path, name: name.to_owned(), file, hasher: Sha256::new(), bytes: 0 })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), IndexError> {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        self.file.write_all(bytes).map_err(IndexError::io(&self.path))
    }

    /// Reads what was written before.
    fn read(&mut self, start: u64, bytes: &mut [u8]) -> Result<(), IndexError> {
        let flushed = self.file.flush();
        flushed
            .and_then(|()| self.file.get_ref().read_exact_at(bytes, start))
            .map_err(IndexError::io(&self.path))
    }

    /// Durable from here on.
    pub(crate) fn finish(self) -> Result<(String, Stored), IndexError> {
        let path = self.path;
        let file = self.file.into_inner().map_err(|error| IndexError::io(&path)(error.into_error()))?;
        file.sync_all().map_err(IndexError::io(&path))?;
        Ok((self.name, Stored { bytes: self.bytes, sha256: hex::encode(self.hasher.finalize()) }))
    }
}

/// Values of any length: `NAME.blob`, and where they begin and end in `NAME.u64`.
pub(super) struct BlobsFile {
    data: HashedFile,
    offsets: HashedFile,
}

impl BlobsFile {
    pub(super) fn create(folder: &Path, name: &str) -> Result<Self, IndexError> {
        let data = HashedFile::create(folder, &format!("{name}.blob"))?;
        let mut offsets = HashedFile::create(folder, &format!("{name}.u64"))?;
        offsets.write(&0u64.to_le_bytes())?;
        Ok(Self { data, offsets })
    }

    pub(super) fn write(&mut self, value: &[u8]) -> Result<(), IndexError> {
        self.data.write(value)?;
        self.offsets.write(&self.data.bytes.to_le_bytes())
    }

    /// The value of a row that was written before.
    pub(super) fn read(&mut self, row: u32) -> Result<Vec<u8>, IndexError> {
        let mut around = [0u64; 2];
        self.offsets.read(u64::from(row) * 8, bytemuck::bytes_of_mut(&mut around))?;
        let [start, end] = around;
        let mut value = vec![0; (end - start) as usize];
        self.data.read(start, &mut value)?;
        Ok(value)
    }

    pub(super) fn finish(self) -> Result<[(String, Stored); 2], IndexError> {
        Ok([self.data.finish()?, self.offsets.finish()?])
    }
}
