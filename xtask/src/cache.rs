//! The folder of the user's cache for what is fetched once, for all clones.

use std::{
    env,
    fs::{self, File},
    io::ErrorKind,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// The folder, and this process alone at setting up `name` in it, until the file is dropped.
pub(crate) fn alone(name: &str) -> Result<(PathBuf, File)> {
    let cache = folder()?;
    fs::create_dir_all(&cache)?;
    let lock = File::create(cache.join(format!("{name}.lock")))?;
    lock.lock().context("waiting for another set-up")?;
    Ok((cache, lock))
}

/// Links `name` in the project to `home`.
pub(crate) fn link(root: &Path, name: &str, home: &Path) -> Result<()> {
    let link = root.join(name);
    if fs::read_link(&link).ok().as_deref() == Some(home) {
        return Ok(());
    }
    match fs::remove_file(&link) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => symlink(home, &link).with_context(|| format!("linking {name}")),
    }
}

#[allow(clippy::disallowed_methods)]
fn folder() -> Result<PathBuf> {
    let base = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let base = base.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    Ok(base.context("neither XDG_CACHE_HOME nor HOME is set")?.join("fondue"))
}
