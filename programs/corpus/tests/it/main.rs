//! The program as people run it, with packages of our own in its cache, so that nothing is fetched.

#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

mod contract;
mod official;
mod packages;
mod texts;
mod twice;

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

/// Things that the packages draw.
const THINGS: usize = 640;

/// A corpus, made.
struct Corpus {
    folder: TempDir,
}

impl Corpus {
    /// With `words` on the command line.
    fn make(words: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("cache");
        packages::write(&cache, THINGS);
        let made = Command::new(env!("CARGO_BIN_EXE_fondue-corpus"))
            .args(["--size", "16", "--cache"])
            .arg(cache)
            .args(words)
            .arg(folder.path().join("corpus"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Self { folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("corpus")
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap()
    }

    /// Rows of a table by the names of its columns.
    fn table(&self, name: &str) -> Vec<HashMap<String, String>> {
        let text = self.read(name);
        let mut lines = text.lines().map(|line| line.split('\t').map(str::to_owned).collect::<Vec<_>>());
        let header = lines.next().unwrap();
        lines
            .map(|cells| {
                assert_eq!(cells.len(), header.len(), "{cells:?}");
                header.iter().cloned().zip(cells).collect()
            })
            .collect()
    }

    /// Names of the things that are held out.
    fn held(&self) -> Vec<String> {
        let things = self.table("things.tsv").into_iter();
        things.filter(|thing| thing["held_out"] == "1").map(|thing| thing["name"].clone()).collect()
    }
}

// One corpus for all: each is some thousand files.
#[test]
fn what_is_held_out_leaks_nowhere_and_the_official_formats_are_kept() {
    let corpus = Corpus::make(&[]);
    contract::check_split(&corpus);
    texts::check_names(&corpus);
    official::check_stories(&corpus);
    official::check_dialogs(&corpus);
}

/// Every file below a folder, by its path from there.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(folder).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}
