//! The files of vectors, mapped.

use std::path::Path;

use fondue_mapped::Mapped;

use crate::{
    IndexError,
    manifest::{CODES, HALVES, SCALES, VECTORS},
    rows::{Precision, Rows},
};

pub(crate) enum Vectors {
    F32(Mapped),
    F16(Mapped),
    Int8 { codes: Mapped, scales: Mapped, exact: Mapped },
}

impl Vectors {
    /// Maps what `precision` needs; reads nothing.
    pub(crate) fn open(
        folder: &Path,
        precision: Precision,
        rows: usize,
        dim: usize,
    ) -> Result<Self, IndexError> {
        let open = |name: &str, value: usize, values: usize| {
            super::exactly(folder, name, rows.saturating_mul(values).saturating_mul(value), rows)
        };
        Ok(match precision {
            Precision::F32 => Self::F32(open(VECTORS, 4, dim)?),
            Precision::F16 => Self::F16(open(HALVES, 2, dim)?),
            Precision::Int8 => Self::Int8 {
                codes: open(CODES, 1, dim)?,
                scales: open(SCALES, 4, 1)?,
                exact: open(VECTORS, 4, dim)?,
            },
        })
    }

    /// All rows.
    pub(crate) fn rows(&self, folder: &Path) -> Result<Rows<'_>, IndexError> {
        Ok(match self {
            Self::F32(values) => Rows::F32(super::slice(folder, VECTORS, values)?),
            Self::F16(bits) => Rows::F16(super::slice(folder, HALVES, bits)?),
            Self::Int8 { codes, scales, exact } => Rows::Int8 {
                codes: super::slice(folder, CODES, codes)?,
                scales: super::slice(folder, SCALES, scales)?,
                exact: super::slice(folder, VECTORS, exact)?,
            },
        })
    }

    /// Files by their names.
    pub(crate) fn files(&self) -> Vec<(&'static str, &Mapped)> {
        match self {
            Self::F32(values) => vec![(VECTORS, values)],
            Self::F16(bits) => vec![(HALVES, bits)],
            Self::Int8 { codes, scales, exact } => {
                vec![(CODES, codes), (SCALES, scales), (VECTORS, exact)]
            }
        }
    }
}
