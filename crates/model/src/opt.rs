//! OPT: input vectors → last hidden states, many sequences at once, keys and values in one pool.
//!
//! One pass takes a ragged batch: the new rows of all sequences lie one after another, so that every linear
//! layer reads its weights once for all of them; attention runs per sequence over that sequence's blocks.
//!
//! Source: Zhang et al. 2022; Hugging Face's `OPTModel` for the layout, pre-LN and post-LN (350m).

pub mod cache;
pub mod config;
mod layer;

use std::path::Path;

use tch::{Kind, Tensor};

pub use cache::{BLOCK, BlockId, KvPool};
pub use config::OptConfig;
use layer::Layer;

use crate::{
    ModelError, Placement,
    layers::{LayerNorm, Linear, Size},
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

/// A chunk with what all layers need to know of it.
struct Rows {
    /// New rows.
    n: i64,
    /// Positions before them.
    start: i64,
    /// Where the keys and values of all its positions lie in the pool.
    all: Tensor,
}

/// The decoder without its head.
pub struct Opt {
    config: OptConfig,
    placement: Placement,
    positions: Tensor,
    project_in: Option<Linear>,
    layers: Vec<Layer>,
    final_norm: Option<LayerNorm>,
    project_out: Option<Linear>,
}

impl Opt {
    /// Reads the decoder's weights; returns them with the token embedding, `[vocab_size, word_dim]`.
    ///
    /// # Errors
    /// [`ModelError`] naming the file and the tensor at fault.
    pub fn load(folder: &Path, placement: Placement, watch: Watch<'_>) -> Result<(Self, Tensor), ModelError> {
        placement.check()?;
        let (opt, table, _) =
            Self::from_weights(OptConfig::load(folder)?, Weights::open(folder, watch)?, placement)?;
        Ok((opt, table))
    }

    /// Looks at the same files without reading the weights.
    ///
    /// # Errors
    /// As [`Opt::load`], but faults of single tensors are part of what is returned.
    pub fn survey(folder: &Path) -> Result<Survey, ModelError> {
        let (config, weights) = (OptConfig::load(folder)?, Weights::look(folder)?);
        let (_, _, weights) = Self::from_weights(config, weights, Placement::CPU_F32)?;
        Ok(weights.survey(known))
    }

    fn from_weights<'w>(
        config: OptConfig,
        weights: Weights<'w>,
        placement: Placement,
    ) -> Result<(Self, Tensor, Weights<'w>), ModelError> {
        let weights = weights.under(&[PREFIX, "decoder.", "", "model."], TABLE)?;
        let (width, word, at) = (config.hidden_size, config.word_dim(), placement);
        let table = weights.tensor(TABLE, &[config.vocab_size, word], at)?;
        let rows = config.max_position_embeddings + POSITION_OFFSET;
        let projected = config.is_projected();
        let project = |name: &str, output, input| {
            let load = || Linear::load(&weights, name, Size { output, input }, false, at);
            projected.then(load).transpose()
        };
        let layers = (0..config.num_hidden_layers).map(|n| Layer::load(&weights, n, &config, at));
        let opt = Self {
            positions: weights.tensor("embed_positions.weight", &[rows, width], at)?,
            project_in: project("project_in", width, word)?,
            layers: layers.collect::<Result<_, _>>()?,
            final_norm: config
                .has_final_norm()
                .then(|| LayerNorm::load(&weights, "final_layer_norm", width, config::EPS, at))
                .transpose()?,
            project_out: project("project_out", word, width)?,
            config,
            placement,
        };
        Ok((opt, table, weights))
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
        cache::block_bytes(&self.config, self.placement.dtype.kind())
    }

    /// Memory for the keys and values of `blocks` · [`BLOCK`] positions.
    ///
    /// # Errors
    /// [`ModelError::Torch`] if there is not as much.
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
        let device = self.placement.device;
        let (mut positions, mut rows, mut new) = (Vec::new(), Vec::new(), Vec::new());
        for chunk in chunks {
            let (start, n) = (chunk.start as i64, chunk.vectors.size()[0]);
            if start + n > self.config.max_position_embeddings {
                let needed = (start + n) as usize;
                return Err(ModelError::Positions { needed, max: self.config.max_positions() });
            }
            positions.extend(start + POSITION_OFFSET..start + n + POSITION_OFFSET);
            let all = pool.rows(chunk.blocks, 0..(start + n) as usize, device)?;
            new.push(all.f_narrow(0, start, n)?);
            rows.push(Rows { n, start, all });
        }
        let new = Tensor::f_cat(&new, 0)?;
        let vectors: Vec<&Tensor> = chunks.iter().map(|chunk| &chunk.vectors).collect();
        let mut x = Tensor::f_cat(&vectors, 0)?;
        if let Some(project_in) = &self.project_in {
            x = project_in.forward(&x)?;
        }
        let positions = Tensor::f_from_slice(&positions)?.f_to_device(device)?;
        x = x.f_add(&self.positions.f_index_select(0, &positions)?)?;
        for (n, layer) in self.layers.iter().enumerate() {
            x = layer.forward(&x, n, pool, &rows, &new, &self.config)?;
        }
        if let Some(norm) = &self.final_norm {
            x = norm.forward(&x)?;
        }
        match &self.project_out {
            Some(project_out) => project_out.forward(&x),
            None => Ok(x),
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

/// Softmax over the last axis: in f32 for f16, else in the model's own dtype.
fn softmax(scores: &Tensor) -> Result<Tensor, ModelError> {
    match scores.f_kind()? {
        Kind::Half => Ok(scores.f_softmax(-1, Kind::Float)?.f_to_kind(Kind::Half)?),
        _ => Ok(scores.f_softmax(-1, None::<Kind>)?),
    }
}
