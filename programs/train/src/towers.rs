//! `fondue train towers`: a small CLIP vision tower and a small OPT from nothing.

pub(crate) mod course;
pub(crate) mod flat;
pub mod language;
pub mod tokenizer;
pub mod vision;

use anyhow::Result;
use clap::Subcommand;

/// Which tower.
#[derive(Debug, Subcommand)]
pub enum TowersCommand {
    /// A vocabulary for the language model.
    Tokenizer(tokenizer::TokenizerArgs),
    /// An OPT, by next-token loss.
    Language(language::LanguageArgs),
    /// A CLIP vision tower, by the contrastive loss with a text tower.
    Vision(vision::VisionArgs),
}

/// Trains as told.
///
/// # Errors
/// Whatever stops it.
pub fn run(command: &TowersCommand) -> Result<()> {
    match command {
        TowersCommand::Tokenizer(args) => tokenizer::run(args),
        TowersCommand::Language(args) => language::run(args),
        TowersCommand::Vision(args) => vision::run(args),
    }
}
