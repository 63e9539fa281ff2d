//! Features of all pictures, computed once by the frozen vision tower and kept on disk, so that a step runs no tower.
//!
//! A file holds `[pictures, views, feature]` f32, little-endian, and is named by a hash of all that it follows from. While it is
//! made it grows at its end under another name; a run that was stopped goes on there. A picture that cannot be read has no
//! numbers in it (NaN).

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File, OpenOptions},
    io::{BufWriter, Write},
    path::Path,
    time::UNIX_EPOCH,
};

use anyhow::{Context, Result, ensure};
use fondue_imaging::{Fit, ImageLimits, Preprocess, decode};
use fondue_mapped::Mapped;
use fondue_model::{Placement, VisionTower, fingerprint, weights::unwatched};
use fondue_terminal::interrupt::Interrupt;
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::{order::draws, table::Table, views::view};
use crate::run::progress::Progress;

/// Changes when the same key would mean other numbers.
const FORM: &[u8] = b"fondue features 1";
/// Pictures between looks at what came.
const PIECE: usize = 32;
/// What the draws of views are.
const VIEW: u64 = 4;

/// What features are made of.
pub struct Making<'a> {
    /// CLIP's folder.
    pub clip: &'a Path,
    /// Where the tower runs.
    pub at: Placement,
    /// Views of each picture.
    pub views: usize,
    /// What views follow from.
    pub seed: u64,
    /// Where the files lie.
    pub folder: &'a Path,
    /// Whether Ctrl-C came.
    pub interrupt: &'a Interrupt,
    /// Shows no bar.
    pub quiet: bool,
}

/// Features of a table's pictures.
pub struct Features {
    map: Mapped,
    views: usize,
    dim: usize,
    places: HashMap<String, usize>,
    key: String,
}

impl Features {
    /// Opens what was made before, or makes it.
    ///
    /// # Errors
    /// If files cannot be written, or the tower not read; a picture that cannot be read is none.
    pub fn of(table: &Table, making: &Making<'_>) -> Result<Self> {
        let pictures = distinct(table);
        let key = key(&pictures, table, making)?;
        let path = making.folder.join(format!("{key}.f32"));
        fs::create_dir_all(making.folder).with_context(|| making.folder.display().to_string())?;
        let dim = fondue_model::vision::VisionConfig::load(making.clip)?.hidden_size as usize;
        if !path.exists() {
            make(&pictures, &table.images, &path, making)?;
        }
        let map = Mapped::open(&path).with_context(|| path.display().to_string())?;
        let expected = pictures.len() * making.views * dim * size_of::<f32>();
        ensure!(
            map.bytes().len() == expected,
            "{} has {} bytes, expected {expected}; remove it",
            path.display(),
            map.bytes().len()
        );
        let places = pictures.into_iter().enumerate().map(|(n, image)| (image, n)).collect();
        Ok(Self { map, views: making.views, dim, places, key })
    }

    /// Length of a feature vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The hash of what they were made of.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The place of a picture, by the name that the table has for it; `None` if it could not be read.
    pub fn place(&self, image: &str) -> Option<usize> {
        let place = *self.places.get(image)?;
        self.row(place, 0).ok()?.first().filter(|value| !value.is_nan())?;
        Some(place)
    }

    /// A view of the picture at a place; views are counted around.
    ///
    /// # Errors
    /// If the file is no array of numbers.
    pub fn row(&self, place: usize, view: usize) -> Result<&[f32]> {
        let row = place * self.views + view % self.views;
        let all: &[f32] = self.map.as_slice()?;
        Ok(&all[row * self.dim..(row + 1) * self.dim])
    }
}

/// Images in the order in which they come first.
fn distinct(table: &Table) -> Vec<String> {
    let mut seen = HashSet::new();
    table.rows.iter().filter(|row| seen.insert(&row.image)).map(|row| row.image.clone()).collect()
}

