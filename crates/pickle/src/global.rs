//! The only globals a pickle may name. None is called: each says how its arguments are to be read.

use crate::{
    dtype::Dtype,
    error::{Step, Stop, shown},
};

/// What a known global stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Global {
    OrderedDict,
    /// `bytes`, which protocols 0 to 2 call without arguments for empty ones.
    Bytes,
    /// `_codecs.encode`, which protocols 0 to 2 call for all others.
    Encode,
    Ndarray,
    Dtype,
    Reconstruct,
    FromBuffer,
    Scalar,
    RebuildTensor,
    RebuildParameter,
    /// `torch.storage._load_from_bytes`, which `pickle.dump` of a tensor calls. Torch unpickles there; here the bytes
    /// are compared with the ones that torch writes.
    LoadFromBytes,
    Storage(Dtype),
}

impl Global {
    /// The global of a name.
    pub(crate) fn named(module: &[u8], name: &[u8]) -> Step<Self> {
        Ok(match (module, name) {
            (b"collections", b"OrderedDict") => Self::OrderedDict,
            (b"builtins" | b"__builtin__", b"bytes") => Self::Bytes,
            (b"_codecs", b"encode") => Self::Encode,
            (b"numpy", b"ndarray") => Self::Ndarray,
            (b"numpy", b"dtype") => Self::Dtype,
            (b"numpy.core.multiarray" | b"numpy._core.multiarray", b"_reconstruct") => Self::Reconstruct,
            (b"numpy.core.multiarray" | b"numpy._core.multiarray", b"scalar") => Self::Scalar,
            (b"numpy.core.numeric" | b"numpy._core.numeric", b"_frombuffer") => Self::FromBuffer,
            (b"torch._utils", b"_rebuild_tensor_v2") => Self::RebuildTensor,
            (b"torch._utils", b"_rebuild_parameter") => Self::RebuildParameter,
            (b"torch.storage", b"_load_from_bytes") => Self::LoadFromBytes,
            (b"torch", storage) => match Dtype::of_storage(storage) {
                Some(dtype) => Self::Storage(dtype),
                None => return Err(unknown(module, name)),
            },
            _ => return Err(unknown(module, name)),
        })
    }

    /// Its name, for messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OrderedDict => "collections.OrderedDict",
            Self::Bytes => "bytes",
            Self::Encode => "_codecs.encode",
            Self::Ndarray => "numpy.ndarray",
            Self::Dtype => "numpy.dtype",
            Self::Reconstruct => "numpy.core.multiarray._reconstruct",
            Self::FromBuffer => "numpy.core.numeric._frombuffer",
            Self::Scalar => "numpy.core.multiarray.scalar",
            Self::RebuildTensor => "torch._utils._rebuild_tensor_v2",
            Self::RebuildParameter => "torch._utils._rebuild_parameter",
            Self::LoadFromBytes => "torch.storage._load_from_bytes",
            Self::Storage(_) => "torch storage",
        }
    }
}

fn unknown(module: &[u8], name: &[u8]) -> Stop {
    Stop::Global { module: shown(module), name: shown(name) }
}
