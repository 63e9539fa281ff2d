//! Tensors and their files as they lie on disk.

use std::{fmt, path::PathBuf};

use tch::Kind;

/// Type of a stored tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StoredDtype {
    /// 64-bit.
    F64,
    /// 32-bit.
    F32,
    /// IEEE half.
    F16,
    /// bfloat16.
    Bf16,
    /// No weight is of such a type; safetensors' name for it.
    Other(&'static str),
}

impl StoredDtype {
    /// libtorch's name for it, if weights may be of it.
    pub(super) fn kind(self) -> Option<Kind> {
        match self {
            Self::F64 => Some(Kind::Double),
            Self::F32 => Some(Kind::Float),
            Self::F16 => Some(Kind::Half),
            Self::Bf16 => Some(Kind::BFloat16),
            Self::Other(_) => None,
        }
    }
}

impl fmt::Display for StoredDtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F64 => "f64",
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::Other(name) => name,
        })
    }
}

/// A tensor of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// As the file names it, without the `module.` of training in parallel.
    pub name: String,
    /// Type of its elements.
    pub dtype: StoredDtype,
    /// Its dimensions; none for a single number.
    pub shape: Vec<i64>,
    /// Bytes of its elements.
    pub bytes: u64,
}

impl Stored {
    /// Number of elements.
    pub fn elements(&self) -> u64 {
        elements(&self.shape)
    }
}

pub(super) fn elements(shape: &[i64]) -> u64 {
    shape.iter().fold(1, |product: u64, &n| product.saturating_mul(n.unsigned_abs()))
}

/// How tensors are kept in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileForm {
    /// The safetensors format.
    Safetensors,
    /// Torch's zip of a pickle and storages, or a pickle alone.
    Pickle,
}

impl fmt::Display for FileForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Safetensors => "safetensors",
            Self::Pickle => "pickle",
        })
    }
}

/// A file of tensors.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// How it is kept.
    pub form: FileForm,
}
