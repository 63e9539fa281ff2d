//! Tensors by name out of a folder's safetensors, whole or sharded, mapped and not copied until asked for.
//!
//! Source: the safetensors format; Hugging Face's `model.safetensors.index.json` for shards.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

use fondue_mapped::Mapped;
use safetensors::{Dtype as StoredDtype, SafeTensors};
use tch::{Kind, Tensor};

use crate::{ModelError, Placement};

/// All tensors of one model, by name.
pub struct Weights {
    files: Vec<(PathBuf, Mapped)>,
    entries: HashMap<String, Entry>,
    prefix: &'static str,
}

struct Entry {
    file: usize,
    kind: Kind,
    shape: Vec<i64>,
    bytes: Range<usize>,
}

impl Weights {
    /// Opens the safetensors of a Hugging Face folder.
    ///
    /// # Errors
    /// [`ModelError::Read`] or [`ModelError::Content`] naming the file.
    pub fn open(folder: &Path) -> Result<Self, ModelError> {
        let index = folder.join("model.safetensors.index.json");
        if !index.exists() {
            return Self::open_files(vec![folder.join("model.safetensors")]);
        }
        #[derive(serde::Deserialize)]
        struct Index {
            weight_map: HashMap<String, String>,
        }
        let text = fs::read_to_string(&index).map_err(|error| ModelError::read(&index, error))?;
        let parsed: Index =
            serde_json::from_str(&text).map_err(|error| ModelError::content(&index, error))?;
        let shards: BTreeSet<String> = parsed.weight_map.into_values().collect();
        // A shard is a file of this folder; a path that leads elsewhere is not one.
        if let Some(shard) =
            shards.iter().find(|name| Path::new(name).components().count() != 1 || name.starts_with('.'))
        {
            return Err(ModelError::content(&index, format!("shard `{shard}` is not a file name")));
        }
        Self::open_files(shards.iter().map(|name| folder.join(name)).collect())
    }

    /// Opens one safetensors file.
    ///
    /// # Errors
    /// As [`Weights::open`].
    pub fn open_file(path: &Path) -> Result<Self, ModelError> {
        Self::open_files(vec![path.to_owned()])
    }

    fn open_files(paths: Vec<PathBuf>) -> Result<Self, ModelError> {
        let mut files = Vec::with_capacity(paths.len());
        let mut entries = HashMap::new();
        for path in paths {
            let mapped = Mapped::open(&path).map_err(|error| ModelError::read(&path, error))?;
            let (header, metadata) = SafeTensors::read_metadata(mapped.bytes())
                .map_err(|error| ModelError::content(&path, error))?;
            for (name, info) in metadata.tensors() {
                let Some(kind) = kind_of(info.dtype) else { continue };
                // The header's length field (8 bytes) and the header come before the data.
                let (start, end) = (info.data_offsets.0 + header + 8, info.data_offsets.1 + header + 8);
                if end > mapped.bytes().len() {
                    return Err(ModelError::content(&path, format!("tensor `{name}` ends beyond the file")));
                }
                let shape = info.shape.iter().map(|&n| n as i64).collect();
                entries.insert(name, Entry { file: files.len(), kind, shape, bytes: start..end });
            }
            files.push((path, mapped));
        }
        Ok(Self { files, entries, prefix: "" })
    }

    /// Takes names from here on as what follows the one of `prefixes` under which `anchor` is found.
    ///
    /// # Errors
    /// [`ModelError::Content`] if it is under none.
    pub fn under(mut self, prefixes: &[&'static str], anchor: &str) -> Result<Self, ModelError> {
        let found = prefixes.iter().find(|prefix| self.entries.contains_key(&format!("{prefix}{anchor}")));
        self.prefix = found.ok_or_else(|| {
            self.fault(format!("no tensor `{anchor}`, with or without one of the prefixes {prefixes:?}"))
        })?;
        Ok(self)
    }

    /// Whether a tensor is there.
    pub fn has(&self, name: &str) -> bool {
        self.entries.contains_key(&format!("{}{name}", self.prefix))
    }

    /// The shape of a tensor, if it is there.
    pub fn shape(&self, name: &str) -> Option<&[i64]> {
        self.entries.get(&format!("{}{name}", self.prefix)).map(|entry| entry.shape.as_slice())
    }

    /// A tensor of exactly this shape, converted and moved to `placement`.
    ///
    /// # Errors
    /// [`ModelError::Content`] if it is missing or of another shape.
    pub fn tensor(&self, name: &str, shape: &[i64], placement: Placement) -> Result<Tensor, ModelError> {
        let tensor = self.any(name)?;
        if tensor.size() != shape {
            let message =
                format!("tensor `{}{name}` has shape {:?}, expected {shape:?}", self.prefix, tensor.size());
            return Err(self.fault(message));
        }
        Ok(tensor.f_to_device(placement.device)?.f_to_kind(placement.dtype.kind())?)
    }

    /// A tensor as it is stored.
    ///
    /// # Errors
    /// [`ModelError::Content`] if it is missing.
    pub fn any(&self, name: &str) -> Result<Tensor, ModelError> {
        let full = format!("{}{name}", self.prefix);
        let entry =
            self.entries.get(&full).ok_or_else(|| self.fault(format!("tensor `{full}` is missing")))?;
        let bytes = &self.files[entry.file].1.bytes()[entry.bytes.clone()];
        Ok(Tensor::f_from_data_size(bytes, &entry.shape, entry.kind)?)
    }

    /// An error about these files.
    pub fn fault(&self, reason: String) -> ModelError {
        let path = self.files.first().map(|(path, _)| path.as_path()).unwrap_or(Path::new(""));
        ModelError::content(path, reason)
    }
}

fn kind_of(dtype: StoredDtype) -> Option<Kind> {
    match dtype {
        StoredDtype::F32 => Some(Kind::Float),
        StoredDtype::F16 => Some(Kind::Half),
        StoredDtype::BF16 => Some(Kind::BFloat16),
        StoredDtype::F64 => Some(Kind::Double),
        StoredDtype::I64 => Some(Kind::Int64),
        _ => None,
    }
}
