//! What FROMAGe trains: picture → prefix, picture → retrieval space, `[RET]` state → retrieval space, the `[RET]` row.
//!
//! Source: Koh et al. 2023, section 3; names as in the published checkpoint.

pub mod args;

use std::path::Path;

use fondue_domain::{Embedding, TokenId};
use tch::Tensor;

pub use self::args::ModelArgs;
use crate::{
    ModelError, Placement,
    layers::{Linear, Size, values},
    placement::upload,
    weights::{Survey, Watch, Weights},
};

/// The mapping layers.
pub struct Mapping {
    prefix_len: usize,
    embedding_dim: usize,
    feature_dim: usize,
    visual_embeddings: Linear,
    visual_fc: Linear,
    text_fc: Linear,
    ret_row: Tensor,
    logit_scale: Tensor,
    placement: Placement,
}

impl Mapping {
    /// Reads `model_args.json` and the mapping layers for a language model of `word_dim`, in any of the forms that
    /// [`Weights::open_mapping`] knows; `ret` is the tokenizer's id of `[RET]`.
    ///
    /// # Errors
    /// [`ModelError`] naming the file and what is wrong with it.
    pub fn load(
        folder: &Path,
        word_dim: i64,
        ret: TokenId,
        at: Placement,
        watch: Watch<'_>,
    ) -> Result<Self, ModelError> {
        let weights = Weights::open_mapping(folder, watch)?;
        Self::from_weights(&ModelArgs::load(folder)?, &weights, word_dim, ret, at)
    }

    /// Looks at the same files without reading the weights. What is not known of the language model is taken from
    /// the files themselves.
    ///
    /// # Errors
    /// As [`Mapping::load`], but faults of single tensors are part of what is returned.
    pub fn survey(folder: &Path, word_dim: Option<i64>, ret: Option<TokenId>) -> Result<Survey, ModelError> {
        let (args, weights) = (ModelArgs::load(folder)?, Weights::look_mapping(folder)?);
        let word_dim = word_dim.or(second(&weights, TEXT_FC)).unwrap_or(1);
        // The trainer's table ends with the row of [RET].
        let last = || Some(TokenId(u32::try_from(*weights.shape(TABLE)?.first()?).ok()?.checked_sub(1)?));
        let ret = ret.or_else(last).unwrap_or(TokenId(0));
        Self::from_weights(&args, &weights, word_dim, ret, Placement::CPU_F32)?;
        Ok(weights.survey(known))
    }

    fn from_weights(
        args: &ModelArgs,
        weights: &Weights<'_>,
        word_dim: i64,
        ret: TokenId,
        at: Placement,
    ) -> Result<Self, ModelError> {
        let (k, q) = (args.n_visual_tokens, args.shared_emb_dim);
        // The vision tower's width is written nowhere but in the layers that take its features.
        let feature_dim = second(weights, VISUAL_FC).unwrap_or(1);
        let linear =
            |name: &str, output, input| Linear::load(weights, name, Size { output, input }, true, at);
        Ok(Self {
            prefix_len: k as usize,
            embedding_dim: q as usize,
            feature_dim: feature_dim as usize,
            visual_embeddings: linear("model.visual_embeddings", word_dim * k, feature_dim)?,
            visual_fc: linear("model.visual_fc", q, feature_dim)?,
            text_fc: linear("model.text_hidden_fcs.0.0", q, word_dim)?,
            ret_row: ret_row(weights, word_dim, ret, at)?,
            logit_scale: weights.tensor(LOGIT_SCALE, &[], at)?,
            placement: at,
        })
    }

    /// Input vectors that one picture becomes (k).
    pub fn prefix_len(&self) -> usize {
        self.prefix_len
    }

    /// Dimension of retrieval space (q).
    pub fn embedding_dim(&self) -> usize {
        self.embedding_dim
    }

    /// Length of the features it takes.
    pub fn feature_dim(&self) -> usize {
        self.feature_dim
    }

    /// The embedding of `[RET]`, `[1, word_dim]`.
    pub fn ret_row(&self) -> &Tensor {
        &self.ret_row
    }

    /// The learnt log temperature of the contrastive loss, a scalar.
    pub fn logit_scale(&self) -> &Tensor {
        &self.logit_scale
    }

    /// `[n, feature_dim]` → `[n, k, word_dim]`.
    ///
    /// # Errors
    /// [`ModelError::Torch`] on another shape.
    pub fn prefix(&self, features: &Tensor) -> Result<Tensor, ModelError> {
        let n = features.size()[0];
        Ok(self.visual_embeddings.forward(features)?.f_reshape([n, self.prefix_len as i64, -1])?)
    }

