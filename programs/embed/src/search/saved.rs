//! `--save`: found pictures as files.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use fondue_index::{View, live::Found};

use super::ranked;

/// Characters of an id in a file's name.
const SHOWN: usize = 80;

/// Writes each stored picture to `folder/RANK-ID.EXTENSION`.
pub(super) fn save(folder: &Path, view: &View, found: &[Found]) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let mut missing = 0;
    for (rank, found) in ranked(found) {
        let bytes = view.picture(found.place)?;
        if bytes.is_empty() {
            missing += 1;
            continue;
        }
        let item = view.item(found.place)?;
        let path = folder.join(format!("{rank:04}-{}.{}", name(&item.id), extension(&item.media_type)));
        fs::write(&path, bytes).with_context(|| path.display().to_string())?;
    }
    if missing > 0 {
        eprintln!("note: of {missing} pictures the index stores no file");
    }
    Ok(())
}

/// An id may hold anything; a file's name gets letters and figures of it.
fn name(id: &str) -> String {
    id.chars().take(SHOWN).map(|c| if c.is_alphanumeric() || "-_".contains(c) { c } else { '_' }).collect()
}

fn extension(media_type: &str) -> &str {
    match media_type {
        "image/jpeg" => "jpg",
        "image/tiff" => "tif",
        "image/png" | "image/gif" | "image/webp" | "image/bmp" => &media_type[6..],
        _ => "bin",
    }
}
