//! Safetensors: a header in JSON, then the tensors' bytes.

use std::{
    fs::{self, File},
    io::{Seek, SeekFrom, Write},
    path::Path,
};

use anyhow::{Context, Result};
use safetensors::SafeTensors;
use serde_json::{Map, Value, json};

use crate::Values;

/// Writes a file; tensors without data are holes in it.
///
/// # Errors
/// If it cannot be written.
pub fn write(path: &Path, tensors: &[Values]) -> Result<()> {
    let (mut header, mut end) = (Map::new(), 0);
    header.insert("__metadata__".to_owned(), json!({"format": "pt"}));
    for tensor in tensors {
        let start = end;
        end += tensor.len();
        let info = json!({"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [start, end]});
        header.insert(tensor.name.clone(), info);
    }
    let header = Value::Object(header).to_string();
    let mut file = File::create(path)?;
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(header.as_bytes())?;
    for tensor in tensors {
        match &tensor.bytes {
            Some(bytes) => file.write_all(bytes)?,
            None => drop(file.seek(SeekFrom::Current(tensor.len().try_into()?))?),
        }
    }
    file.set_len(8 + header.len() as u64 + end)?;
    Ok(())
}

/// Reads all tensors of a file of f32, sorted by name.
///
/// # Errors
/// If it is not one.
pub fn read(path: &Path) -> Result<Vec<Values>> {
    let bytes = fs::read(path).with_context(|| path.display().to_string())?;
    let all = SafeTensors::deserialize(&bytes)?;
    let mut tensors = Vec::new();
    for (name, view) in all.tensors() {
        let shape = view.shape().iter().map(|&n| n as u64).collect();
        let dtype = match view.dtype() {
            safetensors::Dtype::BF16 => "BF16",
            safetensors::Dtype::F16 => "F16",
            safetensors::Dtype::F64 => "F64",
            _ => "F32",
        };
        tensors.push(Values { name, dtype, shape, bytes: Some(view.data().to_vec()) });
    }
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(tensors)
}
