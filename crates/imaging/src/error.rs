//! Why bytes are not a usable picture, or a file no usable preprocessing.

use std::path::PathBuf;

use fondue_domain::{Classify, Fault};

/// What went wrong with a picture or with the preprocessor's configuration.
#[derive(Debug, thiserror::Error)]
pub enum ImagingError {
    /// No bytes at all.
    #[error("the picture has 0 bytes")]
    Empty,
    /// The file is larger than `ImageLimits::max_bytes`.
    #[error("the picture has {got} bytes, limit {max}; send a smaller file")]
    TooManyBytes {
        /// Its bytes.
        got: usize,
        /// The limit.
        max: usize,
    },
    /// The header promises more pixels than `ImageLimits::max_pixels`; nothing was decoded.
    #[error("the picture is {width} x {height} pixels, limit {max} pixels in all; send it scaled down")]
    TooManyPixels {
        /// Columns by the header.
        width: u32,
        /// Rows by the header.
        height: u32,
        /// The limit on their product.
        max: u64,
    },
    /// A side longer than any picture's; nothing was decoded.
    #[error(
        "the picture is {width} x {height} pixels, limit {max} pixels a side; send it scaled down or cut"
    )]
    TooLong {
        /// Columns by the header.
        width: u32,
        /// Rows by the header.
        height: u32,
        /// The limit on each.
        max: u32,
    },
    /// The first bytes belong to no known format.
    #[error("these {bytes} bytes are no picture of a known format; send PNG, JPEG, GIF, WebP, BMP or TIFF")]
    UnknownFormat {
        /// Length of the file.
        bytes: usize,
    },
    /// The format is known, the content broken (or it wants more memory than its size justifies).
    #[error("the {format} picture cannot be decoded: {reason}")]
    Decode {
        /// Name of the format.
        format: &'static str,
        /// What the decoder said.
        reason: image::ImageError,
    },
    /// A side of length 0.
    #[error("the picture is {width} x {height} pixels; both sides must be at least 1")]
    NoPixels {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// The preprocessor's configuration cannot be read.
    #[error("cannot read {}: {reason}", path.display())]
    ReadConfig {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// The preprocessor's configuration says something that is not done here.
    #[error("{}: {reason}", path.display())]
    Config {
        /// Which file.
        path: PathBuf,
        /// The key at fault, and what would be right.
        reason: String,
    },
}

impl Classify for ImagingError {
    fn fault(&self) -> Fault {
        match self {
            Self::TooManyBytes { .. } => Fault::TooLarge,
            Self::Empty
            | Self::TooManyPixels { .. }
            | Self::TooLong { .. }
            | Self::UnknownFormat { .. }
            | Self::Decode { .. }
            | Self::NoPixels { .. } => Fault::Invalid,
            Self::ReadConfig { .. } | Self::Config { .. } => Fault::Internal,
        }
    }
}
