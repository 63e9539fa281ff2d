//! Keys and values of all layers in blocks of positions, allocated once.

use std::collections::TryReserveError;

use crate::{
    attention::Head,
    lanes::LANES,
    memory::{Lines, size},
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
