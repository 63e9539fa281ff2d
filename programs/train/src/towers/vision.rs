//! A CLIP vision tower from nothing.

use anyhow::Result;

/// A vision tower.
#[derive(Debug, clap::Args)]
pub struct VisionArgs {}

/// Trains as told.
///
/// # Errors
/// Whatever stops it.
pub fn run(_args: &VisionArgs) -> Result<()> {
    Ok(())
}
