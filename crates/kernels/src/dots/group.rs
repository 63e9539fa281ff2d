//! A few rows times a few queries, in registers.

use super::Query;
use crate::{
    element::Element,
    lanes::{LANES, Lanes},
    prefetch,
};

/// All rows, which lie one after another, for all queries: `out` is `[queries, n]`.
#[inline(always)]
pub(super) fn all<L: Lanes, E: Element>(lanes: L, rows: &[E], queries: &[&Query], n: usize, out: &mut [f32]) {
    // For few queries one row after another: so memory is read as fast as it can be, which several rows at a time, 1 KiB
    // apart, halved on a Zen 4; the next row's sums begin before the last one's are there. Many queries need several rows for
    // each of their own loads.
    match (queries.len(), L::WIDE) {
        (1, _) => blocks::<L, E, 1, 1>(lanes, rows, queries, n, out),
        (2, _) => blocks::<L, E, 1, 2>(lanes, rows, queries, n, out),
        (3 | 4, true) => blocks::<L, E, 1, 4>(lanes, rows, queries, n, out),
        (_, true) => blocks::<L, E, 4, 4>(lanes, rows, queries, n, out),
        (_, false) => blocks::<L, E, 2, 2>(lanes, rows, queries, n, out),
    }
}

/// R rows at a time, Q queries at a time over them.
#[inline(always)]
fn blocks<L: Lanes, E: Element, const R: usize, const Q: usize>(
    lanes: L,
    rows: &[E],
    queries: &[&Query],
    n: usize,
    out: &mut [f32],
) {
    let dim = queries[0].dim;
    let mut row = 0;
    while row + R <= n {
        let mut group = [&rows[..0]; R];
        for r in 0..R {
            group[r] = &rows[(row + r) * dim..][..dim];
        }
        some::<L, E, R, Q>(lanes, &group, queries, n, row, out);
        row += R;
    }
    for row in row..n {
        some::<L, E, 1, Q>(lanes, &[&rows[row * dim..][..dim]], queries, n, row, out);
    }
}

/// These rows for all queries.
#[inline(always)]
fn some<L: Lanes, E: Element, const R: usize, const Q: usize>(
    lanes: L,
    rows: &[&[E]; R],
    queries: &[&Query],
    n: usize,
    row: usize,
    out: &mut [f32],
) {
    let (groups, rest) = queries.as_chunks::<Q>();
    // Each group of queries asks for its share of the rows that come, so that memory is never idle.
    let parts = queries.len().div_ceil(Q);
    for (g, group) in groups.iter().enumerate() {
        few::<L, E, R, Q>(lanes, rows, group, (g, parts), (g * Q, n, row), out);
    }
    // Q is four at most.
    let (last, first) = (groups.len(), groups.len() * Q);
    match *rest {
        [a] => few::<L, E, R, 1>(lanes, rows, &[a], (last, parts), (first, n, row), out),
        [a, b] => few::<L, E, R, 2>(lanes, rows, &[a, b], (last, parts), (first, n, row), out),
        [a, b, c] => few::<L, E, R, 3>(lanes, rows, &[a, b, c], (last, parts), (first, n, row), out),
        _ => {}
    }
}

/// These rows for queries from `first` on.
#[inline(always)]
fn few<L: Lanes, E: Element, const R: usize, const Q: usize>(
    lanes: L,
    rows: &[&[E]; R],
    queries: &[&Query; Q],
    (part, parts): (usize, usize),
    (first, n, row): (usize, usize, usize),
    out: &mut [f32],
) {
    let sums = match (parts, part) {
        (1, _) => products::<L, E, R, Q, R>(lanes, rows, queries, rows),
        (2, 0) if R == 4 => products::<L, E, R, Q, 2>(lanes, rows, queries, &[rows[0], rows[1]]),
        (2, _) if R == 4 => products::<L, E, R, Q, 2>(lanes, rows, queries, &[rows[R - 2], rows[R - 1]]),
        _ if part < R => products::<L, E, R, Q, 1>(lanes, rows, queries, &[rows[part]]),
        _ => products::<L, E, R, Q, 0>(lanes, rows, queries, &[]),
    };
    for (q, sums) in sums.iter().enumerate() {
        out[(first + q) * n + row..][..R].copy_from_slice(sums);
    }
}

