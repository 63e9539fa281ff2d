//! Folders of the user's cache, made once.

use std::{fs, path::Path};

use anyhow::{Context, Result};

/// Makes a folder unless it is there: whole or not at all.
///
/// # Errors
/// If it cannot be written, or those of `fill`.
pub(crate) fn make(folder: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    if folder.exists() {
        return Ok(());
    }
    let parent = folder.parent().context("a cache folder")?;
    fs::create_dir_all(parent)?;
    eprintln!("Making {} (once) …", folder.display());
    let staged = tempfile::tempdir_in(parent)?;
    fill(staged.path()).with_context(|| format!("making {}", folder.display()))?;
    fs::rename(staged.keep(), folder).with_context(|| folder.display().to_string())
}
