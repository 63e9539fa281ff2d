//! Picture files to the vision tower's pixels; pure.
//!
//! ```text
//! bytes ──decode──▶ DynamicImage ──Preprocess::pixels──▶ [3, size, size] f32
//! ```
//! Touches nothing but its arguments; only [`Preprocess::from_file`] reads a file.

mod decode;
mod jpeg;

mod colour;
mod pixels;
mod preprocess;
mod resample;
mod squash;

mod error;

pub use decode::{Compat, ImageLimits, Picture, decode};
pub use error::ImagingError;
pub use pixels::Fit;
pub use preprocess::{Preprocess, Resize};

// Callers name the picture between `decode` and `pixels`; this spares them the dependency.
pub use image::DynamicImage;
