//! The folder that a builder works in, which no other builder removes while it lives.
//!
//! A living builder holds an exclusive lock on the file `lock` in its folder; the system lets go of it when the process
//! ends, whatever it dies of. So a folder whose lock can be had is left over.

use std::{
    fs::{self, File},
    path::Path,
};

use tempfile::TempDir;

use crate::IndexError;

const PREFIX: &str = ".building-";
const LOCK: &str = "lock";

pub(super) struct Work {
    folder: TempDir,
    /// Held until the folder is gone.
    _lock: File,
}

impl Work {
    /// A new folder in `generations`; folders that are left over go.
    pub(super) fn begin(generations: &Path) -> Result<Self, IndexError> {
        // One builder at a time in here, or one would take another's folder, made but not yet locked, for left over.
        // Where the system has no such locks, nothing is found to be left over either.
        let entrance = File::open(generations).map_err(IndexError::io(generations))?;
        let alone = entrance.lock().is_ok();
        if alone {
            sweep(generations);
        }
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(generations);
        let folder = folder.map_err(IndexError::io(generations))?;
        let path = folder.path().join(LOCK);
        let lock = File::create_new(&path).map_err(IndexError::io(&path))?;
        let _ = lock.try_lock(); // fails only where there are no locks
        Ok(Self { folder, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Removes what is left over. What cannot be removed costs space, but stops nobody.
fn sweep(generations: &Path) {
    let Ok(entries) = fs::read_dir(generations) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX)) {
        let lock = File::open(entry.path().join(LOCK));
        // Without the file its builder died before it had made it.
        let left_over = match &lock {
            Ok(lock) => lock.try_lock().is_ok(),
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        };
        if left_over {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
