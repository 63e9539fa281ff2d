//! The decoder by libtorch, on any device.

mod layer;

use tch::{Kind, Tensor};

use self::layer::Layer;
use super::{Chunk, OptConfig, POSITION_OFFSET, cache::TorchPool, config::EPS};
use crate::{
    ModelError, Placement,
    layers::{self, LayerNorm, Linear, Size},
    weights::Weights,
};

/// A chunk with what all layers need to know of it.
struct Rows {
    /// New rows.
    n: i64,
    /// Positions before them.
    start: i64,
    /// Where the keys and values of all its positions lie in the pool.
    all: Tensor,
}

pub(super) struct Decoder {
    placement: Placement,
    positions: Tensor,
    project_in: Option<Linear>,
    layers: Vec<Layer>,
    final_norm: Option<LayerNorm>,
    project_out: Option<Linear>,
}

impl Decoder {
    pub(super) fn load(weights: &Weights<'_>, config: &OptConfig, at: Placement) -> Result<Self, ModelError> {
        let (width, word) = (config.hidden_size, config.word_dim());
        let rows = config.max_position_embeddings + POSITION_OFFSET;
        let projected = config.is_projected();
        let project = |name: &str, output, input| {
            let load = || Linear::load(weights, name, Size { output, input }, false, at);
            projected.then(load).transpose()
        };
        let layers = (0..config.num_hidden_layers).map(|n| Layer::load(weights, n, config, at));
        Ok(Self {
            placement: at,
            positions: weights.tensor("embed_positions.weight", &[rows, width], at)?,
            project_in: project("project_in", width, word)?,
            layers: layers.collect::<Result<_, _>>()?,
            final_norm: config
                .has_final_norm()
                .then(|| LayerNorm::load(weights, "final_layer_norm", width, EPS, at))
                .transpose()?,
            project_out: project("project_out", word, width)?,
        })
    }

    pub(super) fn forward(
        &self,
        config: &OptConfig,
        pool: &mut TorchPool,
        chunks: &[Chunk<'_>],
    ) -> Result<Tensor, ModelError> {
        let device = self.placement.device;
        let (mut positions, mut rows, mut new) = (Vec::new(), Vec::new(), Vec::new());
        for chunk in chunks {
            let (start, n) = (chunk.start as i64, chunk.vectors.size()[0]);
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
        x = x.f_add(&layers::rows(&self.positions, &positions)?)?;
        for (n, layer) in self.layers.iter().enumerate() {
            x = layer.forward(&x, n, pool, &rows, &new, config)?;
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

/// Softmax over the last axis: in f32 for f16, else in the model's own dtype.
fn softmax(scores: &Tensor) -> Result<Tensor, ModelError> {
    match scores.f_kind()? {
        Kind::Half => Ok(scores.f_softmax(-1, Kind::Float)?.f_to_kind(Kind::Half)?),
        _ => Ok(scores.f_softmax(-1, None::<Kind>)?),
    }
}
