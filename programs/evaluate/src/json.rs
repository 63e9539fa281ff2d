//! Files of annotations: JSON, with faults that name file and place.

use std::{
    fmt,
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error, Visitor},
};

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JsonError {
    /// It cannot be opened.
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    /// It is no JSON, or not of the form that is expected.
    #[error("{path}: {place}: {reason}; {wanted} was expected")]
    Form { path: PathBuf, place: String, reason: String, wanted: &'static str },
}

/// Reads a file; `wanted` tells people which one is meant.
pub(crate) fn read<T: DeserializeOwned>(path: &Path, wanted: &'static str) -> Result<T, JsonError> {
    let file = File::open(path).map_err(|source| JsonError::Read { path: path.to_owned(), source })?;
    let mut reader = serde_json::Deserializer::from_reader(BufReader::new(file));
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let place = match error.path().to_string() {
            path if path == "." => "the beginning".to_owned(),
            path => path,
        };
        let reason = error.into_inner().to_string();
        JsonError::Form { path: path.to_owned(), place, reason, wanted }
    })
}

/// A fault of what a file says, found later.
pub(crate) fn fault(path: &Path, place: String, reason: String, wanted: &'static str) -> JsonError {
    JsonError::Form { path: path.to_owned(), place, reason, wanted }
}

/// A name that is written as a text or as a number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Id(pub(crate) String);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Id;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name, as a text or a number")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Id, E> {
                Ok(Id(text.to_owned()))
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Id, E> {
                Ok(Id(number.to_string()))
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Id, E> {
                Ok(Id(number.to_string()))
            }
        }
        deserializer.deserialize_any(Either)
    }
}
