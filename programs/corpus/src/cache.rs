//! The folder of the user's cache that packages are kept in, and one process alone at filling it.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// The folder, made, until it is dropped for this process alone.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
    _alone: File, // locked
}

impl Cache {
    /// Opens `folder`, else the user's own.
    pub(crate) fn open(folder: Option<&Path>) -> Result<Self> {
        let folder = match folder {
            Some(folder) => folder.to_owned(),
            None => users()?,
        };
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let alone = File::create(folder.join("lock")).context("making the cache's lock")?;
        alone.lock().context("waiting for another process that fills the cache")?;
        Ok(Self { folder, _alone: alone })
    }

    /// Where it lies.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

fn users() -> Result<PathBuf> {
    let base = env::var_os("XDG_CACHE_HOME").filter(|base| !base.is_empty()).map(PathBuf::from);
    let base = base.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    let base = base.context("neither XDG_CACHE_HOME nor HOME is set; name a folder with --cache")?;
    Ok(base.join("fondue/corpus"))
}