/// The rows with these numbers for one query.
#[inline(always)]
pub(super) fn picked<L: Lanes, E: Element>(
    lanes: L,
    rows: &[E],
    query: &Query,
    picks: &[u32],
    out: &mut [f32],
) {
    const R: usize = 4;
    let dim = query.dim;
    let (groups, rest) = picks.as_chunks::<R>();
    let (out, out_rest) = out.as_chunks_mut::<R>();
    for (picks, out) in groups.iter().zip(out) {
        let mut group = [&rows[..0]; R];
        for r in 0..R {
            group[r] = &rows[picks[r] as usize * dim..][..dim];
        }
        [*out] = products::<L, E, R, 1, 0>(lanes, &group, &[query], &[]);
    }
    for (pick, out) in rest.iter().zip(out_rest) {
        let row = &rows[*pick as usize * dim..][..dim];
        [[*out]] = products::<L, E, 1, 1, 0>(lanes, &[row], &[query], &[]);
    }
}

/// The sums of R rows times Q queries; as it goes it asks for what comes behind the rows `ahead`.
///
/// Loops over indices and no closures: what is not inlined has not the machine's instructions.
#[inline(always)]
#[allow(clippy::needless_range_loop)]
fn products<L: Lanes, E: Element, const R: usize, const Q: usize, const A: usize>(
    lanes: L,
    rows: &[&[E]; R],
    queries: &[&Query; Q],
    ahead: &[&[E]; A],
) -> [[f32; R]; Q] {
    let (dim, whole) = (queries[0].dim, queries[0].dim / LANES);
    let mut vectors = [&[][..]; R];
    for r in 0..R {
        vectors[r] = &rows[r].as_chunks::<LANES>().0[..whole];
    }
    let mut coming = [&[][..]; A];
    for a in 0..A {
        coming[a] = &ahead[a].as_chunks::<LANES>().0[..whole];
    }
    let mut values = [&[][..]; Q];
    for q in 0..Q {
        values[q] = &queries[q].padded()[..whole];
    }
    let mut sums = [[lanes.zero(); R]; Q];
    for k in 0..whole {
        // Once a cache line.
        if (k * size_of::<[E; LANES]>()).is_multiple_of(64) {
            for a in 0..A {
                prefetch::ahead_of::<{ prefetch::ROWS }, _>(&coming[a][k]);
            }
        }
        let mut loaded = [lanes.zero(); R];
        for r in 0..R {
            loaded[r] = E::load(lanes, &vectors[r][k]);
        }
        for q in 0..Q {
            let query = lanes.load(&values[q][k]);
            for r in 0..R {
                sums[q][r] = lanes.fma(loaded[r], query, sums[q][r]);
            }
        }
    }
    if dim > whole * LANES {
        for r in 0..R {
            let rest = &rows[r][whole * LANES..];
            let mut padded = [E::zeroed(); LANES];
            padded[..rest.len()].copy_from_slice(rest);
            let row = E::load(lanes, &padded);
            for q in 0..Q {
                sums[q][r] = lanes.fma(row, lanes.load(&queries[q].padded()[whole]), sums[q][r]);
            }
        }
    }
    let mut out = [[0.0; R]; Q];
    for q in 0..Q {
        if R.is_multiple_of(4) {
            for r in (0..R).step_by(4) {
                let four = lanes.sums([sums[q][r], sums[q][r + 1], sums[q][r + 2], sums[q][r + 3]]);
                out[q][r..r + 4].copy_from_slice(&four);
            }
        } else {
            for r in 0..R {
                out[q][r] = lanes.sum(sums[q][r]);
            }
        }
    }
    out
}
