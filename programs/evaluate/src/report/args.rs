//! Where reports go.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// What is written beside what is printed, and where answers are kept.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ReportArgs {
    /// Write the report as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write the report as one HTML page, pictures inside.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Folder in which answers are kept, so that a run that was stopped or killed goes on where it was.
    #[arg(long, value_name = "DIR", default_value = ".fondue/evaluate")]
    pub(crate) work: PathBuf,
}

/// Writes a file, whole or not at all.
pub(super) fn write(path: &Path, text: &str) -> Result<()> {
    let said = || format!("writing {}", path.display());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).with_context(said)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(said)?;
    file.write_all(text.as_bytes()).with_context(said)?;
    // A report is no secret, as a temporary file is.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    file.as_file().set_permissions(mode).with_context(said)?;
    file.persist(path).with_context(said)?;
    Ok(())
}
