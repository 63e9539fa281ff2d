//! Pictures inside a page: each once, small, as the background of a class.

use std::{
    collections::HashMap,
    fmt::Write,
    fs,
    io::Cursor,
    path::{Path, PathBuf},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use fondue_imaging::{ImageLimits, decode};
use image::ImageFormat;

/// Side of a picture on the page, twice that of its place there.
const SIDE: u32 = 96;
/// How large a picture may be.
const LIMITS: ImageLimits = ImageLimits { max_pixels: 100_000_000, max_bytes: 64 << 20 };

/// The pictures that a page shows.
pub(super) struct Pictures<'a> {
    folder: &'a Path,
    /// Number of the class, if the picture can be shown.
    known: HashMap<PathBuf, Option<usize>>,
    style: String,
}

impl<'a> Pictures<'a> {
    /// None yet; they lie below `folder`.
    pub(super) fn new(folder: &'a Path) -> Self {
        Self { folder, known: HashMap::new(), style: String::new() }
    }

    /// The class of a picture; `None` if it cannot be read.
    pub(super) fn class(&mut self, path: &Path) -> Option<String> {
        let number = match self.known.get(path) {
            Some(number) => *number,
            None => {
                let number = small(&self.folder.join(path)).map(|png| {
                    let number = self.known.len();
                    let data = BASE64_STANDARD.encode(png);
                    let _ = writeln!(
                        self.style,
                        ".p{number}{{background-image:url(data:image/png;base64,{data})}}"
                    );
                    number
                });
                self.known.insert(path.to_owned(), number);
                number
            }
        };
        number.map(|number| format!("p{number}"))
    }

    /// The rules of all classes.
    pub(super) fn style(&self) -> &str {
        &self.style
    }
}

fn small(path: &Path) -> Option<Vec<u8>> {
    let image = decode(&fs::read(path).ok()?, &LIMITS).ok()?;
    let mut png = Cursor::new(Vec::new());
    image.thumbnail(SIDE, SIDE).to_rgb8().write_to(&mut png, ImageFormat::Png).ok()?;
    Some(png.into_inner())
}
