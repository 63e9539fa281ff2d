//! A table of captions: tab-separated values with a header. CC3M's is one, with URLs for images.

use std::{collections::HashMap, path::PathBuf};

use anyhow::{Context, Result, bail};
use fondue_index::Metadata;

use super::{Bad, Entries, Entry, FieldSpec, Row, id, place};
use crate::lines::numbered;

pub(crate) struct Table {
    pub(super) path: PathBuf,
    folder: PathBuf,
    columns: Columns,
}

/// Where things stand in a line.
struct Columns {
    image: usize,
    caption: usize,
    group: Option<usize>,
    fields: Vec<(usize, FieldSpec)>,
}

impl Table {
    pub(super) fn open(path: PathBuf, folder: PathBuf, fields: Vec<FieldSpec>) -> Result<Self> {
        let Some((_, header)) = numbered(&path)?.next().transpose()? else {
            bail!("{} is empty; a header with `image` and `caption` is needed", path.display());
        };
        let header = header.map_err(|reason| anyhow::anyhow!("{}: line 1: {reason}", path.display()))?;
        let columns = Columns::of(&header, fields).with_context(|| format!("{}: line 1", path.display()))?;
        Ok(Self { path, folder, columns })
    }

    pub(super) fn entries(&self) -> Result<Entries<'_>> {
        let lines = numbered(&self.path)?.skip(1);
        Ok(Box::new(lines.filter_map(|line| match line {
            Ok((_, Ok(text))) if text.trim().is_empty() => None,
            Ok((line, text)) => Some(Ok(self.entry(line, text))),
            Err(error) => Some(Err(error)),
        })))
    }

    fn entry(&self, line: u64, text: Result<String, String>) -> Entry {
        let text = text.map_err(|reason| Bad { line, image: String::new(), reason })?;
        let cells: Vec<&str> = text.split('\t').collect();
        let cell = |column: usize| cells.get(column).map(|cell| cell.trim()).unwrap_or("");
        let image = cell(self.columns.image).to_owned();
        let bad = |reason: String| Bad { line, image: image.clone(), reason };
        let place = place(&self.folder, &image).map_err(bad)?;
        let caption = cell(self.columns.caption).to_owned();
        if caption.is_empty() {
            return Err(bad("no caption".to_owned()));
        }
        let mut metadata = Metadata::new();
        for (column, field) in &self.columns.fields {
            if let Some(value) = field.value(cell(*column)).map_err(bad)? {
                metadata.set(&field.name, value).map_err(|error| bad(error.to_string()))?;
            }
        }
        let group = self.columns.group.map(cell).unwrap_or("").to_owned();
        Ok(Row { line, id: id(&image), place, caption, group, metadata, image })
    }
}

impl Columns {
    fn of(header: &str, fields: Vec<FieldSpec>) -> Result<Self> {
        let names: HashMap<&str, usize> =
            header.split('\t').enumerate().map(|(n, name)| (name.trim(), n)).collect();
        let (Some(&image), Some(&caption)) = (names.get("image"), names.get("caption")) else {
            bail!("the header needs the columns `image` and `caption`, separated by tabs");
        };
        let mut placed = Vec::new();
        for field in fields {
            let Some(&column) = names.get(field.name.as_str()) else {
                let mut known: Vec<_> = names.into_keys().collect();
                known.sort();
                bail!("--metadata {}: there is no such column; there are {}", field.name, known.join(", "));
            };
            placed.push((column, field));
        }
        Ok(Self { image, caption, group: names.get("group").copied(), fields: placed })
    }
}
