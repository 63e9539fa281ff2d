//! JPEG to samples exactly as libjpeg-turbo, and so Pillow, computes them: the integer inverse DCT ("islow"), the
//! triangle filter for halved chroma, and 16-bit fixed point for YCbCr.
//!
//! Why not the decoder of `image`: it rounds the chroma filter otherwise, which costs up to 4 levels and 0.36 on
//! average on every photograph with 4:2:0, and it takes small pictures' chroma from the nearest sample. What is
//! read: baseline, extended (8 bits) and progressive Huffman files with 1, 3 or 4 components. Arithmetic coding,
//! 12 bits and lossless files are refused, as in Pillow.
//!
//! Source: ITU-T T.81; the arithmetic is the one documented in libjpeg-turbo's `jidctint`, `jdsample`, `jdcolor`.

mod frame;
mod segments;
mod tables;

mod huffman;
mod layer;
mod progressive;
mod scan;

mod colour;
mod idct;
mod upsample;

use segments::{Adobe, Headers};

/// Why bytes are no JPEG that can be shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JpegError {
    #[error("it ends early, after {0} bytes")]
    Truncated(usize),
    #[error("{0}")]
    Broken(&'static str),
    #[error("{0} is not supported; save it as a baseline or progressive JPEG with 8 bits")]
    Unsupported(&'static str),
}

/// Samples, rows from the top, interleaved.
pub(crate) enum Samples {
    /// One byte per pixel.
    Grey(Vec<u8>),
    /// Three bytes per pixel.
    Rgb(Vec<u8>),
    /// Four bytes per pixel; 0 is no ink.
    Cmyk(Vec<u8>),
}

/// A file whose headers are read up to the first scan; nothing large is allocated yet.
pub(crate) struct Jpeg<'a> {
    headers: Headers<'a>,
}

impl<'a> Jpeg<'a> {
    /// Reads the headers.
    pub(crate) fn open(bytes: &'a [u8]) -> Result<Self, JpegError> {
        let mut headers = Headers::new(bytes)?;
        headers.advance()?;
        if headers.frame.is_none() {
            return Err(JpegError::Broken("it has no frame header before its first scan"));
        }
        Ok(Self { headers })
    }

    /// Columns and rows.
    pub(crate) fn dimensions(&self) -> (u32, u32) {
        self.headers.frame.as_ref().map_or((0, 0), |frame| (frame.width, frame.height))
    }

    /// The EXIF block, from its TIFF header on.
    pub(crate) fn exif(&self) -> Option<&'a [u8]> {
        self.headers.exif
    }

    /// Decodes all scans. Allocates at most 16 bytes per pixel (a progressive file's coefficients, the planes and
    /// the samples), with both sides rounded up to whole blocks.
    pub(crate) fn samples(mut self) -> Result<Samples, JpegError> {
        let planes = scan::planes(&mut self.headers)?;
        let Some(frame) = &self.headers.frame else {
            return Err(JpegError::Broken("it has no frame header"));
        };
        let ids: Vec<u8> = frame.components.iter().map(|component| component.id).collect();
        let kind = match ids.len() {
            1 => colour::Kind::Grey,
            3 => match (self.headers.jfif, self.headers.adobe) {
                // JFIF allows nothing else; then Adobe's marker counts; then names.
                (true, _) => colour::Kind::Ycc,
                (false, Some(Adobe::Plain)) => colour::Kind::Rgb,
                (false, Some(_)) => colour::Kind::Ycc,
                (false, None) if ids == *b"RGB" => colour::Kind::Rgb,
                (false, None) => colour::Kind::Ycc,
            },
            _ => match self.headers.adobe {
                None | Some(Adobe::Plain) => colour::Kind::Cmyk,
                Some(Adobe::Transformed) => colour::Kind::Ycck,
            },
        };
        colour::join(frame, &planes, kind)
    }
}

#[cfg(test)]
mod tests;
