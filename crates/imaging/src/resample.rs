//! Pillow's `resize`, bit for bit: the bicubic with antialias, in two passes with 8 bits between, and the nearest
//! neighbour. Of the resized picture only a window is ever computed, so that 1 x 30000 pixels whose short side
//! becomes 224 need no 224 x 6,720,000.
//!
//! Why not `fast_image_resize`: its weights have 16 bits, Pillow's 22. Over pictures of all sizes 3 of 1,000 of its values
//! are off by one of 255 and 6 of a million by two, which is all that Pillow's pixels may be missed by. For samples of 16
//! bits its weights are finer, but then it takes twice the time of this and is off by two still, and by 25 where colours are
//! divided by alpha afterwards.
//!
//! Source: Pillow's `Resample.c` and `Geometry.c`, as to the arithmetic (22 bits of fraction, where sums are
//! rounded and clipped). Where the cubic overshoots black or white, the order of the passes shows: see [`Passes`].

use std::ops::Range;

/// Interleaved samples, rows from the top.
#[derive(Clone, Copy)]
pub(crate) struct Raster<'a, S> {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) samples: &'a [S],
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
    /// As Pillow from version 13 on: columns first if the height shrinks by more pixels than twice what the
    /// width does.
    Adaptive,
}

impl Passes {
    fn columns_first(self, source: (usize, usize), target: (usize, usize)) -> bool {
        let shrinks = |from: usize, to: usize| from as i64 - to as i64;
        let (width, height) = (shrinks(source.0, target.0), shrinks(source.1, target.1));
        self == Self::Adaptive && height > 0 && height > 2 * width
    }
}

/// A kind of sample, and how Pillow sums it.
pub(crate) trait Sample: Copy {
    /// A weight of the filter.
    type Weight: Copy;
    /// A sum of weighted samples.
    type Sum: Copy;
    /// What a sum starts with.
    const START: Self::Sum;
    fn weight(weight: f64) -> Self::Weight;
    fn add(sum: Self::Sum, sample: Self, weight: Self::Weight) -> Self::Sum;
    fn end(sum: Self::Sum) -> Self;
}

/// Bits of fraction of a weight: 8 are the sample's, 2 are left for sums.
const FRACTION: u32 = 32 - 8 - 2;

impl Sample for u8 {
    type Weight = i32;
    type Sum = i32;
    const START: i32 = 1 << (FRACTION - 1);

    fn weight(weight: f64) -> i32 {
        // Truncates after the half, as a cast in C does.
        (weight * f64::from(1 << FRACTION) + 0.5f64.copysign(weight)) as i32
    }

    #[inline(always)]
    fn add(sum: i32, sample: u8, weight: i32) -> i32 {
        sum.wrapping_add(i32::from(sample).wrapping_mul(weight)) // cannot wrap: weights sum up to 1
    }

    #[inline(always)]
    fn end(sum: i32) -> u8 {
        (sum >> FRACTION).clamp(0, 255) as u8
    }
}

impl Sample for i32 {
    type Weight = f64;
    type Sum = f64;
    const START: f64 = 0.0;

    fn weight(weight: f64) -> f64 {
        weight
    }

    fn add(sum: f64, sample: i32, weight: f64) -> f64 {
        sum + f64::from(sample) * weight
    }

    fn end(sum: f64) -> i32 {
        sum.round() as i32
    }
}

/// The weights of one direction: per output position, the first source position and the weights from there on.
struct Filter<S: Sample> {
    taps: Vec<(usize, Vec<S::Weight>)>,
}

impl<S: Sample> Filter<S> {
    /// For the positions `wanted` of `source` samples resized to `target`.
    fn new(source: usize, target: usize, wanted: Range<usize>) -> Self {
        if source == target {
            // Pillow leaves this pass out.
            return Self { taps: wanted.map(|position| (position, vec![S::weight(1.0)])).collect() };
        }
        let scale = source as f64 / target as f64;
        let stretch = scale.max(1.0);
        let (support, inverse) = (2.0 * stretch, 1.0 / stretch);
        let tap = |position: usize| {
            let centre = (position as f64 + 0.5) * scale;
            let low = (centre - support + 0.5).max(0.0) as usize;
            let high = ((centre + support + 0.5) as usize).min(source);
            let mut weights: Vec<f64> =
                (low..high).map(|at| cubic((at as f64 - centre + 0.5) * inverse)).collect();
            let sum: f64 = weights.iter().sum();
            if sum != 0.0 {
                weights.iter_mut().for_each(|weight| *weight /= sum);
            }
            (low, weights.into_iter().map(S::weight).collect())
        };
        Self { taps: wanted.map(tap).collect() }
    }

