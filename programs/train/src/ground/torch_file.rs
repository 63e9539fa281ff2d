//! A training checkpoint as `torch.save` writes it: a zip of a pickle, which builds the tensors, and of their bytes.
//!
//! Source: `torch/serialization.py`, `torch/_utils.py` (`_rebuild_tensor_v2`), Python's `pickletools.py` (protocol 2).

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use anyhow::{Result, bail};
use tch::{Kind, Tensor};
use zip::{CompressionMethod, ZipWriter, write::FileOptions};

use crate::run::checkpoint;

/// Fills a file with `{"state_dict": {name: tensor, …}}`. Of the tensors' bytes, those of one are in memory at a time.
///
/// # Errors
/// If a tensor is of a kind that checkpoints do not have, or the file takes no more.
pub(super) fn fill(file: &Path, tensors: &[(&str, &Tensor)]) -> Result<()> {
    let mut zip = ZipWriter::new(BufWriter::new(File::create(file)?));
    let stored = FileOptions::default().compression_method(CompressionMethod::Stored);
    let mut add = |name: &str, bytes: &[u8]| -> Result<()> {
        zip.start_file(format!("archive/{name}"), stored)?;
        Ok(zip.write_all(bytes)?)
    };
    add("data.pkl", &pickled(tensors)?)?;
    add("byteorder", b"little")?;
    for (n, (_, tensor)) in tensors.iter().enumerate() {
        add(&format!("data/{n}"), &checkpoint::raw(tensor)?)?;
    }
    add("version", b"3\n")?;
    Ok(zip.finish()?.flush()?)
}

/// The pickle: tensors are built of storages, which are named by numbers and lie beside it.
fn pickled(tensors: &[(&str, &Tensor)]) -> Result<Vec<u8>> {
    let mut out = b"\x80\x02}".to_vec();
    text(&mut out, "state_dict");
    out.extend(b"}(");
    for (n, (name, tensor)) in tensors.iter().enumerate() {
        let storage = match tensor.kind() {
            Kind::Float => "Float",
            Kind::Half => "Half",
            Kind::BFloat16 => "BFloat16",
            other => bail!("`{name}` is {other:?}, which a checkpoint does not hold"),
        };
        text(&mut out, name);
        out.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(&mut out, "storage");
        out.extend(format!("ctorch\n{storage}Storage\n").bytes());
        text(&mut out, &n.to_string());
        text(&mut out, "cpu");
        number(&mut out, i64::try_from(tensor.numel())?);
        out.extend(b"tQK\x00("); // the storage; from its first element on
        let shape = tensor.size();
        shape.iter().for_each(|&n| number(&mut out, n));
        out.extend(b"t(");
        (0..shape.len()).for_each(|axis| number(&mut out, shape[axis + 1..].iter().product()));
        out.extend(b"t\x89ccollections\nOrderedDict\n)RtR"); // takes no gradient, has no hooks
    }
    out.extend(b"us.");
    Ok(out)
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.push(b'X');
    out.extend((text.len() as u32).to_le_bytes());
    out.extend(text.as_bytes());
}

/// Of up to 63 bits, as Python writes large numbers.
fn number(out: &mut Vec<u8>, n: i64) {
    out.extend(b"\x8a\x08");
    out.extend(n.to_le_bytes());
}
