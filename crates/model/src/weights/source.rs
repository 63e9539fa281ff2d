//! One file of tensors: what it holds, and reading one.

use std::{ops::Range, path::Path};

use fondue_mapped::Mapped;
use fondue_pickle::{Archive, DictView, Dtype as PickledDtype};
use safetensors::{Dtype as StoredDtype, SafeTensors};
use tch::{Kind, Tensor};

use crate::ModelError;

/// A file of tensors.
pub(super) enum Source {
    Safetensors(Mapped),
    Pickle(Box<Archive>),
}

/// A tensor of a file.
pub(super) struct Entry {
    /// Which file.
    pub(super) file: usize,
    pub(super) shape: Vec<i64>,
    /// Bytes of its elements.
    pub(super) bytes: usize,
    place: Place,
}

enum Place {
    /// Its bytes in the file.
    Bytes(Kind, Range<usize>),
    /// Its name in the pickle.
    Key(String),
}

/// What training in parallel puts before every name.
const PARALLEL: &str = "module.";
/// Where a checkpoint keeps its tensors beside other things.
const STATE: &str = "state_dict";

impl Source {
    /// Opens a file by the kind that its name tells; lists its tensors.
    pub(super) fn open(path: &Path, file: usize) -> Result<(Self, Vec<(String, Entry)>), ModelError> {
        if path.extension().is_some_and(|extension| extension == "safetensors") {
            safetensors(path, file)
        } else {
            pickle(path, file)
        }
    }

    /// Reads a tensor as it is stored.
    pub(super) fn read(&self, path: &Path, entry: &Entry) -> Result<Tensor, ModelError> {
        match (self, &entry.place) {
            (Self::Safetensors(mapped), Place::Bytes(kind, range)) => {
                let tensor = Tensor::f_from_data_size(&mapped.bytes()[range.clone()], &entry.shape, *kind)?;
                // It is in memory now; the map's pages need not be.
                mapped.release(range.clone());
                Ok(tensor)
            }
            (Self::Pickle(archive), Place::Key(key)) => {
                let broken = || ModelError::content(path, format!("tensor `{key}` cannot be read"));
                let tensor = state(archive)
                    .and_then(|state| state.get(key.as_str()))
                    .and_then(|view| view.as_tensor());
                let tensor = tensor.ok_or_else(broken)?;
                let kind = pickled_kind(tensor.dtype).ok_or_else(broken)?;
                let bytes = tensor.contiguous().ok_or_else(broken)?;
                let read = Tensor::f_from_data_size(&bytes, &entry.shape, kind)?;
                archive.release(tensor.bytes);
                Ok(read)
            }
            _ => Err(ModelError::content(path, "was opened as another kind of file")),
        }
    }
}

fn safetensors(path: &Path, file: usize) -> Result<(Source, Vec<(String, Entry)>), ModelError> {
    let mapped = Mapped::open(path).map_err(|error| ModelError::read(path, error))?;
    let content = |error: safetensors::SafeTensorError| ModelError::content(path, error);
    let (header, metadata) = SafeTensors::read_metadata(mapped.bytes()).map_err(content)?;
    let mut entries = Vec::new();
    for (name, info) in metadata.tensors() {
        let Some(kind) = stored_kind(info.dtype) else { continue };
        // The header's length field (8 bytes) and the header come before the data.
        let (start, end) = (info.data_offsets.0 + header + 8, info.data_offsets.1 + header + 8);
        if start > end || end > mapped.bytes().len() {
            return Err(ModelError::content(path, format!("tensor `{name}` ends beyond the file")));
        }
        let shape = info.shape.iter().map(|&n| n as i64).collect();
        entries
            .push((name, Entry { file, shape, bytes: end - start, place: Place::Bytes(kind, start..end) }));
    }
    Ok((Source::Safetensors(mapped), entries))
}

fn pickle(path: &Path, file: usize) -> Result<(Source, Vec<(String, Entry)>), ModelError> {
    let archive = Archive::open(path)?;
    let mut entries = Vec::new();
    let state = state(&archive).ok_or_else(|| ModelError::content(path, "holds no dictionary of tensors"))?;
    for (key, value) in state.iter() {
        let (Some(key), Some(tensor)) = (key.as_str(), value.as_tensor()) else { continue };
        if pickled_kind(tensor.dtype).is_none() {
            continue;
        }
        let bytes = tensor.len().saturating_mul(tensor.dtype.size());
        let shape = tensor.shape.iter().map(|&n| n as i64).collect();
        let name = key.strip_prefix(PARALLEL).unwrap_or(key).to_owned();
        entries.push((name, Entry { file, shape, bytes, place: Place::Key(key.to_owned()) }));
    }
    Ok((Source::Pickle(Box::new(archive)), entries))
}

/// The tensors of a pickle: the checkpoint's own, or the whole dictionary.
fn state(archive: &Archive) -> Option<DictView<'_>> {
    let root = archive.root();
    root.get(STATE).and_then(|state| state.as_dict()).or_else(|| root.as_dict())
}

fn stored_kind(dtype: StoredDtype) -> Option<Kind> {
    match dtype {
        StoredDtype::F32 => Some(Kind::Float),
        StoredDtype::F16 => Some(Kind::Half),
        StoredDtype::BF16 => Some(Kind::BFloat16),
        StoredDtype::F64 => Some(Kind::Double),
        StoredDtype::I64 => Some(Kind::Int64),
        _ => None,
    }
}

fn pickled_kind(dtype: PickledDtype) -> Option<Kind> {
    match dtype {
        PickledDtype::F32 => Some(Kind::Float),
        PickledDtype::F16 => Some(Kind::Half),
        PickledDtype::BF16 => Some(Kind::BFloat16),
        PickledDtype::F64 => Some(Kind::Double),
        PickledDtype::I64 => Some(Kind::Int64),
        _ => None,
    }
}
