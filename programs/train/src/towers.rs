//! `fondue train towers`: a small CLIP vision tower and a small OPT from nothing.

pub mod vision;

use anyhow::Result;
use clap::Subcommand;

/// Which tower.
#[derive(Debug, Subcommand)]
pub enum TowersCommand {
    /// A CLIP vision tower, by the contrastive loss with a text tower.
    Vision(vision::VisionArgs),
}

/// Trains as told.
///
/// # Errors
/// Whatever stops it.
pub fn run(command: &TowersCommand) -> Result<()> {
    match command {
        TowersCommand::Vision(args) => vision::run(args),
    }
}
