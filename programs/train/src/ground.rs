//! `fondue train ground`: the mapping layers and `[RET]`, beside frozen towers.

use anyhow::Result;

/// Fit the mapping layers.
#[derive(Debug, clap::Args)]
pub struct GroundArgs {}

/// Trains as told.
///
/// # Errors
/// Whatever stops it.
pub fn run(_args: &GroundArgs) -> Result<()> {
    Ok(())
}
