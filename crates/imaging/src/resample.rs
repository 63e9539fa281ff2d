//! Pillow's `resize`: the bicubic with antialias, in two passes with the samples' own bits between, and the nearest
//! neighbour. Of the resized picture only a window is ever computed, so that 1 x 30000 pixels whose short side becomes
//! 224 need no 224 x 6,720,000.
//!
//! The filtering is `fast_image_resize`'s, whose arithmetic is nearly Pillow's: measured over pictures of all sizes, 3 of
//! 1,000 values are off by one of 255, 6 of a million by two. Where the cubic overshoots black or white, the order of the
//! passes shows far more: see [`Passes`].

use std::ops::Range;

use fast_image_resize::{
    FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer,
    images::{Image, ImageRef},
};

use crate::ImagingError;

/// Interleaved samples, rows from the top.
#[derive(Clone, Copy)]
pub(crate) struct Raster<'a> {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// The samples' bytes, aligned as the samples are.
    pub(crate) bytes: &'a [u8],
    pub(crate) kind: PixelType,
    /// The largest sample of a picture whose samples are held in 16 bits; the cubic's overshoot is cut off there.
    pub(crate) most: u16,
}

/// The part of the resized picture that is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    pub(crate) columns: Range<usize>,
    pub(crate) rows: Range<usize>,
}

/// Which direction is resized first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passes {
    /// Each row, then each column: Pillow before version 13.
    RowsFirst,
    /// As Pillow from version 13 on: columns first if the height shrinks by more pixels than twice what the width does.
    Adaptive,
}

impl Passes {
    fn columns_first(self, source: (u32, u32), target: (usize, usize)) -> bool {
        let shrinks = |from: u32, to: usize| i64::from(from) - to as i64;
        let (width, height) = (shrinks(source.0, target.0), shrinks(source.1, target.1));
        self == Self::Adaptive && height > 0 && height > 2 * width
    }
}

/// What of the source becomes the window along one side, in source pixels.
struct Preimage {
    start: f64,
    length: f64,
    /// The whole pixels that the filter reaches.
    reach: Range<u32>,
}

impl Preimage {
    fn new(source: u32, target: usize, window: &Range<usize>) -> Self {
        let (whole, scale) = (f64::from(source), f64::from(source) / target as f64);
        let start = window.start as f64 * scale;
        // Rounding must not push the far border out of the picture.
        let length = (window.len() as f64 * scale).min(whole - start);
        let margin = 2.0 * scale.max(1.0) + 2.0;
        let first = (start - margin).floor().max(0.0);
        let last = (start + length + margin).ceil().min(whole);
        Self { start, length, reach: first as u32..last as u32 }
    }

    /// Its place within what the filter reaches.
    fn within(&self) -> f64 {
        self.start - f64::from(self.reach.start)
    }

    fn first(&self) -> f64 {
        f64::from(self.reach.start)
    }

    fn reached(&self) -> u32 {
        self.reach.end - self.reach.start
    }
}

/// `source` (no side 0) resized to `target` columns and rows; of that, the bytes of `window` come back.
pub(crate) fn bicubic(
    source: Raster<'_>,
    target: (usize, usize),
    window: &Window,
    passes: Passes,
) -> Result<Vec<u8>, ImagingError> {
    let Raster { width, height, bytes, kind, most } = source;
    let across = Preimage::new(width, target.0, &window.columns);
    let down = Preimage::new(height, target.1, &window.rows);
    let (columns, rows) = (window.columns.len() as u32, window.rows.len() as u32);
    // Catmull-Rom is the cubic with a = -0.5, which Pillow calls BICUBIC. Alpha is a channel as any other: who wants it
    // multiplied has done so.
    let cubic = ResizeAlg::Convolution(FilterType::CatmullRom);
    let bicubic = ResizeOptions::new().resize_alg(cubic).use_alpha(false);
    let (size, first, second) = if passes.columns_first((width, height), target) {
        (
            (across.reached(), rows),
            bicubic.crop(across.first(), down.start, f64::from(across.reached()), down.length),
            bicubic.crop(across.within(), 0.0, across.length, f64::from(rows)),
        )
    } else {
        (
            (columns, down.reached()),
            bicubic.crop(across.start, down.first(), across.length, f64::from(down.reached())),
            bicubic.crop(0.0, down.within(), f64::from(columns), down.length),
        )
    };
    let failed = |reason: &dyn ToString| ImagingError::Resize { width, height, reason: reason.to_string() };
    let source = ImageRef::new(width, height, bytes, kind).map_err(|error| failed(&error))?;
    let mut between = Image::new(size.0, size.1, kind);
    let mut resized = Image::new(columns, rows, kind);
    let mut resizer = Resizer::new();
    resizer.resize(&source, &mut between, &first).map_err(|error| failed(&error))?;
    cut_off(between.buffer_mut(), most, kind);
    resizer.resize(&between, &mut resized, &second).map_err(|error| failed(&error))?;
    cut_off(resized.buffer_mut(), most, kind);
    Ok(resized.into_vec())
}

/// What is beyond `most` becomes `most`, where samples have 16 bits.
fn cut_off(bytes: &mut [u8], most: u16, kind: PixelType) {
    if most < u16::MAX && matches!(kind, PixelType::U16 | PixelType::U16x2 | PixelType::U16x4) {
        for sample in bytes.as_chunks_mut::<2>().0 {
            *sample = u16::from_ne_bytes(*sample).min(most).to_ne_bytes();
        }
    }
}

/// `samples` (`N` to a pixel) resized to `target` by the nearest neighbour. Positions are summed up as Pillow does, which
/// now and then decides a tie.
pub(crate) fn nearest<S: Copy, const N: usize>(
    (width, height): (u32, u32),
    samples: &[S],
    target: (usize, usize),
) -> Vec<S> {
    let positions = |source: usize, target: usize| {
        let scale = source as f64 / target as f64;
        let steps = std::iter::successors(Some(scale * 0.5), move |at| Some(at + scale));
        steps.take(target).map(move |at| (at as usize).min(source - 1)).collect::<Vec<_>>()
    };
    let (width, height) = (width as usize, height as usize);
    let columns = positions(width, target.0);
    let mut out = Vec::with_capacity(target.0 * target.1 * N);
    for row in positions(height, target.1) {
        let row = &samples[row * width * N..][..width * N];
        out.extend(columns.iter().flat_map(|&column| &row[column * N..][..N]));
    }
    out
}
