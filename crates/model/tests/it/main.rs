//! Models' files as others write them: the published forms, damaged ones, hostile ones.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that cannot go on has failed

mod configs;
mod damaged;
mod headers;
mod layouts;
mod pickles;
mod shards;
mod surveys;
mod tokenizers;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use fondue_model::ModelError;
use tempfile::TempDir;

/// A folder of the shipped model.
fn shipped(part: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/model").join(part)
}

/// A folder with `config.json` of a shipped part, and nothing else.
fn config_of(part: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(shipped(part).join("config.json"), folder.path().join("config.json")).unwrap();
    folder
}

/// The error of a call that fails as it should: soon, naming the file, in words that fit a screen.
#[track_caller]
fn refused<T>(file: &str, call: impl FnOnce() -> Result<T, ModelError>) -> String {
    let start = Instant::now();
    let result = call();
    let took = start.elapsed();
    let error = result.err().expect("it should be refused").to_string();
    assert!(took < Duration::from_secs(1), "{took:?}: {error}");
    assert!(error.contains(file), "does not name {file}: {error}");
    assert!(error.len() < 1000, "{error}");
    error
}
