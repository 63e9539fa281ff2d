//! OPT: input vectors → last hidden states, many sequences at once, keys and values in one pool.
//!
//! One pass takes a ragged batch: the new rows of all sequences lie one after another, so that every linear
//! layer reads its weights once for all of them; attention runs per sequence over that sequence's blocks.
//!
//! Source: Zhang et al. 2022; Hugging Face's `OPTModel` for the layout, pre-LN and post-LN (350m).

pub mod cache;
pub mod config;
mod native;
mod torch;

use std::path::Path;

use tch::Tensor;

pub use cache::{BLOCK, BlockId, KvPool};
pub use config::OptConfig;

use crate::{
    Backend, ModelError, Placement,
    table::Table,
    weights::{Survey, Watch, Weights},
};

/// What Hugging Face puts before the names of the decoder's tensors in a language model's files.
pub const PREFIX: &str = "model.decoder.";

/// Positions of OPT's table begin here; the two rows before are padding's.
const POSITION_OFFSET: i64 = 2;

/// New rows of one sequence.
pub struct Chunk<'a> {
    /// Input vectors, `[n, word_dim]`, n ≥ 1.
    pub vectors: Tensor,
    /// Positions before them, whose keys and values are in the blocks.
    pub start: usize,
    /// The blocks of the positions 0 to start + n, in order; more than are needed do no harm.
    pub blocks: &'a [BlockId],
}

/// The decoder without its head.
pub struct Opt {
    config: OptConfig,
    placement: Placement,
    decoder: Decoder,
}

enum Decoder {
    Native(Box<native::Decoder>),
    Torch(torch::Decoder),
}

impl Opt {
    /// Reads the decoder's weights; returns them with the token embedding.
    ///
    /// # Errors
    /// [`ModelError`] naming the file and the tensor at fault.
    pub fn load(folder: &Path, placement: Placement, watch: Watch<'_>) -> Result<(Self, Table), ModelError> {
        Self::load_with_room(folder, placement, 0, watch)
    }

    /// As [`Opt::load`], the token embedding with room for `rows` rows at least.
    pub(crate) fn load_with_room(
        folder: &Path,
        placement: Placement,
        rows: usize,
        watch: Watch<'_>,
    ) -> Result<(Self, Table), ModelError> {
        placement.check()?;
        let (config, weights) = (OptConfig::load(folder)?, Weights::open(folder, watch)?);
        let (opt, table, _) = Self::from_weights(config, weights, placement, rows)?;
        Ok((opt, table))
    }

    /// Looks at the same files without reading the weights.
    ///
    /// # Errors
    /// As [`Opt::load`], but faults of single tensors are part of what is returned.
    pub fn survey(folder: &Path) -> Result<Survey, ModelError> {
        let (config, weights) = (OptConfig::load(folder)?, Weights::look(folder)?);
        let (_, _, weights) = Self::from_weights(config, weights, Placement::TORCH_F32, 0)?;
        Ok(weights.survey(known))
    }

    fn from_weights<'w>(
        config: OptConfig,
        weights: Weights<'w>,
        placement: Placement,
        rows: usize,
    ) -> Result<(Self, Table, Weights<'w>), ModelError> {
        let weights = weights.under(&[PREFIX, "decoder.", "", "model."], TABLE)?;
        let table = Table::load(&weights, TABLE, config.vocab_size, config.word_dim(), rows, placement)?;
        let decoder = match placement.backend {
            Backend::Native => {
                Decoder::Native(Box::new(native::Decoder::load(&weights, &config, placement)?))
            }
            Backend::Libtorch => Decoder::Torch(torch::Decoder::load(&weights, &config, placement)?),
        };
        Ok((Self { config, placement, decoder }, table, weights))
    }

    /// Its sizes.
    pub fn config(&self) -> &OptConfig {
        &self.config
    }

    /// Where it lies.
    pub fn placement(&self) -> Placement {
        self.placement
    }

    /// Bytes of one block of a pool, all layers.
    pub fn block_bytes(&self) -> usize {
        cache::block_bytes(&self.config, self.placement)
    }

    /// Memory for the keys and values of `blocks` · [`BLOCK`] positions.
    ///
    /// # Errors
    /// [`ModelError::Torch`] or [`ModelError::Kernel`] if there is not as much.
    pub fn new_pool(&self, blocks: usize) -> Result<KvPool, ModelError> {
        KvPool::new(&self.config, self.placement, blocks)
    }

    /// States of one sequence by itself, `[n, word_dim]` → `[n, word_dim]`, in a pool of its own.
    ///
    /// # Errors
    /// As [`Opt::forward`].
    pub fn run(&self, vectors: Tensor) -> Result<Tensor, ModelError> {
        let n = (vectors.size()[0] as usize).div_ceil(BLOCK);
        let blocks: Vec<BlockId> = (0..n as u32).map(BlockId).collect();
        self.forward(&mut self.new_pool(n)?, &[Chunk { vectors, start: 0, blocks: &blocks }])
    }

    /// Runs the new rows of all sequences: `[Σn, word_dim]` last hidden states in the order of the chunks. Their keys and
    /// values are in the pool then; if it fails, only rows behind the `start` of each chunk may have changed.
    ///
    /// # Errors
    /// [`ModelError::Positions`] if a sequence would outgrow the position table; [`ModelError::Shape`] for too few blocks.
    pub fn forward(&self, pool: &mut KvPool, chunks: &[Chunk<'_>]) -> Result<Tensor, ModelError> {
        for chunk in chunks {
            let needed = chunk.start + chunk.vectors.size()[0] as usize;
            if needed > self.config.max_positions() {
                return Err(ModelError::Positions { needed, max: self.config.max_positions() });
            }
            pool.check(chunk.blocks, needed)?;
        }
        match (&self.decoder, pool) {
            (Decoder::Native(decoder), KvPool::Native(memory)) => decoder.forward(memory, chunks),
            (Decoder::Torch(decoder), KvPool::Torch(pool)) => decoder.forward(&self.config, pool, chunks),
            _ => Err(ModelError::Kernel("the KV pool is another backend's".to_owned())),
        }
    }
}

/// The token embedding, which is the head too.
pub const TABLE: &str = "embed_tokens.weight";
/// The head as some files hold it once more.
pub const HEAD: &str = "lm_head.weight";

/// Why a tensor that is no part of the decoder may be in its files.
fn known(name: &str) -> Option<&'static str> {
    match name {
        HEAD => Some("the head, which is the token embedding itself"),
        "decoder.version" | "model.decoder.version" => Some("a number of the format that OPT came from"),
        _ => None,
    }
}
