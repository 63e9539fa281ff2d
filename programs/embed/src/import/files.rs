//! Which files are meant.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

/// The files of `sources`, in their order; a folder stands for its files of embeddings, by name.
pub(super) fn find(sources: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for source in sources {
        let data = fs::metadata(source).with_context(|| format!("embeddings in {}", source.display()))?;
        if data.is_dir() {
            files.extend(of_folder(source)?);
        } else {
            files.push(source.clone());
        }
    }
    Ok(files)
}

fn of_folder(folder: &Path) -> Result<Vec<PathBuf>> {
    let reading = || format!("embeddings in {}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(reading)? {
        let path = entry.with_context(reading)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("cc3m_embeddings") && name.ends_with(".pkl") && path.is_file() {
            files.push(path);
        }
    }
    ensure!(
        !files.is_empty(),
        "{} holds no cc3m_embeddings*.pkl; name the files themselves",
        folder.display()
    );
    files.sort();
    Ok(files)
}
