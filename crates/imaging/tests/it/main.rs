//! Pictures of every kind against Pillow's pixels, and damaged copies of them against panics.
//!
//! `make_pictures.py` wrote `data/`. Its squares are matched exactly, which is more than any tolerance asks.

#![allow(clippy::unwrap_used)] // a picture that cannot be read fails the test, as it should

mod bombs;
mod configs;
mod hostile;
mod kinds;
mod sizes;

use std::fs;
use std::path::{Path, PathBuf};

use fondue_imaging::{Compat, Fit, ImageLimits, Preprocess};

const LIMITS: ImageLimits = ImageLimits { max_pixels: 1 << 20, max_bytes: 1 << 20 };

/// The squares of an expected picture, from the top.
const MANNERS: [(Compat, Fit); 4] = [
    (Compat::Off, Fit::Crop),
    (Compat::Off, Fit::Squash),
    (Compat::Reference, Fit::Crop),
    (Compat::Reference, Fit::Squash),
];

/// `tests/data`, or something in it.
fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// The pictures, in order of their names.
fn pictures() -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(data("")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.is_file());
    paths.sort();
    assert!(paths.len() > 50, "{paths:?}");
    paths
}

/// A preprocessor whose pixels are 0 … 255 still.
fn bytes(side: u32) -> Preprocess {
    Preprocess { rescale: 1.0, ..Preprocess::new(side, [0.0; 3], [1.0; 3]) }
}

/// Largest and mean distance of planes (`[3, side, side]`) from a picture of that side, of 255.
fn distance(pixels: &[f32], expected: &fondue_imaging::DynamicImage) -> (f32, f32) {
    let expected = expected.to_rgb8();
    let plane = (expected.width() * expected.height()) as usize;
    assert_eq!(pixels.len(), 3 * plane);
    let gap = |(n, &want): (usize, &u8)| (pixels[n % 3 * plane + n / 3] - f32::from(want)).abs();
    let gaps: Vec<f32> = expected.as_raw().iter().enumerate().map(gap).collect();
    (gaps.iter().copied().fold(0.0, f32::max), gaps.iter().sum::<f32>() / gaps.len() as f32)
}
