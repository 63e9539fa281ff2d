//! Matrices of f32 as NumPy keeps them, so that peers map the very file that ours are made from.
//!
//! Source: NumPy's format description, version 1.0.

use std::{
    fs::File,
    io::{BufWriter, Write},
    os::unix::fs::FileExt,
    path::Path,
};

use anyhow::{Context, Result, ensure};

/// Bytes before the first value, as all files written here have them.
const HEADER: usize = 128;
const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";

/// Writes a matrix row by row.
pub(crate) struct Writer(BufWriter<File>);

impl Writer {
    /// Begins a matrix of so many rows, all of which are to come.
    pub(crate) fn create(path: &Path, rows: usize, dim: usize) -> Result<Self> {
        let file = File::create(path).with_context(|| path.display().to_string())?;
        let mut writer = Self(BufWriter::with_capacity(1 << 20, file));
        writer.0.write_all(&header(rows, dim))?;
        Ok(writer)
    }

    /// Adds whole rows.
    pub(crate) fn write(&mut self, values: &[f32]) -> Result<()> {
        values.iter().try_for_each(|value| self.0.write_all(&value.to_le_bytes()))?;
        Ok(())
    }

    /// Ends it.
    pub(crate) fn finish(mut self) -> Result<()> {
        Ok(self.0.flush()?)
    }
}

/// A matrix whose rows are read where they lie.
pub(crate) struct Matrix {
    file: File,
    pub(crate) rows: usize,
    pub(crate) dim: usize,
}

impl Matrix {
    /// Opens a matrix of `dim` columns.
    ///
    /// # Errors
    /// If it is no file of [`Writer`]'s, or has not the bytes that it says.
    pub(crate) fn open(path: &Path, dim: usize) -> Result<Self> {
        let name = || path.display().to_string();
        let file = File::open(path).with_context(name)?;
        let bytes = file.metadata()?.len() as usize;
        let rows = bytes.saturating_sub(HEADER) / (dim * size_of::<f32>());
        let mut start = [0; HEADER];
        file.read_exact_at(&mut start, 0).with_context(name)?;
        let expected = HEADER + rows * dim * size_of::<f32>();
        ensure!(start == header(rows, dim)[..] && bytes == expected, "{} is no such matrix", name());
        Ok(Self { file, rows, dim })
    }

    /// Rows from `first` on: as many as find room in `out`.
    pub(crate) fn read(&self, first: usize, out: &mut [f32]) -> Result<()> {
        let mut bytes = vec![0; size_of_val(out)];
        let at = HEADER + first * self.dim * size_of::<f32>();
        self.file.read_exact_at(&mut bytes, at as u64)?;
        let values = bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        out.iter_mut().zip(values).for_each(|(out, value)| *out = value);
        Ok(())
    }

    /// All rows, each by itself.
    pub(crate) fn all(&self) -> Result<Vec<Vec<f32>>> {
        let mut values = vec![0.0; self.rows * self.dim];
        self.read(0, &mut values)?;
        Ok(values.chunks_exact(self.dim).map(<[f32]>::to_vec).collect())
    }
}

fn header(rows: usize, dim: usize) -> Vec<u8> {
    let text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {dim}), }}");
    let length = HEADER - MAGIC.len() - 2;
    let mut header = [MAGIC, &(length as u16).to_le_bytes()].concat();
    header.extend(format!("{text:<width$}\n", width = length - 1).into_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.npy");
        let mut writer = Writer::create(&path, 3, 2).unwrap();
        writer.write(&[1.0, 2.0, 3.0, 4.0]).unwrap();
        writer.write(&[5.0, -6.5]).unwrap();
        writer.finish().unwrap();
        let matrix = Matrix::open(&path, 2).unwrap();
        let mut row = [0.0; 4];
        matrix.read(1, &mut row).unwrap();
        assert_eq!((matrix.rows, row), (3, [3.0, 4.0, 5.0, -6.5]));
        assert!(matrix.read(2, &mut row).is_err());
        assert_eq!(matrix.all().unwrap()[2], [5.0, -6.5]);
        assert!(Matrix::open(&path, 3).is_err());
        // As NumPy writes it: the values begin at a multiple of 64.
        assert_eq!(header(3, 2).len(), HEADER);
        std::fs::write(&path, &std::fs::read(&path).unwrap()[..HEADER + 20]).unwrap();
        assert!(Matrix::open(&path, 2).is_err());
    }
}
