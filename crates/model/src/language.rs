//! The whole language side: OPT, its token table shrunk and completed by `[RET]`, the tied head, the mapping layers.
//!
//! Source: Koh et al. 2023; the table keeps the rows below `[RET]` and takes the trained row as its last.

use std::path::Path;

use fondue_domain::TokenId;
use tch::Tensor;

use crate::{
    Chunk, KvPool, ModelError, Placement, Prompt, Sampler,
    mapping::Mapping,
    opt::{Opt, OptConfig},
    prompt::Slot,
    table::Table,
    weights::{Watch, unwatched},
};

/// OPT with FROMAGe's additions.
pub struct LanguageModel {
    opt: Opt,
    /// `[ret + 1, word_dim]`: input embedding and head in one.
    table: Table,
    mapping: Mapping,
    ret: TokenId,
}

impl LanguageModel {
    /// Reads an OPT folder and a folder of mapping layers; `ret` is the tokenizer's id of `[RET]`.
    ///
    /// # Errors
    /// [`ModelError`] naming the file and what is wrong with it.
    pub fn load(
        opt: &Path,
        mapping: &Path,
        ret: TokenId,
        placement: Placement,
        watch: Watch<'_>,
    ) -> Result<Self, ModelError> {
        let last = ret.0 as usize;
        let (model, mut table) = Opt::load_with_room(opt, placement, last + 1, watch)?;
        if table.rows() < last {
            let reason = format!("the embedding has {} rows, the tokenizer's [RET] is {last}", table.rows());
            return Err(ModelError::content(opt, reason));
        }
        let at = placement.of_mapping();
        let mapping = Mapping::load(mapping, model.config().word_dim(), ret, at, &unwatched)?;
        table.end_with(last, mapping.ret_row())?;
        Ok(Self { opt: model, table, mapping, ret })
    }

    /// OPT's sizes.
    pub fn config(&self) -> &OptConfig {
        self.opt.config()
    }

    /// The mapping layers.
    pub fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    /// Where it lies.
    pub fn placement(&self) -> Placement {
        self.opt.placement()
    }

    /// The id of `[RET]`, which is the vocabulary's last.
    pub fn ret(&self) -> TokenId {
        self.ret
    }

    /// Bytes of one block of a pool, all layers, keys and values.
    pub fn block_bytes(&self) -> usize {
        self.opt.block_bytes()
    }

    /// Memory for the keys and values of `blocks` blocks.
    ///
    /// # Errors
    /// [`ModelError::Torch`] if there is not as much.
    pub fn new_pool(&self, blocks: usize) -> Result<KvPool, ModelError> {
        self.opt.new_pool(blocks)
    }

    /// Input vectors of a prompt, `[positions, word_dim]`.
    ///
    /// # Errors
    /// [`ModelError::Token`] or [`ModelError::Shape`] if the prompt does not belong to this model.
    pub fn embed(&self, prompt: &Prompt) -> Result<Tensor, ModelError> {
        let mut pieces = Vec::new();
        let mut run = Vec::new();
        for slot in prompt.slots() {
            match slot {
                Slot::Token(token) => run.push(*token),
                Slot::Image(features) => {
                    if !run.is_empty() {
                        pieces.push(self.embed_tokens(&std::mem::take(&mut run))?);
                    }
                    let prefix =
                        self.mapping.prefix(&self.mapping.features(std::slice::from_ref(features))?)?;
                    pieces.push(prefix.f_squeeze_dim(0)?);
                }
            }
        }
        if !run.is_empty() {
            pieces.push(self.embed_tokens(&run)?);
        }
        Ok(Tensor::f_cat(&pieces, 0)?)
    }

    /// Input vectors of tokens, `[n, word_dim]`.
    ///
    /// # Errors
    /// [`ModelError::Token`] for an id outside the vocabulary.
    pub fn embed_tokens(&self, tokens: &[TokenId]) -> Result<Tensor, ModelError> {
        self.table.vectors(tokens)
    }

    /// Runs new rows of several sequences: `[Σn, word_dim]` last hidden states. Their keys and values are in the pool then;
    /// if it fails, only rows behind the `start` of each chunk may have changed.
    ///
    /// # Errors
    /// [`ModelError::Positions`] if a sequence would outgrow the positions; [`ModelError::Shape`] for too few blocks.
    pub fn forward(&self, pool: &mut KvPool, chunks: &[Chunk<'_>]) -> Result<Tensor, ModelError> {
        self.opt.forward(pool, chunks)
    }

    /// States of one sequence by itself, `[n, word_dim]` → `[n, word_dim]`, in a pool of its own.
    ///
    /// # Errors
    /// As [`LanguageModel::forward`].
    pub fn run(&self, vectors: Tensor) -> Result<Tensor, ModelError> {
        self.opt.run(vectors)
    }

    /// `[n, word_dim]` hidden states → n rows of `ret + 1` logits.
    ///
    /// # Errors
    /// [`ModelError::Torch`] on another shape.
    pub fn logits(&self, hidden: &Tensor) -> Result<Vec<Vec<f32>>, ModelError> {
        self.table.logits(hidden)
    }

    /// The next token after each of n states `[n, word_dim]`, chosen by as many samplers.
    ///
    /// # Errors
    /// As [`LanguageModel::logits`].
    pub fn sample(&self, hidden: &Tensor, samplers: &mut [&mut Sampler]) -> Result<Vec<TokenId>, ModelError> {
        self.table.sample(hidden, samplers)
    }

    /// ln p of `next[i]` after `hidden[i]`, for `hidden` `[n, word_dim]` and n tokens.
    ///
    /// # Errors
    /// [`ModelError::Token`] for an id outside the vocabulary, [`ModelError::Shape`] if the lengths differ.
    pub fn log_probs(&self, hidden: &Tensor, next: &[TokenId]) -> Result<Vec<f32>, ModelError> {
        let rows = hidden.size()[0] as usize;
        if rows != next.len() {
            return Err(ModelError::Shape {
                what: "the list of next tokens",
                got: next.len(),
                expected: rows,
            });
        }
        self.table.log_probs(hidden, next)
    }
}
