//! The pictures that turns show.

use std::{fs, io::Cursor, path::Path, sync::Arc};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use image::{ImageFormat, Rgb, RgbImage};

/// Pictures of a folder that are used.
const MOST: usize = 512;
/// Larger files are passed over.
const MAX_BYTES: u64 = 4 << 20;
/// Pictures that are made where there is no folder.
const MADE: usize = 64;
/// Their side.
const SIDE: u32 = 128;

/// Picture files.
#[derive(Clone, Debug)]
pub(crate) struct Album(Arc<[Bytes]>);

impl Album {
    /// The pictures of a folder, the first by name.
    ///
    /// # Errors
    /// If it cannot be read, or holds none.
    pub(crate) fn of_folder(folder: &Path) -> Result<Self> {
        let entries = fs::read_dir(folder).with_context(|| format!("--pictures {}", folder.display()))?;
        let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        paths.retain(|path| {
            let known = ["png", "jpg", "jpeg", "webp", "gif", "bmp"];
            let extension = path.extension().and_then(|end| end.to_str()).unwrap_or_default();
            known.contains(&extension.to_ascii_lowercase().as_str())
                && fs::metadata(path).is_ok_and(|data| data.len() <= MAX_BYTES)
        });
        paths.sort();
        ensure!(!paths.is_empty(), "--pictures {}: there is no picture of 4 MiB or less", folder.display());
        let files = paths.iter().take(MOST).map(|path| {
            fs::read(path).map(Bytes::from).with_context(|| format!("reading {}", path.display()))
        });
        Ok(Self(files.collect::<Result<Vec<_>>>()?.into()))
    }

    /// Some that are made: squares in stripes.
    ///
    /// # Errors
    /// None but a defect of the encoder.
    pub(crate) fn made() -> Result<Self> {
        let files = (0..MADE).map(|n| {
            let picture = RgbImage::from_fn(SIDE, SIDE, |x, y| {
                let stripe = (x as usize + y as usize * (n % 7)) / (4 + n % 11) % 2;
                Rgb([0, 1, 2].map(|channel| ((n * 53 + channel * 91 + stripe * 120) % 256) as u8))
            });
            let mut bytes = Cursor::new(Vec::new());
            picture.write_to(&mut bytes, ImageFormat::Png)?;
            Ok(Bytes::from(bytes.into_inner()))
        });
        Ok(Self(files.collect::<Result<Vec<_>>>()?.into()))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The one at a place, counted round and round.
    pub(crate) fn get(&self, place: usize) -> Bytes {
        self.0.get(place % self.0.len().max(1)).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_come_round_and_others_stay_out() {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in [("b.png", "b"), ("a.JPG", "a"), ("captions.tsv", "c")] {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        let album = Album::of_folder(folder.path()).unwrap();
        assert_eq!((album.len(), &album.get(0)[..], &album.get(3)[..]), (2, &b"a"[..], &b"b"[..]));
        assert!(Album::of_folder(&folder.path().join("none")).is_err());
        let made = Album::made().unwrap();
        assert!(made.get(0).starts_with(b"\x89PNG") && made.get(0) != made.get(1));
    }
}
