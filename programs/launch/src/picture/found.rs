//! Where found pictures are put: one file each, named by the picture's id.

use std::{
    fmt::{self, Display, Formatter},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use fondue_proto::dialogue::FoundImage;

use crate::terminal::visible_line;

const LONGEST_NAME: usize = 100;

/// A folder of found pictures; made with the first.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    folder: PathBuf,
}

/// What a picture is called: its caption, or its id if it has none.
pub(crate) fn name(image: &FoundImage) -> &str {
    if image.caption.is_empty() { &image.id } else { &image.caption }
}

/// Where a found picture can be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In this file.
    File(PathBuf),
    /// At this address: the index holds no bytes.
    Url(String),
    /// Nowhere but in the index, under this id.
    Index(String),
}

impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Url(url) => f.write_str(&visible_line(url)),
            Self::Index(id) => write!(f, "id {}", visible_line(id)),
        }
    }
}

impl Found {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Saves a picture that came with its bytes; the same picture is saved once, another of its name beside it.
    pub(crate) fn save(&self, image: &FoundImage) -> Result<Place> {
        if image.data.is_empty() {
            return Ok(unsaved(image));
        }
        fs::create_dir_all(&self.folder).with_context(|| format!("making {}", self.folder.display()))?;
        let (name, ending) = (file_stem(&image.id), ending(&image.media_type));
        let names = std::iter::once(format!("{name}.{ending}"));
        for name in names.chain((2..).map(|n| format!("{name}-{n}.{ending}"))) {
            let path = self.folder.join(name);
            if fs::read(&path).is_ok_and(|there| there == image.data) {
                return Ok(Place::File(path));
            }
            if !path.exists() {
                fs::write(&path, &image.data).with_context(|| format!("saving {}", path.display()))?;
                return Ok(Place::File(path));
            }
        }
        Ok(unsaved(image)) // not reached: the names do not end
    }
}

/// Where a picture is that was not saved.
pub(crate) fn unsaved(image: &FoundImage) -> Place {
    if image.url.is_empty() { Place::Index(image.id.clone()) } else { Place::Url(image.url.clone()) }
}

/// The id as a file's name. Ids come from the network: they must not lead out of the folder or hide.
pub(crate) fn file_stem(id: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let name: String = id.chars().take(LONGEST_NAME).map(safe).collect();
    let name = name.trim_start_matches(['.', '-']);
    let name = [".png", ".jpg", ".jpeg"].iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name);
    if name.is_empty() { "picture".to_owned() } else { name.to_owned() }
}

/// The ending of files of a media type.
pub(crate) fn ending(media_type: &str) -> &'static str {
    match media_type {
        "image/png" => "png",
        "image/jpeg" => "jpg",
        "image/webp" => "webp",
        "image/gif" => "gif",
        "image/bmp" => "bmp",
        "image/tiff" => "tiff",
        _ => "bin",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(id: &str, data: &'static [u8]) -> FoundImage {
        let media_type = "image/png".into();
        FoundImage { id: id.into(), media_type, data: data.into(), ..FoundImage::default() }
    }

    #[test]
    fn names_stay_in_the_folder() {
        assert_eq!(file_stem("1f34e"), "1f34e");
        assert_eq!(file_stem("1f34e.png"), "1f34e");
        assert_eq!(file_stem("../../etc/passwd"), "_.._etc_passwd");
        assert_eq!(file_stem("..."), "picture");
        assert_eq!(file_stem(&"é".repeat(500)).len(), LONGEST_NAME);
    }

    #[test]
    fn saves_each_picture_once() {
        let root = tempfile::tempdir().unwrap();
        let found = Found::new(&root.path().join("a/found"));
        let place = |name: &str| Place::File(root.path().join("a/found").join(name));
        assert_eq!(found.save(&image("x", b"1")).unwrap(), place("x.png"));
        assert_eq!(found.save(&image("x", b"2")).unwrap(), place("x-2.png"));
        assert_eq!(found.save(&image("x", b"1")).unwrap(), place("x.png"));
        assert_eq!(fs::read(root.path().join("a/found/x-2.png")).unwrap(), b"2");
    }

    #[test]
    fn a_picture_without_bytes_is_where_its_url_says() {
        let found = Found::new(Path::new("nowhere"));
        let mut image = image("x", b"");
        assert_eq!(found.save(&image).unwrap().to_string(), "id x");
        image.url = "https://example.org/x".into();
        assert_eq!(found.save(&image).unwrap().to_string(), "https://example.org/x");
    }
}
