//! The program and its library: what is interrupted, what is imported, what is refused.

#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

mod arrays;
mod commands;
mod forms;
mod interrupts;
mod refusals;
mod resume;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Parser;
use fondue_domain::Embedding;
use fondue_embed::import::{Args, Report, run};
use fondue_index::{Generation, Root};

/// A file of tests/data.
fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// The shipped model; its vectors have 256 values.
fn model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/model")
}

/// `fondue index import` of files or folders, with further flags.
fn import(index: &Path, sources: &[PathBuf], flags: &[&str]) -> Result<Report> {
    let words = ["import".as_ref(), "--index".as_ref(), index].into_iter();
    let words = words.chain(sources.iter().map(PathBuf::as_path)).chain(flags.iter().map(Path::new));
    run(&Args::try_parse_from(words)?)
}

/// The active generation, checked.
fn active(index: &Path) -> Generation {
    let root = Root::open(index).unwrap();
    let generation = root.generation(&root.active().unwrap()).unwrap();
    generation.verify().unwrap();
    generation
}

const ROWS: usize = 6;
const DIM: usize = 4;

/// The rows of all good files, by the formula of make_embeddings.py.
fn row(r: usize) -> Embedding {
    Embedding::normalized((0..DIM).map(|c| ((7 * r + 3 * c + r * c) % 11) as f32 - 5.5).collect()).unwrap()
}

fn url(n: usize) -> String {
    format!("https://example.org/{n}.jpg")
}
