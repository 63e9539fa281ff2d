//! A decoded picture to the tower's input: RGB, Pillow's antialiased bicubic, crop or squash, normalisation.
//!
//! Source: the reference's `CLIPFeatureExtractor` on Pillow. What differs, and why: see
//! [`Compat`].

use std::borrow::Cow;
use std::ops::Range;

use image::{DynamicImage, RgbImage};

use crate::decode::{Picture, Pixels};
use crate::resample::{Passes, Raster, Window, bicubic};
use crate::{Compat, ImagingError, Preprocess, Resize, colour, squash};

/// How a picture that is not square becomes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fit {
    /// The preprocessor's own steps, mostly the short side to `size`, then the middle of the long one: what the
    /// towers were trained with.
    Crop,
    /// Both sides to `size`, whatever the aspect ratio: what the reference does to pictures from the network.
    Squash,
}

impl Preprocess {
    /// The pixels of a picture: `[3, size, size]` f32, channels red, green, blue, rows from the top, normalised.
    /// Transparency is dropped, not blended, as Pillow's conversion does.
    ///
    /// # Errors
    /// [`ImagingError::NoPixels`] if a side is 0.
    pub fn pixels(&self, image: &DynamicImage, fit: Fit) -> Result<Vec<f32>, ImagingError> {
        let rgb = colour::rgb(image, Compat::Off);
        Ok(self.normalise(&self.square(&rgb, fit, Passes::Adaptive)?))
    }

    /// As [`Preprocess::pixels`], of a picture decoded for [`Compat::Reference`] or [`Compat::Off`].
    ///
    /// # Errors
    /// [`ImagingError::NoPixels`] if a side is 0.
    pub fn picture_pixels(&self, picture: &Picture, fit: Fit) -> Result<Vec<f32>, ImagingError> {
        if picture.compat == Compat::Reference && fit == Fit::Squash {
            let (width, height) = picture.size();
            if width == 0 || height == 0 {
                return Err(ImagingError::NoPixels { width, height });
            }
            return Ok(self.normalise(&squash::native(picture, self.size as usize)));
        }
        let rgb = match &picture.pixels {
            Pixels::Plain(image) => colour::rgb(image, picture.compat),
            Pixels::Inks { width, height, samples } => {
                let samples = colour::uninked(samples);
                Cow::Owned(RgbImage::from_raw(*width, *height, samples).unwrap_or_default())
            }
        };
        let passes = match picture.compat {
            Compat::Off => Passes::Adaptive,
            Compat::Reference => Passes::RowsFirst,
        };
        Ok(self.normalise(&self.square(&rgb, fit, passes)?))
    }

    /// RGB triples to planes of numbers.
    fn normalise(&self, square: &[u8]) -> Vec<f32> {
        let mut pixels = Vec::with_capacity(square.len());
        for channel in 0..3 {
            let (mean, std) = (self.mean[channel], self.std[channel]);
            let table: Vec<f32> =
                (0..=u8::MAX).map(|value| ((f64::from(value) * self.rescale) as f32 - mean) / std).collect();
            pixels.extend(square.iter().skip(channel).step_by(3).map(|&value| table[usize::from(value)]));
        }
        pixels
    }

    /// The square, `size * size` RGB triples. What a crop takes from outside of the picture is black.
    fn square(&self, rgb: &RgbImage, fit: Fit, passes: Passes) -> Result<Vec<u8>, ImagingError> {
        let (width, height) = rgb.dimensions();
        if width == 0 || height == 0 {
            return Err(ImagingError::NoPixels { width, height });
        }
        let side = self.size as usize;
        let target = match fit {
            Fit::Squash => (side, side),
            Fit::Crop => self.target(width, height),
        };
        let (columns, left) = middle(target.0, side);
        let (rows, top) = middle(target.1, side);
        let source = Raster { width: width as usize, height: height as usize, samples: rgb.as_raw() };
        let window = Window { columns, rows };
        let resized = bicubic::<u8, 3>(source, target, &window, passes);
        if resized.len() == side * side * 3 {
            return Ok(resized);
        }
        let mut square = vec![0; side * side * 3];
        let length = window.columns.len() * 3;
        for (row, line) in resized.chunks_exact(length).zip(square.chunks_exact_mut(side * 3).skip(top)) {
            line[left * 3..left * 3 + length].copy_from_slice(row);
        }
        Ok(square)
    }

    /// Columns and rows before the crop. The long side becomes `size * long / short`, rounded down.
    fn target(&self, width: u32, height: u32) -> (usize, usize) {
        let (wide, high) = (width as usize, height as usize);
        match self.resize {
            Resize::Keep => (wide, high),
            Resize::Exact { width, height } => (width as usize, height as usize),
            Resize::Short(size) if wide <= high => (size as usize, size as usize * high / wide),
            Resize::Short(size) => (size as usize * wide / high, size as usize),
        }
    }
}

/// The middle `side` of `length`: which positions, and where in the square the first of them lies. Half of what is
/// over, rounded down, goes before; of what is missing, half, rounded up.
fn middle(length: usize, side: usize) -> (Range<usize>, usize) {
    match length.checked_sub(side) {
        Some(over) => (over / 2..over / 2 + side, 0),
        None => (0..length, (side - length).div_ceil(2)),
    }
}

#[cfg(test)]
mod tests;
