//! The best of what was seen.

use std::{
    cmp::Ordering,
    collections::BinaryHeap,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

use crate::Hit;

/// At most `k` hits, the best of all that were offered: by score, then by row.
pub(super) struct Top {
    k: usize,
    /// The worst of them is on top.
    heap: BinaryHeap<Worst>,
}

impl Top {
    pub(super) fn new(k: usize) -> Self {
        Self { k, heap: BinaryHeap::new() }
    }

    /// The least score that could still be taken.
    pub(super) fn floor(&self) -> f32 {
        match self.heap.peek() {
            Some(worst) if self.heap.len() >= self.k => worst.0.score,
            _ => f32::NEG_INFINITY,
        }
    }

    /// Whether this hit would be taken. One without a number never is.
    pub(super) fn takes(&self, hit: Hit) -> bool {
        let better = |worst: &Worst| Worst(hit) < *worst;
        !hit.score.is_nan() && (self.heap.len() < self.k || self.heap.peek().is_some_and(better))
    }

    /// Takes a hit that it [takes](Self::takes).
    pub(super) fn put(&mut self, hit: Hit) {
        if self.heap.len() < self.k {
            self.heap.push(Worst(hit));
        } else if let Some(mut worst) = self.heap.peek_mut() {
            *worst = Worst(hit);
        }
    }

    /// The best of all of these, best first.
    pub(super) fn merge(k: usize, tops: impl Iterator<Item = Self>) -> Vec<Hit> {
        let mut all: Vec<Worst> = tops.flat_map(|top| top.heap.into_vec()).collect();
        all.sort_unstable();
        all.truncate(k);
        all.into_iter().map(|Worst(hit)| hit).collect()
    }
}

/// A score below which nothing is found any more, whichever thread it is seen by. It only rises.
pub(super) struct Floor(AtomicU32);

impl Floor {
    pub(super) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    pub(super) fn get(&self) -> f32 {
        match self.0.load(Relaxed) {
            0 => f32::NEG_INFINITY,
            rank => f32::from_bits(if rank >> 31 == 1 { rank ^ 1 << 31 } else { !rank }),
        }
    }

    pub(super) fn raise(&self, score: f32) {
        // Numbers rise as these whole numbers do.
        let bits = score.to_bits();
        let rank = if bits >> 31 == 0 { bits | 1 << 31 } else { !bits };
        self.0.fetch_max(rank, Relaxed);
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_only_rises() {
        let floor = Floor::new();
        assert_eq!(floor.get(), f32::NEG_INFINITY);
        let mut highest = f32::NEG_INFINITY;
        for score in [f32::NEG_INFINITY, -1.0, -1.5, -0.25, -0.0, 0.0, -3.0, 1e-40, 0.5, 0.25, 1.0] {
            floor.raise(score);
            highest = highest.max(score);
            assert_eq!(floor.get(), highest);
        }
    }

    #[test]
    fn keeps_the_best_in_any_order() {
        let hits: Vec<Hit> = (0..50).map(|row| Hit { row, score: (row * 7 % 10) as f32 }).collect();
        for k in [0, 1, 7, 50, 60] {
            let mut expected = hits.clone();
            expected.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.row.cmp(&b.row)));
            expected.truncate(k);
            let mut tops = [Top::new(k), Top::new(k)];
            for hit in hits.iter().rev() {
                let top = &mut tops[hit.row % 2];
                if top.takes(*hit) {
                    assert!(hit.score >= top.floor());
                    top.put(*hit);
                }
            }
            assert!(!tops[0].takes(Hit { row: 0, score: f32::NAN }));
            assert_eq!(Top::merge(k, tops.into_iter()), expected);
        }
    }
}
