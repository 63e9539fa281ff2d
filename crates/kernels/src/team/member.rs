//! One thread's part of a step: it takes pieces of the work until none is left.
//!
//! Why there is unsafe code: `shared` says; the pieces are made here.

#![allow(unsafe_code)]

mod attend;

use std::{
    ops::Range,
    sync::atomic::{AtomicUsize, Ordering},
};

use self::attend::Group;
use super::shared::{Rows, Shared};
use crate::{
    Machine,
    element::{Brain, Half},
    lanes::LANES,
    machine::on,
    matrix::{Form, Matrix, PANEL, TILE},
    memory::vectors,
    norm::Norm,
    ops::{Op, Then},
    product,
};

/// Rows that are normalised at once.
const ROWS: usize = 4;

/// A member's own memory.
#[derive(Default)]
pub(super) struct Scratch {
    sums: Vec<f32>,
    queries: Vec<f32>,
    scores: Vec<[f32; LANES]>,
    mixed: Vec<[f32; LANES]>,
    blocks: Vec<[f32; LANES]>,
}

pub(super) struct Member<'a> {
    shared: &'a Shared<'a>,
    machine: Machine,
    members: usize,
    scratch: &'a mut Scratch,
}

impl<'a> Member<'a> {
    pub(super) fn new(
        shared: &'a Shared<'a>,
        machine: Machine,
        members: usize,
        scratch: &'a mut Scratch,
    ) -> Self {
        Self { shared, machine, members, scratch }
    }

    /// Takes pieces of a step until none is left.
    pub(super) fn work(&mut self, op: &Op<'_>, claims: &AtomicUsize) {
        let pieces = |size: usize, of: usize| {
            std::iter::from_fn(move || {
                let start = claims.fetch_add(1, Ordering::Relaxed) * size;
                (start < of).then(|| start..(start + size).min(of))
            })
        };
        let rows = self.shared.rows;
        match *op {
            Op::Norm { from, to, norm } => {
                let (from, to) = (self.shared.matrices[from], self.shared.matrices[to]);
                pieces(ROWS, rows).flatten().for_each(|row| self.norm(from, to, norm, row));
            }
            Op::Product { from, to, matrix, then } => {
                let tiles = matrix.n_tiles();
                // Enough pieces that nobody waits long for the last one, none across two panels.
                let size = (tiles.div_ceil(4 * self.members)).next_power_of_two().clamp(1, PANEL);
                for tiles in pieces(size, tiles) {
                    let (from, to) = (self.shared.matrices[from], self.shared.matrices[to]);
                    self.product(from, to, matrix, then, tiles);
                }
            }
            Op::Attend { from, to, layer } => {
                let Some(kv) = &self.shared.kv else { return };
                for piece in pieces(1, kv.spans.len() * kv.heads) {
                    let (from, to) = (self.shared.matrices[from], self.shared.matrices[to]);
                    self.attend(kv, from, to, layer, piece.start / kv.heads, piece.start % kv.heads);
                }
            }
            Op::AttendAmong { from, to, heads, rows: size, queries } => {
                for piece in pieces(1, rows / size * heads) {
                    let (from, to) = (self.shared.matrices[from], self.shared.matrices[to]);
                    let group = Group { first: piece.start / heads * size, rows: size, queries };
                    self.attend_among(from, to, heads, group, piece.start % heads);
                }
            }
        }
    }

    fn norm(&self, from: Rows, to: Rows, norm: &Norm, row: usize) {
        let columns = 0..vectors(to.columns) * LANES;
        // SAFETY: the row is of this piece alone, the padding behind its columns too.
        unsafe {
            if from.first != to.first {
                to.write(row, columns.clone()).copy_from_slice(from.read(row, columns.clone()));
            }
            let row = to.write(row, columns).as_chunks_mut().0;
            on!(self.machine, lanes => norm.apply(lanes, row));
        }
    }

    /// All rows times some tiles.
    fn product(&mut self, from: Rows, to: Rows, matrix: &Matrix, then: Then, tiles: Range<usize>) {
        let rows = self.shared.rows;
        let width = tiles.len() * TILE;
        let sums = &mut self.scratch.sums;
        if sums.len() < rows * width {
            sums.resize(rows * width, 0.0);
        }
        let sums = &mut sums[..rows * width];
        // SAFETY: all rows of the matrix, which nobody writes to in this step.
        let x = unsafe { from.all(rows) };
        let first = tiles.start * TILE;
        let columns = first..(first + width).min(to.columns);
        macro_rules! run {
            ($element:ty) => {
                on!(self.machine, lanes => {
                    product::sums::<_, $element>(lanes, x, from.stride, matrix, tiles.clone(), sums);
                    for (row, sums) in sums.chunks_exact_mut(width).enumerate() {
                        // SAFETY: the columns of these tiles are of this piece alone.
                        let out = unsafe { to.write(row, columns.clone()) };
                        product::finish(lanes, &mut sums[..columns.len()], matrix, first, then, out);
                    }
                })
            };
        }
        match matrix.form() {
            Form::F32 => run!(f32),
            Form::F16 => run!(Half),
            Form::Bf16 => run!(Brain),
            Form::Int8 => run!(i8),
        }
    }
}
