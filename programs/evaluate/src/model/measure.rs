//! How long prompts are, told by the model's files without loading it.

use anyhow::{Context, Result};
use fondue_domain::TokenId;
use fondue_model::{Prompt, Tokenizer, mapping::ModelArgs as MappingArgs, opt::OptConfig};

use super::{ModelArgs, Piece, piece::parts};

/// What takes how many positions.
pub(crate) struct Measure {
    tokenizer: Tokenizer,
    bos: TokenId,
    prefix_len: usize,
    max: usize,
}

impl Measure {
    pub(crate) fn new(args: &ModelArgs) -> Result<Self> {
        let opt = args.model.join("opt");
        let config = OptConfig::load(&opt)?;
        let mapping = MappingArgs::load(&args.model.join("fromage"))?;
        Ok(Self {
            tokenizer: Tokenizer::load(&opt)?,
            bos: TokenId(config.bos_token_id),
            prefix_len: usize::try_from(mapping.n_visual_tokens).context("n_visual_tokens")?,
            max: config.max_positions(),
        })
    }

    /// Tokens of a text.
    pub(crate) fn tokens(&self, text: &str) -> Result<usize> {
        Ok(self.tokenizer.encode(text)?.len())
    }

    /// Whether a prompt leaves so many positions.
    pub(crate) fn fits(&self, prompt: &[Piece], behind: usize) -> Result<bool> {
        let prompt = Prompt::assemble(parts(prompt, &self.tokenizer, self.bos)?, self.bos)?;
        Ok(prompt.positions(self.prefix_len) + behind < self.max)
    }
}
