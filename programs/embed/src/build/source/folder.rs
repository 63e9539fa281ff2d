//! A folder of pictures without captions: all picture files in it and below, in the order of their paths.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use fondue_index::Metadata;
use sha2::{Digest, Sha256};

use super::{Bad, Entry, Place, Row};

const EXTENSIONS: [&str; 8] = ["png", "jpg", "jpeg", "gif", "webp", "bmp", "tif", "tiff"];

pub(crate) struct Folder {
    pub(super) path: PathBuf,
    /// Below `path`, sorted.
    files: Vec<PathBuf>,
}

impl Folder {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let mut files = Vec::new();
        let mut open = vec![PathBuf::new()];
        while let Some(below) = open.pop() {
            let folder = path.join(&below);
            let reading = || format!("pictures in {}", folder.display());
            for entry in fs::read_dir(&folder).with_context(reading)? {
                let entry = entry.with_context(reading)?;
                let name = entry.file_name();
                if name.as_encoded_bytes().starts_with(b".") {
                    continue;
                }
                let kind = entry.file_type().with_context(reading)?;
                // Linked folders are not followed: links can go round in a circle.
                if kind.is_dir() {
                    open.push(below.join(name));
                } else if is_picture(Path::new(&name)) && !entry.path().is_dir() {
                    files.push(below.join(name));
                }
            }
        }
        ensure!(
            !files.is_empty(),
            "{} holds no captions.tsv and no picture ({}); --captions names a table that lies elsewhere",
            path.display(),
            EXTENSIONS.join(", ")
        );
        files.sort();
        Ok(Self { path: path.to_owned(), files })
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = Result<Entry>> {
        self.files.iter().enumerate().map(|(n, file)| {
            let line = n as u64 + 1;
            let Some(image) = file.to_str() else {
                let image = file.to_string_lossy().into_owned();
                return Ok(Err(Bad { line, image, reason: "its name is not UTF-8".to_owned() }));
            };
            Ok(Ok(Row {
                line,
                image: image.to_owned(),
                place: Place::File(self.path.join(file)),
                // With the extension: there may be a.png and a.jpg.
                id: image.to_owned(),
                caption: String::new(),
                group: String::new(),
                metadata: Metadata::new(),
            }))
        })
    }

    /// What a table says of its pictures, a folder tells by their lengths and times.
    pub(super) fn hash(&self, hasher: &mut Sha256) {
        for file in &self.files {
            let data = fs::metadata(self.path.join(file));
            let data = data.ok().map(|data| (data.len(), data.modified().ok()));
            hasher.update(format!("{data:?}\n"));
        }
    }
}

fn is_picture(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(extension)))
}
