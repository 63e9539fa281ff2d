//! The files of vectors, in the precision that was asked for.

use std::path::{Path, PathBuf};

use half::f16;

use super::HashedFile;
use crate::{
    IndexError,
    manifest::{CODES, HALVES, SCALES, Stored, VECTORS},
    rows::{Precision, Rows, quantize},
};

pub(super) struct VectorsFile {
    folder: PathBuf,
    form: Form,
    /// Room for one row.
    values: Vec<f32>,
    bits: Vec<u16>,
    codes: Vec<i8>,
}

enum Form {
    F32(HashedFile),
    F16(HashedFile),
    Int8(Box<[HashedFile; 3]>), // codes, scales, exact
}

impl VectorsFile {
    pub(super) fn create(folder: &Path, precision: Precision) -> Result<Self, IndexError> {
        let create = |name| HashedFile::create(folder, name);
        let form = match precision {
            Precision::F32 => Form::F32(create(VECTORS)?),
            Precision::F16 => Form::F16(create(HALVES)?),
            Precision::Int8 => Form::Int8(Box::new([create(CODES)?, create(SCALES)?, create(VECTORS)?])),
        };
        let (values, bits, codes) = Default::default();
        Ok(Self { folder: folder.to_owned(), form, values, bits, codes })
    }

    pub(super) fn precision(&self) -> Precision {
        match self.form {
            Form::F32(_) => Precision::F32,
            Form::F16(_) => Precision::F16,
            Form::Int8(_) => Precision::Int8,
        }
    }

    /// Removes what was written.
    pub(super) fn discard(&self) -> Result<(), IndexError> {
        let names: &[&str] = match self.form {
            Form::F32(_) => &[VECTORS],
            Form::F16(_) => &[HALVES],
            Form::Int8(_) => &[CODES, SCALES, VECTORS],
        };
        for name in names {
            let path = self.folder.join(name);
            std::fs::remove_file(&path).map_err(IndexError::io(&path))?;
        }
        Ok(())
    }

    pub(super) fn add(&mut self, values: &[f32]) -> Result<(), IndexError> {
        match &mut self.form {
            Form::F32(file) => file.write(bytemuck::cast_slice(values)),
            Form::F16(file) => {
                self.bits.clear();
                self.bits.extend(values.iter().map(|&value| f16::from_f32(value).to_bits()));
                file.write(bytemuck::cast_slice(&self.bits))
            }
            Form::Int8(files) => {
                let [codes, scales, exact] = files.as_mut();
                let scale = quantize(values, &mut self.codes);
                codes.write(bytemuck::cast_slice(&self.codes))?;
                scales.write(&scale.to_le_bytes())?;
                exact.write(bytemuck::cast_slice(values))
            }
        }
    }

    /// Adds a row of others. In the same precision the bits stay: halves become the same halves again, and codes come
    /// from the whole values as they did before. `Err(None)` if there is no such row.
    pub(super) fn copy(&mut self, rows: Rows<'_>, row: usize, dim: usize) -> Result<(), Option<IndexError>> {
        let mut values = std::mem::take(&mut self.values);
        values.resize(dim, 0.0);
        let there = rows.read(row, &mut values);
        let done = if there { self.add(&values).map_err(Some) } else { Err(None) };
        self.values = values;
        done
    }

    pub(super) fn finish(self) -> Result<Vec<(String, Stored)>, IndexError> {
        let files = match self.form {
            Form::F32(file) | Form::F16(file) => vec![file],
            Form::Int8(files) => Vec::from(*files),
        };
        files.into_iter().map(HashedFile::finish).collect()
    }
}

#[cfg(test)]
mod tests;
