//! Picture files to the vision tower's pixels; pure.
//!
//! ```text
//! bytes ──decode──▶ DynamicImage ──Preprocess::pixels──▶ [3, size, size] f32
//! ```
//! Touches nothing but its arguments; only [`Preprocess::from_file`] reads a file.
//!
//! Where a picture can be understood in more than one way:
//!
//! | | [`Compat::Off`] | [`Compat::Reference`] |
//! |---|---|---|
//! | EXIF orientation | applied: the model sees what a viewer shows | left alone (of TIFF: applied), as Pillow does |
//! | 16-bit grey | the high 8 bits, as of 16-bit RGB | clipped to 255, as Pillow does: nearly all of it white |
//! | squash | RGB first, then bicubic | resized as the file has it, then RGB: palettes and 1-bit pictures by nearest neighbour, alpha premultiplied, 16-bit greys with all their bits, CMYK as inks |
//! | order of resizing | Pillow's from version 13 on: columns first if the height shrinks by more than twice what the width does | rows first: that of Pillow 9.4, which the reference ran on |
//!
//! In both: the first frame of an animation; alpha is dropped, not blended, so that what a transparent pixel hides comes
//! to light; 16-bit RGB keeps the high 8 bits; CMYK becomes RGB without colour management, with its inks inverted as
//! Adobe writes them, and YCCK by way of CMYK; colour profiles are left out. All of that is Pillow's way. A file that
//! ends early is refused, as Pillow refuses it; a JPEG whose data is wrong but complete is shown as well as it goes, as
//! Pillow shows it.

mod decode;
mod jpeg;

mod colour;
mod pixels;
mod preprocess;
mod resample;
mod squash;

mod error;

pub use decode::{ImageLimits, Picture, decode, decoded_bytes};
pub use error::ImagingError;
pub use fondue_domain::Compat;
pub use pixels::Fit;
pub use preprocess::{Preprocess, Resize};

// Callers name the picture between `decode` and `pixels`; this spares them the dependency.
pub use image::DynamicImage;
