//! A set of drawings as Iconify packs it: one JSON with a body of SVG an icon, and aliases that may mirror it.
//!
//! Source: https://iconify.design/docs/types/iconify-json.html.

use std::{collections::HashMap, fs, path::Path};

use anyhow::{Context, Result};
use serde::Deserialize;

/// A set of drawings by the names of its icons.
#[derive(Debug)]
pub(crate) struct Icons {
    /// The style that they make.
    pub(crate) style: &'static str,
    set: Set,
    /// Code points, in lower hexadecimal and joined by `-`, to names; some sets have none.
    chars: HashMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct Set {
    icons: HashMap<String, Icon>,
    #[serde(default)]
    aliases: HashMap<String, Alias>,
    #[serde(default = "sixteen")]
    width: f32,
    #[serde(default = "sixteen")]
    height: f32,
}

/// What Iconify takes a side to be that a set does not tell.
fn sixteen() -> f32 {
    16.0
}

#[derive(Debug, Deserialize)]
struct Icon {
    body: String,
    width: Option<f32>,
    height: Option<f32>,
}

#[derive(Debug, Deserialize)]
struct Alias {
    parent: String,
    #[serde(default, rename = "hFlip")]
    mirrored: bool,
}

impl Icons {
    /// Reads `icons.json` and `chars.json` of an unpacked package.
    pub(crate) fn read(style: &'static str, folder: &Path) -> Result<Self> {
        Ok(Self { style, set: json(&folder.join("icons.json"))?, chars: json(&folder.join("chars.json"))? })
    }

    /// The name that the set's own table has for these code points.
    pub(crate) fn named(&self, points: &str) -> Option<&str> {
        self.chars.get(points).map(String::as_str)
    }

    /// The drawing of this name as a whole SVG.
    pub(crate) fn svg(&self, name: &str) -> Option<String> {
        let mut mirrored = false;
        let mut name = name;
        // An alias may name another alias; a circle of them, which would be the set's fault, ends after a few.
        for _ in 0..4 {
            if let Some(icon) = self.set.icons.get(name) {
                return Some(self.whole(icon, mirrored));
            }
            let alias = self.set.aliases.get(name)?;
            mirrored ^= alias.mirrored;
            name = &alias.parent;
        }
        None
    }

    fn whole(&self, icon: &Icon, mirrored: bool) -> String {
        let (width, height) = (icon.width.unwrap_or(self.set.width), icon.height.unwrap_or(self.set.height));
        let body = if mirrored {
            format!("<g transform=\"translate({width} 0) scale(-1 1)\">{}</g>", icon.body)
        } else {
            icon.body.clone()
        };
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" \
             viewBox=\"0 0 {width} {height}\">{body}</svg>"
        )
    }
}

/// Reads a file of JSON.
pub(super) fn json<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("reading {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_drawn_as_its_parent_and_mirrored_where_it_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let icons = r#"{"width": 32, "height": 32, "icons": {"left": {"body": "<path/>"}},
            "aliases": {"west": {"parent": "left"}, "right": {"parent": "west", "hFlip": true}, "a": {"parent": "a"}}}"#;
        fs::write(folder.path().join("icons.json"), icons).unwrap();
        fs::write(folder.path().join("chars.json"), r#"{"2b05": "left"}"#).unwrap();
        let icons = Icons::read("noto", folder.path()).unwrap();
        assert_eq!(icons.named("2b05"), Some("left"));
        let left = icons.svg("left").unwrap();
        assert!(left.ends_with("viewBox=\"0 0 32 32\"><path/></svg>"), "{left}");
        assert_eq!(icons.svg("west").unwrap(), left);
        assert!(icons.svg("right").unwrap().contains("translate(32 0) scale(-1 1)"));
        assert_eq!((icons.svg("a"), icons.svg("up")), (None, None));
    }
}
