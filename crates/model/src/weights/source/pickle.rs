//! Torch's pickles: a dictionary of tensors, or a checkpoint that keeps one beside other things.

use std::{fs, path::Path};

use fondue_pickle::{Archive, DictView, Dtype, TensorView};

use super::{Entry, Opened, Place, Source};
use crate::{ModelError, files::shown, weights::stored::StoredDtype};

/// What training in parallel puts before every name.
const PARALLEL: &str = "module.";
/// Where a checkpoint keeps its tensors beside other things.
const STATE: &str = "state_dict";
/// Tensors may share a storage, as tied ones do. Many that share one would be a small file that takes any amount of
/// memory.
const MAX_SHARED: u64 = 4;

pub(super) fn open(path: &Path, file: usize) -> Result<Opened, ModelError> {
    let archive = Archive::open(path)?;
    let length = fs::metadata(path).map_err(|error| ModelError::read(path, error))?.len();
    let state = state(&archive).ok_or_else(|| ModelError::content(path, "holds no dictionary of tensors"))?;
    let (mut tensors, mut total) = (Vec::new(), 0u64);
    for (key, value) in state.iter() {
        let (Some(key), Some(tensor)) = (key.as_str(), value.as_tensor()) else { continue };
        let bytes = (tensor.len() as u64).saturating_mul(tensor.dtype.size() as u64);
        let place = if bytes > tensor.bytes.len() as u64 {
            Place::Expanded
        } else {
            total = total.saturating_add(bytes);
            Place::Key(key.to_owned())
        };
        let dims: Option<Vec<i64>> = tensor.shape.iter().map(|&n| n.try_into().ok()).collect();
        let shape = dims.ok_or_else(|| {
            ModelError::content(path, format!("tensor `{}` has a shape that no tensor has", shown(key)))
        })?;
        let name = key.strip_prefix(PARALLEL).unwrap_or(key).to_owned();
        tensors.push((name, Entry { file, dtype: dtype(tensor.dtype), shape, bytes, place }));
    }
    if total > length.saturating_mul(MAX_SHARED) {
        let reason = format!(
            "its tensors share bytes: {total} in a file of {length}. Save it again with a .clone() of each tensor"
        );
        return Err(ModelError::content(path, reason));
    }
    Ok(Opened { source: Source::Pickle(Box::new(archive)), tensors, bytes: length })
}

/// A tensor by its name in the pickle.
pub(super) fn tensor<'a>(archive: &'a Archive, key: &str) -> Option<TensorView<'a>> {
    state(archive)?.get(key)?.as_tensor()
}

/// The tensors of a pickle: the checkpoint's own, or the whole dictionary.
fn state(archive: &Archive) -> Option<DictView<'_>> {
    let root = archive.root();
    root.get(STATE).and_then(|state| state.as_dict()).or_else(|| root.as_dict())
}

fn dtype(dtype: Dtype) -> StoredDtype {
    match dtype {
        Dtype::F64 => StoredDtype::F64,
        Dtype::F32 => StoredDtype::F32,
        Dtype::F16 => StoredDtype::F16,
        Dtype::BF16 => StoredDtype::Bf16,
        Dtype::I64 => StoredDtype::Other("I64"),
        Dtype::I32 => StoredDtype::Other("I32"),
        Dtype::I16 => StoredDtype::Other("I16"),
        Dtype::I8 => StoredDtype::Other("I8"),
        Dtype::U64 => StoredDtype::Other("U64"),
        Dtype::U32 => StoredDtype::Other("U32"),
        Dtype::U16 => StoredDtype::Other("U16"),
        Dtype::U8 => StoredDtype::Other("U8"),
        Dtype::Bool => StoredDtype::Other("BOOL"),
    }
}
