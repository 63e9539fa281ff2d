//! JSONL: a JSON object in each line.

use std::{borrow::Cow, collections::BTreeMap, path::PathBuf};

use anyhow::Result;
use fondue_index::{Metadata, Value};
use serde::Deserialize;

use super::{Bad, Entries, Entry, Row, id, place};
use crate::lines::numbered;

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
