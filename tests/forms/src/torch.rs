//! Torch's zip of a pickle and storages, as `torch.save` writes it.
//!
//! Source: `torch/serialization.py`, Python's `pickletools.py`, PKWARE's APPNOTE.

use std::{
    fs::File,
    io::{Seek, SeekFrom, Write},
    path::Path,
};

use anyhow::{Context, Result, bail};

use crate::Values;

/// A tensor as a part of a storage, which other tensors may share.
#[derive(Clone, Debug)]
pub struct View {
    /// Its name.
    pub name: String,
    /// Place of its storage among those that are written.
    pub storage: usize,
    /// Its dimensions.
    pub shape: Vec<u64>,
    /// For each dimension, elements of the storage from one index to the next.
    pub strides: Vec<u64>,
}

/// Writes a dictionary of tensors, each with a storage of its own.
///
/// # Errors
/// If it cannot be written.
pub fn write(path: &Path, tensors: &[Values]) -> Result<()> {
    let views: Vec<View> = tensors.iter().enumerate().map(|(n, tensor)| whole(n, tensor)).collect();
    write_views(path, tensors, &views, &[])
}

/// As [`write()`], with the dictionary under a key of another one, as a checkpoint of training has it.
///
/// # Errors
/// If it cannot be written.
pub fn write_checkpoint(path: &Path, tensors: &[Values]) -> Result<()> {
    let views: Vec<View> = tensors.iter().enumerate().map(|(n, tensor)| whole(n, tensor)).collect();
    write_views(path, tensors, &views, &["state_dict"])
}

/// The view that is the whole of storage `n`.
pub fn whole(n: usize, tensor: &Values) -> View {
    let mut strides = vec![1; tensor.shape.len()];
    for axis in (1..tensor.shape.len()).rev() {
        strides[axis - 1] = strides[axis] * tensor.shape[axis];
    }
    View { name: tensor.name.clone(), storage: n, shape: tensor.shape.clone(), strides }
}

/// Writes any views of storages, in dictionaries under the keys of `within`, outermost first.
///
/// # Errors
/// If it cannot be written.
pub fn write_views(path: &Path, storages: &[Values], views: &[View], within: &[&str]) -> Result<()> {
    let mut zip = Zip { file: File::create(path)?, entries: Vec::new() };
    zip.add("archive/data.pkl", &pickle(storages, views, within)?)?;
    zip.add("archive/byteorder", b"little")?;
    for (n, storage) in storages.iter().enumerate() {
        let name = format!("archive/data/{n}");
        match &storage.bytes {
            Some(bytes) => zip.add(&name, bytes)?,
            None => zip.add_hole(&name, storage.len())?,
        }
    }
    zip.add("archive/version", b"3\n")?;
    zip.finish()
}

fn pickle(storages: &[Values], views: &[View], within: &[&str]) -> Result<Vec<u8>> {
    let mut out = b"\x80\x02".to_vec();
    for key in within {
        out.push(b'}');
        text(&mut out, key);
    }
    out.extend(b"}(");
    for View { name, storage, shape, strides } in views {
        let values = storages.get(*storage).context("a view of a storage that is not there")?;
        let class = match values.dtype {
            "F64" => "Double",
            "F32" => "Float",
            "F16" => "Half",
            "BF16" => "BFloat16",
            "I64" => "Long",
            other => bail!("`{other}` is not written here"),
        };
        text(&mut out, name);
        out.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(&mut out, "storage");
        out.extend(format!("ctorch\n{class}Storage\n").bytes());
        text(&mut out, &storage.to_string());
        text(&mut out, "cpu");
        number(&mut out, values.shape.iter().product())?;
        out.extend(b"tQK\x00(");
        for &n in shape {
            number(&mut out, n)?;
        }
        out.extend(b"t(");
        for &n in strides {
            number(&mut out, n)?;
        }
        out.extend(b"t\x89ccollections\nOrderedDict\n)RtR");
    }
    out.push(b'u');
    out.extend(b"s".repeat(within.len()));
    out.push(b'.');
    Ok(out)
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.push(b'X');
    out.extend((text.len() as u32).to_le_bytes());
    out.extend(text.as_bytes());
}

/// A number of up to 63 bits, as Python writes large ones.
fn number(out: &mut Vec<u8>, n: u64) -> Result<()> {
    let n = i64::try_from(n)?;
    out.extend(b"\x8a\x08");
    out.extend(n.to_le_bytes());
    Ok(())
}

/// A zip of stored entries, zip64 where that is needed, without checksums.
struct Zip {
    file: File,
    entries: Vec<(String, u64, u64)>,
}

impl Zip {
    fn add(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.header(name, bytes.len() as u64)?;
        Ok(self.file.write_all(bytes)?)
    }

    fn add_hole(&mut self, name: &str, bytes: u64) -> Result<()> {
        self.header(name, bytes)?;
        self.file.seek(SeekFrom::Current(bytes.try_into()?))?;
        Ok(())
    }

    fn header(&mut self, name: &str, bytes: u64) -> Result<()> {
        let at = self.file.stream_position()?;
        self.file.write_all(b"PK\x03\x04")?;
        self.file.write_all(&[45, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])?;
        self.file.write_all(&[0xff; 8])?;
        self.file.write_all(&[u8::try_from(name.len())?, 0, 20, 0])?;
        self.file.write_all(name.as_bytes())?;
        self.file.write_all(&[1, 0, 16, 0])?;
        self.file.write_all(&[bytes.to_le_bytes(), bytes.to_le_bytes()].concat())?;
        self.entries.push((name.to_owned(), at, bytes));
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        let start = self.file.stream_position()?;
        let mut tail = Vec::new();
        for (name, at, bytes) in &self.entries {
            tail.extend(b"PK\x01\x02");
            tail.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            tail.extend([0xff; 8]);
            tail.extend([u8::try_from(name.len())?, 0, 28, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            tail.extend([0xff; 4]);
            tail.extend(name.as_bytes());
            tail.extend([1, 0, 24, 0]);
            for field in [bytes, bytes, at] {
                tail.extend(field.to_le_bytes());
            }
        }
        let (n, len) = (self.entries.len() as u64, tail.len() as u64);
        tail.extend(b"PK\x06\x06");
        tail.extend(44u64.to_le_bytes());
        tail.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        for field in [n, n, len, start] {
            tail.extend(field.to_le_bytes());
        }
        tail.extend(b"PK\x06\x07\0\0\0\0");
        tail.extend((start + len).to_le_bytes());
        tail.extend([1, 0, 0, 0]);
        tail.extend(b"PK\x05\x06\0\0\0\0");
        tail.extend([0xff; 12]);
        tail.extend([0, 0]);
        Ok(self.file.write_all(&tail)?)
    }
}
