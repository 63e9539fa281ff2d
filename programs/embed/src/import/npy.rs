//! NumPy's `.npy`: an array of rows, mapped. Arrays of objects are pickles inside, and are refused.
//!
//! Source: NumPy's documentation, "NEP 1 — a simple file format for NumPy arrays", versions 1.0 to 3.0.

mod header;

use std::path::{Path, PathBuf};

use fondue_mapped::Mapped;
use fondue_pickle::Dtype;
use half::f16;

use self::header::Header;
use super::table::Facts;

/// A file that is no array of rows.
#[derive(Debug, thiserror::Error)]
#[error("{}: {fault}", path.display())]
pub struct NpyError {
    /// Which file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: NpyFault,
}

/// What is wrong with an array.
#[derive(Debug, thiserror::Error)]
pub enum NpyFault {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// It does not begin as an `.npy` file does.
    #[error("it is no .npy file")]
    NotNpy,
    /// Of a version that nobody knows.
    #[error("it is of version {0}.{1}; 1.0 to 3.0 are read")]
    Version(u8, u8),
    /// Its header says nothing that can be understood.
    #[error("its header cannot be read: {0}")]
    Header(&'static str),
    /// Objects, which only running a pickle would bring back.
    #[error(
        "it holds Python objects, which are never loaded; save numbers: `np.save(file, array.astype(np.float32))`"
    )]
    Objects,
    /// Not one of the types of numbers that are read.
    #[error(
        "its numbers are of type `{0}`; <f2, <f4 and <f8 are read: `np.save(file, array.astype(np.float32))`"
    )]
    Dtype(String),
    /// Columns lie one after the other.
    #[error("its columns lie one after the other; `np.save(file, np.ascontiguousarray(array))` stores rows")]
    Fortran,
    /// Of another number of dimensions.
    #[error("its shape is {0:?}; expected (rows, values)")]
    Shape(Vec<u64>),
    /// Cut, or longer than it says.
    #[error("it has {got} bytes, its header tells of {expected}")]
    Length {
        /// Bytes that are there.
        got: u64,
        /// Bytes that should be.
        expected: u64,
    },
}

/// An array of rows.
pub(super) struct NpyFile {
    path: PathBuf,
    mapped: Mapped,
    /// Where the numbers begin.
    start: usize,
    dtype: Dtype,
    n_rows: usize,
    dim: usize,
}

impl NpyFile {
    pub(super) fn open(path: &Path) -> Result<Self, NpyError> {
        Self::read(path).map_err(|fault| NpyError { path: path.to_owned(), fault })
    }

    fn read(path: &Path) -> Result<Self, NpyFault> {
        let mapped = Mapped::open(path)?;
        let bytes = mapped.bytes();
        let (Header { descr, fortran, shape }, start) = header::read(bytes)?;
        let dtype = match descr.as_str() {
            "<f2" => Dtype::F16,
            "<f4" => Dtype::F32,
            "<f8" => Dtype::F64,
            other if other.contains('O') => return Err(NpyFault::Objects),
            _ => return Err(NpyFault::Dtype(descr)),
        };
        let &[n_rows, dim] = &shape[..] else { return Err(NpyFault::Shape(shape)) };
        if fortran && n_rows > 1 && dim > 1 {
            return Err(NpyFault::Fortran);
        }
        let numbers = n_rows.checked_mul(dim).and_then(|n| n.checked_mul(dtype.size() as u64));
        let expected = numbers.and_then(|numbers| numbers.checked_add(start as u64));
        let (got, expected) = (bytes.len() as u64, expected.unwrap_or(u64::MAX));
        if got != expected {
            return Err(NpyFault::Length { got, expected });
        }
        // Both are bounded by the file's length, but for an array without numbers.
        let too_many = |_| NpyFault::Shape(shape.clone());
        let (n_rows, dim) = (n_rows.try_into().map_err(too_many)?, dim.try_into().map_err(too_many)?);
        Ok(Self { path: path.to_owned(), start, dtype, n_rows, dim, mapped })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn n_rows(&self) -> usize {
        self.n_rows
    }

    pub(super) fn facts(&self) -> Facts {
        Facts {
            path: self.path.clone(),
            n_rows: if self.dim == 0 { 0 } else { self.n_rows },
            dim: (self.n_rows > 0 && self.dim > 0).then_some(self.dim),
            dtypes: vec![self.dtype],
            n_parts: 1,
        }
    }

    /// The numbers of a row.
    pub(super) fn row(&self, row: usize) -> Option<Vec<f32>> {
        /// Rows' bytes after which the file's pages are given back: they count as this process's memory.
        const RELEASE: usize = 16 << 20;
        let length = self.dim.checked_mul(self.dtype.size())?;
        let start = row.checked_mul(length)?.checked_add(self.start)?;
        let bytes = self.mapped.bytes().get(start..start.checked_add(length)?)?;
        let values = match self.dtype {
            Dtype::F16 => numbers(bytes, |bytes| f16::from_le_bytes(bytes).to_f32()),
            Dtype::F64 => numbers(bytes, |bytes| f64::from_le_bytes(bytes) as f32),
            _ => numbers(bytes, f32::from_le_bytes),
        };
        if start / RELEASE != (start + length) / RELEASE {
            self.mapped.release(start.saturating_sub(RELEASE)..start);
        }
        Some(values)
    }
}

fn numbers<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks::<N>().0.iter().map(|&bytes| number(bytes)).collect()
}
