//! JPEG to samples by libjpeg-turbo's decoder, the one that Pillow has too, so that both give the same bytes.
//!
//! Why not the decoder of `image`: it rounds the chroma filter otherwise, which costs up to 4 levels and 0.36 on average
//! on every photograph with 4:2:0, more than Pillow's pixels may be missed by.
//!
//! libjpeg tells its errors by unwinding, which ends here, and goes on with grey where a file ends early, which the
//! reader here notices. Data that is wrong but complete is decoded as well as it goes, as Pillow does.

mod scans;

use std::{
    any::Any,
    cell::Cell,
    io::{self, BufRead, Read},
    panic::{AssertUnwindSafe, catch_unwind},
};

pub(crate) use self::scans::{Frame, frame};

use mozjpeg::{ColorSpace, Decompress, Marker};

/// Where cameras write how they were held.
const EXIF: Marker = Marker::APP(1);
/// What such a marker's content begins with.
const EXIF_HEADER: &[u8] = b"Exif\0\0";

/// Why bytes are no JPEG that can be shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JpegError {
    #[error("it ends early, after {0} bytes")]
    Truncated(usize),
    #[error("{0}")]
    Broken(String),
    #[error("it has more than {max} scans; save it anew")]
    Scans { max: usize },
    #[error("it has more than {max} segments; save it anew")]
    Segments { max: usize },
    #[error("its {0} components are none of grey, colours or inks")]
    Components(usize),
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
    decoder: Decompress<Reader<'a>>,
    bytes: &'a [u8],
    short: &'a Cell<bool>,
}

impl<'a> Jpeg<'a> {
    /// Reads the headers. `short` is set when the decoder wants more bytes than there are.
    pub(crate) fn open(bytes: &'a [u8], short: &'a Cell<bool>) -> Result<Self, JpegError> {
        scans::check(bytes)?;
        let reader = Reader { left: bytes, short };
        let decoder = guarded(|| Decompress::with_markers(&[EXIF]).from_reader(reader));
        match decoder {
            Ok(decoder) => Ok(Self { decoder, bytes, short }),
            Err(_) if short.get() => Err(JpegError::Truncated(bytes.len())),
            Err(error) => Err(error),
        }
    }

    /// Columns and rows.
    pub(crate) fn dimensions(&self) -> (u32, u32) {
        let (width, height) = self.decoder.size();
        (width as u32, height as u32) // 16 bits each in the file
    }

    /// The content of the EXIF marker, from its TIFF header on.
    pub(crate) fn exif(&self) -> Option<&[u8]> {
        self.decoder.markers().find_map(|marker| marker.data.strip_prefix(EXIF_HEADER))
    }

    /// Decodes.
    pub(crate) fn samples(self) -> Result<Samples, JpegError> {
        let Self { decoder, bytes, short } = self;
        let components = decoder.components().len();
        let wanted = match components {
            1 => ColorSpace::JCS_GRAYSCALE,
            3 => ColorSpace::JCS_RGB,
            4 => ColorSpace::JCS_CMYK,
            other => return Err(JpegError::Components(other)),
        };
        let decoded = guarded(|| {
            let mut started = decoder.to_colorspace(wanted)?;
            Ok((started.read_scanlines::<u8>()?, started))
        });
        if short.get() {
            return Err(JpegError::Truncated(bytes.len()));
        }
        let (mut samples, started) = decoded?;
        // What is left must be in order, but need not be there if the samples are: so has Pillow it.
        let finished = guarded(|| started.finish());
        if !short.get() {
            finished?;
        }
        Ok(match components {
            1 => Samples::Grey(samples),
            3 => Samples::Rgb(samples),
            _ => {
                // Taken for Adobe's inverted inks whether its marker is there or not, as Pillow does: no program writes
                // them otherwise.
                samples.iter_mut().for_each(|ink| *ink = 255 - *ink);
                Samples::Cmyk(samples)
            }
        })
    }
}

/// Runs libjpeg, whose errors unwind.
fn guarded<T>(run: impl FnOnce() -> io::Result<T>) -> Result<T, JpegError> {
    let broken = |reason: &dyn ToString| JpegError::Broken(reason.to_string());
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => result.map_err(|error| broken(&error)),
        Err(payload) => Err(broken(&message(payload.as_ref()))),
    }
}

fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("it is broken");
    text.trim_start_matches("libjpeg fatal error: ")
}

/// The file, which notices when more of it is wanted than there is. A whole file ends with a marker, behind which nothing
/// is read.
struct Reader<'a> {
    left: &'a [u8],
    short: &'a Cell<bool>,
}

impl Read for Reader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.fill_buf()?.read(into)?;
        self.consume(n);
        Ok(n)
    }
}

impl BufRead for Reader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left.is_empty() {
            self.short.set(true);
        }
        Ok(self.left)
    }

    fn consume(&mut self, n: usize) {
        self.left = &self.left[n.min(self.left.len())..];
    }
}

#[cfg(test)]
mod tests;
