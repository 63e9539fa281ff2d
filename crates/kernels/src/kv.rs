//! Keys and values of all layers in blocks of positions, allocated once.

use std::collections::TryReserveError;

use crate::{
    attention::{Head, POSITIONS},
    lanes::LANES,
    memory::{Lines, size, vectors},
};

/// Memory for keys and values.
pub struct KvMemory {
    data: Lines,
    layers: usize,
    blocks: usize,
    heads: usize,
    pub(crate) head: Head,
}

impl KvMemory {
    /// Bytes of one block over all layers; the largest number where they are more.
    pub fn block_bytes(layers: usize, heads: usize, head_dim: usize) -> usize {
        size([layers, heads, Head { dim: head_dim }.block(), size_of::<[f32; LANES]>()])
    }

    /// Zeroed memory; the system gives it as it is first written.
    ///
    /// # Errors
    /// If there is no room for it.
    pub fn new(layers: usize, blocks: usize, heads: usize, head_dim: usize) -> Result<Self, TryReserveError> {
        let bytes = size([Self::block_bytes(layers, heads, head_dim), blocks]);
        Ok(Self { data: Lines::zeroed(bytes)?, layers, blocks, heads, head: Head { dim: head_dim } })
    }

    /// Blocks in it.
    pub fn blocks(&self) -> usize {
        self.blocks
    }

    /// Copies a block's first positions to another block.
    ///
    /// # Panics
    /// If there is no such block.
    pub fn copy(&mut self, from: usize, to: usize, positions: usize) {
        assert!(from < self.blocks && to < self.blocks, "a block of another memory");
        let head = self.head;
        let positions = positions.min(POSITIONS);
        for layer in 0..self.layers {
            for n in 0..self.heads {
                let (from, to) = (self.place(layer, from, n), self.place(layer, to, n));
                let all: &mut [[f32; LANES]] = self.data.of_mut();
                for d in 0..head.dim {
                    let key = all[from + d];
                    all[to + d][..positions].copy_from_slice(&key[..positions]);
                }
                let values = positions * vectors(head.dim);
                all.copy_within(from + head.dim..from + head.dim + values, to + head.dim);
            }
        }
    }

    /// Where a head's block begins, in vectors.
    pub(crate) fn place(&self, layer: usize, block: usize, head: usize) -> usize {
        ((layer * self.blocks + block) * self.heads + head) * self.head.block()
    }

    pub(crate) fn layers(&self) -> usize {
        self.layers
    }

    pub(crate) fn heads(&self) -> usize {
        self.heads
    }

    pub(crate) fn vectors(&mut self) -> &mut [[f32; LANES]] {
        self.data.of_mut()
    }
}
