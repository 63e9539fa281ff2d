//! What kind of pixels Pillow would hold after opening a file: the decoder here has already resolved palettes and
//! made alpha out of a transparent colour, but the reference resizes before that.

use image::{DynamicImage, GrayImage, ImageFormat, RgbImage, RgbaImage};

/// Whether Pillow keeps indices into a palette (its modes P and 1), which it resizes by nearest neighbour.
pub(super) fn has_palette(bytes: &[u8], format: ImageFormat) -> bool {
    match format {
        // Depth and colour type of the header, which always comes first: palette, or grey with 1 bit.
        ImageFormat::Png => matches!(bytes.get(24..26), Some([_, 3] | [1, 0])),
        ImageFormat::Gif => gif(bytes).unwrap_or(true),
        ImageFormat::Bmp => bmp(bytes).unwrap_or(false),
        _ => false,
    }
}

/// The image in Pillow's kind of pixels: with 8 bits, except for grey; alpha only if the file has a channel of it.
pub(super) fn own(image: DynamicImage, bytes: &[u8], format: ImageFormat) -> DynamicImage {
    let image = match image {
        DynamicImage::ImageRgb16(_) => {
            super::colour::rgb(&image, crate::Compat::Reference).into_owned().into()
        }
        DynamicImage::ImageRgba16(deep) => {
            let samples = deep.iter().map(|value| (value >> 8) as u8).collect();
            RgbaImage::from_raw(deep.width(), deep.height(), samples).unwrap_or_default().into()
        }
        DynamicImage::ImageLumaA16(deep) => {
            let samples = deep.iter().map(|value| (value >> 8) as u8).collect();
            image::GrayAlphaImage::from_raw(deep.width(), deep.height(), samples).unwrap_or_default().into()
        }
        other => other,
    };
    let opaque = format == ImageFormat::Png && matches!(bytes.get(25), Some(0 | 2));
    match image {
        DynamicImage::ImageLumaA8(grey) if opaque => {
            let samples = grey.as_raw().chunks_exact(2).map(|pixel| pixel[0]).collect();
            GrayImage::from_raw(grey.width(), grey.height(), samples).unwrap_or_default().into()
        }
        DynamicImage::ImageRgba8(_) if opaque => RgbImage::from(image.to_rgb8()).into(),
        other => other,
    }
}

/// Whether entry `n` of `palette` is the grey `n`: then Pillow forgets the palette.
fn is_ramp(palette: &[u8], entry: usize) -> bool {
    palette
        .chunks_exact(entry)
        .enumerate()
        .all(|(n, colour)| colour[..3].iter().all(|&value| usize::from(value) == n))
}

/// The palette of the first frame counts, or else that of the file.
fn gif(bytes: &[u8]) -> Option<bool> {
    let table = |flags: u8, at: usize| {
        let length = if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
        Some((bytes.get(at..at + length)?, at + length))
    };
    let (global, mut at) = table(*bytes.get(10)?, 13)?;
    while *bytes.get(at)? == 0x21 {
        at += 2;
        while let length @ 1.. = usize::from(*bytes.get(at)?) {
            at += length + 1;
        }
        at += 1;
    }
    let (local, _) = table(*bytes.get(at + 9)?, at + 10)?;
    Some(!is_ramp(if local.is_empty() { global } else { local }, 3))
}

fn bmp(bytes: &[u8]) -> Option<bool> {
    let number = |at: usize, length: usize| {
        let digits = bytes.get(at..at + length)?;
        Some(digits.iter().rev().fold(0usize, |sum, &digit| (sum << 8) | usize::from(digit)))
    };
    let header = number(14, 4)?;
    let (bits, entry, used) = match header {
        12 => (number(24, 2)?, 3, 0),
        _ => (number(28, 2)?, 4, number(46, 4)?),
    };
    if !matches!(bits, 1 | 4 | 8) {
        return Some(false);
    }
    let colours = if used == 0 { 1 << bits } else { used.min(256) };
    let start = header.checked_add(14)?;
    let palette = bytes.get(start..start.checked_add(colours * entry)?)?;
    // Two colours are 1-bit or a palette: nearest either way.
    Some(colours == 2 || !is_ramp(palette, entry))
}
