//! Bytes to a picture, within limits that are checked against the header before anything is allocated.

use std::{borrow::Cow, cell::Cell, io::Cursor};

use fondue_domain::Compat;
use image::error::{DecodingError, ImageFormatHint};
use image::metadata::Orientation;
use image::{DynamicImage, ExtendedColorType, GrayImage, ImageDecoder, ImageError, ImageFormat, ImageReader};
use image::{Limits, RgbImage};

use crate::jpeg::{Jpeg, JpegError, Samples};
use crate::{ImagingError, colour};

pub use self::cost::decoded_bytes;

mod cost;
mod mode;
mod png;
mod tiff;

/// How large a picture may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageLimits {
    /// Width times height, as the header has it.
    pub max_pixels: u64,
    /// Length of the file.
    pub max_bytes: usize,
}

/// A decoded picture that still knows what the file was, as [`Compat::Reference`] needs it.
#[derive(Clone, Debug)]
pub struct Picture {
    pub(crate) pixels: Pixels,
    pub(crate) compat: Compat,
    /// Whether the reference would squash it by nearest neighbour.
    pub(crate) nearest: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Pixels {
    Plain(DynamicImage),
    /// Cyan, magenta, yellow, black; 0 is no ink. Only for [`Compat::Reference`].
    Inks {
        width: u32,
        height: u32,
        samples: Vec<u8>,
    },
}

/// Pixels of one side: what JPEG can hold. Resizing needs memory in proportion to the sides, so that a thread of a
/// million pixels would cost far more than a square of as many.
const MAX_SIDE: u32 = 65_535;

/// What a decoder may allocate per pixel: RGBA with 16 bits is the largest kind of pixel (8 bytes), and some
/// decoders hold a second copy.
const BYTES_PER_PIXEL: u64 = 16;
/// What a decoder may allocate for tables, whatever the size of the picture.
const FIXED_BYTES: u64 = 16 << 20;

/// Decodes PNG, JPEG, GIF, WebP, BMP or TIFF, told apart by the first bytes, as [`Compat::Off`] has it.
///
/// # Errors
/// [`ImagingError`] if the file is empty, too long, of no known format or broken, or if its header promises
/// more pixels than allowed; the latter costs no memory.
pub fn decode(bytes: &[u8], limits: &ImageLimits) -> Result<DynamicImage, ImagingError> {
    Ok(Picture::decode(bytes, limits, Compat::Off)?.into_image())
}

impl Picture {
    /// Decodes PNG, JPEG, GIF, WebP, BMP or TIFF, told apart by the first bytes.
    ///
    /// # Errors
    /// As [`decode`].
    pub fn decode(bytes: &[u8], limits: &ImageLimits, compat: Compat) -> Result<Self, ImagingError> {
        if bytes.is_empty() {
            return Err(ImagingError::Empty);
        }
        if bytes.len() > limits.max_bytes {
            return Err(ImagingError::TooManyBytes { got: bytes.len(), max: limits.max_bytes });
        }
        match image::guess_format(bytes).ok().and_then(|format| Some((format, name(format)?))) {
            Some((ImageFormat::Jpeg, _)) => jpeg(bytes, limits, compat),
            Some((format, name)) => other(bytes, format, name, limits, compat),
            None => Err(ImagingError::UnknownFormat { bytes: bytes.len() }),
        }
    }

    /// Columns and rows.
    pub fn size(&self) -> (u32, u32) {
        match &self.pixels {
            Pixels::Plain(image) => (image.width(), image.height()),
            Pixels::Inks { width, height, .. } => (*width, *height),
        }
    }

