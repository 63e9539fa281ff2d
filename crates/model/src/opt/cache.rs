//! The KV pool: keys and values of all sequences in blocks of positions, allocated once.
//!
//! A sequence owns no memory: it has a list of blocks, so that sequences grow without copies, share the blocks of a
//! common prefix, and give back what they had, whole. Which block belongs to whom is the engine's business.
//! Source: Kwon et al. 2023 (PagedAttention).

use fondue_kernels::{KvMemory, POSITIONS};
use tch::{Device, Tensor};

use super::OptConfig;
use crate::{Backend, ModelError, Placement, placement::upload};

/// Positions of one block.
pub const BLOCK: usize = POSITIONS;

/// A block of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(transparent)]
pub struct BlockId(pub u32);

impl BlockId {
    /// Blocks as plain numbers.
    pub(super) fn numbers(blocks: &[Self]) -> &[u32] {
        bytemuck::cast_slice(blocks)
    }
}

/// Keys and values of all layers.
pub enum KvPool {
    /// For the native backend.
    Native(KvMemory),
    /// For libtorch.
    Torch(TorchPool),
}

/// Keys and values as tensors, on any device.
pub struct TorchPool {
    /// One pair for each layer, both `[blocks · BLOCK, heads, head_dim]`.
    layers: Vec<(Tensor, Tensor)>,
    blocks: usize,
}

impl KvPool {
    pub(super) fn new(config: &OptConfig, at: Placement, blocks: usize) -> Result<Self, ModelError> {
        let (heads, layers) = (config.num_attention_heads, config.num_hidden_layers);
        let head_dim = config.hidden_size / heads;
        if at.backend == Backend::Native {
            let memory = KvMemory::new(layers, blocks, heads as usize, head_dim as usize)?;
            return Ok(Self::Native(memory));
        }
        let shape = [(blocks * BLOCK) as i64, heads, head_dim];
        let zeros = || Tensor::f_zeros(shape, (at.dtype.kind(), at.device));
        let layers = (0..layers).map(|_| Ok((zeros()?, zeros()?)));
        Ok(Self::Torch(TorchPool { layers: layers.collect::<Result<_, ModelError>>()?, blocks }))
    }

    /// Blocks in it.
    pub fn blocks(&self) -> usize {
        match self {
            Self::Native(memory) => memory.blocks(),
            Self::Torch(pool) => pool.blocks,
        }
    }

    /// Whether there are blocks for this many positions, all of this pool.
    pub(super) fn check(&self, blocks: &[BlockId], positions: usize) -> Result<(), ModelError> {
        let needed = positions.div_ceil(BLOCK);
        if blocks.len() < needed {
            let got = blocks.len();
            return Err(ModelError::Shape { what: "the list of KV blocks", got, expected: needed });
        }
        let expected = self.blocks();
        match blocks[..needed].iter().find(|block| block.0 as usize >= expected) {
            Some(wrong) => Err(ModelError::Shape { what: "a KV block", got: wrong.0 as usize, expected }),
            None => Ok(()),
        }
    }
}

impl TorchPool {
    /// Rows of the positions `range` of a sequence with these blocks, as indices on `device`.
    pub(super) fn rows(
        &self,
        blocks: &[BlockId],
        range: std::ops::Range<usize>,
        device: Device,
    ) -> Result<Tensor, ModelError> {
        let row = |at: usize| i64::from(blocks[at / BLOCK].0) * BLOCK as i64 + (at % BLOCK) as i64;
        let rows: Vec<i64> = range.map(row).collect();
        Ok(upload(&Tensor::f_from_slice(&rows)?, device)?)
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
}

/// Bytes of one block over all layers, keys and values.
pub(super) fn block_bytes(config: &OptConfig, at: Placement) -> usize {
    let (heads, layers) = (config.num_attention_heads as usize, config.num_hidden_layers);
    match at.backend {
        Backend::Native => KvMemory::block_bytes(layers, heads, config.hidden_size as usize / heads),
        Backend::Libtorch => {
            2 * layers * BLOCK * config.hidden_size as usize * at.dtype.kind().elt_size_in_bytes()
        }
    }
}
