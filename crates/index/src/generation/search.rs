//! Exact nearest neighbours: every row is scored. It is the oracle that anything faster is measured against.

use std::{cmp::Ordering, collections::BinaryHeap};

use super::Hit;
use crate::Rows;

/// Independent sums, so that the compiler can use vector registers.
const LANES: usize = 8;

/// The `k` rows with the largest dot product among those that pass, best first, equal ones by row.
pub(super) fn nearest(rows: Rows<'_>, query: &[f32], k: usize, passes: impl Fn(usize) -> bool) -> Vec<Hit> {
    // The worst of the best is on top. Its size is bounded by the rows, whatever k is.
    let mut best: BinaryHeap<Worst> = BinaryHeap::new();
    let mut vector = vec![0.0; query.len()];
    for row in 0..rows.len(query.len()) {
        rows.read(row, &mut vector);
        let candidate = Worst(Hit { row, score: cosine(&vector, query) });
        let full = best.len() >= k;
        // Rows that would not be kept need no look at the exclusions, which are the slow part. A NaN is never kept.
        if candidate.0.score.is_nan()
            || (full && best.peek().is_none_or(|worst| candidate >= *worst))
            || !passes(row)
        {
            continue;
        }
        if full {
            best.pop();
        }
        best.push(candidate);
    }
    best.into_sorted_vec().into_iter().map(|Worst(hit)| hit).collect()
}

/// The dot product of unit vectors; rounding may carry it a little beyond 1, which is cut off. NaN stays NaN.
fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0f32; LANES];
    let (a_lanes, b_lanes) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = a_lanes.remainder().iter().zip(b_lanes.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_lanes.zip(b_lanes) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    (sums.iter().sum::<f32>() + rest).clamp(-1.0, 1.0)
}

/// Orders hits from best to worst, so that a max-heap has the worst on top.
struct Worst(Hit);

impl Ord for Worst {
    fn cmp(&self, other: &Self) -> Ordering {
        other.0.score.total_cmp(&self.0.score).then(self.0.row.cmp(&other.0.row))
    }
}

impl PartialOrd for Worst {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Worst {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Worst {}
