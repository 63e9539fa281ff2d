//! One file of tensors: what it holds, and reading one.

mod pickle;
mod safetensors;

use std::{borrow::Cow, ops::Range, path::Path};

use fondue_mapped::Mapped;
use fondue_pickle::Archive;

use super::stored::{FileForm, Stored, StoredDtype};
use crate::ModelError;

/// A file of tensors, mapped.
pub(super) enum Source {
    Safetensors(Mapped),
    Pickle(Box<Archive>),
}

/// A tensor of a file.
pub(super) struct Entry {
    /// Which file.
    pub(super) file: usize,
    pub(super) dtype: StoredDtype,
    pub(super) shape: Vec<i64>,
    /// Bytes of its elements.
    pub(super) bytes: u64,
    pub(super) place: Place,
}

/// Where a tensor's elements are.
pub(super) enum Place {
    /// Its bytes in the file.
    Bytes(Range<usize>),
    /// Its name in the pickle.
    Key(String),
    /// Nowhere: it stands for more elements than its storage has.
    Expanded,
}

/// What a file holds, and how long it is.
pub(super) struct Opened {
    pub(super) source: Source,
    pub(super) tensors: Vec<(String, Entry)>,
    pub(super) bytes: u64,
}

impl Entry {
    pub(super) fn stored(&self, name: &str) -> Stored {
        Stored { name: name.to_owned(), dtype: self.dtype, shape: self.shape.clone(), bytes: self.bytes }
    }
}

impl Source {
    /// Opens a file by the kind that its name tells; lists its tensors.
    pub(super) fn open(path: &Path, file: usize) -> Result<Opened, ModelError> {
        if path.extension().is_some_and(|extension| extension == "safetensors") {
            safetensors::open(path, file)
        } else {
            pickle::open(path, file)
        }
    }

    pub(super) fn form(&self) -> FileForm {
        match self {
            Self::Safetensors(_) => FileForm::Safetensors,
            Self::Pickle(_) => FileForm::Pickle,
        }
    }

    /// A tensor's bytes, row-major and little-endian; copied only if they do not lie so.
    pub(super) fn bytes<'a>(&'a self, path: &Path, entry: &Entry) -> Result<Cow<'a, [u8]>, ModelError> {
        let found = match (self, &entry.place) {
            (Self::Safetensors(mapped), Place::Bytes(range)) => {
                mapped.bytes().get(range.clone()).map(Cow::Borrowed)
            }
            (Self::Pickle(archive), Place::Key(key)) => {
                pickle::tensor(archive, key).and_then(|tensor| tensor.contiguous())
            }
            _ => None,
        };
        found.filter(|bytes| bytes.len() as u64 == entry.bytes).ok_or_else(|| {
            let name = if let Place::Key(key) = &entry.place { key } else { "" };
            ModelError::content(path, format!("the elements of tensor `{name}` cannot be read"))
        })
    }

    /// Tells the system that a tensor was read, so that the map's pages need not stay in memory; `bytes` are a part of
    /// it, or all.
    pub(super) fn release(&self, entry: &Entry, bytes: &[u8]) {
        match (self, &entry.place) {
            (Self::Safetensors(mapped), Place::Bytes(range)) => {
                let start = bytes.as_ptr().addr().wrapping_sub(mapped.bytes().as_ptr().addr());
                if range.contains(&start) {
                    mapped.release(start..start + bytes.len());
                }
            }
            (Self::Pickle(archive), Place::Key(key)) => {
                archive.release(bytes);
                // What was copied because it lies in another order.
                if let Some(tensor) = pickle::tensor(archive, key).filter(|tensor| !tensor.is_contiguous()) {
                    archive.release(tensor.bytes);
                }
            }
            _ => {}
        }
    }
}
