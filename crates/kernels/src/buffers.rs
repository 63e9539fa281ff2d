//! Activations: one matrix of rows for each step of a network, made once and used by every pass.

use std::collections::TryReserveError;

use crate::{
    lanes::LANES,
    memory::{Lines, size, vectors},
};

/// Matrices of activations, all with the same number of rows.
pub struct Buffers {
    all: Vec<Buffer>,
    rows: usize,
}

pub(crate) struct Buffer {
    data: Lines,
    columns: usize,
    /// Vectors from one row to the next: one more than are filled, so that rows do not fall on the same cache sets.
    pub(crate) stride: usize,
}

/// Which matrix.
pub type BufferId = usize;

impl Buffers {
    /// Matrices of these widths, without rows yet.
    pub fn new(columns: &[usize]) -> Self {
        let all = columns.iter();
        let buffer = |&columns| Buffer { data: Lines::none(), columns, stride: vectors(columns) + 1 };
        Self { all: all.map(buffer).collect(), rows: 0 }
    }

    /// Makes room for this many rows. Their values are what earlier passes left, or 0 where there was no room before.
    ///
    /// # Errors
    /// If there is no memory for them; all is as before then.
    pub fn set_rows(&mut self, rows: usize) -> Result<(), TryReserveError> {
        let more = |buffer: &Buffer| {
            let bytes = size([rows, buffer.stride, size_of::<[f32; LANES]>()]);
            (buffer.data.bytes() < bytes).then(|| Lines::zeroed(bytes)).transpose()
        };
        let more: Vec<Option<Lines>> = self.all.iter().map(more).collect::<Result<_, _>>()?;
        for (buffer, more) in self.all.iter_mut().zip(more) {
            if let Some(more) = more {
                buffer.data = more;
            }
        }
        self.rows = rows;
        Ok(())
    }

    /// Rows that there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// A row's values.
    ///
    /// # Panics
    /// If there is no such matrix or row.
    pub fn row(&self, id: BufferId, row: usize) -> &[f32] {
        let buffer = &self.all[id];
        assert!(row < self.rows, "row {row} of {}", self.rows);
        let vectors: &[[f32; LANES]] = buffer.data.of();
        &vectors[row * buffer.stride..].as_flattened()[..buffer.columns]
    }

    /// A row's values, to be set.
    ///
    /// # Panics
    /// As [`Buffers::row`].
    pub fn row_mut(&mut self, id: BufferId, row: usize) -> &mut [f32] {
        let buffer = &mut self.all[id];
        assert!(row < self.rows, "row {row} of {}", self.rows);
        let vectors: &mut [[f32; LANES]] = buffer.data.of_mut();
        &mut vectors[row * buffer.stride..].as_flattened_mut()[..buffer.columns]
    }

    pub(crate) fn columns(&self, id: BufferId) -> Option<usize> {
        self.all.get(id).map(|buffer| buffer.columns)
    }

    pub(crate) fn stride(&self, id: BufferId) -> usize {
        self.all[id].stride
    }

    /// All vectors of the rows that there are, of each matrix.
    pub(crate) fn vectors(&mut self) -> impl Iterator<Item = &mut [[f32; LANES]]> {
        let rows = self.rows;
        self.all.iter_mut().map(move |buffer| &mut buffer.data.of_mut()[..rows * buffer.stride])
    }
}
