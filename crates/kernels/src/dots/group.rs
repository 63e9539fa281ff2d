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
    // Few queries need many rows for enough independent sums; many need few, or the registers do not do.
    match (queries.len(), L::WIDE) {
        (1, true) => blocks::<L, E, 8, 1>(lanes, rows, queries, n, out),
        (2, true) => blocks::<L, E, 8, 2>(lanes, rows, queries, n, out),
        (_, true) => blocks::<L, E, 4, 4>(lanes, rows, queries, n, out),
        (1, false) => blocks::<L, E, 4, 1>(lanes, rows, queries, n, out),
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
        let group: [&[E]; R] = std::array::from_fn(
            #[inline(always)]
            |r| &rows[(row + r) * dim..][..dim],
        );
        some::<L, E, R, Q>(lanes, group, queries, n, row, out);
        row += R;
    }
    for row in row..n {
        some::<L, E, 1, Q>(lanes, [&rows[row * dim..][..dim]], queries, n, row, out);
    }
}

/// These rows for all queries.
#[inline(always)]
fn some<L: Lanes, E: Element, const R: usize, const Q: usize>(
    lanes: L,
    rows: [&[E]; R],
    queries: &[&Query],
    n: usize,
    row: usize,
    out: &mut [f32],
) {
    let (groups, rest) = queries.as_chunks::<Q>();
    for (g, group) in groups.iter().enumerate() {
        let sums = products::<L, E, R, Q>(lanes, rows, group, g == 0);
        for (q, sums) in sums.iter().enumerate() {
            out[(g * Q + q) * n + row..][..R].copy_from_slice(sums);
        }
    }
    for (q, query) in rest.iter().enumerate() {
        let q = groups.len() * Q + q;
        let [sums] = products::<L, E, R, 1>(lanes, rows, &[*query], q == 0);
        out[q * n + row..][..R].copy_from_slice(&sums);
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
    let of = |row: u32| &rows[row as usize * dim..][..dim];
    let (groups, rest) = picks.as_chunks::<R>();
    let (out, out_rest) = out.as_chunks_mut::<R>();
    for (picks, out) in groups.iter().zip(out) {
        [*out] = products::<L, E, R, 1>(lanes, picks.map(of), &[query], false);
    }
    for (pick, out) in rest.iter().zip(out_rest) {
        [[*out]] = products::<L, E, 1, 1>(lanes, [of(*pick)], &[query], false);
    }
}

/// The sums of R rows times Q queries; `ahead` asks for the rows that come.
#[inline(always)]
fn products<L: Lanes, E: Element, const R: usize, const Q: usize>(
    lanes: L,
    rows: [&[E]; R],
    queries: &[&Query; Q],
    ahead: bool,
) -> [[f32; R]; Q] {
    let whole = queries[0].dim / LANES;
    let vectors = rows.map(
        #[inline(always)]
        |row| &row.as_chunks::<LANES>().0[..whole],
    );
    let queries = queries.map(
        #[inline(always)]
        |query| query.padded(),
    );
    let values = queries.map(
        #[inline(always)]
        |query| &query[..whole],
    );
    let mut sums = [[lanes.zero(); R]; Q];
    for k in 0..whole {
        let mut loaded = [lanes.zero(); R];
        for r in 0..R {
            // Once a cache line.
            if ahead && (k * size_of::<[E; LANES]>()).is_multiple_of(64) {
                prefetch::ahead_of(&vectors[r][k]);
            }
            loaded[r] = E::load(lanes, &vectors[r][k]);
        }
        for q in 0..Q {
            let query = lanes.load(&values[q][k]);
            for r in 0..R {
                sums[q][r] = lanes.fma(loaded[r], query, sums[q][r]);
            }
        }
    }
    if queries[0].len() > whole {
        for r in 0..R {
            let rest = &rows[r][whole * LANES..];
            let mut padded = [E::zeroed(); LANES];
            padded[..rest.len()].copy_from_slice(rest);
            let row = E::load(lanes, &padded);
            for q in 0..Q {
                sums[q][r] = lanes.fma(row, lanes.load(&queries[q][whole]), sums[q][r]);
            }
        }
    }
    sums.map(
        #[inline(always)]
        |sums| {
            let mut out = [0.0; R];
            let (fours, rest) = sums.as_chunks::<4>();
            let (out_fours, out_rest) = out.as_chunks_mut::<4>();
            for (out, four) in out_fours.iter_mut().zip(fours) {
                *out = lanes.sums(*four);
            }
            for (out, one) in out_rest.iter_mut().zip(rest) {
                *out = lanes.sum(*one);
            }
            out
        },
    )
}
