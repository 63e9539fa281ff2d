//! A folder of pictures as data sets publish them: files named by an id, in any folders below.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

const ENDINGS: [&str; 7] = ["jpg", "jpeg", "png", "webp", "gif", "bmp", "tiff"];

/// Picture files by the name without its ending.
pub(crate) struct Folder {
    root: PathBuf,
    files: HashMap<String, PathBuf>,
}

impl Folder {
    /// Lists all pictures in and below a folder. Of two with a name the first in order counts.
    pub(crate) fn open(root: &Path) -> Result<Self> {
        let mut files = HashMap::new();
        let mut left = vec![root.to_owned()];
        while let Some(folder) = left.pop() {
            let said = || format!("looking into {}", folder.display());
            let mut entries = fs::read_dir(&folder)
                .with_context(said)?
                .collect::<Result<Vec<_>, _>>()
                .with_context(said)?;
            entries.sort_by_key(fs::DirEntry::path);
            for entry in entries {
                let path = entry.path();
                if path.is_dir() {
                    left.push(path);
                } else if let Some(name) = picture(&path) {
                    files.entry(name).or_insert(path);
                }
            }
        }
        ensure!(!files.is_empty(), "{}: there is no picture in it ({})", root.display(), ENDINGS.join(", "));
        Ok(Self { root: root.to_owned(), files })
    }

    /// The file of an id: named so, or ending in `_` and the id, with zeros before it, as COCO's files do.
    pub(crate) fn find(&self, id: &str) -> Option<&Path> {
        if let Some(path) = self.files.get(id) {
            return Some(path);
        }
        let padded = format!("{id:0>12}");
        let known =
            ["VisualDialog_val2018_", "VisualDialog_test2018_", "COCO_val2014_", "COCO_train2014_", ""];
        known.iter().find_map(|begin| self.files.get(&format!("{begin}{padded}"))).map(PathBuf::as_path)
    }

    /// A file's path below the folder, for people.
    pub(crate) fn below(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.root).unwrap_or(path).to_owned()
    }
}

fn picture(path: &Path) -> Option<String> {
    let ending = path.extension()?.to_str()?.to_ascii_lowercase();
    ENDINGS.contains(&ending.as_str()).then(|| path.file_stem()?.to_str().map(str::to_owned)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_found_as_they_are_published() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("a")).unwrap();
        for name in ["a/100.JPG", "200.png", "VisualDialog_val2018_000000000300.jpg", "400.txt"] {
            fs::write(root.path().join(name), "").unwrap();
        }
        let folder = Folder::open(root.path()).unwrap();
        let found = |id: &str| folder.find(id).map(|path| folder.below(path).display().to_string());
        assert_eq!(found("100").as_deref(), Some("a/100.JPG"));
        assert_eq!(found("200").as_deref(), Some("200.png"));
        assert_eq!(found("300").as_deref(), Some("VisualDialog_val2018_000000000300.jpg"));
        assert_eq!(found("400"), None, "no picture");
        assert_eq!(found("30"), None);
        let empty = Folder::open(&root.path().join("b"));
        assert!(format!("{:#}", empty.err().unwrap()).contains("looking into"));
    }
}
