//! Bytes to a picture, within limits that are checked against the header before anything is allocated.

use std::io::Cursor;

use image::error::{DecodingError, ImageFormatHint};
use image::metadata::Orientation;
use image::{DynamicImage, ExtendedColorType, GrayImage, ImageDecoder, ImageError, ImageFormat, ImageReader};
use image::{Limits, RgbImage};

use crate::jpeg::{Jpeg, JpegError, Samples};
use crate::{ImagingError, colour};

mod mode;

/// How large a picture may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageLimits {
    /// Width times height, as the header has it.
    pub max_pixels: u64,
    /// Length of the file.
    pub max_bytes: usize,
}

/// Whose behaviour is wanted where a picture can be understood in more than one way.
///
/// | | [`Compat::Default`] | [`Compat::Reference`] |
/// |---|---|---|
/// | EXIF orientation | applied: the model sees what a viewer shows | left alone (of TIFF: applied), as Pillow does |
/// | 16-bit grey | the high 8 bits, as of 16-bit RGB | clipped to 255, as Pillow does: nearly all of it white |
/// | squash | RGB first, then bicubic | resized as the file has it, then RGB: palettes and 1-bit pictures by nearest neighbour, alpha premultiplied, 16-bit greys with 16 bits, CMYK as inks |
/// | order of resizing | Pillow's from version 13 on: columns first if the height shrinks by more than twice what the width does | rows first: that of Pillow 9.4, which the reference ran on |
///
/// In both: the first frame of an animation; alpha is dropped, not blended, so that what a transparent pixel hides
/// comes to light; 16-bit RGB keeps the high 8 bits; CMYK becomes RGB without colour management, with its inks
/// inverted as Adobe writes them, and YCCK by way of CMYK; colour profiles are left out. All of that is Pillow's
/// way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compat {
    /// What is right for the picture.
    Default,
    /// What the reference does, to get its numbers.
    Reference,
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

/// Decodes PNG, JPEG, GIF, WebP, BMP or TIFF, told apart by the first bytes, as [`Compat::Default`] has it.
///
/// # Errors
/// [`ImagingError`] if the file is empty, too long, of no known format or broken, or if its header promises
/// more pixels than allowed; the latter costs no memory.
pub fn decode(bytes: &[u8], limits: &ImageLimits) -> Result<DynamicImage, ImagingError> {
    Ok(Picture::decode(bytes, limits, Compat::Default)?.into_image())
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
            source: ImageError::Decoding(DecodingError::new(format, error)),
        }
    };
    let file = Jpeg::open(bytes).map_err(broken)?;
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
    let mut image = image.ok_or_else(|| broken(JpegError::Broken("it has too few samples")))?;
    if compat == Compat::Default {
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
    let broken = |source| ImagingError::Decode { format: name, source };
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
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
    let tiff = format == ImageFormat::Tiff;
    if compat == Compat::Default || tiff {
        image.apply_orientation(orientation);
    }
    let mut nearest = bilevel;
    if compat == Compat::Reference {
        nearest |= mode::has_palette(bytes, format);
        nearest |= tiff && matches!(image, DynamicImage::ImageLuma16(_));
        image = mode::own(image, bytes, format);
    }
    Ok(Picture { pixels: Pixels::Plain(image), compat, nearest })
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
