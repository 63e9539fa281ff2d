//! The folder appears whole or not at all: it is made beside its place, then renamed.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

/// Where a folder will lie, and the one beside it that it is made in. One that is dropped before it is published leaves nothing.
#[derive(Debug)]
pub struct Place {
    out: PathBuf,
    beside: TempDir, // removed when dropped, with whatever is in it
}

impl Place {
    /// `None` if `out` holds what is wanted already and may not be replaced. That it does is seen by the file `mark` in it;
    /// `what` says in a failure what it should have been.
    ///
    /// # Errors
    /// If `out` holds something without `mark`, which is never replaced, or if the disk refuses.
    pub fn new(out: &Path, mark: &str, what: &str, force: bool) -> Result<Option<Self>> {
        if !is_free(out)? {
            if !out.join(mark).is_file() {
                bail!("{} holds something else than {what}; name another folder", out.display());
            }
            if !force {
                return Ok(None);
            }
        }
        let parent = match out.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
        let beside = tempfile::Builder::new().prefix(".new-").tempdir_in(parent);
        let beside = beside.with_context(|| format!("making a folder in {}", parent.display()))?;
        fs::create_dir(beside.path().join("new"))?;
        Ok(Some(Self { out: out.to_owned(), beside }))
    }

    /// The folder to fill.
    pub fn work(&self) -> PathBuf {
        self.beside.path().join("new")
    }

    /// Puts the folder into its place; what was there goes.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn publish(self) -> Result<()> {
        if !is_free(&self.out)? {
            fs::rename(&self.out, self.beside.path().join("old")).context("moving the old folder away")?;
        }
        fs::rename(self.work(), &self.out).with_context(|| format!("moving into {}", self.out.display()))
    }
}

/// Whether nothing is there but perhaps an empty folder, which a rename replaces.
fn is_free(out: &Path) -> Result<bool> {
    match fs::read_dir(out) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error).with_context(|| format!("reading {}", out.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: &str = "captions.tsv";

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn what_is_not_published_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let place = Place::new(&root.path().join("out"), MARK, "drawings", false).unwrap().unwrap();
        fs::write(place.work().join("a.png"), "").unwrap();
        drop(place);
        assert!(names(root.path()).is_empty());
    }

    #[test]
    fn replaces_drawings_only_by_force_and_nothing_else_ever() {
        let root = tempfile::tempdir().unwrap();
        let out = root.path().join("deep/out");
        let place = Place::new(&out, MARK, "drawings", false).unwrap().unwrap();
        fs::write(place.work().join("captions.tsv"), "old").unwrap();
        place.publish().unwrap();
        assert!(Place::new(&out, MARK, "drawings", false).unwrap().is_none());
        let place = Place::new(&out, MARK, "drawings", true).unwrap().unwrap();
        fs::write(place.work().join("captions.tsv"), "new").unwrap();
        place.publish().unwrap();
        assert_eq!(fs::read_to_string(out.join("captions.tsv")).unwrap(), "new");
        assert_eq!(names(out.parent().unwrap()), ["out"]);
        fs::remove_file(out.join("captions.tsv")).unwrap();
        fs::write(out.join("thesis.txt"), "").unwrap();
        assert!(Place::new(&out, MARK, "drawings", true).is_err());
    }
}
