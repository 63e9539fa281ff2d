//! What a tower's `preprocessor_config.json` asks for. Every key that would change the pixels is either followed
//! or refused: a setting passed over in silence gives wrong features that still look plausible.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::Path;

use crate::ImagingError;

mod keys;

/// How a picture becomes pixels: resized bicubically, cropped to a square, scaled, then `(x - mean) / std` per
/// channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Preprocess {
    /// Side of the square, in pixels: `crop_size`, or `size` where nothing is cropped.
    pub size: u32,
    /// What is done to a picture before the crop.
    pub resize: Resize,
    /// What a value of 0 … 255 is multiplied with.
    pub rescale: f64,
    /// Mean of red, green, blue, after the scaling.
    pub mean: [f32; 3],
    /// Standard deviation of red, green, blue; none is 0.
    pub std: [f32; 3],
}

/// How a picture is resized before the crop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resize {
    /// The short side to this, the long one in proportion.
    Short(u32),
    /// Both sides, whatever the aspect ratio.
    Exact {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// Not at all.
    Keep,
}

/// A configuration has a few hundred bytes.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

impl Preprocess {
    /// The usual steps: the short side to `size`, the middle, scaled to 0 … 1.
    pub fn new(size: u32, mean: [f32; 3], std: [f32; 3]) -> Self {
        Self { size, resize: Resize::Short(size), rescale: 1.0 / 255.0, mean, std }
    }

    /// Reads a `preprocessor_config.json`:
    ///
    /// | Key | Meaning here; without it |
    /// |---|---|
    /// | `do_resize`, `size` | a number or `shortest_edge`: the short side; `height` and `width`: both; an error |
    /// | `default_to_square` | makes a plain number mean both sides; no |
    /// | `do_center_crop`, `crop_size` | the middle, black where the picture ends; a square only; `size` |
    /// | `resample` | 3 (bicubic) only; 3 |
    /// | `do_rescale`, `rescale_factor` | a factor other than 0; 1/255 |
    /// | `do_normalize`, `image_mean`, `image_std` | three numbers, or one for all; CLIP's |
    /// | `do_convert_rgb` | either: all pictures are RGB here, as the reference converts them itself |
    /// | `do_pad`, `data_format`, `input_data_format` | no padding, channels first |
    ///
    /// A `do_…` key that is missing means yes. The result must be a square, so without the crop `size` must be
    /// one.
    ///
    /// # Errors
    /// [`ImagingError::ReadConfig`] if the file cannot be read; [`ImagingError::Config`] naming the key if it
    /// is no JSON or asks for something else.
    pub fn from_file(path: &Path) -> Result<Self, ImagingError> {
        let read = |reason| ImagingError::ReadConfig { path: path.to_owned(), reason };
        // Asked for before it is opened: to open a pipe is to wait for its writer.
        if !fs::metadata(path).map_err(read)?.is_file() {
            return Err(read(io::Error::other("it is no regular file")));
        }
        let file = BufReader::new(File::open(path).map_err(read)?);
        let mut text = Vec::new();
        file.take(MAX_CONFIG_BYTES).read_to_end(&mut text).map_err(read)?;
        keys::parse(&text).map_err(|reason| ImagingError::Config { path: path.to_owned(), reason })
    }
}

#[cfg(test)]
mod tests;
