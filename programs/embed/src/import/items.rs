//! `--ids`: what is known of the rows of an array, a line each.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result, anyhow};
use fondue_index::{Item, Metadata, Value};
use serde::Deserialize;

use super::rows::is_url;
use crate::lines::numbered;

/// A line of a .jsonl file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Object {
    id: String,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    caption: String,
    #[serde(default)]
    group: String,
    #[serde(default)]
    metadata: BTreeMap<String, Option<Value>>,
}

/// Lines that are not empty.
pub(super) fn count(path: &Path, mut look: impl FnMut() -> Result<()>) -> Result<u64> {
    let mut n = 0;
    for item in read(path)? {
        item?;
        n += 1;
        if n % 4096 == 0 {
            look()?;
        }
    }
    Ok(n)
}

/// The items, in order. An id that is a URL tells where the picture can be had, unless something else does.
pub(super) fn read(path: &Path) -> Result<impl Iterator<Item = Result<Item>>> {
    let json = path.extension().is_some_and(|extension| extension == "jsonl" || extension == "ndjson");
    let path = path.to_owned();
    let lines = numbered(&path)?;
    Ok(lines.filter_map(move |line| {
        let (line, text) = match line {
            Ok((_, Ok(text))) if text.trim().is_empty() => return None,
            Ok(line) => line,
            Err(error) => return Some(Err(error)),
        };
        let item = text
            .map_err(|reason| anyhow!(reason))
            .and_then(|text| if json { object(&text) } else { Ok(of_id(text)) });
        Some(item.with_context(|| format!("{}: line {line}", path.display())))
    }))
}

fn of_id(text: String) -> Item {
    let id = text.trim().to_owned();
    Item { url: if is_url(&id) { id.clone() } else { String::new() }, id, ..Item::default() }
}

fn object(text: &str) -> Result<Item> {
    let Object { id, url, caption, group, metadata: values } = serde_json::from_str(text)?;
    let mut metadata = Metadata::new();
    for (name, value) in values {
        if let Some(value) = value {
            metadata.set(name, value)?;
        }
    }
    let url = url.unwrap_or_else(|| if is_url(&id) { id.clone() } else { String::new() });
    Ok(Item { id, url, caption, group, metadata, ..Item::default() })
}
