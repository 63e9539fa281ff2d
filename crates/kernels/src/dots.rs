//! Dot products of queries with many stored rows: what an exact search reads the memory for.
//!
//! A row's score is one sum: sixteen lanes run over the row, the rest of it padded with zeros, and are added up at the end.
//! The order does not depend on the other rows and queries, so that a score has the same bits alone and in company. Rows are
//! taken a few at a time, and all queries are applied to them while they are in the first cache: memory is read once.

mod group;

use std::collections::TryReserveError;

use self::group::{all, picked};
use crate::{
    Machine,
    element::{Element, Half},
    lanes::{LANES, Lanes},
    machine::on,
    memory::{Lines, vectors},
    prefetch,
};

/// A query, laid out in whole cache lines.
pub struct Query {
    dim: usize,
    lines: Lines,
}

impl Query {
    /// A query of these values.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn new(values: &[f32]) -> Result<Self, TryReserveError> {
        let mut lines = Lines::zeroed(vectors(values.len()) * size_of::<[f32; LANES]>())?;
        lines.of_mut::<f32>()[..values.len()].copy_from_slice(values);
        Ok(Self { dim: values.len(), lines })
    }

    /// Becomes a query of other values, as many as before.
    ///
    /// # Panics
    /// If they are more or fewer.
    pub fn set(&mut self, values: &[f32]) {
        self.lines.of_mut::<f32>()[..self.dim].copy_from_slice(values);
    }

    /// Its values.
    pub fn values(&self) -> &[f32] {
        &self.lines.of::<f32>()[..self.dim]
    }

    fn padded(&self) -> &[[f32; LANES]] {
        self.lines.of()
    }
}

/// Rows as they are stored, row-major `[rows, dim]`.
#[derive(Clone, Copy, Debug)]
pub enum Stored<'a> {
    /// 32-bit.
    F32(&'a [f32]),
    /// IEEE half bits of finite numbers; of others the score is no fixed number.
    F16(&'a [u16]),
    /// Whole numbers; the sum is multiplied by the row's scale.
    Int8 {
        /// `[rows, dim]`.
        codes: &'a [i8],
        /// `[rows]`.
        scales: &'a [f32],
    },
}

/// Scores of all rows for all queries: `out` becomes `[queries, rows]`.
///
/// # Panics
/// If the queries differ in length, or `out` or the scales are not as many as the rows ask for.
pub fn dots(machine: Machine, rows: Stored<'_>, queries: &[&Query], out: &mut [f32]) {
    let Some(first) = queries.first() else { return };
    assert!(queries.iter().all(|query| query.dim == first.dim), "queries of several lengths");
    let n = out.len() / queries.len();
    assert_eq!(out.len(), n * queries.len(), "scores are [queries, rows]");
    match rows {
        Stored::F32(values) => run(machine, values, queries, n, out),
        Stored::F16(bits) => run::<Half>(machine, bytemuck::cast_slice(bits), queries, n, out),
        Stored::Int8 { codes, scales } => {
            assert_eq!(scales.len(), n, "one scale a row");
            run(machine, codes, queries, n, out);
            for out in out.chunks_exact_mut(n.max(1)) {
                out.iter_mut().zip(scales).for_each(|(out, scale)| *out *= scale);
            }
        }
    }
}

/// Scores of the rows with these numbers for one query, with the bits of [`dots`]: `out[n]` is that of row `picks[n]`.
///
/// # Panics
/// If `out` is not as long as `picks`, or there is no such row.
pub fn dots_of(machine: Machine, rows: Stored<'_>, picks: &[u32], query: &Query, out: &mut [f32]) {
    assert_eq!(out.len(), picks.len(), "one score a pick");
    match rows {
        Stored::F32(values) => on!(machine, lanes => picked(lanes, values, query, picks, out)),
        Stored::F16(bits) => {
            let halves: &[Half] = bytemuck::cast_slice(bits);
            on!(machine, lanes => picked(lanes, halves, query, picks, out));
        }
        Stored::Int8 { codes, scales } => {
            on!(machine, lanes => picked(lanes, codes, query, picks, out));
            out.iter_mut().zip(picks).for_each(|(out, row)| *out *= scales[*row as usize]);
        }
    }
}

/// Asks memory for rows that will be scored soon, all at once: their times overlap. A number without a row does nothing.
pub fn will_read(rows: Stored<'_>, dim: usize, picks: &[u32]) {
    fn ask<T>(values: &[T], dim: usize, picks: &[u32]) {
        for &row in picks {
            if let Some(row) = (row as usize).checked_mul(dim).and_then(|at| values.get(at..at + dim)) {
                prefetch::all_of(row);
            }
        }
    }
    match rows {
        Stored::F32(values) => ask(values, dim, picks),
        Stored::F16(bits) => ask(bits, dim, picks),
        Stored::Int8 { codes, .. } => ask(codes, dim, picks),
    }
}

/// Reads these words and does as little else as can be, to measure what memory gives: their sum as f32 lanes.
pub fn read(machine: Machine, values: &[f32]) -> f32 {
    const AT_ONCE: usize = 8;
    on!(machine, lanes => {
        let mut sums = [lanes.zero(); AT_ONCE];
        for vectors in values.as_chunks::<LANES>().0.as_chunks::<AT_ONCE>().0 {
            prefetch::ahead_of::<{ prefetch::WEIGHTS }, _>(vectors);
            for (sum, vector) in sums.iter_mut().zip(vectors) {
                *sum = lanes.add(*sum, lanes.load(vector));
            }
        }
        let mut all = lanes.zero();
        for sum in sums {
            all = lanes.add(all, sum);
        }
        lanes.sum(all)
    })
}

fn run<E: Element>(machine: Machine, rows: &[E], queries: &[&Query], n: usize, out: &mut [f32]) {
    assert_eq!(rows.len(), n * queries[0].dim, "rows are [rows, dim]");
    if n == 0 || queries[0].dim == 0 {
        return out.fill(0.0);
    }
    on!(machine, lanes => all(lanes, rows, queries, n, out));
}

#[cfg(test)]
mod tests;
