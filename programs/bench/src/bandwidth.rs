//! How fast this machine reads its memory: what bounds decoding, measured in the same run.

use std::{hint::black_box, thread, time::Instant};

/// Bytes that are read: far more than any cache holds.
const BYTES: usize = 1 << 30;
/// The best of so many readings counts.
const READINGS: usize = 20;

/// Bytes a second with so many threads.
pub(crate) fn measure(threads: usize) -> f64 {
    let data = vec![1u64; BYTES / size_of::<u64>()];
    let part = data.len() / threads.max(1);
    let read = || {
        let start = Instant::now();
        thread::scope(|scope| {
            for part in data.chunks(part.max(1)) {
                scope.spawn(move || black_box(sum(part)));
            }
        });
        BYTES as f64 / start.elapsed().as_secs_f64()
    };
    (0..READINGS).map(|_| read()).fold(0.0, f64::max)
}

/// In wide rows, so that many loads are under way at once.
fn sum(data: &[u64]) -> u64 {
    let mut sums = [0u64; 64];
    for row in data.as_chunks::<64>().0 {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum = sum.wrapping_add(*value));
    }
    sums.iter().fold(0, |all, sum| all.wrapping_add(*sum))
}
