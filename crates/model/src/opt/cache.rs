//! The KV pool: keys and values of all sequences in blocks of positions, allocated once.
//!
//! A sequence owns no memory: it has a list of blocks, so that sequences grow without copies, share the blocks of a
//! common prefix, and give back what they had, whole. Which block belongs to whom is the engine's business.
//! Source: Kwon et al. 2023 (PagedAttention).

use tch::{Device, Kind, Tensor};

use super::OptConfig;
use crate::{ModelError, Placement};

/// Positions of one block.
pub const BLOCK: usize = 16;

/// A block of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlockId(pub u32);

/// Keys and values of all layers.
pub struct KvPool {
    /// One pair for each layer, both `[blocks · BLOCK, heads, head_dim]`.
    layers: Vec<(Tensor, Tensor)>,
    blocks: usize,
}

impl KvPool {
    pub(super) fn new(config: &OptConfig, at: Placement, blocks: usize) -> Result<Self, ModelError> {
        let heads = config.num_attention_heads;
        let shape = [(blocks * BLOCK) as i64, heads, config.hidden_size / heads];
        let zeros = || Tensor::f_zeros(shape, (at.dtype.kind(), at.device));
        let layers = (0..config.num_hidden_layers).map(|_| Ok((zeros()?, zeros()?)));
        Ok(Self { layers: layers.collect::<Result<_, ModelError>>()?, blocks })
    }

    /// Blocks in it.
    pub fn blocks(&self) -> usize {
        self.blocks
    }

    /// Copies the first `positions` positions of a block to another one, for a sequence that goes on in its own way from
    /// within a block.
    ///
    /// # Errors
    /// [`ModelError::Shape`] if a block is not of this pool.
    pub fn copy(&mut self, from: BlockId, to: BlockId, positions: usize) -> Result<(), ModelError> {
        for block in [from, to] {
            self.check(block)?;
        }
        let n = positions.min(BLOCK) as i64;
        let rows = |all: &Tensor, block: BlockId| all.f_narrow(0, i64::from(block.0) * BLOCK as i64, n);
        for (keys, values) in &self.layers {
            rows(keys, to)?.f_copy_(&rows(keys, from)?)?;
            rows(values, to)?.f_copy_(&rows(values, from)?)?;
        }
        Ok(())
    }

    /// Rows of the positions `range` of a sequence with these blocks, as indices on `device`.
    pub(super) fn rows(
        &self,
        blocks: &[BlockId],
        range: std::ops::Range<usize>,
        device: Device,
    ) -> Result<Tensor, ModelError> {
        let needed = range.end.div_ceil(BLOCK);
        if blocks.len() < needed {
            return Err(ModelError::Shape {
                what: "the list of KV blocks",
                got: blocks.len(),
                expected: needed,
            });
        }
        blocks[..needed].iter().try_for_each(|&block| self.check(block))?;
        let row = |at: usize| blocks[at / BLOCK].0 as i64 * BLOCK as i64 + (at % BLOCK) as i64;
        let rows: Vec<i64> = range.map(row).collect();
        Ok(Tensor::f_from_slice(&rows)?.f_to_device(device)?)
    }

    /// Writes one layer's keys and values, both `[n, heads, head_dim]`, to n rows.
    pub(super) fn write(
        &mut self,
        layer: usize,
        rows: &Tensor,
        k: &Tensor,
        v: &Tensor,
    ) -> Result<(), ModelError> {
        let (keys, values) = &mut self.layers[layer];
        let _ = keys.f_index_copy_(0, rows, k)?;
        let _ = values.f_index_copy_(0, rows, v)?;
        Ok(())
    }

    /// One layer's keys and values at some rows, both `[heads, n, head_dim]`.
    pub(super) fn read(&self, layer: usize, rows: &Tensor) -> Result<(Tensor, Tensor), ModelError> {
        let (keys, values) = &self.layers[layer];
        let at = |all: &Tensor| -> Result<Tensor, ModelError> {
            Ok(all.f_index_select(0, rows)?.f_transpose(0, 1)?)
        };
        Ok((at(keys)?, at(values)?))
    }

    fn check(&self, block: BlockId) -> Result<(), ModelError> {
        let (got, expected) = (block.0 as usize, self.blocks);
        if got < expected { Ok(()) } else { Err(ModelError::Shape { what: "a KV block", got, expected }) }
    }
}

/// Bytes of one block over all layers, keys and values.
pub(super) fn block_bytes(config: &OptConfig, kind: Kind) -> usize {
    2 * config.num_hidden_layers * BLOCK * config.hidden_size as usize * kind.elt_size_in_bytes()
}
