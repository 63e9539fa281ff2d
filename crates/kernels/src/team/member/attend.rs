//! A piece of attention: one head of one sequence, or of one group of rows.
//!
//! Why there is unsafe code: `shared` says; what a piece reads and writes is picked here.

#![allow(unsafe_code)]

use super::{Member, Scratch};
use crate::{
    attention::{GROUP, Head, POSITIONS, attend},
    lanes::LANES,
    machine::on,
    memory::vectors,
    ops::Span,
    team::shared::{Kv, Rows},
};

/// Rows that look at each other.
pub(super) struct Group {
    pub(super) first: usize,
    pub(super) rows: usize,
    pub(super) queries: usize,
}

impl Member<'_> {
    /// One head of one sequence: its new keys and values are written, then its new queries look at all there are.
    pub(super) fn attend(
        &mut self,
        kv: &Kv<'_>,
        from: Rows,
        to: Rows,
        layer: usize,
        sequence: usize,
        n: usize,
    ) {
        let (head, width, first) = (kv.head, kv.heads * kv.head.dim, kv.starts[sequence]);
        let Span { rows, start, blocks } = kv.spans[sequence];
        let columns = |part: usize| part * width + n * head.dim..part * width + (n + 1) * head.dim;
        for row in 0..rows {
            let (block, within) = ((start + row) / POSITIONS, (start + row) % POSITIONS);
            // SAFETY: this head's part of a block that no other sequence has; the matrix is only read in this step.
            unsafe {
                let (key, value) = (from.read(first + row, columns(1)), from.read(first + row, columns(2)));
                head.write(kv.write(layer, blocks[block], n), within, key, value);
            }
        }
        let block = |b: usize| {
            // SAFETY: this head's part of a block that this piece alone writes to, and has written.
            unsafe { kv.read(layer, blocks[b], n) }
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
    pub(super) fn attend_among(
        &mut self,
        from: Rows,
        to: Rows,
        heads: usize,
        Group { first, rows, queries }: Group,
        n: usize,
    ) {
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
