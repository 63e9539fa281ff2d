//! Safetensors: a header in JSON, then the tensors' bytes. The library checks that offsets, shapes and the file's
//! length agree; checked here is what it leaves open.
//!
//! Source: the safetensors format, as its README describes it.

use std::{collections::HashSet, fmt, path::Path};

use fondue_mapped::Mapped;
use safetensors::{Dtype, SafeTensors};
use serde::{
    Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};

use super::{Entry, Opened, Place, Source};
use crate::{ModelError, files::shown, weights::stored::StoredDtype};

/// The format allows 100 MB, which take gigabytes once parsed; a header has about a hundred bytes for each tensor.
const MAX_HEADER: u64 = 16 << 20;
/// Tensors here have four dimensions at most.
const MAX_RANK: usize = 8;
/// The header's length comes first.
const LENGTH: usize = 8;

pub(super) fn open(path: &Path, file: usize) -> Result<Opened, ModelError> {
    let mapped = Mapped::open(path).map_err(|error| ModelError::read(path, error))?;
    let bytes = mapped.bytes();
    let content = |reason: String| ModelError::content(path, reason);
    let text = header(bytes).map_err(content)?;
    let (header, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| {
        content(format!("{}; download or copy the file again", shown(&error.to_string())))
    })?;
    if let Some(name) = repeated(text).map_err(|error| content(shown(&error.to_string())))? {
        return Err(content(format!("the header names tensor `{}` twice", shown(&name))));
    }
    let mut tensors = Vec::new();
    for (name, info) in metadata.tensors() {
        let dims: Option<Vec<i64>> = info.shape.iter().map(|&n| n.try_into().ok()).collect();
        let Some(shape) = dims.filter(|dims| dims.len() <= MAX_RANK) else {
            return Err(content(format!("tensor `{}` has a shape that no tensor has", shown(&name))));
        };
        let (start, end) = (info.data_offsets.0 + header + LENGTH, info.data_offsets.1 + header + LENGTH);
        if start > end || end > bytes.len() {
            return Err(content(format!("tensor `{}` ends beyond the file", shown(&name))));
        }
        let (dtype, bytes) = (dtype(info.dtype), (end - start) as u64);
        tensors.push((name, Entry { file, dtype, shape, bytes, place: Place::Bytes(start..end) }));
    }
    let bytes = bytes.len() as u64;
    Ok(Opened { source: Source::Safetensors(mapped), tensors, bytes })
}

/// The header's text, if its length can be true.
fn header(file: &[u8]) -> Result<&[u8], String> {
    let Some((length, rest)) = file.split_first_chunk::<LENGTH>() else {
        return Err(format!(
            "has {} bytes, which is no safetensors file; download or copy it again",
            file.len()
        ));
    };
    let length = u64::from_le_bytes(*length);
    if length > MAX_HEADER {
        return Err(format!(
            "claims a header of {length} bytes, more than {MAX_HEADER}; this is no safetensors file, or a damaged one"
        ));
    }
    rest.get(..length as usize).ok_or_else(|| {
        format!(
            "claims a header of {length} bytes, {} follow: the file is cut off; download or copy it again",
            rest.len()
        )
    })
}

/// The first name that an object has twice: of two, the library takes the last without a word.
fn repeated(header: &[u8]) -> serde_json::Result<Option<String>> {
    struct Names;
    impl<'de> Visitor<'de> for Names {
        type Value = Option<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
            let (mut seen, mut twice) = (HashSet::new(), None);
            while let Some((name, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
                if twice.is_none() && !seen.insert(name.clone()) {
                    twice = Some(name);
                }
            }
            Ok(twice)
        }
    }
    serde_json::Deserializer::from_slice(header).deserialize_map(Names)
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
        Dtype::BOOL => StoredDtype::Other("BOOL"),
        _ => StoredDtype::Other("of 8 bits or less, or complex"),
    }
}