    /// The source positions that are read at all.
    fn reads(&self) -> Range<usize> {
        let low = self.taps.iter().map(|(low, _)| *low).min().unwrap_or(0);
        low..self.taps.iter().map(|(low, weights)| low + weights.len()).max().unwrap_or(low)
    }

    /// Filters each row. `rows` has `width` columns, of which the first is the source's `first`.
    fn across<const N: usize>(&self, rows: &[S], width: usize, first: usize) -> Vec<S> {
        let mut out = Vec::with_capacity(rows.len() / width * self.taps.len());
        for row in rows.as_chunks::<N>().0.chunks_exact(width) {
            for (low, weights) in &self.taps {
                let mut sums = [S::START; N];
                for (pixel, &weight) in row[low - first..].iter().zip(weights) {
                    for channel in 0..N {
                        sums[channel] = S::add(sums[channel], pixel[channel], weight);
                    }
                }
                out.extend(sums.map(S::end));
            }
        }
        out
    }

    /// Filters each column. `rows` is `stride` samples long each, of which those in `part` are read; the first row
    /// is the source's `first`.
    fn down(&self, rows: &[S], stride: usize, part: Range<usize>, first: usize) -> Vec<S> {
        let mut out = Vec::with_capacity(self.taps.len() * part.len());
        let mut sums = vec![S::START; part.len()];
        for (low, weights) in &self.taps {
            sums.fill(S::START);
            for (row, &weight) in rows.chunks_exact(stride).skip(low - first).zip(weights) {
                for (sum, &sample) in sums.iter_mut().zip(&row[part.clone()]) {
                    *sum = S::add(*sum, sample, weight);
                }
            }
            out.extend(sums.iter().map(|&sum| S::end(sum)));
        }
        out
    }
}

/// Keys' cubic with a = -0.5.
fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

/// `source` (of `N` channels, no side 0) resized to `target` columns and rows; of that, `window` comes back.
pub(crate) fn bicubic<S: Sample, const N: usize>(
    source: Raster<'_, S>,
    target: (usize, usize),
    window: &Window,
    passes: Passes,
) -> Vec<S> {
    let across = Filter::<S>::new(source.width, target.0, window.columns.clone());
    let down = Filter::<S>::new(source.height, target.1, window.rows.clone());
    let stride = source.width * N;
    if passes.columns_first((source.width, source.height), target) {
        let Range { start, end } = across.reads();
        let between = down.down(source.samples, stride, start * N..end * N, 0);
        across.across::<N>(&between, end - start, start)
    } else {
        let Range { start, end } = down.reads();
        let between = across.across::<N>(&source.samples[start * stride..end * stride], source.width, 0);
        let width = window.columns.len() * N;
        down.down(&between, width, 0..width, start)
    }
}

/// Which of `source` positions each of `target` takes by the nearest neighbour. The two ways that Pillow goes differ where
/// rounding decides a tie.
pub(crate) type Positions = fn(source: usize, target: usize) -> Vec<usize>;

/// Each position from the one before: Pillow's way for samples of 8 and of 32 bits.
pub(crate) fn summed(source: usize, target: usize) -> Vec<usize> {
    let scale = source as f64 / target as f64;
    let steps = std::iter::successors(Some(scale * 0.5), |at| Some(at + scale));
    steps.take(target).map(|at| (at as usize).min(source - 1)).collect()
}

/// Each position for itself: Pillow's way for samples of 16 bits.
pub(crate) fn multiplied(source: usize, target: usize) -> Vec<usize> {
    let scale = source as f64 / target as f64;
    (0..target).map(|n| (((n as f64 + 0.5) * scale) as usize).min(source - 1)).collect()
}

/// `source` (of `N` channels) resized to `target` by the nearest neighbour.
pub(crate) fn nearest<S: Copy, const N: usize>(
    source: Raster<'_, S>,
    target: (usize, usize),
    positions: Positions,
) -> Vec<S> {
    let columns = positions(source.width, target.0);
    let mut out = Vec::with_capacity(target.0 * target.1 * N);
    for row in positions(source.height, target.1) {
        let row = &source.samples[row * source.width * N..][..source.width * N];
        out.extend(columns.iter().flat_map(|&column| &row[column * N..][..N]));
    }
    out
}
