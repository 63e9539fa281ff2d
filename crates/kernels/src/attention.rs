//! Attention of one head: rows of queries over keys and values in blocks of sixteen positions.
//!
//! A block holds the head's keys with the positions side by side, `[head_dim]` of sixteen, so that sixteen scores come out of
//! one vector, and its values row by row, `[16]` of `vectors(head_dim)`. For each query all is computed in one order of
//! positions, however many queries there are at once and whatever lies in the lanes behind the last position.

use crate::{
    lanes::{LANES, Lanes},
    memory::vectors,
};

/// Positions of one block.
pub const POSITIONS: usize = LANES;

/// Queries that share the loads of keys and values.
pub(crate) const GROUP: usize = 4;

/// Sizes of one head.
#[derive(Clone, Copy)]
pub(crate) struct Head {
    pub(crate) dim: usize,
}

impl Head {
    /// Vectors of one block, keys and values.
    pub(crate) fn block(self) -> usize {
        self.dim.saturating_add(POSITIONS.saturating_mul(vectors(self.dim)))
    }

    /// Writes a position's key and value into its block.
    pub(crate) fn write(self, block: &mut [[f32; LANES]], position: usize, key: &[f32], value: &[f32]) {
        let (keys, values) = block.split_at_mut(self.dim);
        keys.iter_mut().zip(key).for_each(|(lanes, key)| lanes[position] = *key);
        values[position * vectors(self.dim)..].as_flattened_mut()[..self.dim].copy_from_slice(value);
    }
}

/// R queries, `[dim]` each and already scaled, of which the n-th sees the first `visible[n]` ≥ 1 positions; `visible` does
/// not fall. `scores` is room for R times as many vectors as blocks are seen. Results are `[vectors(dim)]` each.
#[inline(always)]
pub(crate) fn attend<'a, L: Lanes, const R: usize>(
    lanes: L,
    head: Head,
    queries: [&[f32]; R],
    visible: [usize; R],
    block: impl Fn(usize) -> &'a [[f32; LANES]],
    scores: &mut [[f32; LANES]],
    out: &mut [[f32; LANES]],
) {
    let n = visible[R - 1].div_ceil(POSITIONS);
    let scores = &mut scores[..n * R];
    let mut b = 0;
    while b + 2 <= n {
        weigh::<L, R, 2>(lanes, head, queries, [block(b), block(b + 1)], &mut scores[b * R..]);
        b += 2;
    }
    if b < n {
        weigh::<L, R, 1>(lanes, head, queries, [block(b)], &mut scores[b * R..]);
    }
    let mut inverse = [0.0; R];
    for r in 0..R {
        inverse[r] = 1.0 / softmax(lanes, scores, r, R, visible[r]);
    }
    let width = vectors(head.dim);
    let mut column = 0;
    while column < width {
        let out = &mut out[column..];
        if column + 4 <= width {
            mix::<L, R, 4>(lanes, head, visible, &block, scores, inverse, column, out, width);
            column += 4;
        } else {
            mix::<L, R, 1>(lanes, head, visible, &block, scores, inverse, column, out, width);
            column += 1;
        }
    }
}

/// Scores of R queries in B blocks.
#[inline(always)]
fn weigh<L: Lanes, const R: usize, const B: usize>(
    lanes: L,
    head: Head,
    queries: [&[f32]; R],
    blocks: [&[[f32; LANES]]; B],
    scores: &mut [[f32; LANES]],
) {
    let queries = queries.map(|query| &query[..head.dim]);
    let keys = blocks.map(|block| &block[..head.dim]);
    let mut sums = [[lanes.zero(); R]; B];
    for d in 0..head.dim {
        for r in 0..R {
            let query = lanes.splat(queries[r][d]);
            for b in 0..B {
                sums[b][r] = lanes.fma(query, lanes.load(&keys[b][d]), sums[b][r]);
            }
        }
    }
    for (scores, sums) in scores.as_chunks_mut::<R>().0.iter_mut().zip(sums) {
        for r in 0..R {
            lanes.store(&mut scores[r], sums[r]);
        }
    }
}

/// Turns a query's scores into e^(score − largest) in place; returns their sum. Lanes that it does not see become 0.
#[inline(always)]
fn softmax<L: Lanes>(lanes: L, scores: &mut [[f32; LANES]], r: usize, rows: usize, visible: usize) -> f32 {
    let n = visible.div_ceil(POSITIONS);
    let last = (n - 1) * rows + r;
    let rest = visible - (n - 1) * POSITIONS;
    scores[last][rest..].fill(f32::NEG_INFINITY);
    let mut largest = lanes.splat(f32::NEG_INFINITY);
    for scores in scores[r..=last].iter().step_by(rows) {
        largest = lanes.max(largest, lanes.load(scores));
    }
    let largest = lanes.splat(lanes.largest(largest));
    for scores in scores[r..=last].iter_mut().step_by(rows) {
        let power = lanes.exp(lanes.sub(lanes.load(scores), largest));
        lanes.store(scores, power);
    }
    scores[last][rest..].fill(0.0);
    let mut sum = lanes.zero();
    for scores in scores[r..=last].iter().step_by(rows) {
        sum = lanes.add(sum, lanes.load(scores));
    }
    lanes.sum(sum)
}

/// D vectors of the values, weighted by the scores.
#[inline(always)]
#[allow(clippy::too_many_arguments)] // inner loop
fn mix<'a, L: Lanes, const R: usize, const D: usize>(
    lanes: L,
    head: Head,
    visible: [usize; R],
    block: &impl Fn(usize) -> &'a [[f32; LANES]],
    scores: &[[f32; LANES]],
    inverse: [f32; R],
    column: usize,
    out: &mut [[f32; LANES]],
    width: usize,
) {
    let mut sums = [[lanes.zero(); D]; R];
    // What all see, with shared loads; then what each sees alone. Nobody's sum takes in a position that it does not see, not
    // even times 0, which another's infinity would turn into no number.
    let all = visible[0];
    for b in 0..all.div_ceil(POSITIONS) {
        let values = &block(b)[head.dim + column..];
        let scores: &[[f32; LANES]; R] = &scores.as_chunks::<R>().0[b];
        for t in 0..POSITIONS.min(all - b * POSITIONS) {
            let value: &[[f32; LANES]] = &values[t * width..][..D];
            let mut loaded = [lanes.zero(); D];
            for d in 0..D {
                loaded[d] = lanes.load(&value[d]);
            }
            for r in 0..R {
                let weight = lanes.splat(scores[r][t]);
                for d in 0..D {
                    sums[r][d] = lanes.fma(weight, loaded[d], sums[r][d]);
                }
            }
        }
    }
    for r in 1..R {
        for position in all..visible[r] {
            let (b, t) = (position / POSITIONS, position % POSITIONS);
            let values = &block(b)[head.dim + column + t * width..][..D];
            let weight = lanes.splat(scores[b * R + r][t]);
            for d in 0..D {
                sums[r][d] = lanes.fma(weight, lanes.load(&values[d]), sums[r][d]);
            }
        }
    }
    for r in 0..R {
        let inverse = lanes.splat(inverse[r]);
        for d in 0..D {
            lanes.store(&mut out[r * width + d], lanes.mul(sums[r][d], inverse));
        }
    }
}
