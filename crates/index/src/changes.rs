//! The log of a generation's changes: what was acknowledged is in it, on the disk.
//!
//! ```text
//! ROOT/changes/ID.log          all little-endian
//!   header   64 bytes: magic, format, dim, the generation's id, salt, first, taken, CRC
//!   frame    length u32 · number u64 · CRC of the content u32 · CRC of salt and frame u32 · content
//!   …
//! ```
//!
//! A frame is what was written with one flush of the disk: it is there whole or not at all. Frames are numbered from
//! `first`, and the next one is begun after the one before came to the disk. So one that does not hold together was never
//! acknowledged if none follows it, wherever the file ends: a process was killed, or the power went, while it was
//! written. It is cut off. If a later one does follow, it is damage, and refused. The salt, which nobody else knows,
//! keeps stored pictures from posing as frames.
//!
//! `taken` tells how much of the parent's log lives on in a compacted generation: its frames before that number.

mod batch;
mod header;
mod replay;

use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

pub(crate) use self::batch::{Change, Put, Removal, Span, read, write_put, write_removal};
use self::header::Facts;
use self::header::{FRAME, HEADER, frame};
use crate::{IndexError, builder::sync_folder};

/// The folder of all logs.
const FOLDER: &str = "changes";
/// Bytes of a frame's content at most; the length is a u32.
pub(crate) const MAX_FRAME_BYTES: usize = 1 << 30;
/// Bytes that are copied at a time.
const STEP: usize = 1 << 20;

/// A generation's log, open for reading and, by one process at a time, for writing.
pub(crate) struct Log {
    path: PathBuf,
    generation: String,
    dim: usize,
    facts: Facts,
    /// Made with the first change.
    file: Option<Arc<File>>,
    place: Mark,
    /// Whether something may lie behind the end: a failed write that could not be taken back.
    dirty: bool,
}

/// A moment of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Bytes that hold together and are on the disk.
    pub(crate) end: u64,
    /// The next frame's number.
    pub(crate) next: u64,
}

/// Which frames there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    salt: u64,
    /// The number of the first frame.
    first: u64,
    /// The parent's frames before this number live on in the generation.
    pub(crate) taken: u64,
    /// The number of the frame that would be the next.
    pub(crate) next: u64,
}

impl Extent {
    /// Whether another log's frames all were passed on from this one or its parents, and still are here.
    pub(crate) fn holds(self, other: Self) -> bool {
        self.salt == other.salt
            && self.first <= other.first
            && other.next == other.taken
            && other.taken <= self.next
    }
}

/// What was found when a log was opened.
pub(crate) struct Opened {
    pub(crate) log: Log,
    /// Bytes of an unfinished frame that were cut off.
    pub(crate) cut: u64,
}

impl Log {
    /// Where the log of a generation is.
    pub(crate) fn path(root: &Path, generation: &str) -> PathBuf {
        root.join(FOLDER).join(format!("{generation}.log"))
    }

