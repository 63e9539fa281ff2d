//! Files as published, files as attackers write them, and files as broken disks leave them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::{Path, PathBuf};

use fondue_pickle::{Archive, PickleError};

mod damaged;
mod good;
mod hostile;
mod streams;
mod zips;

/// A file of tests/data.
fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn open(name: &str) -> Result<Archive, PickleError> {
    Archive::open(&data(name))
}

/// Reads bytes that are no file.
fn read(bytes: impl Into<Vec<u8>>) -> Result<Archive, PickleError> {
    Archive::from_bytes(Path::new("made/here.pkl"), bytes.into())
}

/// The error that a reading must end in.
fn fault(read: Result<Archive, PickleError>) -> PickleError {
    match read {
        Ok(archive) => panic!("was read as {:?}", archive.root()),
        Err(error) => error,
    }
}
