//! The log of a generation's changes: what was acknowledged is in it, on the disk.
//!
//! ```text
//! ROOT/changes/ID.log
//!   header   48 bytes: magic, format, dim, the generation's id, CRC
//!   batch    length · CRC of the length · CRC of the content · content     (u32, little-endian)
//!   …
//! ```
//!
//! A batch is applied whole or not at all. One that reaches the end of the file and does not hold together is what a
//! process left that was killed while it wrote: nobody was told that it is there, and it is cut off. Anything else that
//! does not hold together is damage, and refused.

mod batch;
mod replay;

use std::{
    fs::{self, File},
    io::ErrorKind,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

pub(crate) use self::batch::{Change, Put, Removal, Span, read, write_put, write_removal};
use self::replay::{Replayed, replay};
use crate::{IndexError, builder::sync_folder};

/// The folder of all logs.
const FOLDER: &str = "changes";
/// Bytes of a batch at most; the length is a u32.
pub(crate) const MAX_BATCH_BYTES: usize = 1 << 30;

const MAGIC: &[u8; 8] = b"fondlog\n";
const FORMAT: u32 = 1;
const HEADER: usize = 48;
/// Length and two checksums.
const FRAME: usize = 12;

/// A generation's log, open for reading and, by one process at a time, for writing.
pub(crate) struct Log {
    path: PathBuf,
    generation: String,
    dim: usize,
    /// Made with the first change.
    file: Option<File>,
    /// Bytes that hold together and are on the disk.
    end: u64,
    /// Whether something may lie behind the end: a failed write that could not be taken back.
    dirty: bool,
}

/// What was found when a log was opened.
pub(crate) struct Opened {
    pub(crate) log: Log,
    pub(crate) batches: Vec<Vec<Change>>,
    /// Bytes of an unfinished batch that were cut off.
    pub(crate) cut: u64,
}

impl Log {
    /// Where the log of a generation is.
    pub(crate) fn path(root: &Path, generation: &str) -> PathBuf {
        root.join(FOLDER).join(format!("{generation}.log"))
    }

    /// Reads a generation's log; without one there are no changes. An unfinished batch at its end is cut off, if it
    /// may be written to, and passed over in any case.
    ///
    /// # Errors
    /// [`IndexError::Io`], or [`IndexError::Damaged`] with the place.
    pub(crate) fn open(
        root: &Path,
        generation: &str,
        dim: usize,
        writable: bool,
    ) -> Result<Opened, IndexError> {
        let path = Self::path(root, generation);
        let (generation, none) =
            (generation.to_owned(), |error: &std::io::Error| error.kind() == ErrorKind::NotFound);
        let file = match File::options().read(true).write(writable).open(&path) {
            Ok(file) => file,
            Err(error) if none(&error) => {
                let log = Self { path, generation, dim, file: None, end: 0, dirty: false };
                return Ok(Opened { log, batches: Vec::new(), cut: 0 });
            }
            Err(error) => return Err(IndexError::io(&path)(error)),
        };
        let Replayed { batches, end, length } = replay(&path, &generation, dim)?;
        let mut log = Self { path, generation, dim, file: Some(file), end, dirty: end < length };
        if writable {
            log.cut_back()?;
        }
        if end == 0 {
            // Not even a header is there: the log is made anew with the next change.
            log.file = None;
        }
        Ok(Opened { log, batches, cut: length - end })
    }

    /// Bytes so far; what is appended later lies behind.
    pub(crate) fn end(&self) -> u64 {
        self.end.max(HEADER as u64)
    }

    /// Appends batches; on the disk when it returns. Tells where each one's content begins.
    ///
    /// # Errors
    /// [`IndexError::Io`]; then none of them is there, now or after a restart, and later ones can still be appended.
    pub(crate) fn append(&mut self, batches: &[Vec<u8>]) -> Result<Vec<u64>, IndexError> {
        self.cut_back()?;
        let mut bytes = if self.file.is_none() { self.create()? } else { Vec::new() };
        let mut starts = Vec::with_capacity(batches.len());
        for content in batches {
            starts.push(self.end + (bytes.len() + FRAME) as u64);
            bytes.extend_from_slice(&frame(content));
            bytes.extend_from_slice(content);
        }
        let written = match &self.file {
            Some(file) => file.write_all_at(&bytes, self.end).and_then(|()| file.sync_data()),
            None => Err(ErrorKind::NotFound.into()),
        };
        match written {
            Ok(()) => {
                self.end += bytes.len() as u64;
                Ok(starts)
            }
            Err(error) => {
                self.dirty = true;
                // If this fails too, it is tried again before anything else is written.
                let _ = self.cut_back();
                Err(IndexError::io(&self.path)(error))
            }
        }
    }

    /// The bytes of batches behind `from`, as they are.
    ///
    /// # Errors
    /// [`IndexError::Io`].
    pub(crate) fn tail(&self, from: u64) -> Result<Vec<u8>, IndexError> {
        let mut bytes = vec![0; self.end.saturating_sub(from) as usize];
        if let Some(file) = &self.file {
            file.read_exact_at(&mut bytes, from).map_err(IndexError::io(&self.path))?;
        }
        Ok(bytes)
    }

    /// Makes the log of another generation, which begins with `tail`; on the disk when it returns.
    ///
    /// # Errors
    /// [`IndexError::Io`].
    pub(crate) fn begin_with(
        root: &Path,
        generation: &str,
        dim: usize,
        tail: &[u8],
    ) -> Result<(), IndexError> {
        let path = Self::path(root, generation);
        // One may be there, of a compaction that was killed before it came to anything.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(IndexError::io(&path)(error)),
            _ => {}
        }
        if tail.is_empty() {
            return Ok(());
        }
        let mut log = Self { path, generation: generation.to_owned(), dim, file: None, end: 0, dirty: false };
        let bytes = [log.create()?.as_slice(), tail].concat();
        let file = log.file.as_ref().ok_or_else(|| IndexError::io(&log.path)(ErrorKind::NotFound.into()))?;
        file.write_all_at(&bytes, 0).and_then(|()| file.sync_all()).map_err(IndexError::io(&log.path))
    }

    /// Removes a generation's log.
    ///
    /// # Errors
    /// [`IndexError::Io`].
    pub(crate) fn remove(root: &Path, generation: &str) -> Result<(), IndexError> {
        let path = Self::path(root, generation);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(IndexError::io(&path)(error)),
            _ => Ok(()),
        }
    }

    /// A second handle to read stored pictures by, without the log itself.
    ///
    /// # Errors
    /// [`IndexError::Io`].
    pub(crate) fn reader(&self) -> Result<Option<File>, IndexError> {
        self.file.as_ref().map(File::try_clone).transpose().map_err(IndexError::io(&self.path))
    }

    /// Makes the file, and its name durable; gives the header, which is to be written before all else.
    fn create(&mut self) -> Result<Vec<u8>, IndexError> {
        let folder = self.path.parent().unwrap_or(Path::new(".")).to_owned();
        fs::create_dir_all(&folder).map_err(IndexError::io(&folder))?;
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&self.path);
        let file = file.map_err(IndexError::io(&self.path))?;
        sync_folder(&folder)?;
        if let Some(root) = folder.parent() {
            sync_folder(root)?;
        }
        self.file = Some(file);
        Ok(header(&self.generation, self.dim))
    }

    /// Takes back what a failed write may have left.
    fn cut_back(&mut self) -> Result<(), IndexError> {
        if self.dirty
            && let Some(file) = &self.file
        {
            file.set_len(self.end).and_then(|()| file.sync_all()).map_err(IndexError::io(&self.path))?;
            if self.end == 0 {
                self.file = None; // not even a header is there
            }
            self.dirty = false;
        }
        Ok(())
    }
}

fn header(generation: &str, dim: usize) -> Vec<u8> {
    let mut header = Vec::with_capacity(HEADER);
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&FORMAT.to_le_bytes());
    header.extend_from_slice(&(dim as u32).to_le_bytes());
    header.extend_from_slice(generation.as_bytes());
    header.resize(HEADER - 4, 0);
    let sum = crc32fast::hash(&header);
    header.extend_from_slice(&sum.to_le_bytes());
    header
}

fn frame(content: &[u8]) -> [u8; FRAME] {
    let length = (content.len() as u32).to_le_bytes();
    let mut frame = [0; FRAME];
    let parts = [length, crc32fast::hash(&length).to_le_bytes(), crc32fast::hash(content).to_le_bytes()];
    frame.chunks_exact_mut(4).zip(parts).for_each(|(place, part)| place.copy_from_slice(&part));
    frame
}

#[cfg(test)]
mod tests;
