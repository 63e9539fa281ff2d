//! Files that are whole or not there, and replace nothing by accident.

use std::{
    fs,
    io::Write,
    path::{Component, Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use tempfile::NamedTempFile;

/// The folder for a transcript's pictures, `NAME_pictures` beside `NAME.md`; made with the first.
pub(super) struct Pictures {
    folder: PathBuf,
    name: String,
}

impl Pictures {
    pub(super) fn beside(path: &Path) -> Result<Self> {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).context("the file's name is no text")?;
        let name = format!("{stem}_pictures");
        Ok(Self { folder: path.with_file_name(&name), name })
    }

    /// Saves a picture once; gives its path from the transcript's folder on, with slashes.
    pub(super) fn save(&self, stem: &str, ending: &str, data: &[u8]) -> Result<String> {
        fs::create_dir_all(&self.folder).with_context(|| format!("making {}", self.folder.display()))?;
        let mut n = 1;
        loop {
            let suffix = if n == 1 { String::new() } else { format!("-{n}") };
            let name = format!("{stem}{suffix}.{ending}");
            let path = self.folder.join(&name);
            if !path.exists() {
                write(&path, data, false)?;
            } else if fs::read(&path).is_ok_and(|there| there != data) {
                n += 1;
                continue;
            }
            return Ok(format!("{}/{name}", self.name));
        }
    }
}

/// Writes a file whole: under another name first, then renamed.
pub(super) fn write(path: &Path, data: &[u8], force: bool) -> Result<()> {
    let failed = || format!("writing {}", path.display());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(folder).with_context(failed)?;
    file.write_all(data).and_then(|()| file.as_file().sync_all()).with_context(failed)?;
    let kept = if force { file.persist(path) } else { file.persist_noclobber(path) };
    kept.with_context(failed)?;
    Ok(())
}

/// Reads a picture that a transcript names. A transcript may be somebody else's: it names files below its own folder.
pub(super) fn read(folder: &Path, name: &str) -> Result<Vec<u8>> {
    let plain = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    ensure!(plain && !name.is_empty(), "the picture {name:?} must lie below the transcript's folder");
    let path = folder.join(name);
    fs::read(&path).with_context(|| format!("reading the picture {}", path.display()))
}
