//! A decoded picture to the tower's input: RGB, Pillow's antialiased bicubic, crop or squash, normalisation.
//!
//! Source: the reference's `CLIPFeatureExtractor` on Pillow. Where it differs: pictures with 16 bits are scaled
//! down to 8 (Pillow clips 16-bit greys), and a squash always resizes the RGB picture bicubically (Pillow
//! resizes palette pictures before converting them, and so by nearest neighbour).

use std::borrow::Cow;

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::{DynamicImage, RgbImage};

use crate::{ImagingError, Preprocess};

/// How a picture that is not square becomes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// The short side to `size`, then the middle of the long one: what the towers were trained with.
    Crop,
    /// Both sides to `size`, whatever the aspect ratio: what the reference does to pictures from the network.
    Squash,
}

/// The part of the source that becomes the square, in source pixels.
struct Region {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

impl Preprocess {
    /// The pixels of a picture: `[3, size, size]` f32, channels red, green, blue, rows from the top, normalised.
    /// Transparency is dropped, not blended, as Pillow's conversion does.
    ///
    /// # Errors
    /// [`ImagingError::NoPixels`] if a side is 0.
    pub fn pixels(&self, image: &DynamicImage, fit: Fit) -> Result<Vec<f32>, ImagingError> {
        let rgb = match image {
            DynamicImage::ImageRgb8(rgb) => Cow::Borrowed(rgb),
            other => Cow::Owned(other.to_rgb8()),
        };
        let square = self.square(&rgb, fit)?;
        let side = self.size as usize;
        let mut pixels = Vec::with_capacity(3 * side * side);
        for channel in 0..3 {
            let (mean, std) = (self.mean[channel], self.std[channel]);
            let values = square.iter().skip(channel).step_by(3);
            pixels.extend(values.map(|&value| (f32::from(value) / 255.0 - mean) / std));
        }
        Ok(pixels)
    }

    /// The square, `size * size` RGB triples.
    ///
    /// Of the resized picture only the crop is ever computed: the resizer takes the crop's preimage, whose
    /// borders lie between source pixels, but still filters over the pixels outside of it. So the result is
    /// resize-then-crop (up to rounding in the last bit), and 1 x 30000 pixels need no 224 x 6,720,000.
    fn square(&self, rgb: &RgbImage, fit: Fit) -> Result<Vec<u8>, ImagingError> {
        let (width, height) = rgb.dimensions();
        if width == 0 || height == 0 {
            return Err(ImagingError::NoPixels { width, height });
        }
        let region = match fit {
            Fit::Squash => Region { left: 0.0, top: 0.0, width: width.into(), height: height.into() },
            Fit::Crop => self.centre(width, height),
        };
        let failed = |reason: &dyn std::fmt::Display| ImagingError::Resize {
            width,
            height,
            reason: reason.to_string(),
        };
        // Catmull-Rom is the cubic with a = -0.5, which Pillow calls BICUBIC. Rows first, then columns, with 8 bits
        // between: where the cubic overshoots black or white, the order shows, and this one is Pillow's.
        let bicubic = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom));
        // Of the rows only those that the columns' filter reaches, so that a crop of a tower costs no more than one
        // of a square.
        let reach = 2.0 * (region.height / f64::from(self.size)).max(1.0) + 2.0;
        let first = (region.top - reach).floor().max(0.0);
        let last = (region.top + region.height + reach).ceil().min(height.into());
        let n_rows = (last - first) as u32;
        let rows = bicubic.crop(region.left, first, region.width, last - first);
        let columns = bicubic.crop(0.0, region.top - first, self.size.into(), region.height);
        let source = ImageRef::new(width, height, rgb.as_raw(), PixelType::U8x3).map_err(|e| failed(&e))?;
        let mut narrowed = Image::new(self.size, n_rows, PixelType::U8x3);
        let mut square = Image::new(self.size, self.size, PixelType::U8x3);
        let mut resizer = Resizer::new();
        resizer.resize(&source, &mut narrowed, &rows).map_err(|e| failed(&e))?;
        resizer.resize(&narrowed, &mut square, &columns).map_err(|e| failed(&e))?;
        Ok(square.into_vec())
    }

    /// The preimage of the centre crop. The long side becomes `trunc(size * long / short)`, the offset is half
    /// of what is over, rounded down.
    fn centre(&self, width: u32, height: u32) -> Region {
        let size = u64::from(self.size);
        let (short, long) = (u64::from(width.min(height)), u64::from(width.max(height)));
        let resized = size * long / short;
        let offset = (resized - size) / 2;
        let scale = long as f64 / resized as f64;
        let start = offset as f64 * scale;
        // Rounding must not push the far border out of the picture.
        let extent = (size as f64 * long as f64 / resized as f64).min(long as f64 - start);
        let (short, long) = ((0.0, short as f64), (start, extent));
        let (horizontal, vertical) = if width <= height { (short, long) } else { (long, short) };
        Region { left: horizontal.0, top: vertical.0, width: horizontal.1, height: vertical.1 }
    }
}

#[cfg(test)]
mod tests;
