//! From a folder beside to the folder itself, in one step.

use std::{
    fs::{self, File, Permissions},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use nix::{
    errno::Errno,
    fcntl::{AT_FDCWD, RenameFlags, renameat2},
};
use tempfile::TempDir;

use crate::parts::{Kind, Place};

/// Whether OUT may be written: it is not there, or may be replaced.
pub(crate) fn may_write(out: &Path, force: bool, inputs: &[Place]) -> Result<()> {
    let Ok(entries) = fs::read_dir(out) else {
        ensure!(fs::symlink_metadata(out).is_err(), "{} is there and no folder", out.display());
        return Ok(());
    };
    ensure!(force, "{} is there already; --force replaces it", out.display());
    for entry in entries {
        let name = entry?.file_name();
        let known = Kind::ALL.iter().any(|kind| name == kind.folder());
        // One wrong word would cost a folder of something else.
        ensure!(
            known,
            "{} holds {}, so it is no model that --force would replace",
            out.display(),
            name.display()
        );
    }
    let out = out.canonicalize()?;
    for input in inputs {
        if input.folder.canonicalize()?.starts_with(&out) {
            bail!(
                "{} lies in {}, which is to be replaced; write beside it",
                input.folder.display(),
                out.display()
            );
        }
    }
    Ok(())
}

/// A folder beside OUT, which is removed unless it is published.
pub(crate) fn stage(out: &Path) -> Result<TempDir> {
    let name = out.file_name().with_context(|| format!("{} has no name", out.display()))?;
    let parent = parent(out);
    let prefix = format!(".{}.partial-", name.display());
    let mut stage = tempfile::Builder::new();
    // As any folder that the user makes.
    stage.prefix(&prefix).permissions(Permissions::from_mode(0o777));
    stage.tempdir_in(&parent).with_context(|| format!("writing in {}", parent.display()))
}

/// Makes the staged folder OUT; what OUT was before is removed if it may be replaced, and otherwise stays.
pub(crate) fn publish(stage: TempDir, out: &Path, force: bool) -> Result<()> {
    for entry in fs::read_dir(stage.path())? {
        File::open(entry?.path())?.sync_all()?;
    }
    File::open(stage.path())?.sync_all()?;
    if force {
        // It was looked at before hours of work.
        may_write(out, force, &[])?;
    }
    rename(stage.path(), out, force).with_context(|| format!("putting the model to {}", out.display()))?;
    File::open(parent(out))?.sync_all()?;
    // If it was replaced, what is staged now is the old one.
    drop(stage);
    Ok(())
}

fn rename(from: &Path, to: &Path, force: bool) -> io::Result<()> {
    let flags =
        if force && to.exists() { RenameFlags::RENAME_EXCHANGE } else { RenameFlags::RENAME_NOREPLACE };
    match renameat2(AT_FDCWD, from, AT_FDCWD, to, flags) {
        // Some file systems know neither flag.
        Err(Errno::EINVAL | Errno::ENOSYS) if !to.exists() => fs::rename(from, to),
        Err(Errno::EINVAL | Errno::ENOSYS) if force => {
            let aside = from.with_extension("old");
            fs::rename(to, &aside)?;
            fs::rename(from, to)?;
            fs::remove_dir_all(aside)
        }
        result => Ok(result?),
    }
}

fn parent(out: &Path) -> PathBuf {
    match out.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a test that cannot go on has failed

    use super::*;

    #[test]
    fn what_came_to_out_meanwhile_is_not_replaced() {
        let parent = tempfile::tempdir().unwrap();
        let out = parent.path().join("out");
        let stage = || {
            let stage = super::stage(&out).unwrap();
            fs::create_dir(stage.path().join("opt")).unwrap();
            stage
        };
        let (late, forced) = (stage(), stage());
        publish(stage(), &out, false).unwrap();
        let error = format!("{:#}", publish(late, &out, false).unwrap_err());
        assert!(error.contains("out") && error.contains("File exists"), "{error}");
        fs::write(out.join("photo.jpg"), "").unwrap();
        assert!(publish(forced, &out, true).is_err());
        assert!(out.join("photo.jpg").exists());
        fs::remove_file(out.join("photo.jpg")).unwrap();
        publish(stage(), &out, true).unwrap();
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1, "no stage is left");
    }
}