    /// `[n, feature_dim]` → `[n, q]`, not normalised.
    ///
    /// # Errors
    /// [`ModelError::Torch`] on another shape.
    pub fn image_to_retrieval(&self, features: &Tensor) -> Result<Tensor, ModelError> {
        self.visual_fc.forward(features)
    }

    /// `[n, word_dim]` → `[n, q]`, not normalised.
    ///
    /// # Errors
    /// [`ModelError::Torch`] on another shape.
    pub fn text_to_retrieval(&self, hidden: &Tensor) -> Result<Tensor, ModelError> {
        self.text_fc.forward(hidden)
    }
}

impl Mapping {
    /// Features as a tensor, `[n, feature_dim]`, where the layers lie.
    ///
    /// # Errors
    /// [`ModelError::Shape`] for a vector of another length.
    pub fn features(&self, features: &[Vec<f32>]) -> Result<Tensor, ModelError> {
        let expected = self.feature_dim;
        if let Some(wrong) = features.iter().find(|row| row.len() != expected) {
            return Err(ModelError::Shape { what: "a picture's feature vector", got: wrong.len(), expected });
        }
        let rows =
            Tensor::f_from_slice(&features.concat())?.f_reshape([features.len() as i64, expected as i64])?;
        Ok(upload(&rows, self.placement.device)?.f_to_kind(self.placement.dtype.kind())?)
    }

    /// Features of pictures → their embeddings.
    ///
    /// # Errors
    /// [`ModelError::Shape`] for a vector of another length; [`ModelError::NoDirection`] if one maps to zero or to
    /// no number.
    pub fn project(&self, features: &[Vec<f32>]) -> Result<Vec<Embedding>, ModelError> {
        if features.is_empty() {
            return Ok(Vec::new());
        }
        self.normalized(&self.image_to_retrieval(&self.features(features)?)?)?.into_iter().collect()
    }

    /// `[n, word_dim]` hidden states at `[RET]` → n queries, each of which may by itself be
    /// [`ModelError::NoDirection`]: the states of a batch belong to different callers.
    ///
    /// # Errors
    /// [`ModelError::Torch`] on another shape.
    pub fn query(&self, hidden: &Tensor) -> Result<Vec<Result<Embedding, ModelError>>, ModelError> {
        self.normalized(&self.text_to_retrieval(hidden)?)
    }

    fn normalized(&self, rows: &Tensor) -> Result<Vec<Result<Embedding, ModelError>>, ModelError> {
        let flat = values(rows)?;
        let rows = flat.chunks(self.embedding_dim);
        Ok(rows.map(|row| Ok(Embedding::normalized(row.to_vec())?)).collect())
    }
}

/// The second dimension of a matrix, if it can be a width.
fn second(weights: &Weights<'_>, name: &str) -> Option<i64> {
    weights.shape(name)?.get(1).copied().filter(|n| (1..=1 << 24).contains(n))
}

/// Why a tensor that is no mapping layer may be in a checkpoint.
fn known(name: &str) -> Option<&'static str> {
    if name == TABLE {
        return Some("the trainer's token embedding, of which only the row of [RET] is needed");
    }
    let frozen = ["model.lm.", "model.visual_model."];
    let frozen = frozen.iter().any(|start| name.starts_with(start));
    frozen.then_some("a frozen part, which is read from OPT's and CLIP's own folders")
}

/// The trained row: `[1, d]` or `[d]` as published; a training checkpoint keeps the whole table that it is a row of.
fn ret_row(weights: &Weights<'_>, word_dim: i64, ret: TokenId, at: Placement) -> Result<Tensor, ModelError> {
    if weights.has(RET_ROW) || !weights.has(TABLE) {
        let shape: &[i64] =
            if weights.shape(RET_ROW) == Some(&[word_dim]) { &[word_dim] } else { &[1, word_dim] };
        let row = weights.tensor(RET_ROW, shape, at)?;
        // While files are only looked at, the row is empty.
        return if row.numel() == 0 { Ok(row) } else { Ok(row.f_reshape([1, word_dim])?) };
    }
    weights.rows(TABLE, ret.as_i64()..ret.as_i64() + 1, at)
}

/// Picture → retrieval space, `[q, features]`.
pub const VISUAL_FC: &str = "model.visual_fc.weight";
/// `[RET]` state → retrieval space, `[q, d]`.
pub const TEXT_FC: &str = "model.text_hidden_fcs.0.0.weight";
/// The trained row of `[RET]`, `[1, d]` or `[d]`.
pub const RET_ROW: &str = "ret_input_embeddings.weight";
/// The token embedding of a training checkpoint, `[ret + 1, d]`.
pub const TABLE: &str = "model.input_embeddings.weight";
const LOGIT_SCALE: &str = "model.logit_scale";
