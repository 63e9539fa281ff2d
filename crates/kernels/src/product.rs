//! Rows times a matrix.
//!
//! Every number is a sum over blocks of [`BLOCK`] inputs, in order; within a block sixteen lanes run over the inputs and are
//! added up at its end. The order is the same for one row and for a thousand, alone and in company, so that a row's result
//! never depends on what it was computed with.

use crate::{
    element::Element,
    lanes::{LANES, Lanes},
    matrix::{BLOCK, Matrix, PANEL, TILE},
    memory::vectors,
    ops::Then,
    prefetch,
};

/// Sums for some rows and tiles of one panel.
///
/// `x` is `[rows]` of `stride` vectors; `sums` becomes `[rows, tiles.len() · TILE]`.
#[inline(always)]
pub(crate) fn sums<L: Lanes, W: Element>(
    lanes: L,
    x: &[[f32; LANES]],
    stride: usize,
    matrix: &Matrix,
    tiles: std::ops::Range<usize>,
    sums: &mut [f32],
) {
    let (inputs, rows) = (vectors(matrix.inputs()), x.len() / stride);
    for start in (0..inputs).step_by(BLOCK) {
        let block = start..(start + BLOCK).min(inputs);
        let mut parts = [&[][..]; PANEL];
        for (part, tile) in parts.iter_mut().zip(tiles.clone()) {
            *part = matrix.tile::<W>(tile, block.clone());
        }
        groups(lanes, x, stride, rows, block, &parts[..tiles.len()], sums);
    }
}

/// One block of inputs: all rows, in groups that share what is loaded.
#[inline(always)]
#[allow(clippy::too_many_arguments)] // inner loop
fn groups<L: Lanes, W: Element>(
    lanes: L,
    x: &[[f32; LANES]],
    stride: usize,
    rows: usize,
    block: std::ops::Range<usize>,
    tiles: &[&[[[W; LANES]; TILE]]],
    sums: &mut [f32],
) {
    let width = tiles.len() * TILE;
    let first = block.start == 0;
    let mut row = 0;
    while row < rows {
        // Even groups: 5 rows are 3 and 2, not 4 and 1.
        let left = rows - row;
        let group = left.div_ceil(left.div_ceil(L::GROUP));
        let of = |n: usize| &x[(row + n) * stride..][block.clone()];
        for (n, tile) in tiles.iter().enumerate() {
            let out = &mut sums[row * width + n * TILE..];
            match (group, L::WIDE) {
                (1, _) => part::<L, W, 1, 4>(lanes, [of(0)], tile, out, width, first),
                (2, true) => part::<L, W, 2, 4>(lanes, [of(0), of(1)], tile, out, width, first),
                (3, true) => part::<L, W, 3, 4>(lanes, [of(0), of(1), of(2)], tile, out, width, first),
                (_, true) => part::<L, W, 4, 4>(lanes, [of(0), of(1), of(2), of(3)], tile, out, width, first),
                (2, false) => part::<L, W, 2, 2>(lanes, [of(0), of(1)], tile, out, width, first),
                (_, false) => part::<L, W, 3, 2>(lanes, [of(0), of(1), of(2)], tile, out, width, first),
            }
        }
        row += group;
    }
}

/// R rows times one tile, N of its outputs at a time.
#[inline(always)]
fn part<L: Lanes, W: Element, const R: usize, const N: usize>(
    lanes: L,
    x: [&[[f32; LANES]]; R],
    tile: &[[[W; LANES]; TILE]],
    out: &mut [f32],
    width: usize,
    first: bool,
) {
    let x = x.map(|row| &row[..tile.len()]);
    for start in (0..TILE).step_by(N) {
        let mut sums = [[lanes.zero(); N]; R];
        for (k, weights) in tile.iter().enumerate() {
            if start == 0 {
                prefetch::ahead_of::<{ prefetch::WEIGHTS }, _>(weights);
            }
            let mut loaded = [lanes.zero(); N];
            for n in 0..N {
                loaded[n] = W::load(lanes, &weights[start + n]);
            }
            for r in 0..R {
                let row = lanes.load(&x[r][k]);
                for n in 0..N {
                    sums[r][n] = lanes.fma(row, loaded[n], sums[r][n]);
                }
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            let out = &mut out[r * width + start..][..N];
            for (out, sum) in out.iter_mut().zip(sums) {
                let sum = lanes.sum(*sum);
                *out = if first { sum } else { *out + sum };
            }
        }
    }
}

/// What becomes of one row's sums: scale, bias, and then what the step says.
///
/// `sums` and `out` are as many columns of the matrix, from `first` on.
#[inline(always)]
pub(crate) fn finish<L: Lanes>(
    lanes: L,
    sums: &mut [f32],
    matrix: &Matrix,
    first: usize,
    then: Then,
    out: &mut [f32],
) {
    if let Some(scales) = matrix.scales() {
        sums.iter_mut().zip(&scales[first..]).for_each(|(sum, scale)| *sum *= scale);
    }
    if let Some(bias) = matrix.bias() {
        sums.iter_mut().zip(&bias[first..]).for_each(|(sum, bias)| *sum += bias);
    }
    match then {
        Then::Set => out.copy_from_slice(sums),
        Then::Relu => {
            out.iter_mut().zip(sums).for_each(|(out, x)| *out = if *x < 0.0 { 0.0 } else { *x });
        }
        Then::Add => out.iter_mut().zip(sums).for_each(|(out, x)| *out += *x),
        Then::Gelu => activate(lanes, sums, out, |x| gelu(lanes, x)),
        Then::QuickGelu => activate(lanes, sums, out, |x| {
            // Beyond 88 the exponential would be infinite; the result is 0 in f32 all the same.
            let power = lanes.exp(lanes.min(lanes.splat(88.0), lanes.mul(x, lanes.splat(-1.702))));
            lanes.div(x, lanes.add(lanes.splat(1.0), power))
        }),
    }
}

#[inline(always)]
fn activate<L: Lanes>(lanes: L, sums: &[f32], out: &mut [f32], each: impl Fn(L::V) -> L::V) {
    for (out, sums) in out.chunks_mut(LANES).zip(sums.chunks(LANES)) {
        let mut row = [0.0; LANES];
        row[..sums.len()].copy_from_slice(sums);
        let result = each(lanes.load(&row));
        lanes.store(&mut row, result);
        out.copy_from_slice(&row[..out.len()]);
    }
}

/// x·Φ(x); Φ to 10⁻⁷ by Abramowitz and Stegun 7.1.26.
#[inline(always)]
fn gelu<L: Lanes>(lanes: L, x: L::V) -> L::V {
    let one = lanes.splat(1.0);
    let size = lanes.max(x, lanes.sub(lanes.zero(), x));
    let z = lanes.mul(size, lanes.splat(std::f32::consts::FRAC_1_SQRT_2));
    let t = lanes.div(one, lanes.fma(z, lanes.splat(0.327_591_1), one));
    let mut p = lanes.splat(1.061_405_4);
    for c in [-1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6] {
        p = lanes.fma(p, t, lanes.splat(c));
    }
    let power = lanes.exp(lanes.sub(lanes.zero(), lanes.mul(z, z)));
    // What |x| has above it: Φ(x) is 1 less that for x > 0, and that itself below.
    let above = lanes.mul(lanes.mul(lanes.splat(0.5), lanes.mul(p, t)), power);
    // x·Φ(x) = max(x, 0) − |x|·above, on both sides.
    lanes.sub(lanes.max(x, lanes.zero()), lanes.mul(size, above))
}
