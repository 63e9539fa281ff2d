//! Lines of a file: those of JSONL, a JSON object each.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use fondue_index::{Metadata, Value};
use serde::Deserialize;

use super::{Bad, Entries, Entry, Row, id, place};

/// Bytes of one line.
const MAX_LINE: usize = 1 << 20;

pub(crate) struct Lines {
    pub(super) path: PathBuf,
    pub(super) folder: PathBuf,
}

/// A line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Object<'a> {
    #[serde(borrow)]
    image: Cow<'a, str>,
    id: Option<String>,
    #[serde(default)]
    caption: String,
    #[serde(default)]
    group: String,
    #[serde(default)]
    metadata: BTreeMap<String, Option<Value>>,
}

impl Lines {
    pub(super) fn entries(&self) -> Result<Entries<'_>> {
        Ok(Box::new(numbered(&self.path)?.filter_map(|line| match line {
            Ok((_, Ok(text))) if text.trim().is_empty() => None,
            Ok((line, text)) => Some(Ok(self.entry(line, text))),
            Err(error) => Some(Err(error)),
        })))
    }

    fn entry(&self, line: u64, text: Result<String, String>) -> Entry {
        let bad = |reason: String| Bad { line, image: String::new(), reason };
        let text = text.map_err(bad)?;
        let object: Object<'_> = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
        let image = object.image.into_owned();
        let bad = |reason: String| Bad { line, image: image.clone(), reason };
        let place = place(&self.folder, &image).map_err(bad)?;
        let mut metadata = Metadata::new();
        for (name, value) in object.metadata {
            if let Some(value) = value {
                metadata.set(name, value).map_err(|error| bad(error.to_string()))?;
            }
        }
        let id = object.id.unwrap_or_else(|| id(&image));
        Ok(Row { line, place, id, caption: object.caption, group: object.group, metadata, image })
    }
}

/// The lines of a file with their numbers, from 1, or what is wrong with them.
pub(super) fn numbered(path: &Path) -> Result<impl Iterator<Item = Result<(u64, Result<String, String>)>>> {
    let path = path.to_owned();
    let file = File::open(&path).with_context(|| format!("table of pictures {}", path.display()))?;
    let (mut reader, mut line) = (BufReader::with_capacity(1 << 16, file), 0);
    Ok(std::iter::from_fn(move || {
        let mut bytes = Vec::new();
        line += 1;
        let read = reader.by_ref().take(MAX_LINE as u64 + 1).read_until(b'\n', &mut bytes);
        let text = match read
            .and_then(|n| if bytes.len() > MAX_LINE { skip_line(&mut reader).map(|()| n) } else { Ok(n) })
        {
            Err(error) => return Some(Err(error).with_context(|| path.display().to_string())),
            Ok(0) => return None,
            Ok(_) if bytes.len() > MAX_LINE => Err(format!("the line has more than {MAX_LINE} bytes")),
            Ok(_) => text(bytes, line),
        };
        Some(Ok((line, text)))
    }))
}

fn text(mut bytes: Vec<u8>, line: u64) -> Result<String, String> {
    while matches!(bytes.last(), Some(b'\n' | b'\r')) {
        bytes.pop();
    }
    let mut text = String::from_utf8(bytes).map_err(|_| "the line is not UTF-8".to_owned())?;
    // Spreadsheets put a byte order mark before UTF-8.
    if line == 1 && text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Ok(text)
}

/// Leaves out what remains of a line, without holding it.
fn skip_line(reader: &mut impl BufRead) -> std::io::Result<()> {
    reader.skip_until(b'\n').map(|_| ())
}
