//! Names, groups, subgroups and keywords of emoji, from emojibase.

use std::{collections::HashMap, path::Path};

use anyhow::Result;
use serde::Deserialize;

use super::iconify::json;

/// The table, by code points without variation selectors.
#[derive(Debug)]
pub(crate) struct Emojibase {
    entries: HashMap<String, Entry>,
}

/// One emoji.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Unicode's short name.
    pub(crate) label: String,
    /// Unicode's subgroup, for example `food-fruit`.
    pub(crate) subgroup: String,
    /// Keywords in alphabetical order.
    pub(crate) keywords: Vec<String>,
}

#[derive(Deserialize)]
struct Row {
    label: String,
    hexcode: String,
    #[serde(default)]
    tags: Vec<String>,
    subgroup: Option<u32>, // letters that make flags have none
}

#[derive(Deserialize)]
struct Groups {
    subgroups: HashMap<String, String>,
}

impl Emojibase {
    /// Reads an unpacked package.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let rows: Vec<Row> = json(&folder.join("en/data.json"))?;
        let groups: Groups = json(&folder.join("meta/groups.json"))?;
        let entry = |row: Row| {
            let subgroup = groups.subgroups.get(&row.subgroup?.to_string())?.clone();
            let entry = Entry { label: row.label, subgroup, keywords: row.tags };
            Some((plain(&row.hexcode.to_lowercase()), entry))
        };
        Ok(Self { entries: rows.into_iter().filter_map(entry).collect() })
    }

    /// What is known of the emoji with these code points.
    pub(crate) fn get(&self, points: &str) -> Option<&Entry> {
        self.entries.get(&plain(points))
    }
}

/// Code points without variation selectors, which the tables do not agree on.
pub(crate) fn plain(points: &str) -> String {
    points.split('-').filter(|point| *point != "fe0f").collect::<Vec<_>>().join("-")
}
