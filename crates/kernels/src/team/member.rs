//! One thread's part of a step: it takes pieces of the work until none is left.
//!
//! This is the only file of the crate with unsafe code. Threads write to the same matrices at once, which a slice cannot
//! say; so they are held as pointers for the time of a pass, and each piece of work touches what no other piece of the same
//! step touches: a row ([`Op::Norm`]), the columns of some tiles ([`Op::Product`]), the columns and the blocks
//! of one head of one sequence ([`Op::Attend`], [`Op::AttendAmong`]). A piece is given to one thread alone, since it is
//! taken by an atomic count. What is read was written in earlier steps, between which and this one lies a barrier; `check`
//! has made sure that no step reads a matrix that it writes, and no sequence a block that another one writes.

#![allow(unsafe_code)]

use std::{
    marker::PhantomData,
    ops::Range,
    sync::atomic::{AtomicUsize, Ordering},
};

use super::Sequences;
use crate::{
    Machine,
    attention::{GROUP, Head, POSITIONS, attend},
    buffers::{BufferId, Buffers},
    element::{Brain, Half},
    kv::KvMemory,
    lanes::LANES,
    machine::on,
    matrix::{Form, Matrix, PANEL, TILE},
    memory::vectors,
    ops::{Op, Span, Then},
    product,
};

/// Rows that are normalised at once.
const ROWS: usize = 4;

/// What all members see of a pass.
pub(super) struct Shared<'a> {
    rows: usize,
    matrices: Vec<Rows>,
    kv: Option<Kv<'a>>,
    _borrowed: PhantomData<&'a mut Buffers>,
}

// SAFETY: it is shared only between the members of one pass, who keep to what the file's beginning says.
unsafe impl Sync for Shared<'_> {}

#[derive(Clone, Copy)]
struct Rows {
    first: *mut [f32; LANES],
    columns: usize,
    stride: usize,
}

struct Kv<'a> {
    first: *mut [f32; LANES],
    layers: Vec<usize>,
    blocks: usize,
    heads: usize,
    head: Head,
    spans: &'a [Span<'a>],
    /// The first row of each sequence.
    starts: Vec<usize>,
}

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

/// Rows that look at each other.
struct Group {
    first: usize,
    rows: usize,
    queries: usize,
}

impl<'a> Shared<'a> {
    pub(super) fn new(buffers: &'a mut Buffers, sequences: Option<Sequences<'a>>) -> Self {
        let rows = buffers.rows();
        let shapes: Vec<(usize, usize)> =
            (0..).map_while(|id| Some((buffers.columns(id)?, buffers.stride(id)))).collect();
        let matrices = buffers.vectors().zip(shapes);
        let matrices =
            matrices.map(|(all, (columns, stride))| Rows { first: all.as_mut_ptr(), columns, stride });
        let kv = |Sequences { kv, spans }: Sequences<'a>| {
            let starts = spans.iter().scan(0, |next, span| {
                let start = *next;
                *next += span.rows;
                Some(start)
            });
            Kv {
                layers: (0..kv.layers()).map(|layer| kv.place(layer, 0, 0)).collect(),
                blocks: kv.blocks(),
                heads: kv.heads(),
                head: kv.head,
                starts: starts.collect(),
                first: KvMemory::vectors(kv).as_mut_ptr(),
                spans,
            }
        };
        Self { rows, matrices: matrices.collect(), kv: sequences.map(kv), _borrowed: PhantomData }
    }
}

impl Rows {
    /// # Safety
    /// The row is there, and nobody writes to these columns of it meanwhile.
    unsafe fn read<'r>(self, row: usize, columns: Range<usize>) -> &'r [f32] {
        // SAFETY: rows lie `stride` vectors apart; the columns are within one.
        unsafe {
            let start = self.first.add(row * self.stride).cast::<f32>().add(columns.start);
            std::slice::from_raw_parts(start, columns.len())
        }
    }

    /// # Safety
    /// The row is there, and nobody else touches these columns of it meanwhile.
    unsafe fn write<'r>(self, row: usize, columns: Range<usize>) -> &'r mut [f32] {
        // SAFETY: as in `read`.
        unsafe {
            let start = self.first.add(row * self.stride).cast::<f32>().add(columns.start);
            std::slice::from_raw_parts_mut(start, columns.len())
        }
    }
}

