//! Bytes to a picture, within limits that are checked against the header before anything is allocated.

use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use crate::ImagingError;

/// How large a picture may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageLimits {
    /// Width times height, as the header has it.
    pub max_pixels: u64,
    /// Length of the file.
    pub max_bytes: usize,
}

/// Pixels of one side: what JPEG can hold. Resizing needs memory in proportion to the sides, so that a thread of a
/// million pixels would cost far more than a square of as many.
const MAX_SIDE: u32 = 65_535;

/// What a decoder may allocate per pixel: RGBA with 16 bits is the largest kind of pixel (8 bytes), and some
/// decoders hold a second copy.
const BYTES_PER_PIXEL: u64 = 16;
/// What a decoder may allocate for tables, whatever the size of the picture.
const FIXED_BYTES: u64 = 16 << 20;

/// Decodes PNG, JPEG, GIF, WebP, BMP or TIFF, told apart by the first bytes. Of an animation: the first frame.
///
/// The EXIF orientation is applied, so that the model sees the picture as a viewer shows it (Pillow and with
/// it the reference leave it; most photographs of telephones then lie on their side).
///
/// # Errors
/// [`ImagingError`] if the file is empty, too long, of no known format or broken, or if its header promises
/// more pixels than allowed; the latter costs no memory.
pub fn decode(bytes: &[u8], limits: &ImageLimits) -> Result<DynamicImage, ImagingError> {
    if bytes.is_empty() {
        return Err(ImagingError::Empty);
    }
    if bytes.len() > limits.max_bytes {
        return Err(ImagingError::TooManyBytes { got: bytes.len(), max: limits.max_bytes });
    }
    let format = image::guess_format(bytes)
        .ok()
        .and_then(|format| Some((format, name(format)?)))
        .ok_or(ImagingError::UnknownFormat { bytes: bytes.len() })?;
    let (format, format_name) = format;
    let broken = |source| ImagingError::Decode { format: format_name, source };

    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut allowed = Limits::no_limits();
    allowed.max_alloc = Some(limits.max_pixels.saturating_mul(BYTES_PER_PIXEL).saturating_add(FIXED_BYTES));
    reader.limits(allowed);
    // Reads the header only.
    let mut decoder = reader.into_decoder().map_err(broken)?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(ImagingError::NoPixels { width, height });
    }
    if u64::from(width) * u64::from(height) > limits.max_pixels {
        return Err(ImagingError::TooManyPixels { width, height, max: limits.max_pixels });
    }
    if width.max(height) > MAX_SIDE {
        return Err(ImagingError::TooLong { width, height, max: MAX_SIDE });
    }
    // Broken EXIF must not cost a good picture.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(broken)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// The name of a format that is decoded here.
fn name(format: ImageFormat) -> Option<&'static str> {
    match format {
        ImageFormat::Png => Some("PNG"),
        ImageFormat::Jpeg => Some("JPEG"),
        ImageFormat::Gif => Some("GIF"),
        ImageFormat::WebP => Some("WebP"),
        ImageFormat::Bmp => Some("BMP"),
        ImageFormat::Tiff => Some("TIFF"),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