    /// The picture alone; CMYK becomes RGB.
    pub fn into_image(self) -> DynamicImage {
        match self.pixels {
            Pixels::Plain(image) => image,
            Pixels::Inks { width, height, samples } => {
                RgbImage::from_raw(width, height, colour::uninked(&samples)).unwrap_or_default().into()
            }
        }
    }
}

/// Refuses a picture by its header.
fn check((width, height): (u32, u32), limits: &ImageLimits) -> Result<(), ImagingError> {
    if width == 0 || height == 0 {
        return Err(ImagingError::NoPixels { width, height });
    }
    if u64::from(width) * u64::from(height) > limits.max_pixels {
        return Err(ImagingError::TooManyPixels { width, height, max: limits.max_pixels });
    }
    if width.max(height) > MAX_SIDE {
        return Err(ImagingError::TooLong { width, height, max: MAX_SIDE });
    }
    Ok(())
}

fn jpeg(bytes: &[u8], limits: &ImageLimits, compat: Compat) -> Result<Picture, ImagingError> {
    let broken = |error: JpegError| {
        let format = ImageFormatHint::Exact(ImageFormat::Jpeg);
        ImagingError::Decode {
            format: "JPEG",
            reason: ImageError::Decoding(DecodingError::new(format, error)),
        }
    };
    let short = Cell::new(false);
    let file = Jpeg::open(bytes, &short).map_err(broken)?;
    let (width, height) = file.dimensions();
    check((width, height), limits)?;
    let orientation = file.exif().and_then(Orientation::from_exif_chunk).unwrap_or(Orientation::NoTransforms);
    let image = match file.samples().map_err(broken)? {
        Samples::Grey(samples) => GrayImage::from_raw(width, height, samples).map(DynamicImage::from),
        Samples::Rgb(samples) => RgbImage::from_raw(width, height, samples).map(DynamicImage::from),
        Samples::Cmyk(samples) if compat == Compat::Reference => {
            let pixels = Pixels::Inks { width, height, samples };
            return Ok(Picture { pixels, compat, nearest: false });
        }
        Samples::Cmyk(samples) => {
            RgbImage::from_raw(width, height, colour::uninked(&samples)).map(DynamicImage::from)
        }
    };
    let mut image = image.ok_or_else(|| broken(JpegError::Truncated(bytes.len())))?;
    if compat == Compat::Off {
        image.apply_orientation(orientation);
    }
    Ok(Picture { pixels: Pixels::Plain(image), compat, nearest: false })
}

fn other(
    bytes: &[u8],
    format: ImageFormat,
    name: &'static str,
    limits: &ImageLimits,
    compat: Compat,
) -> Result<Picture, ImagingError> {
    let broken = |reason| ImagingError::Decode { format: name, reason };
    let is_tiff = format == ImageFormat::Tiff;
    let palette = if is_tiff { tiff::Palette::find(bytes) } else { None };
    let readable = readable(bytes, format, palette.as_ref());
    let mut reader = ImageReader::with_format(Cursor::new(&*readable), format);
    let mut allowed = Limits::no_limits();
    allowed.max_alloc = Some(limits.max_pixels.saturating_mul(BYTES_PER_PIXEL).saturating_add(FIXED_BYTES));
    reader.limits(allowed);
    // Reads the header only.
    let mut decoder = reader.into_decoder().map_err(broken)?;
    check(decoder.dimensions(), limits)?;
    // Broken EXIF must not cost a good picture.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let bilevel = decoder.original_color_type() == ExtendedColorType::L1;
    let mut image = DynamicImage::from_decoder(decoder).map_err(broken)?;
    if let Some(palette) = &palette {
        image = palette.colour(image);
    }
    if compat == Compat::Off || is_tiff {
        image.apply_orientation(orientation);
    }
    let mut nearest = bilevel;
    if compat == Compat::Reference {
        nearest |= palette.is_some() || mode::has_palette(bytes, format);
        nearest |= is_tiff && matches!(image, DynamicImage::ImageLuma16(_));
        image = mode::own(image, bytes, format);
    }
    Ok(Picture { pixels: Pixels::Plain(image), compat, nearest })
}

/// What the decoder is given of a file.
fn readable<'a>(bytes: &'a [u8], format: ImageFormat, palette: Option<&'a tiff::Palette>) -> Cow<'a, [u8]> {
    match palette {
        Some(palette) => Cow::Borrowed(&palette.greys),
        None if format == ImageFormat::Png => png::without_profile(bytes),
        None => Cow::Borrowed(bytes),
    }
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
