//! Opening a model's files: regular ones only, texts within bounds.

use std::{
    fs::{self, File},
    io::Read,
    path::Path,
};

use serde::de::DeserializeOwned;

use crate::ModelError;

/// A configuration has a few kilobytes.
pub(crate) const CONFIG_BYTES: u64 = 1 << 20;
/// A list of shards has about a hundred bytes for each tensor.
pub(crate) const INDEX_BYTES: u64 = 16 << 20;

/// Opens a regular file.
pub(crate) fn open(path: &Path) -> Result<File, ModelError> {
    let read = |error| ModelError::read(path, error);
    // Asked for before it is opened: to open a pipe is to wait for its writer.
    if !fs::metadata(path).map_err(read)?.is_file() {
        return Err(ModelError::read(path, "it is no regular file"));
    }
    File::open(path).map_err(read)
}

/// Reads a JSON file of at most `max` bytes.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path, max: u64) -> Result<T, ModelError> {
    parse(path, &read(path, max)?)
}

/// Reads the text of a JSON file.
pub(crate) fn parse<T: DeserializeOwned>(path: &Path, text: &[u8]) -> Result<T, ModelError> {
    // What serde says quotes the file.
    serde_json::from_slice(text).map_err(|error| ModelError::content(path, shown(&error.to_string())))
}

/// The beginning of a text that a file may have made long, as it goes into messages.
pub(crate) fn shown(text: &str) -> String {
    const MAX: usize = 200;
    if text.chars().count() <= MAX {
        text.to_owned()
    } else {
        text.chars().take(MAX).chain(['…']).collect()
    }
}

/// The bytes of a file that has at most `max` of them.
pub(crate) fn read(path: &Path, max: u64) -> Result<Vec<u8>, ModelError> {
    let mut bytes = Vec::new();
    let file = open(path)?;
    file.take(max + 1).read_to_end(&mut bytes).map_err(|error| ModelError::read(path, error))?;
    if bytes.len() as u64 > max {
        return Err(ModelError::content(
            path,
            format!("has more than {max} bytes, which no file of its kind has"),
        ));
    }
    Ok(bytes)
}
