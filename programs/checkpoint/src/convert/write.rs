//! Safetensors files, written tensor by tensor: the header is known before any tensor is read.
//!
//! Source: the safetensors format; Hugging Face's `*.index.json` for shards.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use anyhow::{Context, Result, bail};
use fondue_model::weights::{StoredDtype, Weights};
use fondue_terminal::interrupt::Interrupt;
use indicatif::ProgressBar;
use safetensors::{
    Dtype,
    tensor::{Metadata, TensorInfo},
};
use serde_json::{Map, Value, json};

use super::{
    dtype,
    plan::{Piece, Plan},
};
use crate::check::not_finite_in;

/// Headers end at a multiple of this, so that the tensors behind them are aligned.
const ALIGNMENT: usize = 8;

/// What is needed for writing a part.
pub(crate) struct Writing<'a> {
    pub(crate) weights: &'a Weights<'a>,
    /// Where they lie, for messages.
    pub(crate) from: &'a Path,
    pub(crate) interrupt: &'a Interrupt,
    pub(crate) bar: &'a ProgressBar,
}

impl Writing<'_> {
    /// Writes all files of a plan into a folder, and the list of them if they are several.
    pub(crate) fn all(&self, folder: &Path, plan: &Plan) -> Result<()> {
        let n = plan.shards.len();
        if let [whole] = plan.shards.as_slice() {
            return self.file(&folder.join(format!("{}.safetensors", plan.stem)), whole);
        }
        let (mut map, mut total) = (Map::new(), 0);
        for (place, shard) in plan.shards.iter().enumerate() {
            let name = format!("{}-{:05}-of-{n:05}.safetensors", plan.stem, place + 1);
            self.file(&folder.join(&name), shard)?;
            map.extend(shard.iter().map(|piece| (piece.name.clone(), Value::from(name.as_str()))));
            total += shard.iter().map(|piece| piece.bytes).sum::<u64>();
        }
        let index = json!({"metadata": {"total_size": total}, "weight_map": map});
        let path = folder.join(format!("{}.safetensors.index.json", plan.stem));
        super::configs::put(&path, serde_json::to_string_pretty(&index)?.as_bytes())
    }

    fn file(&self, path: &Path, pieces: &[Piece]) -> Result<()> {
        let writing = || format!("writing {}", path.display());
        let file = File::create_new(path).with_context(writing)?;
        let mut out = BufWriter::with_capacity(1 << 20, file);
        out.write_all(&header(pieces)?).with_context(writing)?;
        let mut converted = Vec::new();
        for piece in pieces {
            let (from, mut lost, mut bad) = (piece.found.stored.dtype, 0, 0);
            self.weights.stream(&piece.found.stored.name, piece.found.rows.as_ref(), |bytes| {
                self.interrupt.check()?;
                converted.clear();
                dtype::convert(bytes, from, piece.dtype, &mut converted);
                bad += not_finite_in(bytes, from);
                lost += not_finite_in(&converted, piece.dtype);
                out.write_all(&converted).with_context(writing)?;
                self.bar.inc(bytes.len() as u64);
                anyhow::Ok(())
            })?;
            let (name, from) = (&piece.found.stored.name, self.from.display());
            if bad > 0 {
                bail!(
                    "{from}: tensor `{name}` has {bad} values that are no finite numbers: the model is damaged"
                );
            }
            if lost > 0 {
                let dtype = piece.dtype;
                bail!(
                    "{from}: tensor `{name}` has {lost} values that are too large for {dtype}; --dtype bf16 or f32 has them"
                );
            }
        }
        let file = out.into_inner().map_err(std::io::IntoInnerError::into_error).with_context(writing)?;
        file.sync_all().with_context(writing)
    }
}

/// The header's length and the header.
fn header(pieces: &[Piece]) -> Result<Vec<u8>> {
    let mut end = 0;
    let mut tensors = Vec::with_capacity(pieces.len());
    for Piece { name, shape, dtype, bytes, .. } in pieces {
        let start = end;
        end += usize::try_from(*bytes)?;
        let info = TensorInfo { dtype: written(*dtype)?, shape: shape.clone(), data_offsets: (start, end) };
        tensors.push((name.clone(), info));
    }
    // Without this, Hugging Face's library refuses the file.
    let framework = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let mut text = serde_json::to_vec(&Metadata::new(Some(framework), tensors)?)?;
    text.resize(text.len().next_multiple_of(ALIGNMENT), b' ');
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.append(&mut text);
    Ok(bytes)
}

fn written(dtype: StoredDtype) -> Result<Dtype> {
    Ok(match dtype {
        StoredDtype::F64 => Dtype::F64,
        StoredDtype::F32 => Dtype::F32,
        StoredDtype::F16 => Dtype::F16,
        StoredDtype::Bf16 => Dtype::BF16,
        StoredDtype::Other(name) => bail!("tensors of {name} are not written"),
    })
}