impl Kv<'_> {
    fn place(&self, layer: usize, block: u32, head: usize) -> usize {
        debug_assert!((block as usize) < self.blocks);
        self.layers[layer] + (block as usize * self.heads + head) * self.head.block()
    }
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
                for row in pieces(ROWS, rows).flatten() {
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
            }
            Op::Product { from, to, matrix, then } => {
                let tiles = matrix.n_tiles();
                // Enough pieces that nobody waits long for the last one, none across two panels.
                let size = (tiles.div_ceil(4 * self.members)).next_power_of_two().clamp(1, PANEL);
                for tiles in pieces(size, tiles) {
                    self.product(from, to, matrix, then, tiles);
                }
            }
            Op::Attend { from, to, layer } => {
                let Some(kv) = &self.shared.kv else { return };
                for piece in pieces(1, kv.spans.len() * kv.heads) {
                    self.attend(kv, from, to, layer, piece.start / kv.heads, piece.start % kv.heads);
                }
            }
            Op::AttendAmong { from, to, heads, rows: size, queries } => {
                for piece in pieces(1, rows / size * heads) {
                    let group = Group { first: piece.start / heads * size, rows: size, queries };
                    self.attend_among(from, to, heads, group, piece.start % heads);
                }
            }
        }
    }

    fn product(&mut self, from: BufferId, to: BufferId, matrix: &Matrix, then: Then, tiles: Range<usize>) {
        let (rows, from, to) = (self.shared.rows, self.shared.matrices[from], self.shared.matrices[to]);
        let width = tiles.len() * TILE;
        let sums = &mut self.scratch.sums;
        if sums.len() < rows * width {
            sums.resize(rows * width, 0.0);
        }
        let sums = &mut sums[..rows * width];
        // SAFETY: all rows of the matrix, which nobody writes to in this step.
        let x = unsafe { std::slice::from_raw_parts(from.first, rows * from.stride) };
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

    /// One head of one sequence: its new keys and values are written, then its new queries look at all there are.
    fn attend(&mut self, kv: &Kv<'_>, from: BufferId, to: BufferId, layer: usize, sequence: usize, n: usize) {
        let (from, to) = (self.shared.matrices[from], self.shared.matrices[to]);
        let (head, width, first) = (kv.head, kv.heads * kv.head.dim, kv.starts[sequence]);
        let Span { rows, start, blocks } = kv.spans[sequence];
        let columns = |part: usize| part * width + n * head.dim..part * width + (n + 1) * head.dim;
        for row in 0..rows {
            let (block, within) = ((start + row) / POSITIONS, (start + row) % POSITIONS);
            let place = kv.place(layer, blocks[block], n);
            // SAFETY: this head's part of a block that no other sequence has; the matrix is only read in this step.
            unsafe {
                let block = std::slice::from_raw_parts_mut(kv.first.add(place), head.block());
                head.write(
                    block,
                    within,
                    from.read(first + row, columns(1)),
                    from.read(first + row, columns(2)),
                );
            }
        }
        let block = |b: usize| {
            // SAFETY: this head's part of a block that this thread alone writes to, if anybody does.
            let all = unsafe {
                std::slice::from_raw_parts(kv.first.add(kv.place(layer, blocks[b], n)), head.block())
            };
            &all[..]
        };
        let query = |row: usize| {
            // SAFETY: the matrix is only read in this step.
            unsafe { from.read(first + row, columns(0)) }
        };
        let out = |row: usize| {
            // SAFETY: this head's columns of this sequence's rows are of this piece alone.
            unsafe { to.write(first + row, columns(0)) }
        };
        self.rows(head, rows, |row| start + row + 1, query, block, out);
    }

    /// One head of a group of rows, each of which looks at all.
    fn attend_among(
        &mut self,
        from: BufferId,
        to: BufferId,
        heads: usize,
        Group { first, rows, queries }: Group,
        n: usize,
    ) {
        let (from, to) = (self.shared.matrices[from], self.shared.matrices[to]);
        let width = to.columns;
        let head = Head { dim: width / heads };
        let columns = |part: usize| part * width + n * head.dim..part * width + (n + 1) * head.dim;
        let mut blocks = std::mem::take(&mut self.scratch.blocks);
        blocks.clear();
        blocks.resize(rows.div_ceil(POSITIONS) * head.block(), [0.0; LANES]);
        for row in 0..rows {
            let block = &mut blocks[row / POSITIONS * head.block()..][..head.block()];
            // SAFETY: the matrix is only read in this step.
            let part = |part| unsafe { from.read(first + row, columns(part)) };
            head.write(block, row % POSITIONS, part(1), part(2));
        }
        let block = |b: usize| &blocks[b * head.block()..][..head.block()];
        // SAFETY: the matrix is only read in this step.
        let query = |row: usize| unsafe { from.read(first + row, columns(0)) };
        // SAFETY: this head's columns of this group's rows are of this piece alone.
        let out = |row: usize| unsafe { to.write(first + row, columns(0)) };
        self.rows(head, queries, |_| rows, query, block, out);
        self.scratch.blocks = blocks;
    }

    /// Attention of some rows, in groups.
    fn rows<'q, 'k, 'o>(
        &mut self,
        head: Head,
        rows: usize,
        visible: impl Fn(usize) -> usize,
        query: impl Fn(usize) -> &'q [f32],
        block: impl Fn(usize) -> &'k [[f32; LANES]],
        out: impl Fn(usize) -> &'o mut [f32],
    ) {
        let (width, most) = (vectors(head.dim), visible(rows - 1).div_ceil(POSITIONS));
        let Scratch { queries, scores, mixed, .. } = &mut *self.scratch;
        queries.resize(GROUP * head.dim, 0.0);
        scores.resize(scores.len().max(GROUP * most), [0.0; LANES]);
        mixed.resize(GROUP * width, [0.0; LANES]);
        let scale = (head.dim as f32).powf(-0.5);
        let mut row = 0;
        while row < rows {
            let group = if row + GROUP <= rows { GROUP } else { 1 };
            for n in 0..group {
                let scaled = queries[n * head.dim..].iter_mut().zip(query(row + n));
                scaled.for_each(|(to, from)| *to = from * scale);
            }
            let each = |n: usize| &queries[n * head.dim..][..head.dim];
            on!(self.machine, lanes => if group == GROUP {
                let queries = [each(0), each(1), each(2), each(3)];
                let visible = [visible(row), visible(row + 1), visible(row + 2), visible(row + 3)];
                attend::<_, GROUP>(lanes, head, queries, visible, &block, scores, mixed);
            } else {
                attend::<_, 1>(lanes, head, [each(0)], [visible(row)], &block, scores, mixed);
            });
            for n in 0..group {
                out(row + n).copy_from_slice(&mixed[n * width..].as_flattened()[..head.dim]);
            }
            row += group;
        }
    }
}
