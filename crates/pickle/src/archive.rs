//! A file, opened: what form it has, and its root.

use std::{
    ops::Range,
    path::{Path, PathBuf},
};

use fondue_mapped::Mapped;

use crate::{
    View,
    arena::Arena,
    depth,
    error::{Foreign, PickleError, Stop},
    freeze::freeze,
    keys::{Entry, Keys},
    machine,
    node::{Id, Span},
    zip,
};

/// A pickle that was read whole: every value in it is known to hold together.
pub struct Archive {
    pub(crate) source: Source,
    pub(crate) arena: Arena,
    pub(crate) keys: Keys,
    pub(crate) entries: Vec<Entry>,
    path: PathBuf,
    form: Form,
    root: Id,
}

/// How a pickle is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Torch's zip of a pickle and storages.
    Torch,
    /// A pickle alone.
    Plain,
}

/// Where the bytes are.
pub(crate) enum Source {
    Mapped(Mapped),
    Owned(Vec<u8>),
}

impl Source {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Mapped(mapped) => mapped.bytes(),
            Self::Owned(bytes) => bytes,
        }
    }

    fn release(&self, range: Range<usize>) {
        if let Self::Mapped(mapped) = self {
            mapped.release(range);
        }
    }
}

impl Archive {
    /// Maps and reads a file. The file must not be changed or cut while the archive lives.
    ///
    /// # Errors
    /// [`PickleError`], naming the file and the byte.
    pub fn open(path: &Path) -> Result<Self, PickleError> {
        let mapped =
            Mapped::open(path).map_err(|source| PickleError::Io { path: path.to_owned(), source })?;
        Self::read(path, Source::Mapped(mapped))
    }

    /// Reads bytes as if they were the file `path`, which errors name.
    ///
    /// # Errors
    /// As [`Archive::open`], without those of the system.
    pub fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self, PickleError> {
        Self::read(path, Source::Owned(bytes))
    }

    fn read(path: &Path, source: Source) -> Result<Self, PickleError> {
        let file = source.bytes();
        if let Some(format) = foreign(file) {
            return Err(PickleError::Format { path: path.to_owned(), format });
        }
        let n_file = file.len() as u64;
        let passed = |range| source.release(range);
        let (form, read, end) = if zip::is_zip(file) {
            let checkpoint = zip::checkpoint(file).map_err(|fault| fault.at(path))?;
            let Span { start, len } = checkpoint.pickle;
            let (start, end) = (start as usize, (start + len) as usize);
            let read = machine::read(&file[..end], start, n_file, passed, Some(&checkpoint.storages));
            (Form::Torch, read, end)
        } else {
            (Form::Plain, machine::read(file, 0, n_file, passed, None), file.len())
        };
        let (mut arena, root) = read.map_err(|(stop, offset)| stop.at(path, offset))?;
        let whole = |stop: Stop| stop.at(path, end);
        let (keys, entries) = freeze(&mut arena, file).map_err(whole)?;
        depth::check(&arena, root).map_err(whole)?;
        Ok(Self { source, arena, keys, entries, path: path.to_owned(), form, root })
    }

    /// The value that was pickled.
    pub fn root(&self) -> View<'_> {
        View::new(self, self.root)
    }

    /// How it is kept.
    pub fn form(&self) -> Form {
        self.form
    }

    /// The file, as it was named.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Tells the system that these bytes, a part of the file that a view gave, will not be needed soon: they leave
    /// this process's memory, and come from the file again if they are read after all.
    pub fn release(&self, bytes: &[u8]) {
        let (file, part) = (self.source.bytes().as_ptr_range(), bytes.as_ptr_range());
        if file.start <= part.start && part.end <= file.end {
            let start = part.start.addr() - file.start.addr();
            self.source.release(start..start + bytes.len());
        }
    }

    /// As [`Archive::release`], for the whole file: call it now and then in a walk over many small values, whose
    /// pages would add up to the file's size.
    pub fn release_all(&self) {
        self.release(self.source.bytes());
    }

    pub(crate) fn bytes(&self, span: Span) -> &[u8] {
        self.arena.bytes(self.source.bytes(), span)
    }
}

/// Formats that are neither a zip nor a readable pickle, by their first bytes.
fn foreign(file: &[u8]) -> Option<Foreign> {
    /// The integer 0x1950a86a20f9469cfc6c that torch wrote as a pickle of its own before all others.
    const LEGACY: &[u8] = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    let after_protocol = file.get(2..).unwrap_or_default();
    match file {
        [] => Some(Foreign::Empty),
        [0x1f, 0x8b, ..] => Some(Foreign::Gzip),
        [0x80, ..] if after_protocol.starts_with(LEGACY) => Some(Foreign::LegacyTorch),
        _ if file.get(257..262) == Some(b"ustar") => Some(Foreign::Tar),
        _ => None,
    }
}