    /// Reads a generation's log, and hands out what each frame changes; without one there are no changes. An unfinished
    /// frame at its end is cut off, if it may be written to, and passed over in any case.
    ///
    /// # Errors
    /// [`IndexError::Io`], [`IndexError::DamagedLog`] with the place, or what `apply` fails with.
    pub(crate) fn open(
        root: &Path,
        generation: &str,
        dim: usize,
        writable: bool,
        apply: &mut dyn FnMut(Vec<Change>) -> Result<(), IndexError>,
    ) -> Result<Opened, IndexError> {
        let mut log = Self::none(root, generation, dim);
        let file = match File::options().read(true).write(writable).open(&log.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Opened { log, cut: 0 }),
            Err(error) => return Err(IndexError::io(&log.path)(error)),
        };
        let replayed = replay::replay(&log.path, &file, generation, dim, apply)?;
        let cut = replayed.length - replayed.place.end;
        log.place = replayed.place;
        if let Some(facts) = replayed.facts {
            log.facts = facts;
        }
        (log.file, log.dirty) = (Some(Arc::new(file)), cut > 0);
        if writable {
            log.cut_back()?;
        }
        if replayed.facts.is_none() {
            // Not even a header is there: the log is made anew with the next change.
            log.file = None;
        }
        Ok(Opened { log, cut })
    }

    fn none(root: &Path, generation: &str, dim: usize) -> Self {
        Self {
            path: Self::path(root, generation),
            generation: generation.to_owned(),
            dim,
            facts: Facts::new(),
            file: None,
            place: Mark { end: 0, next: 0 },
            dirty: false,
        }
    }

    /// Which frames a generation's log has; `None` without one. Looks at no content.
    ///
    /// # Errors
    /// [`IndexError::Io`] or [`IndexError::DamagedLog`].
    pub(crate) fn extent(root: &Path, generation: &str, dim: usize) -> Result<Option<Extent>, IndexError> {
        let path = Self::path(root, generation);
        match File::open(&path) {
            Ok(file) => replay::extent(&path, &file, generation, dim),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(IndexError::io(&path)(error)),
        }
    }

    /// The generations that have a log, whether they are there or not.
    ///
    /// # Errors
    /// [`IndexError::Io`].
    pub(crate) fn all(root: &Path) -> Result<Vec<String>, IndexError> {
        let of = |name: &str| name.strip_suffix(".log").filter(|id| !id.starts_with('.')).map(str::to_owned);
        Ok(files(root)?.iter().filter_map(|path| of(path.file_name()?.to_str()?)).collect())
    }

    /// Where it ends now; what is appended later lies behind.
    pub(crate) fn mark(&self) -> Mark {
        Mark { end: self.place.end.max(HEADER as u64), ..self.place }
    }

    /// Where the content of the next frame will lie.
    pub(crate) fn next_start(&self) -> u64 {
        self.mark().end + FRAME as u64
    }

    /// The file, to read stored pictures from.
    pub(crate) fn reader(&self) -> Option<Arc<File>> {
        self.file.clone()
    }

    /// Appends a frame; on the disk when it returns, at [`Log::next_start`].
    ///
    /// # Errors
    /// [`IndexError::Io`]; then nothing of it is there, and later ones can still be appended. Only if the disk refuses
    /// to take it back, too, it may be there after a restart.
    pub(crate) fn append(&mut self, content: &[u8]) -> Result<(), IndexError> {
        self.cut_back()?;
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => self.create()?,
        };
        let Mark { end, next } = self.place;
        let written = file
            .write_all_at(&frame(content, next, self.facts.salt), end)
            .and_then(|()| file.write_all_at(content, end + FRAME as u64))
            .and_then(|()| file.sync_data());
        if let Err(error) = written {
            self.dirty = true;
            // If this fails too, it is tried again before anything else is written.
            let _ = self.cut_back();
            return Err(IndexError::io(&self.path)(error));
        }
        self.place = Mark { end: end + (FRAME + content.len()) as u64, next: next + 1 };
        Ok(())
    }

    /// Makes the log of a generation that was compacted from this one's: it begins with the frames since `seen`. On the
    /// disk when it returns.
    ///
    /// # Errors
    /// [`IndexError::Io`].
    pub(crate) fn pass_on(&self, root: &Path, to: &str, seen: Mark) -> Result<(), IndexError> {
        let facts = Facts { salt: self.facts.salt, first: seen.next, taken: self.place.next };
        self.write_anew(root, to, facts, seen.end..self.place.end)
    }

    /// Puts an empty log in this one's place, once its changes amount to nothing. Whoever reads pictures from the old
    /// file still can.
    ///
    /// # Errors
    /// [`IndexError::Io`]; it is as it was then.
    pub(crate) fn renew(&mut self, root: &Path) -> Result<(), IndexError> {
        let facts = Facts { first: self.place.next, ..self.facts };
        self.write_anew(root, &self.generation, facts, 0..0)?;
        let file = File::options().read(true).write(true).open(&self.path);
        let file = file.map_err(IndexError::io(&self.path))?;
        (self.facts, self.file, self.dirty) = (facts, Some(Arc::new(file)), false);
        self.place.end = HEADER as u64;
        Ok(())
    }

    /// Removes halves of logs that were being written when a process was killed. Nobody may be writing.
    ///
    /// # Errors
    /// [`IndexError::Io`].
    pub(crate) fn tidy(root: &Path) -> Result<(), IndexError> {
        let half =
            |path: &&PathBuf| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        files(root)?
            .iter()
            .filter(half)
            .try_for_each(|path| fs::remove_file(path).map_err(IndexError::io(path)))
    }

    /// Writes a log beside and renames it into place, so that at no moment there is half of one.
    fn write_anew(
        &self,
        root: &Path,
        generation: &str,
        facts: Facts,
        frames: std::ops::Range<u64>,
    ) -> Result<(), IndexError> {
        let path = Self::path(root, generation);
        let folder = make_folder(&path)?;
        let io = |error| IndexError::io(&path)(error);
        let mut new = tempfile::NamedTempFile::new_in(&folder).map_err(io)?;
        new.write_all(&facts.header(generation, self.dim)).map_err(io)?;
        let mut at = frames.start;
        let mut bytes = vec![0; STEP];
        while let Some(file) = self.file.as_ref().filter(|_| at < frames.end) {
            let n = (frames.end - at).min(STEP as u64) as usize;
            let step = bytes.get_mut(..n).unwrap_or_default();
            file.read_exact_at(step, at).and_then(|()| new.write_all(step)).map_err(io)?;
            at += n as u64;
        }
        new.as_file().sync_all().map_err(io)?;
        new.persist(&path).map_err(|error| io(error.error))?;
        sync_folder(&folder)
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

    /// Makes the file with its header; durable, before any frame is.
    fn create(&mut self) -> Result<Arc<File>, IndexError> {
        let folder = make_folder(&self.path)?;
        let io = |error| IndexError::io(&self.path)(error);
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&self.path);
        let file = file.map_err(io)?;
        let header = self.facts.header(&self.generation, self.dim);
        file.write_all_at(&header, 0).and_then(|()| file.sync_all()).map_err(io)?;
        sync_folder(&folder)?;
        let file = Arc::new(file);
        self.file = Some(Arc::clone(&file));
        self.place = Mark { end: HEADER as u64, next: self.facts.first };
        Ok(file)
    }

    /// Takes back what a failed write may have left.
    fn cut_back(&mut self) -> Result<(), IndexError> {
        if self.dirty
            && let Some(file) = &self.file
        {
            let cut = file.set_len(self.place.end).and_then(|()| file.sync_all());
            cut.map_err(IndexError::io(&self.path))?;
            self.dirty = false;
        }
        Ok(())
    }
}

/// What lies in the folder of logs.
fn files(root: &Path) -> Result<Vec<PathBuf>, IndexError> {
    let folder = root.join(FOLDER);
    match fs::read_dir(&folder) {
        Ok(entries) => Ok(entries.flatten().map(|entry| entry.path()).collect()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(IndexError::io(&folder)(error)),
    }
}

/// The folder of a log, durable.
fn make_folder(path: &Path) -> Result<PathBuf, IndexError> {
    let folder = path.parent().unwrap_or(Path::new(".")).to_owned();
    if !folder.is_dir() {
        fs::create_dir_all(&folder).map_err(IndexError::io(&folder))?;
        if let Some(root) = folder.parent() {
            sync_folder(root)?;
        }
    }
    Ok(folder)
}

#[cfg(test)]
mod tests;
