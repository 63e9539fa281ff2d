//! A gallery of pictures that are told apart by their colours and stripes.

use std::{fs, io::Cursor, path::Path};

use anyhow::Result;
use image::{ImageFormat, Rgb, RgbImage};

/// The file name of picture `n`.
pub fn name(n: usize) -> String {
    format!("stripes-{n}.png")
}

/// Writes `count` pictures and their table of captions.
///
/// # Errors
/// If the folder cannot be written.
pub fn write(folder: &Path, count: usize) -> Result<()> {
    fs::create_dir_all(folder)?;
    let mut table = String::from("image\tcaption\tgroup\n");
    for n in 0..count {
        fs::write(folder.join(name(n)), png(n)?)?;
        table.push_str(&format!("{}\tstripes number {n}\tstripes\n", name(n)));
    }
    Ok(fs::write(folder.join("captions.tsv"), table)?)
}

/// Picture `n` as a PNG file of 80 × 60 pixels.
///
/// # Errors
/// None but a defect of the encoder.
pub fn png(n: usize) -> Result<Vec<u8>> {
    let picture = RgbImage::from_fn(80, 60, |x, y| {
        let stripe = (x as usize + y as usize * (n % 5)) / (3 + n) % 2;
        let colour = |channel: usize| ((n * 53 + channel * 91 + stripe * 120) % 256) as u8;
        Rgb([colour(0), colour(1), colour(2)])
    });
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png)?;
    Ok(bytes.into_inner())
}
