//! Other kinds of pixels to RGB, as Pillow's `convert("RGB")` does it.

use std::borrow::Cow;

use image::{DynamicImage, RgbImage};

use crate::Compat;

/// The picture in RGB. Alpha is dropped, not blended. Of 16 bits per sample the high 8 are kept; only
/// [`Compat::Reference`] clips 16-bit greys to 255 instead.
pub(crate) fn rgb(image: &DynamicImage, compat: Compat) -> Cow<'_, RgbImage> {
    let (width, height) = (image.width(), image.height());
    let built = |samples: Vec<u8>| RgbImage::from_raw(width, height, samples);
    let rgb = match image {
        DynamicImage::ImageRgb8(rgb) => return Cow::Borrowed(rgb),
        DynamicImage::ImageLuma8(grey) => built(grey.iter().flat_map(|&value| [value; 3]).collect()),
        DynamicImage::ImageLuma16(grey) => {
            built(grey.iter().flat_map(|&value| [narrow(value, compat); 3]).collect())
        }
        DynamicImage::ImageLumaA16(grey) => {
            built(grey.as_raw().chunks_exact(2).flat_map(|pixel| [high(pixel[0]); 3]).collect())
        }
        DynamicImage::ImageRgb16(rgb) => built(rgb.iter().map(|&value| high(value)).collect()),
        DynamicImage::ImageRgba16(rgba) => {
            built(rgba.as_raw().chunks_exact(4).flat_map(|pixel| [0, 1, 2].map(|n| high(pixel[n]))).collect())
        }
        _ => None,
    };
    Cow::Owned(rgb.unwrap_or_else(|| image.to_rgb8()))
}

/// A 16-bit grey in 8 bits.
pub(crate) fn narrow(value: u16, compat: Compat) -> u8 {
    match compat {
        Compat::Off => high(value),
        Compat::Reference => value.min(255) as u8,
    }
}

/// The upper half.
fn high(value: u16) -> u8 {
    (value >> 8) as u8
}

/// `a * b / 255`, rounded, in Pillow's way.
pub(crate) fn product(a: u8, b: u8) -> u8 {
    let product = u32::from(a) * u32::from(b) + 128;
    (((product >> 8) + product) >> 8) as u8
}

/// Inks (cyan, magenta, yellow, black; 0 is none) to RGB, without colour management.
pub(crate) fn uninked(inks: &[u8]) -> Vec<u8> {
    let pixel = |&[cyan, magenta, yellow, black]: &[u8; 4]| {
        let white = 255 - black;
        [cyan, magenta, yellow].map(|ink| white - product(ink, white))
    };
    inks.as_chunks::<4>().0.iter().flat_map(pixel).collect()
}
