//! Model files in the forms that they are published in, for tests: safetensors and torch's zips, whole or sharded,
//! with data or, as sparse files, of any size without it.

pub mod safetensors;
pub mod shapes;
pub mod torch;

use std::path::Path;

use anyhow::{Result, bail};
use half::{bf16, f16};
use serde_json::{Map, Value, json};

/// A tensor to write.
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    /// Its name.
    pub name: String,
    /// Type of its elements, by safetensors' name: `F32`, `F16`, `BF16`, `F64`, `I64`.
    pub dtype: &'static str,
    /// Its dimensions.
    pub shape: Vec<u64>,
    /// Its elements, little-endian; `None` is zeros that take no room on disk.
    pub bytes: Option<Vec<u8>>,
}

impl Values {
    /// A tensor of zeros.
    pub fn zeros(name: &str, dtype: &'static str, shape: &[u64]) -> Self {
        Self { name: name.to_owned(), dtype, shape: shape.to_vec(), bytes: None }
    }

    /// A tensor of f32.
    pub fn floats(name: &str, shape: &[u64], values: &[f32]) -> Self {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self { name: name.to_owned(), dtype: "F32", shape: shape.to_vec(), bytes: Some(bytes) }
    }

    /// The same under another name.
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Bytes of its elements.
    pub fn len(&self) -> u64 {
        let size = match self.dtype {
            "F64" | "I64" => 8,
            "F32" => 4,
            _ => 2,
        };
        self.shape.iter().product::<u64>() * size
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values as f32.
    ///
    /// # Errors
    /// If there is no data, or it is of another type than f32, f16 and bf16.
    pub fn to_floats(&self) -> Result<Vec<f32>> {
        let Some(bytes) = &self.bytes else { bail!("`{}` has no data", self.name) };
        let pairs = bytes.chunks_exact(2).map(|b| [b[0], b[1]]);
        Ok(match self.dtype {
            "F32" => bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
            "F16" => pairs.map(|b| f16::from_le_bytes(b).to_f32()).collect(),
            "BF16" => pairs.map(|b| bf16::from_le_bytes(b).to_f32()).collect(),
            other => bail!("`{}` is {other}", self.name),
        })
    }

    /// The same values, rounded to another type.
    ///
    /// # Errors
    /// As [`Values::to_floats`]; if the type is none of `F16`, `BF16`, `F32`, `F64`.
    pub fn rounded(&self, dtype: &'static str) -> Result<Self> {
        let floats = self.to_floats()?.into_iter();
        let bytes = match dtype {
            "F16" => floats.flat_map(|value| f16::from_f32(value).to_le_bytes()).collect(),
            "BF16" => floats.flat_map(|value| bf16::from_f32(value).to_le_bytes()).collect(),
            "F32" => floats.flat_map(f32::to_le_bytes).collect(),
            "F64" => floats.flat_map(|value| f64::from(value).to_le_bytes()).collect(),
            _ => bail!("`{dtype}` is not written here"),
        };
        Ok(Self { dtype, bytes: Some(bytes), ..self.clone() })
    }
}

/// Writes one shard after the other and the list of them: `STEM-00001-of-0000N.EXTENSION`.
///
/// # Errors
/// If a file cannot be written.
pub fn sharded(folder: &Path, stem: &str, extension: &str, shards: &[&[Values]]) -> Result<()> {
    let mut map = Map::new();
    for (n, shard) in shards.iter().enumerate() {
        let name = format!("{stem}-{:05}-of-{:05}.{extension}", n + 1, shards.len());
        match extension {
            "safetensors" => safetensors::write(&folder.join(&name), shard)?,
            _ => torch::write(&folder.join(&name), shard)?,
        }
        map.extend(shard.iter().map(|tensor| (tensor.name.clone(), Value::from(name.as_str()))));
    }
    let index = json!({"metadata": {}, "weight_map": map});
    std::fs::write(folder.join(format!("{stem}.{extension}.index.json")), index.to_string())?;
    Ok(())
}
