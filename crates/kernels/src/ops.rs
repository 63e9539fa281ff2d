//! One step of a network's pass over its activations.

use crate::{buffers::BufferId, matrix::Matrix, norm::Norm};

/// A step. All members of a team work on one, and the next begins when it is done.
pub enum Op<'a> {
    /// Normalises all rows.
    Norm {
        /// Rows of the norm's width.
        from: BufferId,
        /// Rows of the same width; may be the same.
        to: BufferId,
        /// Mean, variance, weights.
        norm: &'a Norm,
    },
    /// Rows times a matrix.
    Product {
        /// Rows of the matrix's inputs.
        from: BufferId,
        /// Rows of its outputs.
        to: BufferId,
        /// Weights and bias.
        matrix: &'a Matrix,
        /// What becomes of the results.
        then: Then,
    },
    /// Causal attention of sequences over the keys and values of one layer, to which those of the new rows are added.
    Attend {
        /// Queries, keys and values side by side.
        from: BufferId,
        /// Results, a third as wide.
        to: BufferId,
        /// Which layer's memory.
        layer: usize,
    },
    /// Attention of groups of rows among themselves: the first rows of each over all of it.
    AttendAmong {
        /// Queries, keys and values side by side.
        from: BufferId,
        /// Results, a third as wide.
        to: BufferId,
        /// Heads.
        heads: usize,
        /// Rows of one group.
        rows: usize,
        /// Rows of each that get results.
        queries: usize,
    },
}

/// What becomes of a product's results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// They are written.
    Set,
    /// Those above 0 are written, and 0 for the others.
    Relu,
    /// x·Φ(x) is written, Φ being the normal distribution's.
    Gelu,
    /// x·σ(1.702x) is written.
    QuickGelu,
    /// They are added to what is there.
    Add,
}

/// New rows of one sequence, in the order of the rows.
#[derive(Clone, Copy, Debug)]
pub struct Span<'a> {
    /// New rows, ≥ 1.
    pub rows: usize,
    /// Positions before them.
    pub start: usize,
    /// The blocks of the positions 0 to start + rows.
    pub blocks: &'a [u32],
}
