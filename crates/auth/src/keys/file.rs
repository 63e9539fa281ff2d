//! What a file of keys says, entry by entry. A fault is told by its place and its field, never by what stands there: that may be a
//! key which somebody put where its digest belongs.

use std::num::NonZeroU32;

use serde::{Deserialize, Deserializer};
use serde_path_to_error::{Path, Segment};

use super::KeysError;
use crate::account::Limits;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    key: Vec<Entry>,
}

/// One key, as it stands there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) hash: String,
    pub(super) tenant: String,
    pub(super) requests_per_minute: Option<NonZeroU32>,
    pub(super) burst: Option<NonZeroU32>,
    concurrent_turns: Option<u32>,
    conversations: Option<u32>,
    tokens_per_day: Option<u64>,
    /// RFC 3339.
    #[serde(default, deserialize_with = "time")]
    pub(super) expires: Option<String>,
    #[serde(default)]
    pub(super) gallery: bool,
}

/// The fields, which may be told.
const FIELDS: [&str; 10] = [
    "id",
    "hash",
    "tenant",
    "requests_per_minute",
    "burst",
    "concurrent_turns",
    "conversations",
    "tokens_per_day",
    "expires",
    "gallery",
];

impl Entry {
    pub(super) fn limits(&self) -> Limits {
        Limits {
            requests_per_minute: self.requests_per_minute,
            burst: self.burst,
            concurrent_turns: self.concurrent_turns,
            conversations: self.conversations,
            tokens_per_day: self.tokens_per_day,
        }
    }
}

/// A time as a text, as JSON has it, or as TOML's own.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Time {
        Text(String),
        Own(toml::value::Datetime),
    }
    let time = Option::<Time>::deserialize(deserializer)?;
    Ok(time.map(|time| match time {
        Time::Text(text) => text,
        Time::Own(time) => time.to_string(),
    }))
}

/// The entries of a file.
///
/// # Errors
/// [`KeysError::Syntax`].
pub(super) fn read(text: &str, is_json: bool) -> Result<Vec<Entry>, KeysError> {
    let file: Result<File, String> = if is_json {
        let mut reader = serde_json::Deserializer::from_str(text);
        let read = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let (path, inner) = (error.path(), error.inner());
            let place = (inner.line(), inner.column());
            fault(place, path, if inner.is_data() { Some(inner.to_string()) } else { None }, "JSON")
        });
        read.and_then(|file| match reader.end() {
            Ok(()) => Ok(file),
            Err(error) => Err(format!("line {} column {}: it is not JSON", error.line(), error.column())),
        })
    } else {
        match toml::Deserializer::parse(text) {
            Err(error) => Err(format!("{}: it is not TOML", told(place(text, &error)))),
            Ok(reader) => serde_path_to_error::deserialize(reader).map_err(|error| {
                let (path, inner) = (error.path(), error.inner());
                fault(place(text, inner), path, Some(inner.message().to_owned()), "TOML")
            }),
        }
    };
    Ok(file.map_err(KeysError::Syntax)?.key)
}

/// Line and column of a fault, counted from 1.
fn place(text: &str, error: &toml::de::Error) -> (usize, usize) {
    let at = error.span().map_or(0, |span| span.start);
    let before = text.get(..at).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

fn told((line, column): (usize, usize)) -> String {
    format!("line {line} column {column}")
}

/// A fault of a file. `message` is the reader's; only its class and the names of our own fields are told of it.
fn fault(at: (usize, usize), path: &Path, message: Option<String>, what: &str) -> String {
    let mut place = told(at);
    let Some(message) = message else { return format!("{place}: it is not {what}") };
    let mut field = None;
    for segment in path {
        match segment {
            Segment::Seq { index } => place += &format!(", key {}", index + 1),
            Segment::Map { key } => field = FIELDS.iter().find(|field| *field == key),
            _ => {}
        }
    }
    let missing = |field: &&&str| message.starts_with(&format!("missing field `{field}`"));
    let twice = |field: &&&str| message.starts_with(&format!("duplicate field `{field}`"));
    let reason = if let Some(field) = FIELDS.iter().find(missing) {
        format!("missing field `{field}`")
    } else if let Some(field) = FIELDS.iter().find(twice) {
        format!("`{field}` is there twice")
    } else if message.starts_with("unknown field") {
        format!("unknown field; there are `[[key]]` and in it {}", FIELDS.join(", "))
    } else if let Some(field) = field {
        format!("`{field}` has a value of the wrong kind")
    } else {
        "a list `key` of tables is expected".to_owned()
    };
    format!("{place}: {reason}")
}