/// Of the tower, the preprocessor, the views and each picture's name, size and time.
fn key(pictures: &[String], table: &Table, making: &Making<'_>) -> Result<String> {
    let mut hash = Sha256::new();
    hash.update(FORM);
    hash.update(fingerprint::vision(making.clip)?);
    let preprocess = making.clip.join(PREPROCESS);
    hash.update(Sha256::digest(fs::read(&preprocess).with_context(|| preprocess.display().to_string())?));
    hash.update(making.at.dtype.to_string());
    hash.update((making.views as u64).to_le_bytes());
    if making.views > 1 {
        hash.update(making.seed.to_le_bytes());
    }
    for image in pictures {
        let told = fs::metadata(table.images.join(image)).ok();
        let time = told.as_ref().and_then(|told| told.modified().ok()?.duration_since(UNIX_EPOCH).ok());
        hash.update((image.len() as u64).to_le_bytes());
        hash.update(image);
        hash.update(told.map_or(u64::MAX, |told| told.len()).to_le_bytes());
        hash.update(time.map_or(0, |time| time.as_nanos()).to_le_bytes());
    }
    Ok(hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect())
}

/// Larger pictures are left out, as bad ones are.
const LIMITS: ImageLimits = ImageLimits { max_pixels: 100_000_000, max_bytes: 100_000_000 };
const PREPROCESS: &str = "preprocessor_config.json";

fn make(pictures: &[String], images: &Path, path: &Path, making: &Making<'_>) -> Result<()> {
    let tower = VisionTower::load(making.clip, making.at, &unwatched)?;
    let preprocess = Preprocess::from_file(&making.clip.join(PREPROCESS))?;
    let part = path.with_extension("part");
    let at = || part.display().to_string();
    let size = (making.views * tower.feature_dim() * size_of::<f32>()) as u64;
    let file = OpenOptions::new().create(true).append(true).open(&part).with_context(at)?;
    // Whole pictures of what a run before this one made.
    let done = (file.metadata().with_context(at)?.len() / size).min(pictures.len() as u64);
    file.set_len(done * size).with_context(at)?;
    let mut out = BufWriter::new(file);
    let mut progress = Progress::new(pictures.len() as u64, done, "pictures", making.quiet);
    for (piece, names) in pictures[done as usize..].chunks(PIECE).enumerate() {
        making.interrupt.check()?;
        let first = done as usize + piece * PIECE;
        let pixels: Vec<Option<Vec<Vec<f32>>>> = names
            .par_iter()
            .enumerate()
            .map(|(n, image)| look(&images.join(image), first + n, &preprocess, making).ok())
            .collect();
        for pixels in pixels {
            match pixels {
                Some(pixels) => {
                    for row in tower.encode(&pixels)? {
                        write(&mut out, &row).with_context(at)?;
                    }
                }
                None => {
                    let none = vec![f32::NAN; making.views * tower.feature_dim()];
                    write(&mut out, &none).with_context(at)?;
                }
            }
        }
        out.flush().with_context(at)?;
        progress.advance(names.len() as u64, String::new);
    }
    progress.end();
    out.get_ref().sync_all().with_context(at)?;
    fs::rename(&part, path).with_context(at)?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn write(out: &mut impl Write, row: &[f32]) -> std::io::Result<()> {
    row.iter().try_for_each(|value| out.write_all(&value.to_le_bytes()))
}

/// The views of a picture, as the tower takes them.
fn look(path: &Path, n: usize, preprocess: &Preprocess, making: &Making<'_>) -> Result<Vec<Vec<f32>>> {
    let picture = decoded(path)?;
    let mut rng = draws(making.seed, VIEW, n as u64);
    let pixels = |n| Ok(preprocess.pixels(&view(&picture, n, &mut rng), Fit::Crop)?);
    (0..making.views).map(pixels).collect()
}

fn decoded(path: &Path) -> Result<fondue_imaging::DynamicImage> {
    Ok(decode(&fs::read(path)?, &LIMITS)?)
}

/// Why a picture has no features.
pub fn reason(path: &Path) -> String {
    match decoded(path) {
        Err(error) => format!("{error:#}"),
        Ok(_) => "could not be read when features were made; remove the features to try again".to_owned(),
    }
}
