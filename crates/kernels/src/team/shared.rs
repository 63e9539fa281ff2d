//! What all members of a team see of a pass: matrices and keys and values as pointers.
//!
//! Why there is unsafe code: threads write to the same matrices at once, which a slice cannot say. So they are held as
//! pointers for the time of a pass, which borrows all of them, and each piece of work touches what no other piece of the
//! same step touches: a row ([`Op::Norm`]), the columns of some tiles ([`Op::Product`]), the columns and the blocks of one
//! head of one sequence ([`Op::Attend`], [`Op::AttendAmong`]). A piece is given to one thread alone, since it is taken by an
//! atomic count. What is read was written in earlier steps, between which and this one lies a barrier; `check` has made sure
//! that all is as large as the step needs, that no step reads a matrix that it writes (but a norm its own row), and no
//! sequence a block that another one writes.
//!
//! [`Op::Norm`]: crate::Op::Norm
//! [`Op::Product`]: crate::Op::Product
//! [`Op::Attend`]: crate::Op::Attend
//! [`Op::AttendAmong`]: crate::Op::AttendAmong

#![allow(unsafe_code)]

use std::{marker::PhantomData, ops::Range};

use super::Sequences;
use crate::{attention::Head, buffers::Buffers, kv::KvMemory, lanes::LANES, ops::Span};

/// What all members see of a pass.
pub(super) struct Shared<'a> {
    pub(super) rows: usize,
    pub(super) matrices: Vec<Rows>,
    pub(super) kv: Option<Kv<'a>>,
    _borrowed: PhantomData<&'a mut Buffers>,
}

// SAFETY: it is shared only between the members of one pass, who keep to what the file's beginning says.
unsafe impl Sync for Shared<'_> {}

/// A matrix of activations.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    pub(super) first: *mut [f32; LANES],
    pub(super) columns: usize,
    pub(super) stride: usize,
}

/// Keys and values of the sequences.
pub(super) struct Kv<'a> {
    first: *mut [f32; LANES],
    /// Vectors of one layer.
    layer: usize,
    blocks: usize,
    pub(super) heads: usize,
    pub(super) head: Head,
    pub(super) spans: &'a [Span<'a>],
    /// The first row of each sequence.
    pub(super) starts: Vec<usize>,
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
                layer: kv.place(1, 0, 0),
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
    /// All rows, with what lies between them.
    ///
    /// # Safety
    /// They are so many, and nobody writes to them meanwhile.
    pub(super) unsafe fn all<'r>(self, rows: usize) -> &'r [[f32; LANES]] {
        // SAFETY: rows lie `stride` vectors apart.
        unsafe { std::slice::from_raw_parts(self.first, rows * self.stride) }
    }

    /// # Safety
    /// The row is there, and nobody writes to these columns of it meanwhile.
    pub(super) unsafe fn read<'r>(self, row: usize, columns: Range<usize>) -> &'r [f32] {
        // SAFETY: rows lie `stride` vectors apart; the columns are within one.
        unsafe {
            let start = self.first.add(row * self.stride).cast::<f32>().add(columns.start);
            std::slice::from_raw_parts(start, columns.len())
        }
    }

    /// # Safety
    /// The row is there, and nobody else touches these columns of it meanwhile.
    pub(super) unsafe fn write<'r>(self, row: usize, columns: Range<usize>) -> &'r mut [f32] {
        // SAFETY: as in `read`.
        unsafe {
            let start = self.first.add(row * self.stride).cast::<f32>().add(columns.start);
            std::slice::from_raw_parts_mut(start, columns.len())
        }
    }
}

impl Kv<'_> {
    /// # Safety
    /// The layer, the head and the block are there, and nobody writes to this head's part of the block meanwhile.
    pub(super) unsafe fn read<'r>(&self, layer: usize, block: u32, head: usize) -> &'r [[f32; LANES]] {
        // SAFETY: the part is within the memory.
        unsafe {
            std::slice::from_raw_parts(self.first.add(self.place(layer, block, head)), self.head.block())
        }
    }

    /// # Safety
    /// The layer, the head and the block are there, and nobody else touches this head's part of the block meanwhile.
    pub(super) unsafe fn write<'r>(&self, layer: usize, block: u32, head: usize) -> &'r mut [[f32; LANES]] {
        // SAFETY: as in `read`.
        unsafe {
            std::slice::from_raw_parts_mut(self.first.add(self.place(layer, block, head)), self.head.block())
        }
    }

    fn place(&self, layer: usize, block: u32, head: usize) -> usize {
        debug_assert!((block as usize) < self.blocks && head < self.heads);
        layer * self.layer + (block as usize * self.heads + head) * self.head.block()
    }
}
