//! The whole language side: OPT, its token table shrunk and completed by `[RET]`, the tied head, the mapping layers.
//!
//! Source: Koh et al. 2023; the table keeps the rows below `[RET]` and takes the trained row as its last.

use std::path::Path;

use fondue_domain::TokenId;
use tch::{Kind, Tensor};

use crate::{
    Chunk, KvCache, ModelError, Placement, Prompt,
    layers::values,
    mapping::Mapping,
    opt::{Opt, OptConfig},
    prompt::Slot,
    weights::{Watch, unwatched},
};

/// OPT with FROMAGe's additions.
pub struct LanguageModel {
    opt: Opt,
    /// `[ret + 1, word_dim]`: input embedding and head in one.
    table: Tensor,
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
        let (model, table) = Opt::load(opt, placement, watch)?;
        let (rows, last) = (table.size()[0], ret.as_i64());
        if rows < last {
            let reason = format!("the embedding has {rows} rows, the tokenizer's [RET] is {last}");
            return Err(ModelError::content(opt, reason));
        }
        let mapping = Mapping::load(mapping, model.config().word_dim(), ret, placement, &unwatched)?;
        let table = if rows > last {
            // In place: a copy would double the largest tensor of all.
            table.f_narrow(0, last, 1)?.f_copy_(mapping.ret_row())?;
            table.f_narrow(0, 0, last + 1)?
        } else {
            Tensor::f_cat(&[&table, mapping.ret_row()], 0)?
        };
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

    /// An empty cache for one sequence.
    pub fn new_cache(&self) -> KvCache {
        self.opt.new_cache()
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
        if let Some(wrong) = tokens.iter().find(|token| **token > self.ret) {
            return Err(ModelError::Token { token: wrong.0, rows: self.ret.0 as usize + 1 });
        }
        Ok(self.table.f_index_select(0, &self.indices(tokens)?)?)
    }

    /// Runs new rows of several sequences: `[Σn, word_dim]` last hidden states.
    ///
    /// # Errors
    /// [`ModelError::Positions`] if a sequence would outgrow the positions; the caches are then as before.
    pub fn forward(&self, chunks: &mut [Chunk<'_>]) -> Result<Tensor, ModelError> {
        self.opt.forward(chunks)
    }

    /// `[n, word_dim]` hidden states → n rows of `ret + 1` logits.
    ///
    /// # Errors
    /// [`ModelError::Torch`] on another shape.
    pub fn logits(&self, hidden: &Tensor) -> Result<Vec<Vec<f32>>, ModelError> {
        let flat = values(&hidden.f_matmul(&self.table.f_transpose(0, 1)?)?)?;
        Ok(flat.chunks(self.ret.0 as usize + 1).map(<[f32]>::to_vec).collect())
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
        if let Some(wrong) = next.iter().find(|token| **token > self.ret) {
            return Err(ModelError::Token { token: wrong.0, rows: self.ret.0 as usize + 1 });
        }
        let logits = hidden.f_matmul(&self.table.f_transpose(0, 1)?)?;
        let all = logits.f_log_softmax(-1, Kind::Float)?;
        values(&all.f_gather(1, &self.indices(next)?.f_unsqueeze(1)?, false)?)
    }

    fn indices(&self, tokens: &[TokenId]) -> Result<Tensor, ModelError> {
        let ids: Vec<i64> = tokens.iter().map(|token| token.as_i64()).collect();
        Ok(Tensor::f_from_slice(&ids)?.f_to_device(self.placement().device)?)
    }
}
